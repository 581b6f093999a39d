//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// step is one command of a document and what it shows below it; nothing shown is not compared.
type step struct{ command, shown string }

// steps reads the console blocks of a document.
func steps(document string) []step {
	var all []step
	inside := false
	for line := range strings.Lines(document) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside && strings.HasPrefix(line, "$ "):
			all = append(all, step{command: line[2:]})
		case inside && len(all) > 0:
			all[len(all)-1].shown += line + "\n"
		}
	}
	return all
}

func TestReadmeTellsTheTruth(t *testing.T) {
	document, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // has bin/tokensvc, secret.txt, and tokensvc on the PATH
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary(t), filepath.Join(dir, "bin", "tokensvc")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret.txt"), []byte(freshSecret()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var server *process
	ran := 0
	for _, s := range steps(string(document)) {
		switch {
		case s.command == "make test" || strings.HasPrefix(s.command, "make test "):
			continue // this test is part of it
		case strings.HasPrefix(s.command, "make dev"):
			server = start(t, nil, "dev", "--data", filepath.Join(dir, "dev"))
			awaitReady(t, dir)
			continue
		case strings.HasPrefix(s.command, "tokensvc serve"):
			server.stop(t)
			server = start(t, nil, append(strings.Fields(s.command)[1:2], "--store-path", filepath.Join(dir, "tokensvc.db"))...)
			awaitReady(t, dir)
			continue
		}
		out := shell(t, dir, s.command)
		if s.shown != "" {
			if diff := cmp.Diff(normalise(s.shown), normalise(out)); diff != "" {
				t.Errorf("$ %s shows something else (-README +now):\n%s", s.command, diff)
			}
		}
		ran++
	}
	if ran < 8 {
		t.Errorf("only %d commands ran; is the README read rightly?", ran)
	}
}

// awaitReady waits for the service on its default port.
func awaitReady(t *testing.T, dir string) {
	t.Helper()
	await(t, func() bool {
		cmd := exec.CommandContext(t.Context(), "curl", "-sf", "http://127.0.0.1:8080/readyz")
		cmd.Dir = dir
		return cmd.Run() == nil
	})
}

func shell(t *testing.T, dir, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(cleanEnv(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("$ %s: %v\n%s%s", command, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// normalise replaces what differs from run to run: times, ids, hex and the width of columns.
func normalise(s string) string {
	for _, r := range []struct{ pattern, to string }{
		{`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`, "TIME"},
		{`\(in [0-9hms.]+\)`, "(in SPAN)"},
		{`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, "UUID"},
		{`\b[0-9a-f]{12,}\b`, "HEX"},
		{`exp=[0-9]+`, "exp=N"},
		{`[ \t]+`, " "},
	} {
		s = regexp.MustCompile(r.pattern).ReplaceAllString(s, r.to)
	}
	return strings.TrimSpace(s)
}
