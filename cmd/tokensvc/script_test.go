package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tokensvc": func() {
			os.Exit(run(context.Background(), os.Args[1:], system{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}))
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
	})
}
