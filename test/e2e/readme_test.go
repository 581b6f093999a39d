//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/test/recipe"
)

// TestReadmeTellsTheTruth runs its commands as they stand, on the default ports.
func TestReadmeTellsTheTruth(t *testing.T) {
	document := readDocument(t, "README.md")
	dir := folder(t)
	if err := os.WriteFile(filepath.Join(dir, "secret.txt"), []byte(freshSecret()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	faults, err := recipe.Run(t.Context(), document, recipe.Options{
		Dir: dir, Env: documentEnv(dir), Unshown: true, Ready: awaitService("127.0.0.1:8080"),
		Instead: func(command string) string {
			switch {
			case strings.HasPrefix(command, "make test"):
				return "" // this test is part of it
			case strings.HasPrefix(command, "make dev"):
				return "tokensvc dev --data dev >dev.log 2>&1 &"
			case strings.HasPrefix(command, "tokensvc serve"):
				return "kill %1; wait; " + command + " >serve.log 2>&1 &"
			}
			ran++
			return command
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
	if ran < 8 {
		t.Errorf("only %d commands ran; is the README read rightly?", ran)
	}
}

// readDocument reads a document by its path in the repository.
func readDocument(t *testing.T, path string) *recipe.Document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return recipe.Parse(path, string(text))
}

// folder returns one that has bin/tokensvc.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary(t), filepath.Join(dir, "bin", "tokensvc")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// documentEnv is the environment of a document's commands: tokensvc is on the PATH.
func documentEnv(dir string) []string {
	return append(cleanEnv(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
}

// awaitService returns what waits for the service at an HTTP address.
func awaitService(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		poll := time.NewTicker(50 * time.Millisecond)
		defer poll.Stop()
		for {
			if ready(ctx, address) {
				return nil
			}
			select {
			case <-poll.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func ready(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}
