package keystoretest

import (
	"fmt"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// operationID returns ids that ascend with n.
func operationID(n int) string { return fmt.Sprintf("01f3b1c2-0000-7000-8000-%012d", n) }

// rotation makes a target with an active key 1 and an operation that rotates to key 2.
func (h *harness) rotation(t *testing.T, id, operation string) keystore.Record {
	t.Helper()
	h.create(t, id)
	return h.update(t, id, func(r *keystore.Record) error {
		h.addKey(r)
		if err := r.Activate(1, h.clock.Now(), keystore.DefaultTiming()); err != nil {
			return err
		}
		return h.begin(r, operation)
	})
}

// begin opens an operation to a new key that has no secret yet.
func (h *harness) begin(r *keystore.Record, operation string) error {
	to := r.Add(keystore.Key{Origin: keystore.OriginRotation}, h.clock.Now()).Version
	op := keystore.Operation{ID: operation, Kind: keystore.Rotate, To: to, Seen: []string{"kid-1"}}
	return r.Begin(op, h.clock.Now(), keystore.DefaultTiming())
}

func (h *harness) operation(t *testing.T, id string) keystore.Operation {
	t.Helper()
	op, err := h.Operation(t.Context(), id)
	if err != nil {
		t.Fatalf("Operation(%s): %v", id, err)
	}
	return op
}

// testOperationFields: all that can be set comes back, while the operation is open and after.
func testOperationFields(t *testing.T, h *harness) {
	h.rotation(t, "event", operationID(1))
	at := func(minutes int) time.Time { return h.clock.Now().Add(time.Duration(minutes) * time.Minute) }
	want := keystore.Operation{
		ID: operationID(1), Target: "event", Kind: keystore.Rotate, Mode: keystore.Overlap, Immediate: true, From: 1, To: 2,
		Step: keystore.Intent, CutAt: at(1), CutUntil: at(2), UseAfter: at(3), Seen: []string{"kid-1", "kid-x"},
		Void: []byte{0, 1, 255}, Tries: 4, NotBefore: at(4), LastError: "ambiguous: timeout", Alarm: "look",
		StartedAt: h.clock.Now(), UpdatedAt: at(5),
	}
	got := h.update(t, "event", func(r *keystore.Record) error {
		op := want
		op.Seen, op.Void = []string{"kid-1", "kid-x"}, []byte{0, 1, 255}
		r.Operation = &op
		return nil
	})
	wantEqual(t, *got.Operation, want)
	got.Operation.Seen[0], got.Operation.Void[0] = "changed", 9
	wantEqual(t, *h.get(t, "event").Operation, want)
	wantEqual(t, h.operation(t, operationID(1)), want)
	listed, err := h.List(t.Context(), keystore.Page{})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, *listed[0].Operation, want)

	got = h.update(t, "event", func(r *keystore.Record) error { return r.Close(keystore.OutcomeAbandoned, at(6)) })
	if got.Operation != nil || len(got.Closed) != 0 {
		t.Fatalf("after its end the record has %+v and %+v", got.Operation, got.Closed)
	}
	wantEqual(t, h.get(t, "event"), got)
	want.Void, want.Outcome, want.ClosedAt, want.UpdatedAt = nil, keystore.OutcomeAbandoned, at(6), at(6)
	wantEqual(t, h.operation(t, operationID(1)), want)
}

// testRotation goes through the whole of one rotation, a change at a time.
func testRotation(t *testing.T, h *harness) {
	h.rotation(t, "event", operationID(1))
	timing := keystore.DefaultTiming()
	steps := []struct {
		change func(*keystore.Record) error
		step   keystore.Step
	}{
		{func(r *keystore.Record) error { return r.Advance(keystore.Minting, h.clock.Now(), timing) }, keystore.Minting},
		{func(r *keystore.Record) error {
			if err := r.SetSecret(2, "kid-2", "sha256:2", []byte("sealed"), h.clock.Now()); err != nil {
				return err
			}
			return r.Advance(keystore.Minted, h.clock.Now(), timing)
		}, keystore.Minted},
		{func(r *keystore.Record) error { return r.ActivateTo(h.clock.Now(), timing) }, keystore.Draining},
	}
	for _, s := range steps {
		h.clock.Advance(time.Minute)
		h.update(t, "event", s.change)
		if op := h.get(t, "event").Operation; op == nil || op.Step != s.step || !op.UpdatedAt.Equal(h.clock.Now()) {
			t.Fatalf("operation %+v, want one at %s", op, s.step)
		}
	}
	wantStates(t, h.get(t, "event"), keystore.Retiring, keystore.Active)
	h.clock.Advance(7 * time.Hour)
	h.update(t, "event", func(r *keystore.Record) error {
		if err := r.Retire(1, false, h.clock.Now(), timing); err != nil {
			return err
		}
		return r.Close(keystore.OutcomeDone, h.clock.Now())
	})
	r := h.get(t, "event")
	wantStates(t, r, keystore.Retired, keystore.Active)
	if op := h.operation(t, operationID(1)); r.Operation != nil || op.Outcome != keystore.OutcomeDone {
		t.Fatalf("open %+v, in the history %+v", r.Operation, op)
	}
}

// testReplacement: an operation that deletes the old key first, as far as its cut.
func testReplacement(t *testing.T, h *harness) {
	h.rotation(t, "event", operationID(1))
	timing := keystore.DefaultTiming()
	cut := h.clock.Now().Add(7 * time.Hour)
	got := h.update(t, "event", func(r *keystore.Record) error {
		op := keystore.Operation{ID: operationID(2), Kind: keystore.Rotate, Mode: keystore.Replace, CutAt: cut, CutUntil: cut.Add(time.Hour)}
		op.To = r.Add(keystore.Key{Origin: keystore.OriginRotation}, h.clock.Now()).Version
		return r.Supersede(op, h.clock.Now(), timing)
	})
	wantEqual(t, h.get(t, "event"), got)
	h.clock.Advance(cut.Add(time.Minute).Sub(h.clock.Now()))
	got = h.update(t, "event", func(r *keystore.Record) error { return r.Advance(keystore.Applying, h.clock.Now(), timing) })
	if op := h.operation(t, operationID(2)); op.Mode != keystore.Replace || op.Step != keystore.Applying {
		t.Fatalf("operation %+v", op)
	}
	wantEqual(t, h.get(t, "event"), got)
}

func testOneOpen(t *testing.T, h *harness) {
	h.rotation(t, "event", operationID(1))
	want := h.get(t, "event")
	fence := h.lease(t, "event", "me")
	for name, change := range map[string]func(*keystore.Record) error{
		"begun again": func(r *keystore.Record) error { return h.begin(r, operationID(2)) },
		"replaced": func(r *keystore.Record) error {
			r.Operation.ID = operationID(2)
			return nil
		},
		"dropped":        func(r *keystore.Record) error { r.Operation = nil; return nil },
		"step left out":  func(r *keystore.Record) error { r.Operation.Step = keystore.Minted; return nil },
		"other key":      func(r *keystore.Record) error { r.Operation.To = 3; return nil },
		"other target's": func(r *keystore.Record) error { r.Operation.Target = "other"; return nil },
		"by another hand": func(r *keystore.Record) error {
			r.Keys[1].Sealed = []byte("x")
			return r.Activate(2, h.clock.Now(), keystore.DefaultTiming())
		},
	} {
		if _, err := h.Update(t.Context(), "event", fence, change); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			wantIs(t, err, keystore.ErrIllegal)
		}
		wantEqual(t, h.get(t, "event"), want)
	}
	if err := h.Release(t.Context(), "event", fence); err != nil {
		t.Fatal(err)
	}

	// One change closes the old operation and opens the next.
	r := h.update(t, "event", func(r *keystore.Record) error {
		op := keystore.Operation{ID: operationID(2), Kind: keystore.Rotate, To: 2, Immediate: true}
		return r.Supersede(op, h.clock.Now(), keystore.DefaultTiming())
	})
	if r.Operation == nil || r.Operation.ID != operationID(2) || !r.Operation.Immediate {
		t.Fatalf("open is %+v", r.Operation)
	}
	if old := h.operation(t, operationID(1)); old.Outcome != keystore.OutcomeSuperseded {
		t.Fatalf("the old one is %+v", old)
	}
}

func testOperationIDs(t *testing.T, h *harness) {
	h.rotation(t, "event", operationID(1))
	h.create(t, "other")
	for _, id := range []string{"event", "other"} {
		if id == "event" {
			h.update(t, id, func(r *keystore.Record) error { return r.Close(keystore.OutcomeAbandoned, h.clock.Now()) })
		}
		want := h.get(t, id)
		_, err := h.Update(t.Context(), id, h.lease(t, id, "me"), func(r *keystore.Record) error { return h.begin(r, operationID(1)) })
		wantIs(t, err, keystore.ErrIllegal)
		wantEqual(t, h.get(t, id), want)
	}
	_, err := h.Operation(t.Context(), operationID(2))
	wantIs(t, err, keystore.ErrNotFound)
}

// testJournalWhole: keys, operation, history and orphans change together or not at all.
func testJournalWhole(t *testing.T, h *harness) {
	h.rotation(t, "event", operationID(1))
	want := h.get(t, "event")
	_, err := h.Update(t.Context(), "event", h.lease(t, "event", "me"), func(r *keystore.Record) error {
		if err := r.Quarantine("kid-x", h.clock.Now()); err != nil {
			return err
		}
		if err := r.Close(keystore.OutcomeAbandoned, h.clock.Now()); err != nil {
			return err
		}
		if err := h.begin(r, operationID(2)); err != nil {
			return err
		}
		r.Closed = append(r.Closed, r.Closed[0]) // illegal
		return nil
	})
	wantIs(t, err, keystore.ErrIllegal)
	wantEqual(t, h.get(t, "event"), want)
	wantEqual(t, h.operation(t, operationID(1)), *want.Operation)
	_, err = h.Operation(t.Context(), operationID(2))
	wantIs(t, err, keystore.ErrNotFound)
}

// seedHistory closes n operations of a target, the first with the id of number first, a day apart.
func (h *harness) seedHistory(t *testing.T, id string, first, n int) {
	t.Helper()
	for i := range n {
		h.update(t, id, func(r *keystore.Record) error {
			if err := h.begin(r, operationID(first+i)); err != nil {
				return err
			}
			return nil
		})
		h.update(t, id, func(r *keystore.Record) error { return r.Close(keystore.OutcomeAbandoned, h.clock.Now()) })
		h.clock.Advance(24 * time.Hour)
	}
}

func wantIDs(t *testing.T, operations []keystore.Operation, err error, want ...int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	ids, got := make([]string, 0, len(want)), make([]string, 0, len(operations))
	for _, n := range want {
		ids = append(ids, operationID(n))
	}
	for i := range operations {
		got = append(got, operations[i].ID)
	}
	wantEqual(t, got, ids)
}

func testHistory(t *testing.T, h *harness) {
	h.create(t, "event")
	h.create(t, "event-2")
	h.seedHistory(t, "event", 1, 2)
	h.seedHistory(t, "event-2", 3, 2)
	h.seedHistory(t, "event", 5, 1)
	h.update(t, "event", func(r *keystore.Record) error { return h.begin(r, operationID(6)) })
	ctx := t.Context()
	for _, c := range []struct {
		target string
		page   keystore.Page
		want   []int
	}{
		{"", keystore.Page{}, []int{6, 5, 4, 3, 2, 1}},
		{"event", keystore.Page{}, []int{6, 5, 2, 1}},
		{"event-2", keystore.Page{}, []int{4, 3}},
		{"none", keystore.Page{}, nil},
		{"", keystore.Page{Limit: 2}, []int{6, 5}},
		{"", keystore.Page{Limit: 3, After: operationID(5)}, []int{4, 3, 2}},
		{"event", keystore.Page{Limit: 2, After: operationID(5)}, []int{2, 1}},
		{"event", keystore.Page{After: operationID(1)}, nil},
	} {
		operations, err := h.Operations(ctx, c.target, c.page)
		wantIDs(t, operations, err, c.want...)
	}
	operations, err := h.Operations(ctx, "event-2", keystore.Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, operations[0], h.operation(t, operationID(4)))

	if err := h.Delete(ctx, "event-2", h.lease(t, "event-2", "me")); err != nil {
		t.Fatal(err)
	}
	operations, err = h.Operations(ctx, "event-2", keystore.Page{})
	wantIDs(t, operations, err, 4, 3)
}

func testPrune(t *testing.T, h *harness) {
	h.rotation(t, "open", operationID(9))
	h.create(t, "event")
	h.seedHistory(t, "event", 1, 3) // closed three, two and one days ago
	for _, c := range []struct {
		age   time.Duration
		limit int
		n     int
		left  []int
	}{
		{keystore.OperationRetention, 0, 0, []int{9, 3, 2, 1}},
		{72 * time.Hour, 0, 0, []int{9, 3, 2, 1}},
		{36 * time.Hour, 1, 1, []int{9, 3, 2}},
		{36 * time.Hour, 5, 1, []int{9, 3}},
		{0, 0, 1, []int{9}},
	} {
		n, err := h.PruneOperations(t.Context(), h.clock.Now().Add(-c.age), c.limit)
		if err != nil || n != c.n {
			t.Fatalf("older than %s: %d pruned, %v; want %d", c.age, n, err, c.n)
		}
		operations, err := h.Operations(t.Context(), "", keystore.Page{})
		wantIDs(t, operations, err, c.left...)
	}
	if h.get(t, "open").Operation == nil {
		t.Fatal("an open operation was pruned")
	}
}

func testOrphans(t *testing.T, h *harness) {
	h.rotation(t, "event", operationID(1))
	h.create(t, "event-2")
	got := h.update(t, "event", func(r *keystore.Record) error {
		for _, kid := range []string{"kid-y", "kid-x", "kid-y"} {
			if err := r.Quarantine(kid, h.clock.Now()); err != nil {
				return err
			}
			h.clock.Advance(time.Second)
		}
		return nil
	})
	if len(got.Orphans) != 2 || got.Orphans[0].KID != "kid-y" || got.Orphans[0].Operation != operationID(1) {
		t.Fatalf("orphans %+v, want kid-y and kid-x", got.Orphans)
	}
	wantEqual(t, h.get(t, "event"), got)
	if other := h.get(t, "event-2"); len(other.Orphans) != 0 || other.Operation != nil {
		t.Fatalf("another target has %+v, %+v", other.Orphans, other.Operation)
	}
	got.Orphans[0].KID = "changed"
	h.update(t, "event", func(r *keystore.Record) error { return r.DropOrphan("kid-y") })
	if left := h.get(t, "event").Orphans; len(left) != 1 || left[0].KID != "kid-x" {
		t.Fatalf("orphans %+v, want kid-x", left)
	}
}

func testDeleteJournal(t *testing.T, h *harness) {
	h.create(t, "event")
	h.update(t, "event", func(r *keystore.Record) error {
		if err := h.begin(r, operationID(1)); err != nil {
			return err
		}
		return r.Quarantine("kid-x", h.clock.Now())
	})
	fence := h.lease(t, "event", "me")
	for _, end := range []func(*keystore.Record) error{
		func(r *keystore.Record) error { return r.Close(keystore.OutcomeAbandoned, h.clock.Now()) },
		func(r *keystore.Record) error { return r.DropOrphan("kid-x") },
	} {
		wantIs(t, h.Delete(t.Context(), "event", fence), keystore.ErrIllegal)
		if _, err := h.Update(t.Context(), "event", fence, end); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Delete(t.Context(), "event", fence); err != nil {
		t.Fatal(err)
	}
}

// testLowerLifetime: the store remembers that tokens of a longer life are about.
func testLowerLifetime(t *testing.T, h *harness) {
	h.create(t, "event")
	lowered := h.clock.Now()
	lower := func(d time.Duration) keystore.Target {
		return h.update(t, "event", func(r *keystore.Record) error {
			r.Target.MaxTokenLifetime, r.Target.LongLivedUntil = d, time.Time{}
			return nil
		}).Target
	}
	lower(time.Hour)
	h.clock.Advance(time.Hour)
	got := lower(time.Minute) // tokens of an hour die before those of six
	if want := lowered.Add(6 * time.Hour); !got.LongLivedUntil.Equal(want) || got.LongestLife(h.clock.Now()) != 5*time.Hour {
		t.Fatalf("tokens live until %v, want %v", got.LongLivedUntil, want)
	}
	h.clock.Advance(6 * time.Hour)
	if got = lower(time.Minute); got.LongestLife(h.clock.Now()) != time.Minute {
		t.Fatalf("longest life %s, want a minute", got.LongestLife(h.clock.Now()))
	}
}
