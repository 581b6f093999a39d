//go:build unix

package envelope_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
)

func openFile(t *testing.T, path string, wanted ...string) (*envelope.KeyFile, bool) {
	t.Helper()
	f, created, err := envelope.OpenKeyFile(path, wanted)
	if err != nil {
		t.Fatal(err)
	}
	return f, created
}

func ids(t *testing.T, f *envelope.KeyFile) []string {
	t.Helper()
	keys, err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	return keys.IDs()
}

func TestKeyFileFirstStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	f, created := openFile(t, path)
	if !created {
		t.Fatal("not created")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	again, created := openFile(t, path, "mk-any")
	if created || !slices.Equal(ids(t, again), ids(t, f)) {
		t.Fatalf("created %v: %v, before %v", created, ids(t, again), ids(t, f))
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
}

func TestKeyFileMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	_, _, err := envelope.OpenKeyFile(path, []string{"mk-1a2b3c4d", "old"})
	if !errors.Is(err, keystore.ErrUnknownMasterKey) || !strings.Contains(err.Error(), "mk-1a2b3c4d, old") || !strings.Contains(err.Error(), path) {
		t.Fatalf("got %v; want an error that names the keys and the file", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a file was made: %v", err)
	}
	if _, _, err := envelope.OpenKeyFile(filepath.Join(path, "in", "no", "dir"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no directory: %v", err)
	}
	if _, err := envelope.AddKey(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("AddKey to a file that is not there: %v", err)
	}
}

func TestKeyFileOpenToOthers(t *testing.T) {
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o644, 0o610, 0o601} {
		path := filepath.Join(t.TempDir(), "master.key")
		openFile(t, path)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, wanted := range [][]string{nil, {"mk-any"}} {
			_, _, err := envelope.OpenKeyFile(path, wanted)
			if err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("mode %v: %v; want an error that names the chmod", mode, err)
			}
		}
		if _, err := envelope.AddKey(path); err == nil {
			t.Errorf("mode %v: AddKey took it", mode)
		}
	}
	if _, _, err := envelope.OpenKeyFile(t.TempDir(), nil); err == nil {
		t.Error("a directory is no key file")
	}
}

func TestKeyFileMalformedIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	for _, text := range []string{"", "# only a comment\n", "rubbish"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := envelope.OpenKeyFile(path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v; want an error that names the file", text, err)
		}
		if _, err := envelope.AddKey(path); err == nil {
			t.Errorf("%q: AddKey took it", text)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q was changed, to %d bytes; %v", text, len(got), err)
		}
	}
}

// TestAddKeyWhileServing: an envelope that is in use seals under a key that another process adds, and
// opens what that process sealed.
func TestAddKeyWhileServing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	f, _ := openFile(t, path)
	first := ids(t, f)[0]
	serving := newEnvelope(t, f)
	place := keystore.Binding{Target: "event", Version: 1}
	before, err := serving.Seal(place, tokens.NewSecret([]byte("before")))
	if err != nil {
		t.Fatal(err)
	}

	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	second, err := envelope.AddKey(link)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := openFile(t, path)
	if got := ids(t, other); !slices.Equal(got, []string{second, first}) {
		t.Fatalf("ids %v, want the new one first", got)
	}
	moved, changed, err := newEnvelope(t, other).Rewrap(place, before)
	if err != nil || !changed {
		t.Fatalf("Rewrap: %v, %v", changed, err)
	}
	if _, err := serving.Open(place, moved); err != nil {
		t.Fatalf("the serving envelope does not find the new key: %v", err)
	}
	after, err := serving.Seal(place, tokens.NewSecret([]byte("after")))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := envelope.MasterKeyID(after); err != nil || id != second {
		t.Fatalf("sealed under %q, %v; want the new key %q", id, err, second)
	}
	if id, err := serving.CurrentID(); err != nil || id != second {
		t.Fatalf("CurrentID %q, %v", id, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Fatalf("the link is gone: %v, %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "# Master keys") {
		t.Fatalf("the comments are gone: %v", err)
	}

	// While the file cannot be read nothing is sealed, and what is known still opens.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := serving.Seal(place, tokens.NewSecret([]byte("late"))); err == nil {
		t.Fatal("sealed without a master key file")
	}
	if _, err := serving.Open(place, before); err != nil {
		t.Fatal(err)
	}
}

func TestAddKeyInParallel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	f, _ := openFile(t, path)
	const n = 20
	added := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id, err := envelope.AddKey(path)
			if err != nil {
				t.Error(err)
			}
			added[i] = id
			if _, err := f.Load(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := ids(t, f)
	for _, id := range added {
		if !slices.Contains(got, id) {
			t.Errorf("key %s is lost", id)
		}
	}
	for range envelope.MaxMasterKeys - len(got) {
		if _, err := envelope.AddKey(path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := envelope.AddKey(path); err == nil {
		t.Fatal("one key over the bound was added, and nobody could read the file again")
	}
	if got := ids(t, f); len(got) != envelope.MaxMasterKeys {
		t.Fatalf("%d keys", len(got))
	}
}

// helper names the part that a copy of the test binary plays, and its file.
const (
	helperEnv = "ENVELOPE_TEST_HELPER"
	fileEnv   = "ENVELOPE_TEST_FILE"
	ready     = "ready"
)

func TestMain(m *testing.M) {
	helper := os.Getenv(helperEnv)
	if helper == "" {
		os.Exit(m.Run())
	}
	if err := help(os.Stdout, helper, os.Getenv(fileEnv)); err != nil {
		panic(err)
	}
}

// help makes a key file, or adds keys until it is killed, and writes what the file has for certain.
func help(w io.Writer, helper, path string) error {
	if _, err := fmt.Fprintln(w, ready); err != nil {
		return err
	}
	if helper == "create" {
		f, _, err := envelope.OpenKeyFile(path, nil)
		if err != nil {
			return err
		}
		keys, err := f.Load()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, keys.IDs()[0])
		return err
	}
	for {
		id, err := envelope.AddKey(path)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, id); err != nil {
			return err
		}
	}
}

// runHelper runs a helper, kills it when it has been at work for some time and returns the ids that it
// acknowledged.
func runHelper(t *testing.T, helper, path string, life time.Duration) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+helper, fileEnv+"="+path, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != ready {
		t.Fatal("the helper did not start")
	}
	timer := time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
	for lines.Scan() {
		acknowledged = append(acknowledged, lines.Text())
	}
	_ = cmd.Wait() // killed, or done
	timer.Stop()
	return acknowledged
}

// TestKilled: a file that is being made or changed when its process is killed is the old one or the new
// one, and has every key that was acknowledged.
func TestKilled(t *testing.T) {
	made := 0
	for i := range 25 {
		path := filepath.Join(t.TempDir(), "master.key")
		acknowledged := runHelper(t, "create", path, time.Duration(i)*200*time.Microsecond)
		f, created := openFile(t, path)
		if !created {
			made++
		}
		if len(acknowledged) > 0 && acknowledged[0] != ids(t, f)[0] {
			t.Fatalf("acknowledged %v, found %v", acknowledged, ids(t, f))
		}
	}
	t.Logf("%d of 25 files were made before the kill", made)

	for range 10 {
		path := filepath.Join(t.TempDir(), "master.key")
		f, _ := openFile(t, path)
		acknowledged := runHelper(t, "add", path, rand.N(50*time.Millisecond))
		got := ids(t, f)
		for _, id := range acknowledged {
			if !slices.Contains(got, id) {
				t.Fatalf("acknowledged key %s is lost", id)
			}
		}
		if len(got) > len(acknowledged)+2 { // the first, and one that was not acknowledged any more
			t.Fatalf("%d keys of %d acknowledged", len(got), len(acknowledged))
		}
	}
}

// TestTwoFirstStarts: of processes that start together on an empty store all get the same key.
func TestTwoFirstStarts(t *testing.T) {
	for range 5 {
		path := filepath.Join(t.TempDir(), "master.key")
		got := make([][]string, 4)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() { got[i] = runHelper(t, "create", path, time.Minute) })
		}
		wg.Wait()
		for _, one := range got {
			if len(one) != 1 || one[0] != got[0][0] {
				t.Fatalf("keys %v; want one and the same", got)
			}
		}
	}
}
