package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
)

// The test binary runs itself as another process, with the part it plays and its file in these.
const (
	helperEnv = "SQLITE_TEST_HELPER"
	fileEnv   = "SQLITE_TEST_FILE"
	fenceEnv  = "SQLITE_TEST_FENCE"
	ready     = "ready"
)

// crashTarget is the target that helpers change.
const crashTarget = "event"

func TestMain(m *testing.M) {
	helper := os.Getenv(helperEnv)
	if helper == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := runHelper(os.Stdout, helper, os.Getenv(fileEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runHelper(w io.Writer, helper, path string) error {
	if _, err := fmt.Fprintln(w, ready); err != nil {
		return err
	}
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, sqlite.Options{Now: time.Now})
	if err != nil {
		return err
	}
	switch helper {
	case "open":
		_, err := fmt.Fprintln(w, "open")
		return errors.Join(err, s.Close())
	case "import": // adds keys and says so, until it is killed
		return importKeys(ctx, w, s, 1<<30)
	case "append": // adds keys under a lease that the other process has taken
		fence, err := strconv.ParseInt(os.Getenv(fenceEnv), 10, 64)
		if err != nil {
			return err
		}
		if err := appendKeys(ctx, s, keystore.Fence(fence)); err != nil {
			return err
		}
		return s.Close()
	case "once": // waits for a line, then changes the target once
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
			return err
		}
		if err := importKeys(ctx, w, s, 1); err != nil {
			return err
		}
		return s.Close()
	default:
		return fmt.Errorf("unknown helper %q", helper)
	}
}

// importKeys adds n keys, activates each and destroys old ones, as imports and rotations do. It writes
// the version of each key that the store has acknowledged.
func importKeys(ctx context.Context, w io.Writer, s *sqlite.Store, n int) error {
	for range n {
		fence, err := s.Lease(ctx, crashTarget, "helper-"+strconv.Itoa(os.Getpid()), time.Minute)
		if err != nil {
			return err
		}
		r, err := s.Update(ctx, crashTarget, fence, func(r *keystore.Record) error {
			k := r.Add(keystore.Key{Sealed: []byte("sealed"), Fingerprint: "f"}, time.Now())
			version := k.Version
			if err := r.Activate(version, time.Now(), keystore.DefaultTiming()); err != nil {
				return err
			}
			if old := version - 3; old >= 1 {
				if err := r.Retire(old, true, time.Now(), keystore.DefaultTiming()); err != nil {
					return err
				}
			}
			if old := version - 4; old >= 1 {
				return r.Destroy(old, true, time.Now())
			}
			return nil
		})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, r.Keys[len(r.Keys)-1].Version); err != nil {
			return err
		}
		if err := s.Release(ctx, crashTarget, fence); err != nil {
			return err
		}
	}
	return nil
}

const appends = 50

func appendKeys(ctx context.Context, s *sqlite.Store, fence keystore.Fence) error {
	for range appends {
		_, err := s.Update(ctx, crashTarget, fence, func(r *keystore.Record) error {
			r.Add(keystore.Key{}, time.Now())
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// process is a running helper.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	in    io.WriteCloser
}

// startHelper starts a helper and returns when it is about to begin.
func startHelper(t *testing.T, helper, path string, env ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+helper, fileEnv+"="+path, "GORACE=atexit_sleep_ms=0")
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, lines: bufio.NewScanner(out), in: in}
	if !p.lines.Scan() || p.lines.Text() != ready {
		t.Fatalf("helper %s did not start", helper)
	}
	return p
}

// killAfter kills the helper, unless it has ended well by then, and returns all that it printed.
func (p *process) killAfter(t *testing.T, life time.Duration) []string {
	t.Helper()
	timer := time.AfterFunc(life, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	var lines []string
	for p.lines.Scan() {
		lines = append(lines, p.lines.Text())
	}
	_ = p.cmd.Wait() // says that it was killed
	if code := p.cmd.ProcessState.ExitCode(); code > 0 {
		t.Fatalf("the helper failed by itself: exit code %d", code)
	}
	return lines
}

// finish waits for the helper to end by itself.
func (p *process) finish(t *testing.T) {
	t.Helper()
	for p.lines.Scan() {
		continue
	}
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("helper: %v", err)
	}
}
