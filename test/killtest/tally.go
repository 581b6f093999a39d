package killtest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Outcome is what a run came to.
type Outcome struct {
	// Seed makes the run again, as far as moments can be made again.
	Seed       uint64
	Kind       Kind
	Provider   string
	Violations []string
	Kills      int
	// Signs were answered, Asked is how often an edge accepted a token, and Refused are the signs that were refused.
	Signs, Asked int
	Refused      map[string]int
	// Orphans are in quarantine in the end.
	Orphans int
	Took    time.Duration

	began time.Time
	mu    sync.Mutex
	lines []string
}

// Bounds of what is kept of a run, and shown of its violations.
const (
	maxLines = 5000
	maxShown = 20
)

func (o *Outcome) log(who, line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.lines) < maxLines {
		o.lines = append(o.lines, fmt.Sprintf("%7.3f %-8s %s", time.Since(o.began).Seconds(), who, line))
	}
}

func (o *Outcome) violation(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	o.log("run", "VIOLATION "+text)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Violations = append(o.Violations, text)
}

// write writes what happened, with the whole log where something was violated.
func (o *Outcome) write(w io.Writer, number int, verbose bool) error {
	var text strings.Builder
	fmt.Fprintf(&text, "run %d: seed %d, %s at %s: %d kills, %d signs, %d accepted, refused %v, %d in quarantine, %s\n",
		number, o.Seed, o.Kind, o.Provider, o.Kills, o.Signs, o.Asked, o.Refused, o.Orphans, o.Took.Round(100*time.Millisecond))
	if verbose || len(o.Violations) > 0 {
		for _, line := range o.lines {
			fmt.Fprintln(&text, "  "+line)
		}
	}
	for _, v := range o.Violations[:min(len(o.Violations), maxShown)] {
		fmt.Fprintf(&text, "VIOLATION in run %d, seed %d: %s\n", number, o.Seed, v)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// Tally sums outcomes up.
type Tally struct {
	Runs, Kills, Signs, Asked int
	Violations                int
	Refused                   map[string]int
}

// String is the last line of a test.
func (t Tally) String() string {
	return fmt.Sprintf("kill: %d runs, %d violations", t.Runs, t.Violations)
}

// Detail says how much happened.
func (t Tally) Detail() string {
	refused := make([]string, 0, len(t.Refused))
	for _, reason := range slices.Sorted(maps.Keys(t.Refused)) {
		refused = append(refused, fmt.Sprintf("%s %d", reason, t.Refused[reason]))
	}
	return fmt.Sprintf("%d kills, %d tokens signed, %d times accepted; signs refused: %s", t.Kills, t.Signs, t.Asked, strings.Join(refused, ", "))
}

func (t *Tally) add(o *Outcome) {
	t.Runs++
	t.Kills, t.Signs, t.Asked = t.Kills+o.Kills, t.Signs+o.Signs, t.Asked+o.Asked
	t.Violations += len(o.Violations)
	for reason, n := range o.Refused {
		t.Refused[reason] += n
	}
}

// Runs says what to run.
type Runs struct {
	// Binary is the path of tokensvc, Dir an empty folder to work in.
	Binary, Dir string
	// Count is how many runs there are, Parallel how many at once.
	Count, Parallel int
	// Seed is that of the first run; each has the next. The kinds take turns with the seeds.
	Seed uint64
	// Out is told of every run as it ends, and with Verbose of all that happened in it.
	Out     io.Writer
	Verbose bool
}

// All makes all runs. The error says that ctx ended it, or that it could not go on.
func All(ctx context.Context, what Runs) (Tally, error) {
	tally := Tally{Refused: map[string]int{}}
	var mu sync.Mutex
	var failed error
	var wait sync.WaitGroup
	places := make(chan struct{}, what.Parallel)
	for i := range what.Count {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			if ctx.Err() != nil {
				return
			}
			outcome, err := inFolder(ctx, what, uint64(i)) //nolint:gosec // a count is not negative
			mu.Lock()
			defer mu.Unlock()
			if err == nil && ctx.Err() == nil {
				tally.add(outcome)
				err = outcome.write(what.Out, i+1, what.Verbose)
			}
			if failed == nil {
				failed = err
			}
		})
	}
	wait.Wait()
	if failed == nil {
		failed = ctx.Err()
	}
	return tally, failed
}

// inFolder makes a run in a folder of its own, which stays if something was violated.
func inFolder(ctx context.Context, what Runs, i uint64) (*Outcome, error) {
	dir := filepath.Join(what.Dir, fmt.Sprintf("run-%d", i+1))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	outcome := one(ctx, what.Binary, dir, what.Seed+i)
	if len(outcome.Violations) > 0 {
		return outcome, nil
	}
	return outcome, os.RemoveAll(dir)
}
