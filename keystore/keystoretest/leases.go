package keystoretest

import (
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

func nothing(*keystore.Record) error { return nil }

func testLeaseExclusive(t *testing.T, h *harness) {
	h.create(t, "event")
	h.create(t, "event-2")
	mine := h.lease(t, "event", "me")
	_, err := h.Lease(t.Context(), "event", "other", time.Minute)
	wantIs(t, err, keystore.ErrConflict)
	h.lease(t, "event-2", "other") // another target is another lease
	if _, err := h.Update(t.Context(), "event", mine, nothing); err != nil {
		t.Fatalf("another's attempt cost the lease: %v", err)
	}
	if err := h.Release(t.Context(), "event", mine); err != nil {
		t.Fatal(err)
	}
	_, err = h.Update(t.Context(), "event", mine, nothing)
	wantIs(t, err, keystore.ErrFenced)
	other := h.lease(t, "event", "other")
	if err := h.Release(t.Context(), "event", mine); err != nil {
		t.Fatalf("Release of a lost lease: %v", err)
	}
	if _, err := h.Update(t.Context(), "event", other, nothing); err != nil {
		t.Fatalf("the release of an old fence ended the new lease: %v", err)
	}
}

func testFencesGrow(t *testing.T, h *harness) {
	h.create(t, "event")
	last := keystore.Fence(0)
	grow := func(step, holder string) {
		t.Helper()
		fence := h.lease(t, "event", holder)
		if fence <= last {
			t.Fatalf("%s: fence %d after %d; want a higher one", step, fence, last)
		}
		last = fence
	}
	grow("first", "a")
	grow("again", "a")
	if err := h.Release(t.Context(), "event", last); err != nil {
		t.Fatal(err)
	}
	grow("after release", "b")
	h.clock.Advance(2 * time.Minute)
	grow("after expiry", "c")
	h.clock.Advance(2 * time.Minute)
	grow("after own expiry", "c")
	h.create(t, "other")
	h.lease(t, "other", "c")
	grow("after another target's", "c")
}

func testFenced(t *testing.T, h *harness) {
	h.create(t, "event")
	_, err := h.Update(t.Context(), "event", 0, nothing)
	wantIs(t, err, keystore.ErrFenced)
	first := h.lease(t, "event", "me")
	second := h.lease(t, "event", "me")
	before := h.get(t, "event")
	for _, fence := range []keystore.Fence{first, second + 1, second + 1000, 0, -1, -second} {
		_, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error { r.Target.Description = "late"; return nil })
		wantIs(t, err, keystore.ErrFenced)
		wantIs(t, h.Delete(t.Context(), "event", fence), keystore.ErrFenced)
	}
	wantEqual(t, h.get(t, "event"), before)

	h.create(t, "other")
	_, err = h.Update(t.Context(), "other", second, nothing)
	wantIs(t, err, keystore.ErrFenced) // the fence of another target
	if _, err := h.Update(t.Context(), "event", second, nothing); err != nil {
		t.Fatal(err)
	}
}

func testLeaseExpiry(t *testing.T, h *harness) {
	h.create(t, "event")
	mine := h.lease(t, "event", "me")
	h.clock.Advance(time.Minute - time.Microsecond)
	if _, err := h.Update(t.Context(), "event", mine, nothing); err != nil {
		t.Fatalf("refused before the end of the lease: %v", err)
	}
	_, err := h.Lease(t.Context(), "event", "other", time.Minute)
	wantIs(t, err, keystore.ErrConflict)

	// The lease runs out while fn runs: what fn leaves is refused.
	before := h.get(t, "event")
	_, err = h.Update(t.Context(), "event", mine, func(r *keystore.Record) error {
		r.Target.Description = "late"
		h.clock.Advance(time.Microsecond)
		return nil
	})
	wantIs(t, err, keystore.ErrFenced)
	wantIs(t, h.Delete(t.Context(), "event", mine), keystore.ErrFenced)
	wantEqual(t, h.get(t, "event"), before)

	other := h.lease(t, "event", "other")
	_, err = h.Update(t.Context(), "event", mine, nothing)
	wantIs(t, err, keystore.ErrFenced)
	if _, err := h.Update(t.Context(), "event", other, nothing); err != nil {
		t.Fatal(err)
	}
}

func testMalformedLeases(t *testing.T, h *harness) {
	h.create(t, "event")
	for _, c := range []struct {
		holder string
		ttl    time.Duration
	}{{"", time.Minute}, {"me", 0}, {"me", -time.Second}} {
		_, err := h.Lease(t.Context(), "event", c.holder, c.ttl)
		wantIs(t, err, keystore.ErrIllegal)
	}
	h.lease(t, "event", "me")
}

func testFenceAfterDelete(t *testing.T, h *harness) {
	h.create(t, "event")
	old := h.lease(t, "event", "me")
	if err := h.Delete(t.Context(), "event", old); err != nil {
		t.Fatal(err)
	}
	h.create(t, "event")
	_, err := h.Update(t.Context(), "event", old, nothing)
	wantIs(t, err, keystore.ErrFenced)
	if fence := h.lease(t, "event", "other"); fence <= old {
		t.Fatalf("fence %d after %d of the target's earlier life", fence, old)
	}
	_, err = h.Update(t.Context(), "event", old, nothing)
	wantIs(t, err, keystore.ErrFenced)
}
