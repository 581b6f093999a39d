//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/test/killtest"
)

// soon is how long one process may take to use what the other has done.
const soon = time.Second

// TestServeAndSyncShareAStore: `serve` and `sync` are two processes on one file. What the job has activated signs
// within a second, and a command that the service has taken is carried out within a second, without a restart of
// either.
//
// Both learn of a change by looking at the file five times a second, so that a quarter of a second is usual. A
// machine that is busy elsewhere can hold a process up for longer; so the median of some rotations counts, and a
// series that a busy moment has spoiled is repeated.
func TestServeAndSyncShareAStore(t *testing.T) {
	w, err := killtest.Start(t.Context(), killtest.Options{
		Binary: binary(t), Dir: t.TempDir(), Kind: killtest.Minter, Log: func(who, line string) { t.Log(who, line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		for _, a := range w.Accidents() {
			t.Error(a)
		}
	})
	begun := make(chan time.Time, 1)
	w.Plan.Observe(func(fault.Event) {
		select {
		case begun <- time.Now():
		default: // not the first change of a rotation
		}
	})
	const series, each = 3, 5
	version := 1
	for try := 1; ; try++ {
		var signs, begins []time.Duration
		for range each {
			version++
			sign, begin := shared(t, w, begun, version)
			signs, begins = append(signs, sign), append(begins, begin)
		}
		t.Logf("used by serve after %v, begun by sync after %v", signs, begins)
		if median(signs) <= soon && median(begins) <= soon {
			return
		}
		if try == series {
			t.Fatalf("in %d series the median is over %s: used by serve after %v, begun by sync after %v", series, soon, signs, begins)
		}
	}
}

// shared rotates once to a version. It returns how long after the store shows that the version is active serve
// signs with it, and how long after serve has taken the command sync begins.
func shared(t *testing.T, w *killtest.World, begun chan time.Time, version int) (sign, begin time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case <-begun: // of the rotation before
	default:
	}
	var wait sync.WaitGroup
	var stored, signed time.Time
	var storeErr error
	wait.Go(func() { stored, storeErr = storedAt(ctx, w, version) })
	wait.Go(func() { signed = signedAt(ctx, w, version) })
	if err := w.Rotate(ctx, true); err != nil {
		t.Error(err)
		cancel()
	}
	commanded := time.Now()
	wait.Wait()
	if storeErr != nil || ctx.Err() != nil {
		t.Fatalf("version %d: the store shows it: %t (%v), serve signs with it: %t", version, !stored.IsZero(), storeErr, !signed.IsZero())
	}
	for op, err := w.Operation(ctx); op != nil || err != nil; op, err = w.Operation(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("version %d: the rotation does not end: %v", version, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return max(0, signed.Sub(stored)), max(0, (<-begun).Sub(commanded))
}

// storedAt returns when the store shows that a version is active, to a third process.
func storedAt(ctx context.Context, w *killtest.World, version int) (at time.Time, err error) {
	err = w.Store(ctx, func(s *sqlite.Store) error {
		for {
			r, err := s.Get(ctx, killtest.Target)
			if err != nil {
				return err
			}
			if active := r.Active(); active != nil && active.Version == version {
				at = time.Now()
				return nil
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	return at, err
}

// signedAt returns when serve signs with a version, and the zero time if ctx ends before.
func signedAt(ctx context.Context, w *killtest.World, version int) time.Time {
	for want := fmt.Sprintf("%s/%d", killtest.Target, version); ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		if c, err := w.Sign(ctx); err == nil && c.GetKey() == want {
			return time.Now()
		}
	}
	return time.Time{}
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}
