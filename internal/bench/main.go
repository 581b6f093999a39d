package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

// errMissed tells that a goal was measured and not met.
var errMissed = errors.New("a goal is missed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err) // nothing is left to tell it to
		os.Exit(1)
	}
}

// run measures, or plays the part of a child process.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "a few short rounds, to see that everything runs; the figures are rough")
	only := flags.String("only", "", "only the lines whose name contains this text")
	profile := flags.String("profile", "", "write a CPU profile of the service to this file")
	binary := flags.String("binary", "bin/tokensvc", "the `path` of tokensvc, whose import is measured")
	part := flags.String("part", "", "internal: the part a child process plays, server or client")
	dir := flags.String("dir", "", "internal: where the server keeps its files")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch *part {
	case "server":
		return serve(ctx, in, out, *dir, *profile)
	case "client":
		return loadOnDemand(ctx, in, out)
	}
	b := bench{out: out, effort: thorough(), only: *only, profile: *profile, binary: *binary}
	if *quick {
		b.effort = brief()
	}
	return b.run(ctx)
}

// bench is one run.
type bench struct {
	out     io.Writer
	effort  effort
	only    string
	profile string
	binary  string
	missed  bool
}

func (b *bench) run(ctx context.Context) error {
	for _, group := range []struct {
		names   []string
		measure func(context.Context) error
	}{
		{names: []string{hdntsLine, hdntsAllocsLine}, measure: b.hdnts},
		{names: []string{qencodeLine, qencodeAllocsLine}, measure: b.qencode},
		{names: []string{sharedLine, sharedAllocsLine, onceLine}, measure: b.shared},
		{names: []string{grpcLine, httpLine, batchLine, rsaLine, grantLine, httpGrantLine, edgeLine, edgeQencodeLine, importLine}, measure: b.service},
		{names: []string{checkLine}, measure: b.check},
	} {
		if !b.wanted(group.names...) {
			continue
		}
		if err := group.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", group.names[0], err)
		}
	}
	if b.missed {
		return errMissed
	}
	return nil
}

func (b *bench) wanted(names ...string) bool {
	for _, name := range names {
		if strings.Contains(name, b.only) {
			return true
		}
	}
	return false
}

// goal is a bound on a measured figure.
type goal struct {
	sign  string
	bound float64
}

func atMost(bound float64) goal  { return goal{"<=", bound} }
func atLeast(bound float64) goal { return goal{">=", bound} }
func exactly(bound float64) goal { return goal{"=", bound} }

func (g goal) met(measured float64) bool {
	switch g.sign {
	case "<=":
		return measured <= g.bound
	case ">=":
		return measured >= g.bound
	default:
		return measured == g.bound
	}
}

func (g goal) String() string { return fmt.Sprintf("%s %g", g.sign, g.bound) }

// report prints one line.
func (b *bench) report(name string, measured float64, g goal, detail string, args ...any) error {
	verdict := "ok"
	if !g.met(measured) {
		verdict, b.missed = "FAIL", true
	}
	_, err := fmt.Fprintf(b.out, "%-34s %8.2f  goal %-8s %-4s  %s\n", name, measured, g, verdict, fmt.Sprintf(detail, args...))
	return err
}
