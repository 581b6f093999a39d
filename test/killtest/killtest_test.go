package killtest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTroubleComesOutOfItsSeed: a run that is made again has the same plan, and every run has a kill that does not
// depend on what the provider sees.
func TestTroubleComesOutOfItsSeed(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(300) {
		e := exhibitOf([]Kind{Minter, Setter, Pair}[seed%3], seed%2 == 0)
		plan := func() (lines []string) {
			drawn := drawTrouble(rand.New(rand.NewPCG(seed, 0)), &e)
			if first := drawn.blows[0]; first.event != 0 || first.after >= striking {
				t.Errorf("seed %d begins with %s", seed, first)
			}
			for _, b := range drawn.blows {
				seen[b.victim.String()]++
				if b.event > 0 {
					seen["at a change"]++
				}
			}
			for _, r := range drawn.rules {
				seen[r.Call]++
			}
			drawn.tell(func(_, line string) { lines = append(lines, line) })
			return lines
		}
		if diff := cmp.Diff(plan(), plan()); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
	for _, want := range []string{"sync", "serve", "serve and sync", "at a change", "create signing key", "patch target", "set auth key", "get target"} {
		if seen[want] == 0 {
			t.Errorf("no run has %q: %v", want, seen)
		}
	}
}

// TestLinesAreWhole: what a process prints is cut into lines wherever its writes end.
func TestLinesAreWhole(t *testing.T) {
	var got []string
	l := &lines{each: func(line string) { got = append(got, line) }}
	for _, part := range []string{"one\ntw", "o\n", "", "\nthree\nfo"} {
		if n, err := l.Write([]byte(part)); err != nil || n != len(part) {
			t.Fatal(n, err)
		}
	}
	if want := []string{"one", "two", "", "three"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestOutcomeTellsWhatWentWrong: a violation brings the log of its run with it, and counts.
func TestOutcomeTellsWhatWentWrong(t *testing.T) {
	tally := Tally{Refused: map[string]int{}}
	var out strings.Builder
	good, bad := &Outcome{Seed: 1, Kind: Setter}, &Outcome{Seed: 2, Kind: Pair, Refused: map[string]int{"KEY_CUTOVER": 3}}
	good.log("world", "nothing happened")
	bad.log("world", "something happened")
	bad.violation("%d keys are active", 2)
	for i, o := range []*Outcome{good, bad} {
		tally.add(o)
		if err := o.write(&out, i+1, false); err != nil {
			t.Fatal(err)
		}
	}
	text := out.String()
	if strings.Contains(text, "nothing happened") || !strings.Contains(text, "something happened") || !strings.Contains(text, "VIOLATION in run 2, seed 2: 2 keys are active\n") {
		t.Errorf("it says:\n%s", text)
	}
	if tally.String() != "kill: 2 runs, 1 violations" || !strings.Contains(tally.Detail(), "KEY_CUTOVER 3") {
		t.Errorf("%s; %s", tally.Detail(), tally)
	}
}
