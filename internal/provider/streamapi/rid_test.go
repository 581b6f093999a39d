package streamapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider/streamapi"
)

func clockAt(ms int64) func() time.Time { return func() time.Time { return time.UnixMilli(ms) } }

func openRIDs(t *testing.T, name string, now func() time.Time) *streamapi.FileRIDs {
	t.Helper()
	k, err := streamapi.OpenFileRIDs(name, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func next(t *testing.T, k *streamapi.FileRIDs) int64 {
	t.Helper()
	var got int64
	if err := k.Do(t.Context(), func(rid int64) error { got = rid; return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRIDsFollowTheClockAndNeverFallBack(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rid")
	ms := int64(1_284_000_000_000)
	k := openRIDs(t, name, func() time.Time { return time.UnixMilli(ms) })
	want := func(rid int64) {
		t.Helper()
		if got := next(t, k); got != rid {
			t.Errorf("rid %d, want %d", got, rid)
		}
	}
	want(1_284_000_000_000)
	want(1_284_000_000_001)
	ms += 5000
	want(1_284_000_005_000)
	ms -= 3_600_000
	want(1_284_000_005_001)
	if err := k.Raise(t.Context(), 1_284_000_900_000); err != nil {
		t.Fatal(err)
	}
	if err := k.Raise(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	want(1_284_000_900_001)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if err := k.Do(t.Context(), func(int64) error { return nil }); !errors.Is(err, streamapi.ErrNoRID) {
		t.Errorf("after Close: %v, want ErrNoRID", err)
	}
	k = openRIDs(t, name, clockAt(1))
	want(1_284_000_900_002)
	if err := k.Raise(t.Context(), math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	if err := k.Do(t.Context(), func(int64) error { return nil }); !errors.Is(err, streamapi.ErrNoRID) {
		t.Errorf("past the largest: %v, want ErrNoRID", err)
	}
}

func TestOneRequestAtATime(t *testing.T) {
	k := openRIDs(t, filepath.Join(t.TempDir(), "rid"), clockAt(1000))
	var busy, last int64 // the race detector sees it when two hold the turn
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				err := k.Do(t.Context(), func(rid int64) error {
					busy++
					defer func() { busy-- }()
					if busy != 1 || rid <= last {
						return fmt.Errorf("%d at once, %d after %d", busy, rid, last)
					}
					last = rid
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if last != 1039 {
		t.Errorf("the last of 40 was %d, want 1039", last)
	}
}

func TestWaitingForATurnEndsWithTheContext(t *testing.T) {
	k := openRIDs(t, filepath.Join(t.TempDir(), "rid"), clockAt(1000))
	err := k.Do(t.Context(), func(int64) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		return k.Do(ctx, func(int64) error { return errors.New("had a turn") })
	})
	if !errors.Is(err, streamapi.ErrNoRID) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want ErrNoRID and DeadlineExceeded", err)
	}
}

func TestOneProcessForEachKey(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rid")
	openRIDs(t, name, clockAt(1))
	if _, err := streamapi.OpenFileRIDs(name, clockAt(1)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
}

func TestFilesThatHoldNoRIDAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "7", "tokensvc-streamapi-rid 1 ", "tokensvc-streamapi-rid 1 7", "tokensvc-streamapi-rid 1 -7\n",
		"tokensvc-streamapi-rid 1 07\n", "tokensvc-streamapi-rid 1 7\n\n", "tokensvc-streamapi-rid 2 7\n",
		"tokensvc-streamapi-rid 1 9223372036854775808\n",
	} {
		name := filepath.Join(t.TempDir(), "rid")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := streamapi.OpenFileRIDs(name, clockAt(1)); err == nil {
			t.Errorf("%q was taken for a request id", text)
			_ = k.Close()
		}
	}
}

func TestNoIDWithoutADisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "rid")
	k := openRIDs(t, name, clockAt(1000))
	before := next(t, k)
	// A folder in the way of the temporary file: the id cannot be kept, so nobody gets it.
	if err := os.Mkdir(name+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	err := k.Do(t.Context(), func(int64) error { t.Error("an id that is not on the disk was used"); return nil })
	if !errors.Is(err, streamapi.ErrNoRID) {
		t.Errorf("%v, want ErrNoRID", err)
	}
	if err := os.Remove(name + ".tmp"); err != nil {
		t.Fatal(err)
	}
	if after := next(t, k); after <= before {
		t.Errorf("%d after %d", after, before)
	}
}

// ridChild names, for the process that TestMain becomes, the file of ids.
const ridChild = "STREAMAPI_RID_CHILD"

// useRIDs uses ids without end: it prints each. Its clock stands still, so that only the file keeps ids apart.
func useRIDs(name string) error {
	k, err := streamapi.OpenFileRIDs(name, clockAt(1_284_000_000_000))
	if err != nil {
		return err
	}
	for {
		err := k.Do(context.Background(), func(rid int64) error {
			_, err := fmt.Fprintln(os.Stdout, rid)
			return err
		})
		if err != nil {
			return err
		}
	}
}

// TestNoIDIsUsedTwiceAcrossKills kills a process at random moments, also between keeping an id and using it.
func TestNoIDIsUsedTwiceAcrossKills(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rid")
	last, used := int64(0), 0
	for round := range 30 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), ridChild+"="+name)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop := rand.IntN(20)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			rid, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				break // the kill cut the line
			}
			if rid <= last {
				t.Fatalf("round %d: id %d was used after %d", round, rid, last)
			}
			last = rid
			used++
			if n == stop {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("round %d: the process ended by itself: %v", round, err)
		}
	}
	if used < 30 {
		t.Errorf("%d ids were used, want one in each round", used)
	}
}

// TestAnIDIsGoneOnceItIsKept stops between keeping and using, exactly: the next process does not see that id again.
func TestAnIDIsGoneOnceItIsKept(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rid")
	k := openRIDs(t, name, clockAt(1000))
	var lost int64
	err := k.Do(t.Context(), func(rid int64) error {
		lost = rid
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(string(text), " "+strconv.FormatInt(rid, 10)+"\n") {
			t.Errorf("id %d is used while the disk says %q", rid, text)
		}
		return errors.New("died before use")
	})
	if err == nil {
		t.Fatal("no error")
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	// A crash while the next id is written leaves this behind.
	if err := os.WriteFile(name+".tmp", []byte("tokensvc-streamapi-rid 1 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := next(t, openRIDs(t, name, clockAt(0))); got <= lost {
		t.Errorf("id %d after %d", got, lost)
	}
}
