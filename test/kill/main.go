// Command kill rotates keys with the real binary, as two processes on one SQLite file, and kills them at random
// moments. It ends with the line
//
//	kill: N runs, M violations
//
// and with a non-zero status unless M is 0. A run with a violation is printed with its seed and its whole log;
// -runs 1 -seed SEED makes it again.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/tokensvc/tokensvc/test/killtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status) //nolint:forbidigo // main returns the status to the system
}

func run(ctx context.Context, args []string, out, diagnostics io.Writer) int {
	flags := flag.NewFlagSet("kill", flag.ContinueOnError)
	flags.SetOutput(diagnostics)
	program := flags.String("binary", "bin/tokensvc", "the `path` of tokensvc")
	runs := flags.Int("runs", 200, "how many `runs`")
	parallel := flags.Int("parallel", 16, "how many `runs` at once")
	seed := flags.Uint64("seed", 0, "the `seed` of the first run; 0 draws one")
	verbose := flags.Bool("verbose", false, "print the log of every run")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *runs < 1 || *parallel < 1 || flags.NArg() > 0 {
		_, _ = fmt.Fprintln(diagnostics, "want at least one run, one at once, and no arguments")
		return 2
	}
	if *seed == 0 {
		*seed = drawn()
	}
	tally, err := all(ctx, killtest.Runs{Binary: *program, Count: *runs, Parallel: *parallel, Seed: *seed, Out: out, Verbose: *verbose})
	if err != nil {
		_, _ = fmt.Fprintln(diagnostics, err)
	}
	_, _ = fmt.Fprintln(out, tally.Detail())
	_, _ = fmt.Fprintln(out, tally)
	if err != nil || tally.Violations > 0 || tally.Runs != *runs {
		return 1
	}
	return 0
}

// all makes the runs in a folder that stays only if something was violated.
func all(ctx context.Context, what killtest.Runs) (tally killtest.Tally, err error) {
	if what.Dir, err = os.MkdirTemp("", "kill-"); err != nil {
		return tally, err
	}
	tally, err = killtest.All(ctx, what)
	if tally.Violations > 0 {
		_, printErr := fmt.Fprintln(what.Out, "the stores are in", what.Dir)
		return tally, errors.Join(err, printErr)
	}
	return tally, errors.Join(err, os.RemoveAll(what.Dir))
}

// drawn returns a random seed.
func drawn() uint64 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, and fills b
	return uint64(binary.LittleEndian.Uint32(b[:])) + 1
}
