package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/keystore"
)

// TestLoop: targets rotate on schedule; one that fails and one that is slow do not stop the others; the
// loop ends with its context and leaves nothing running, which the bubble would notice.
func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.broken["broken"] = errors.New("no such account")
		b.slow["slow"] = 20 * time.Second
		b.target(t, "broken", "wowza", nil)
		b.target(t, "slow", "wowza", func(target *keystore.Target) { target.Account = "slow" })
		b.target(t, "cut", "wowza", nil)
		b.target(t, "mint", "qencode", nil)
		b.target(t, "rest", "agora", func(target *keystore.Target) { target.Policy.Every = 0 })
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.executor.Loop(ctx) }()
		time.Sleep(5 * time.Minute)
		for id, want := range map[string]int{"cut": 1, "slow": 1, "mint": 1, "broken": 0, "rest": 0} {
			if got := b.version(t, id); got != want {
				t.Errorf("after 5 minutes key %d of %s signs, want %d", got, id, want)
			}
		}
		time.Sleep(70 * time.Minute)
		for _, id := range []string{"cut", "slow", "mint"} {
			if got := b.version(t, id); got != 2 {
				t.Errorf("after a period key %d of %s signs, want 2", got, id)
			}
		}
		// A command is carried out at once: the store hints.
		if _, err := b.executor.Start(t.Context(), "mint", rotate.Request{Immediate: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if got := b.version(t, "mint"); got != 3 {
			t.Errorf("two seconds after the command key %d signs, want 3", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := b.vendor("cut").Count("set"); n > 5 {
			t.Errorf("%d sets for two keys", n)
		}
	})
}

// TestACommandIsNotDelayedByItsOwnLease: the hint that an operation was opened comes before the lease under
// which it was opened is given back.
func TestACommandIsNotDelayedByItsOwnLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.target(t, "mint", "qencode", func(target *keystore.Target) { target.Policy.Every = 0 })
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.executor.Loop(ctx) }()
		time.Sleep(time.Minute)
		fence, err := b.store.Lease(ctx, "mint", "api", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		starter := rotate.Starter{Timing: rotate.DefaultTiming()}
		_, err = b.store.Update(ctx, "mint", fence, func(r *keystore.Record) error { return starter.Start(r, rotate.Request{}, time.Now()) })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		if n := b.vendor("mint").Count("mint"); n != 0 {
			t.Errorf("%d keys were made under somebody else's lease", n)
		}
		if d, err := b.executor.Plan(b.record(t, "mint")); err != nil || d.Action != rotate.Wait || d.Why != "another process is at work on the target" {
			t.Errorf("the plan says %+v, %v", d, err)
		}
		if err := b.store.Release(ctx, "mint", fence); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := b.vendor("mint").Count("mint"); n != 1 {
			t.Errorf("a second after the lease was given back %d keys are made, want 1", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestOnceStaysWithACut: a cut that fits into the wait is seen through; until then nothing is.
func TestOnceStaysWithACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.target(t, "event", "wowza", nil)
		began := time.Now()
		first := once(t, b, 10*time.Minute)
		if first.Err != nil || first.Waits || b.version(t, "event") != 1 {
			t.Fatalf("first run: %+v", first)
		}
		if time.Since(began) < time.Minute {
			t.Errorf("it did not wait for the edges: %s", time.Since(began))
		}
		if again := once(t, b, 10*time.Minute); len(again.Steps) != 0 || again.Waits {
			t.Errorf("nothing is due: %+v", again)
		}
		time.Sleep(time.Hour)
		began = time.Now()
		short := once(t, b, time.Minute)
		if short.Waits != true || slices.Contains(short.Steps, rotate.Begin) || b.record(t, "event").Operation != nil || time.Since(began) > time.Second {
			t.Errorf("a run of a minute scheduled a cut further ahead: %+v", short)
		}
		long := once(t, b, 10*time.Minute)
		r := b.record(t, "event")
		if long.Err != nil || long.Waits || b.version(t, "event") != 2 || r.Operation != nil || !r.Active().Horizon.IsZero() {
			t.Errorf("the run ended before signing was open again: %+v", long)
		}
		if took := time.Since(began); took < 3*time.Minute || took > 6*time.Minute {
			t.Errorf("the cut took %s", took)
		}
	})
}

// TestOnceDoesNotWaitForTokens: what drains is left to the next run, and said to wait.
func TestOnceDoesNotWaitForTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.target(t, "event", "qencode", nil)
		began := time.Now()
		report := once(t, b, 10*time.Minute)
		if !report.Waits || report.Err != nil || time.Since(began) > time.Second {
			t.Errorf("%+v after %s", report, time.Since(began))
		}
		time.Sleep(2 * time.Minute)
		if report := once(t, b, 10*time.Minute); report.Waits || b.version(t, "event") != 1 {
			t.Errorf("%+v", report)
		}
	})
}

func TestOnceTellsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.broken["broken"] = errors.New("no such account")
		b.target(t, "broken", "wowza", nil)
		b.target(t, "event", "qencode", nil)
		reports, err := b.executor.Once(t.Context(), rotate.Options{MaxWait: time.Minute})
		if err != nil || len(reports) != 2 {
			t.Fatal(reports, err)
		}
		if reports[0].Target != "broken" || reports[0].Err == nil || reports[1].Err != nil || rotate.Failed(reports) == nil {
			t.Errorf("%+v", reports)
		}
	})
}

func once(t *testing.T, b *bench, wait time.Duration) rotate.Report {
	t.Helper()
	reports, err := b.executor.Once(t.Context(), rotate.Options{MaxWait: wait})
	if err != nil || len(reports) != 1 {
		t.Fatal(reports, err)
	}
	return reports[0]
}

// answers is an edge that gives its answers in turn, and accepts when there are none left.
type answers struct {
	mu   sync.Mutex
	list []any // bool or error
	urls []string
}

func (a *answers) Probe(_ context.Context, _ keystore.Target, signedURL string) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.urls = append(a.urls, signedURL)
	if len(a.list) == 0 {
		return true, nil
	}
	next := a.list[0]
	a.list = a.list[1:]
	if err, failed := next.(error); failed {
		return false, err
	}
	accepted, ok := next.(bool)
	return accepted && ok, nil
}

// TestProbesShortenTheWait: three accepted probes in a row will do, and only in a row.
func TestProbesShortenTheWait(t *testing.T) {
	for name, c := range map[string]struct {
		list   []any
		probes int
		least  time.Duration
		most   time.Duration
	}{
		"accepted":       {list: nil, probes: 3, most: 10 * time.Second},
		"late":           {list: []any{false, true, true, false}, probes: 7, least: 8 * time.Second, most: 20 * time.Second},
		"an edge is out": {list: []any{true, true, fmt.Errorf("refused")}, probes: 6, most: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				edge := &answers{list: c.list}
				b := newBench(t, edge)
				b.target(t, "event", "wowza", func(target *keystore.Target) {
					target.Policy.ProbeURL = "https://edge.example/1/stream/playlist.m3u8"
				})
				began := time.Now()
				report := once(t, b, 10*time.Minute)
				took := time.Since(began) - rotate.DefaultTiming().ClockSkew
				if report.Err != nil || b.version(t, "event") != 1 {
					t.Fatalf("%+v", report)
				}
				if len(edge.urls) != c.probes || took < c.least || took > c.most {
					t.Errorf("%d probes in %s, want %d", len(edge.urls), took, c.probes)
				}
			})
		})
	}
}

// TestNothingIsSentLate: a read that took too long leaves too little of the lease for a change.
func TestNothingIsSentLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.target(t, "event", "wowza", nil)
		if report := once(t, b, time.Minute); report.Err != nil {
			t.Fatal(report.Err)
		}
		if _, err := b.executor.Start(t.Context(), "event", rotate.Request{Immediate: true}); err != nil {
			t.Fatal(err)
		}
		b.reads = 75 * time.Second // of a lease of 100 s, and one call may take 30 s
		sets := b.vendor("event").Count("set")
		if _, err := b.executor.Step(t.Context(), "event"); err == nil {
			t.Error("no failure")
		}
		if n := b.vendor("event").Count("set"); n != sets {
			t.Errorf("%d sets were sent", n-sets)
		}
		b.reads = 0
		if report := once(t, b, time.Minute); report.Err != nil || b.version(t, "event") != 2 {
			t.Errorf("%+v", report)
		}
	})
}

// TestDoubtIsLeftToSettle: a call whose answer was lost may be under way for as long as a call may take.
func TestDoubtIsLeftToSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.target(t, "event", "qencode", nil)
		b.vendor("event").Script(func(call string, _ int) rotatetest.Answer {
			if call == "mint" {
				return rotatetest.LostAfter
			}
			return rotatetest.OK
		})
		report := once(t, b, time.Minute)
		op := b.record(t, "event").Operation
		if !errors.Is(report.Err, provider.ErrAmbiguous) || op == nil || op.Step != keystore.Minting {
			t.Fatalf("%+v, %+v", report, op)
		}
		if wait := time.Until(op.NotBefore); wait < 30*time.Second {
			t.Errorf("it is swept in %s", wait)
		}
	})
}

// TestOldOperationsAreRemoved: by the loop from time to time, and by every run, a batch at once; what is open or
// younger stays.
func TestOldOperationsAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.target(t, "event", "agora", func(target *keystore.Target) { target.Policy.Every = 0 })
		history := func() int {
			t.Helper()
			operations, err := b.store.Operations(t.Context(), "event", keystore.Page{})
			if err != nil {
				t.Fatal(err)
			}
			return len(operations)
		}
		rotateOnce := func() {
			t.Helper()
			if _, err := b.executor.Start(t.Context(), "event", rotate.Request{Immediate: true}); err != nil {
				t.Fatal(err)
			}
		}
		rotateOnce()
		once(t, b, time.Minute)
		time.Sleep(keystore.OperationRetention - time.Hour)
		rotateOnce()
		once(t, b, time.Minute)
		if n := history(); n != 2 {
			t.Fatalf("%d operations, want both", n)
		}
		time.Sleep(2 * time.Hour)
		once(t, b, time.Minute)
		if n := history(); n != 1 {
			t.Errorf("%d operations after a run, want the younger one", n)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.executor.Loop(ctx) }()
		time.Sleep(time.Minute)
		if n := history(); n != 1 {
			t.Errorf("%d operations, want the younger one", n)
		}
		time.Sleep(keystore.OperationRetention)
		rotateOnce()
		time.Sleep(2 * time.Hour)
		if n := history(); n != 1 {
			t.Errorf("%d operations, want the last one", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// blackouts counts the targets that nobody signs for now.
func (b *bench) blackouts(t *testing.T, ids ...string) (closed int) {
	t.Helper()
	for _, id := range ids {
		r := b.record(t, id)
		if k := r.Active(); k != nil && !k.Horizon.IsZero() && !time.Now().Before(k.Horizon) {
			closed++
		}
	}
	return closed
}

// TestCutsOfOneAccountAreStaggered: also where all are due at once, and asked for by command.
func TestCutsOfOneAccountAreStaggered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		ids := []string{"a", "b", "c", "d"}
		for _, id := range ids {
			b.target(t, id, "wowza", func(target *keystore.Target) {
				target.Policy.Every = 12 * time.Hour
				if id == "d" {
					target.Account = "other"
				}
			})
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.executor.Loop(ctx) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		reached := func(version int) bool {
			return !slices.ContainsFunc(ids, func(id string) bool { return b.version(t, id) != version })
		}
		time.Sleep(11 * time.Hour) // just before the first is due
		for version := 2; version <= 3; version++ {
			if version == 3 {
				for _, id := range ids {
					if _, err := b.executor.Start(t.Context(), id, rotate.Request{}); err != nil {
						t.Error(err)
					}
				}
			}
			most, both := 0, 0
			for range 10_000 { // seconds
				time.Sleep(time.Second)
				if reached(version) {
					break
				}
				most, both = max(most, b.blackouts(t, "a", "b", "c")), max(both, b.blackouts(t, ids...))
			}
			if !reached(version) || most != 1 || both != 2 {
				t.Errorf("key %d signs everywhere: %t; at most %d targets of one account were closed at once, and %d of two", version, reached(version), most, both)
			}
		}
	})
}

// TestARefusedKeyIsNotCut: the cut is put off with an alarm, and comes once the edge accepts the present key.
func TestARefusedKeyIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		edge := &answers{}
		b := newBench(t, edge)
		b.target(t, "event", "wowza", func(target *keystore.Target) {
			target.Policy.Every, target.Policy.ProbeURL = 0, "https://edge.example/1/stream/playlist.m3u8"
		})
		rotateKey := func(wait time.Duration) rotate.Report {
			t.Helper()
			if _, err := b.executor.Start(t.Context(), "event", rotate.Request{}); err != nil {
				t.Fatal(err)
			}
			return once(t, b, wait)
		}
		rotateKey(time.Minute)
		edge.mu.Lock()
		edge.list, edge.urls = []any{false, false, false, fmt.Errorf("no stream"), false, true}, nil
		edge.mu.Unlock()
		report := rotateKey(3 * time.Minute)
		r := b.record(t, "event")
		if op := r.Operation; op == nil || op.Step != keystore.Scheduled || !strings.Contains(op.Alarm, "the edge refuses tokens of the present key 1") || len(edge.urls) != 3 {
			t.Fatalf("%+v; %+v after %d probes", report, op, len(edge.urls))
		}
		if k := r.Active(); !k.Horizon.IsZero() {
			t.Errorf("signing stays clamped to %s", k.Horizon)
		}
		if report := once(t, b, 20*time.Minute); report.Err != nil || b.version(t, "event") != 2 {
			t.Errorf("%+v", report)
		}
		if b.record(t, "event").Operation != nil {
			t.Error("the operation is open")
		}
	})
}
