// Command crash runs the executor of package rotate through a world in which it dies at any point and its
// provider answers in any way, and counts what must never happen. It ends with the line
//
//	crash: N runs, M violations
//
// or, with -mutations, which drops one rule after the other to show that the world can tell,
//
//	mutations: N of N caught
//
// and with a non-zero status unless M is 0 or all were caught.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"runtime"

	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status) //nolint:forbidigo // main returns the status to the system
}

func run(ctx context.Context, args []string, out, diagnostics io.Writer) int {
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.SetOutput(diagnostics)
	runs := flags.Int("runs", 10_000, "how many `runs`")
	seed := flags.Uint64("seed", 1, "the `seed` of the random ones")
	workers := flags.Int("workers", runtime.GOMAXPROCS(0), "how many `workers` at once")
	file := flags.Bool("sqlite", false, "keep every run's store in an SQLite file instead of in memory")
	mutations := flags.Bool("mutations", false, "drop one rule after the other instead, and expect each to be noticed")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *mutations {
		return mutate(ctx, out)
	}
	scenarios := rotatetest.Mixed(*runs, *seed)
	if *file {
		scenarios = inFiles(scenarios)
	}
	tally := rotatetest.RunAll(ctx, scenarios, *runs, *workers)
	for _, v := range tally.First {
		_, _ = fmt.Fprintln(out, v)
	}
	_, _ = fmt.Fprintf(out, "crash: %d runs, %d violations\n", tally.Runs, tally.Violations)
	if tally.Violations > 0 || ctx.Err() != nil {
		return 1
	}
	return 0
}

// inFiles gives every scenario a store in a file.
func inFiles(scenarios iter.Seq[rotatetest.Scenario]) iter.Seq[rotatetest.Scenario] {
	return func(yield func(rotatetest.Scenario) bool) {
		for s := range scenarios {
			s.Open = rotatetest.SQLite
			if !yield(s) {
				return
			}
		}
	}
}

func mutate(ctx context.Context, out io.Writer) int {
	mutants := rotatetest.Mutants()
	caught := 0
	for _, m := range mutants {
		why := m.Caught(ctx)
		if why == "" {
			_, _ = fmt.Fprintf(out, "%s, %s: nobody noticed\n", m.Kind, m.Mutation)
			continue
		}
		caught++
		_, _ = fmt.Fprintln(out, why)
	}
	_, _ = fmt.Fprintf(out, "mutations: %d of %d caught\n", caught, len(mutants))
	if caught < len(mutants) {
		return 1
	}
	return 0
}
