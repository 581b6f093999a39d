package keystoretest

import (
	"context"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// hintWithin is the time that a Store has for a hint.
const hintWithin = time.Second

// drain reads hints until none came for a while, so that later ones are about later changes.
func drain(hints <-chan struct{}) {
	for {
		select {
		case <-hints:
		case <-time.After(hintWithin / 4):
			return
		}
	}
}

func wantHint(t *testing.T, hints <-chan struct{}) {
	t.Helper()
	select {
	case _, ok := <-hints:
		if !ok {
			t.Fatal("the channel closed")
		}
	case <-time.After(hintWithin):
		t.Fatalf("no hint within %s of a change", hintWithin)
	}
}

func testWatch(t *testing.T, h *harness) {
	one, two := h.Watch(t.Context()), h.Watch(t.Context())
	changes := []func(){
		func() { h.create(t, "event") },
		func() { h.update(t, "event", nothing) },
		func() { h.update(t, "event", func(r *keystore.Record) error { h.addKey(r); return nil }) },
		func() {
			h.update(t, "event", func(r *keystore.Record) error { return r.Destroy(1, false, h.clock.Now()) })
		},
		func() {
			if err := h.Delete(t.Context(), "event", h.lease(t, "event", "me")); err != nil {
				t.Fatal(err)
			}
		},
	}
	for _, change := range changes {
		together(2, func(i int) { drain([]<-chan struct{}{one, two}[i]) })
		change()
		wantHint(t, one)
		wantHint(t, two)
	}
}

// testWatchEnds: the channel closes with its ctx, also while hints are sent and nobody reads.
func testWatchEnds(t *testing.T, h *harness) {
	h.create(t, "event")
	ctx, cancel := context.WithCancel(t.Context())
	watchers := make([]<-chan struct{}, workers)
	for i := range watchers {
		watchers[i] = h.Watch(ctx)
	}
	together(2, func(i int) {
		if i == 0 {
			cancel()
			return
		}
		for range rounds {
			h.update(t, "event", nothing)
		}
	})
	for _, hints := range watchers {
		deadline := time.After(hintWithin)
		for open := true; open; {
			select {
			case _, open = <-hints:
			case <-deadline:
				t.Fatal("the channel is open after the end of its ctx")
			}
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	hints := h.Watch(cancelled)
	deadline := time.After(hintWithin)
	for open := true; open; {
		select {
		case _, open = <-hints:
		case <-deadline:
			t.Fatal("a watch that begins with an ended ctx stays open")
		}
	}
}

func testWatchAcross(t *testing.T, h *harness) {
	h.create(t, "event")
	second := h.reopen(t)
	hints := h.Watch(t.Context())
	drain(hints)
	second.update(t, "event", nothing)
	wantHint(t, hints)
	back := second.Watch(t.Context())
	drain(back)
	h.update(t, "event", nothing)
	wantHint(t, back)
}
