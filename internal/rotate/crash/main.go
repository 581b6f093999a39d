// Command crash runs the executor of package rotate through a world in which it dies at any point and its
// provider answers in any way, and counts what must never happen. Its adapters speak HTTP with the sandbox's
// stand-ins, and its store is an SQLite file. It ends with the line
//
//	crash: N runs, M violations
//
// or, with -mutations, which drops one rule after the other to show that the world can tell,
//
//	mutations: N of N caught
//
// and with a non-zero status unless M is 0 or all were caught. A violation is printed with the plan of its run;
// -replay takes the plan, runs it alone and tells every step.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"

	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest/overhttp"
)

// standardRuns is how many runs the scenarios are laid out for; fewer are a sample of them.
const standardRuns = 10_000

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status) //nolint:forbidigo // main returns the status to the system
}

// options are the flags.
type options struct {
	runs, workers        int
	seed                 uint64
	simulated, mutations bool
	replay               string
}

func run(ctx context.Context, args []string, out, diagnostics io.Writer) int {
	var o options
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.SetOutput(diagnostics)
	flags.IntVar(&o.runs, "runs", standardRuns, "how many `runs`")
	flags.Uint64Var(&o.seed, "seed", 1, "the `seed` of the random ones")
	flags.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "how many `workers` at once")
	flags.BoolVar(&o.simulated, "simulated", false, "providers and store in memory, without HTTP and SQLite: for a quick answer")
	flags.BoolVar(&o.mutations, "mutations", false, "drop one rule after the other instead, and expect each to be noticed")
	flags.StringVar(&o.replay, "replay", "", "run one `plan` instead, as a violation was printed with, and log its steps")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if o.runs < 1 || o.workers < 1 || flags.NArg() > 0 {
		_, _ = fmt.Fprintln(diagnostics, "crash: want at least one run and one worker, and no arguments besides flags")
		return 2
	}
	world, err := newWorld(ctx, o)
	if err != nil {
		_, _ = fmt.Fprintln(diagnostics, "crash:", err)
		return 2
	}
	var ok bool
	switch {
	case o.mutations:
		ok = mutate(ctx, world, out)
	case o.replay != "":
		ok, err = replay(ctx, world, o.replay, out, diagnostics)
	default:
		ok, err = crash(ctx, world, o, out, diagnostics)
	}
	if err = errors.Join(err, world.close()); err != nil {
		_, _ = fmt.Fprintln(diagnostics, "crash:", err)
		return 2
	}
	if !ok || ctx.Err() != nil {
		return 1
	}
	return 0
}

// world is what scenarios run in.
type world struct {
	suite   rotatetest.Suite
	runners []rotatetest.Runner
	close   func() error
}

func newWorld(ctx context.Context, o options) (*world, error) {
	workers := o.workers
	if o.mutations || o.replay != "" {
		workers = 1
	}
	if o.simulated {
		return &world{
			suite: rotatetest.InMemory(), runners: slices.Repeat([]rotatetest.Runner{rotatetest.Run}, workers), close: func() error { return nil },
		}, nil
	}
	rigs, err := overhttp.OpenAll(ctx, workers)
	if err != nil {
		return nil, err
	}
	return &world{suite: overhttp.Suite(), runners: rigs.Runners(), close: rigs.Close}, nil
}

func crash(ctx context.Context, w *world, o options, out, diagnostics io.Writer) (ok bool, err error) {
	suite, err := w.suite.Measured(ctx, w.runners[0])
	if err != nil {
		return false, err
	}
	scenarios := rotatetest.Spread(suite.Mixed(max(o.runs, standardRuns), o.seed), o.runs)
	tally := rotatetest.RunAll(ctx, scenarios, o.runs, w.runners, func(t rotatetest.Tally) {
		if t.Runs%max(o.runs/20, 1) == 0 {
			_, _ = fmt.Fprintf(diagnostics, "%d of %d runs, %d violations\n", t.Runs, o.runs, t.Violations)
		}
	})
	return report(tally, out), nil
}

// replay runs one plan.
func replay(ctx context.Context, w *world, plan string, out, diagnostics io.Writer) (ok bool, err error) {
	s, err := rotatetest.ParseScenario(plan)
	if err != nil {
		return false, err
	}
	s.Log = slog.New(slog.NewTextHandler(diagnostics, &slog.HandlerOptions{Level: slog.LevelDebug}))
	one := func(yield func(rotatetest.Scenario) bool) { yield(s) }
	return report(rotatetest.RunAll(ctx, one, 1, w.runners, nil), out), nil
}

func report(tally rotatetest.Tally, out io.Writer) (ok bool) {
	for _, v := range tally.First {
		_, _ = fmt.Fprintln(out, v)
	}
	_, _ = fmt.Fprintf(out, "crash: %d runs, %d violations\n", tally.Runs, tally.Violations)
	return tally.Violations == 0
}

func mutate(ctx context.Context, w *world, out io.Writer) (ok bool) {
	mutants := w.suite.Mutants()
	caught := 0
	for _, m := range mutants {
		why := m.Caught(ctx, w.runners[0])
		if why == "" {
			_, _ = fmt.Fprintf(out, "%s %s, %s: nobody noticed\n", m.Subject.Kind, m.Subject.Provider, m.Mutation)
			continue
		}
		caught++
		_, _ = fmt.Fprintln(out, why)
	}
	_, _ = fmt.Fprintf(out, "mutations: %d of %d caught\n", caught, len(mutants))
	return caught == len(mutants)
}
