package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tokensvc": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			code := run(ctx, os.Args[1:], system{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()})
			stop()
			os.Exit(code)
		},
	})
}

// TestScripts runs the commands as testdata/*.txtar shows them: output, stderr and exit codes.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "freeaddr": freeaddr(), "ready": ready, "capture": capture},
	})
}

// capture sets a variable to what the group of a pattern finds in the last output: capture NAME PATTERN.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME PATTERN")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	found := pattern.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("%s is not in the last output, or has no group", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// exits runs a command and checks its exit code: exits CODE COMMAND….
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		got = failed.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%v exited with %d, want %d", args[1:], got, want)
	}
}

// TestTheExamplesOfTheDocumentRun holds docs/token-jsonl.md to what token_jsonl.txtar executes.
func TestTheExamplesOfTheDocumentRun(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/token-jsonl.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/token_jsonl.txtar")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		examples++
		if !strings.Contains(string(script), "\n"+line) {
			t.Errorf("not run: %s", line)
		}
	}
	if examples < 10 {
		t.Errorf("only %d examples", examples)
	}
}
