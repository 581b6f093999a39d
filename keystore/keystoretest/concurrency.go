package keystoretest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

const (
	workers = 8
	rounds  = 5
)

// together runs fn in n goroutines and waits for all.
func together(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}

// testNested: an update within an update gets in, and the outer one runs again on what it left.
func testNested(t *testing.T, h *harness) {
	h.create(t, "event")
	fence := h.lease(t, "event", "me")
	runs := 0
	r, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error {
		runs++
		r.Target.Description += " outer"
		if runs > 1 {
			return nil
		}
		_, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error {
			r.Target.Description = "inner"
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if runs != 2 || r.Target.Description != "inner outer" {
		t.Fatalf("%d runs left %q; want 2 and %q", runs, r.Target.Description, "inner outer")
	}
}

// testEndlessNesting: a function that always loses is an error, not a loop without end.
func testEndlessNesting(t *testing.T, h *harness) {
	h.create(t, "event")
	fence := h.lease(t, "event", "me")
	_, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error {
		r.Target.Description = "lost"
		_, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error { r.Target.Description = "won"; return nil })
		return err
	})
	wantIs(t, err, keystore.ErrConflict)
	if got := h.get(t, "event").Target.Description; got != "won" {
		t.Fatalf("description %q, want %q", got, "won")
	}
}

func testParallelUpdates(t *testing.T, h *harness) {
	h.create(t, "event")
	fence := h.lease(t, "event", "me")
	together(workers, func(int) {
		for range rounds {
			_, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error { h.addKey(r); return nil })
			if err != nil {
				t.Error(err)
			}
		}
	})
	wantKeys(t, h, "event", workers*rounds)
}

func wantKeys(t *testing.T, h *harness, id string, n int) {
	t.Helper()
	r := h.get(t, id)
	if len(r.Keys) != n {
		t.Fatalf("%d keys, want %d: updates were lost", len(r.Keys), n)
	}
	for i, k := range r.Keys {
		if k.Version != i+1 {
			t.Fatalf("key %d has version %d", i, k.Version)
		}
	}
}

// testParallelLeases: of many who want the lease one gets it, and all others are refused.
func testParallelLeases(t *testing.T, h *harness) {
	h.create(t, "event")
	var won, lost atomic.Int32
	together(workers, func(i int) {
		_, err := h.Lease(t.Context(), "event", fmt.Sprintf("holder-%d", i), time.Minute)
		switch {
		case err == nil:
			won.Add(1)
		case errors.Is(err, keystore.ErrConflict):
			lost.Add(1)
		default:
			t.Error(err)
		}
	})
	if won.Load() != 1 || lost.Load() != workers-1 {
		t.Fatalf("%d won and %d lost; want 1 and %d", won.Load(), lost.Load(), workers-1)
	}
}

// testParallelActivations: many decide on the same state that a key must be activated; one decision
// counts, the others see it. Readers never see two active keys, nor none.
func testParallelActivations(t *testing.T, h *harness) {
	h.create(t, "event")
	h.update(t, "event", func(r *keystore.Record) error {
		h.addKey(r)
		h.addKey(r)
		return r.Activate(1, h.clock.Now(), keystore.DefaultTiming())
	})
	ctx, stop := context.WithCancel(t.Context())
	var reader sync.WaitGroup
	reader.Go(func() {
		for ctx.Err() == nil {
			r, err := h.Get(t.Context(), "event")
			if err != nil {
				t.Error(err)
				return
			}
			active := 0
			for _, k := range r.Keys {
				if k.State == keystore.Active {
					active++
				}
			}
			if active != 1 {
				t.Errorf("a reader saw %d active keys", active)
				return
			}
		}
	})
	fence := h.lease(t, "event", "me")
	errDone := errors.New("activated already")
	var won, lost atomic.Int32
	together(workers, func(int) {
		_, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error {
			if r.Active().Version == 2 {
				return errDone
			}
			return r.Activate(2, h.clock.Now(), keystore.DefaultTiming())
		})
		switch {
		case err == nil:
			won.Add(1)
		case errors.Is(err, errDone):
			lost.Add(1)
		default:
			t.Error(err)
		}
	})
	stop()
	reader.Wait()
	if won.Load() != 1 || lost.Load() != workers-1 {
		t.Fatalf("%d activations and %d that came late; want 1 and %d", won.Load(), lost.Load(), workers-1)
	}
}

func testSecondHandle(t *testing.T, h *harness) {
	h.create(t, "event")
	second := h.reopen(t)
	wantEqual(t, second.get(t, "event"), h.get(t, "event"))
	second.update(t, "event", func(r *keystore.Record) error { second.addKey(r); return nil })
	wantEqual(t, h.get(t, "event"), second.get(t, "event"))
}

func testSecondHandleFenced(t *testing.T, h *harness) {
	h.create(t, "event")
	second := h.reopen(t)
	mine := h.lease(t, "event", "me")
	_, err := second.Lease(t.Context(), "event", "other", time.Minute)
	wantIs(t, err, keystore.ErrConflict)
	h.clock.Advance(time.Minute)
	other := second.lease(t, "event", "other")
	if other <= mine {
		t.Fatalf("fence %d after %d", other, mine)
	}
	_, err = h.Update(t.Context(), "event", mine, nothing)
	wantIs(t, err, keystore.ErrFenced)
	if _, err := second.Update(t.Context(), "event", other, nothing); err != nil {
		t.Fatal(err)
	}
}

func testParallelAcross(t *testing.T, h *harness) {
	h.create(t, "event")
	fence := h.lease(t, "event", "me")
	handles := []*harness{h, h.reopen(t)}
	together(workers, func(i int) {
		for range rounds {
			_, err := handles[i%2].Update(t.Context(), "event", fence, func(r *keystore.Record) error { h.addKey(r); return nil })
			if err != nil {
				t.Error(err)
			}
		}
	})
	wantKeys(t, h, "event", workers*rounds)
}
