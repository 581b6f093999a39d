package keystoretest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

func testCreate(t *testing.T, h *harness) {
	want := keystore.Record{Target: target("event")}
	want.Target.CreatedAt, want.Target.UpdatedAt = h.clock.Now(), h.clock.Now()
	created := h.create(t, "event")
	if created.Revision <= 0 {
		t.Fatalf("revision %d of a new record; want one above 0", created.Revision)
	}
	want.Revision = created.Revision
	wantEqual(t, created, want)
	wantEqual(t, h.get(t, "event"), want)

	_, err := h.Create(t.Context(), target("event"))
	wantIs(t, err, keystore.ErrConflict)
	wantEqual(t, h.get(t, "event"), want)
}

// testExactIDs: an id never matches by pattern, case or part.
func testExactIDs(t *testing.T, h *harness) {
	h.create(t, "event")
	for _, id := range []string{"", "Event", "EVENT", "event ", "even", "event-2", "%", "_vent", "event\x00", "ev%"} {
		_, err := h.Get(t.Context(), id)
		wantIs(t, err, keystore.ErrNotFound)
	}
}

func testPages(t *testing.T, h *harness) {
	ids := []string{"a", "a-1", "a1", "aa", "b", "b-long-name-of-a-target", "c0", "c9", "ca", "z"}
	shuffled := []int{7, 0, 9, 3, 5, 1, 8, 2, 6, 4}
	for _, i := range shuffled {
		h.create(t, ids[i])
	}
	for _, id := range []string{"a1", "ca"} {
		h.update(t, id, func(r *keystore.Record) error { h.addKey(r); h.addKey(r); return nil })
	}
	for limit := range len(ids) + 2 {
		var got []string
		page := keystore.Page{Limit: limit}
		for {
			records, err := h.List(t.Context(), page)
			if err != nil {
				t.Fatal(err)
			}
			if limit > 0 && len(records) > limit {
				t.Fatalf("%d records on a page of %d", len(records), limit)
			}
			for _, r := range records {
				got = append(got, r.Target.ID)
				wantEqual(t, r, h.get(t, r.Target.ID))
			}
			if limit == 0 || len(records) < limit {
				break
			}
			page.After = records[len(records)-1].Target.ID
		}
		wantEqual(t, got, ids)
	}
	after, err := h.List(t.Context(), keystore.Page{After: "bb", Limit: 1})
	if err != nil || len(after) != 1 || after[0].Target.ID != "c0" {
		t.Fatalf("behind an id that does not exist: %v, %v; want c0", after, err)
	}
}

func testAbsent(t *testing.T, h *harness) {
	ctx := t.Context()
	_, err := h.Get(ctx, "none")
	wantIs(t, err, keystore.ErrNotFound)
	_, err = h.Update(ctx, "none", 1, func(*keystore.Record) error { t.Error("fn ran"); return nil })
	wantIs(t, err, keystore.ErrNotFound)
	wantIs(t, h.Delete(ctx, "none", 1), keystore.ErrNotFound)
	_, err = h.Lease(ctx, "none", "me", time.Minute)
	wantIs(t, err, keystore.ErrNotFound)
	if err := h.Release(ctx, "none", 1); err != nil {
		t.Fatalf("Release of a lease that is lost: %v", err)
	}
	records, err := h.List(ctx, keystore.Page{})
	if err != nil || len(records) != 0 {
		t.Fatalf("List of an empty store: %v, %v", records, err)
	}
}

func testIllegalTargets(t *testing.T, h *harness) {
	for name, change := range map[string]func(*keystore.Target){
		"no id":            func(x *keystore.Target) { x.ID = "" },
		"upper case":       func(x *keystore.Target) { x.ID = "Event" },
		"digit first":      func(x *keystore.Target) { x.ID = "1event" },
		"NUL":              func(x *keystore.Target) { x.ID = "a\x00b" },
		"long id":          func(x *keystore.Target) { x.ID = strings.Repeat("a", 64) },
		"unknown provider": func(x *keystore.Target) { x.Provider = "other" },
		"no scheme":        func(x *keystore.Target) { x.Scheme = "" },
		"long description": func(x *keystore.Target) { x.Description = strings.Repeat("x", 257) },
		"not UTF-8":        func(x *keystore.Target) { x.Description = "\xff" },
		"three resources":  func(x *keystore.Target) { x.Resources = []string{"a", "b", "c"} },
		"bad mode":         func(x *keystore.Target) { x.Policy.Mode = keystore.Cut },
		"bad window":       func(x *keystore.Target) { x.Policy.Window = "2-4" },
		"negative life":    func(x *keystore.Target) { x.MaxTokenLifetime = -1 },
	} {
		x := target("event")
		change(&x)
		_, err := h.Create(t.Context(), x)
		if !errors.Is(err, keystore.ErrIllegal) {
			t.Errorf("%s: got %v, want ErrIllegal", name, err)
		}
	}
	if records, err := h.List(t.Context(), keystore.Page{}); err != nil || len(records) != 0 {
		t.Fatalf("a refused Create left %v, %v", records, err)
	}
	x := target(strings.Repeat("a", 63))
	if _, err := h.Create(t.Context(), x); err != nil {
		t.Fatalf("an id of 63 bytes: %v", err)
	}
}

// testEveryField: all that can be set comes back.
func testEveryField(t *testing.T, h *harness) {
	h.create(t, "event")
	at := func(minutes int) time.Time { return h.clock.Now().Add(time.Duration(minutes) * time.Minute) }
	full := keystore.Key{
		Version: 1, State: keystore.Active, KID: "kid", Fingerprint: "sha256:ab", Sealed: []byte{0, 1, 255, 0}, Origin: "import",
		Slot: 1, VoidFingerprint: "sha256:cd", UseAfter: at(-1), HorizonEnds: at(9), Horizon: at(1), RetireAfter: at(2), DestroyAfter: at(3), CreatedAt: at(4), ActivatedAt: at(5), RetiredAt: at(6), DestroyedAt: at(7),
	}
	resources := []string{"one", "two"}
	policy := keystore.Policy{
		Every: 30 * 24 * time.Hour, Mode: keystore.Overlap, Window: "22:00-02:00", SoleOwner: true,
		ProbeURL: "https://edge.example/probe", OnDrift: keystore.DriftAdopt, OpenOnApply: true,
	}
	protections := []keystore.Protection{{Resource: "one", PlaybackID: "p1", At: at(10).UTC()}, {Resource: "two", At: at(11).UTC()}}
	bare := keystore.Key{Version: 2, State: keystore.Pending}
	later := keystore.Key{Version: 7, State: keystore.Pending, Sealed: []byte("x")} // a gap is legal
	got := h.update(t, "event", func(r *keystore.Record) error {
		r.Target.Account, r.Target.Description, r.Target.Managed = "other", "", false
		r.Target.Options = keystore.SchemeOptions{}
		r.Target.MaxTokenLifetime = 90 * time.Second
		r.Target.Resources, r.Target.Policy, r.NextRotation, r.Protections = resources, policy, at(8), protections
		r.Keys = []keystore.Key{full, bare, later}
		return nil
	})
	want := keystore.Record{Target: target("event"), Keys: []keystore.Key{full, bare, later}, Revision: got.Revision}
	want.Target.Account, want.Target.Description, want.Target.Managed = "other", "", false
	want.Target.Options = keystore.SchemeOptions{}
	want.Target.MaxTokenLifetime, want.Target.LongLivedUntil = 90*time.Second, h.clock.Now().Add(6*time.Hour)
	want.Target.Resources, want.Target.Policy, want.NextRotation, want.Protections = resources, policy, at(8), protections
	want.Target.CreatedAt, want.Target.UpdatedAt = h.clock.Now(), h.clock.Now()
	wantEqual(t, got, want)
	wantEqual(t, h.get(t, "event"), want)
}

func testStamps(t *testing.T, h *harness) {
	x := target("event")
	x.CreatedAt = time.Unix(1, 0)
	born := h.clock.Now()
	if _, err := h.Create(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(time.Hour)
	got := h.update(t, "event", func(r *keystore.Record) error {
		r.Target.CreatedAt, r.Target.UpdatedAt, r.Revision = time.Unix(2, 0), time.Unix(3, 0), 77_777
		return nil
	})
	if !got.Target.CreatedAt.Equal(born) || !got.Target.UpdatedAt.Equal(h.clock.Now()) || got.Revision == 77_777 {
		t.Fatalf("created %v, updated %v, revision %d; want the store's own", got.Target.CreatedAt, got.Target.UpdatedAt, got.Revision)
	}
	wantEqual(t, h.get(t, "event"), got)
}

func testCopies(t *testing.T, h *harness) {
	h.create(t, "event")
	sealed := []byte("sealed")
	var kept *keystore.Record
	returned := h.update(t, "event", func(r *keystore.Record) error {
		r.Add(keystore.Key{Sealed: sealed, Fingerprint: "f"}, h.clock.Now())
		kept = r
		return nil
	})
	want := returned.Clone()
	sealed[0] = 'X'
	kept.Keys[0].Sealed[1] = 'X'
	kept.Target.Account = "X"
	returned.Keys[0].Sealed[2] = 'X'
	read := h.get(t, "event")
	wantEqual(t, read, want)
	read.Keys[0].Sealed[3] = 'X'
	read.Keys[0].State = keystore.Destroyed
	wantEqual(t, h.get(t, "event"), want)
	listed, err := h.List(t.Context(), keystore.Page{})
	if err != nil {
		t.Fatal(err)
	}
	listed[0].Keys[0].Sealed[4] = 'X'
	wantEqual(t, h.get(t, "event"), want)
}

func testFnError(t *testing.T, h *harness) {
	want := h.create(t, "event")
	fence := h.lease(t, "event", "me")
	mine := errors.New("mine")
	_, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error {
		h.addKey(r)
		r.Target.Description = "changed"
		return mine
	})
	if err != mine { //nolint:errorlint // the contract says: as it is
		t.Fatalf("got %v, want fn's own error, unwrapped", err)
	}
	wantEqual(t, h.get(t, "event"), want)
	if _, err := h.Update(t.Context(), "event", fence, func(*keystore.Record) error { return nil }); err != nil {
		t.Fatalf("the fence is lost after an error of fn: %v", err)
	}
}

func testRevisions(t *testing.T, h *harness) {
	r := h.create(t, "event")
	seen := []int64{r.Revision}
	for range 5 {
		r = h.update(t, "event", func(r *keystore.Record) error { r.Target.Description += "."; return nil })
		seen = append(seen, r.Revision)
	}
	if err := h.Delete(t.Context(), "event", h.lease(t, "event", "me")); err != nil {
		t.Fatal(err)
	}
	seen = append(seen, h.create(t, "event").Revision)
	if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
		t.Fatalf("revisions %v; want them to grow always, also when the target is made again", seen)
	}
}

func testIllegalChanges(t *testing.T, h *harness) {
	h.create(t, "event")
	h.update(t, "event", func(r *keystore.Record) error {
		h.addKey(r)
		h.addKey(r)
		return r.Activate(1, h.clock.Now(), keystore.DefaultTiming())
	})
	want := h.get(t, "event")
	fence := h.lease(t, "event", "me")
	for name, change := range map[string]func(*keystore.Record){
		"other id":             func(r *keystore.Record) { r.Target.ID = "other" },
		"other provider":       func(r *keystore.Record) { r.Target.Provider = "agora" },
		"other scheme":         func(r *keystore.Record) { r.Target.Scheme = "other" },
		"key removed":          func(r *keystore.Record) { r.Keys = r.Keys[:1] },
		"all keys removed":     func(r *keystore.Record) { r.Keys = nil },
		"renumbered":           func(r *keystore.Record) { r.Keys[1].Version = 3 },
		"swapped":              func(r *keystore.Record) { r.Keys[0], r.Keys[1] = r.Keys[1], r.Keys[0] },
		"version reused":       func(r *keystore.Record) { r.Keys = append(r.Keys, keystore.Key{Version: 2, State: keystore.Pending}) },
		"version 0":            func(r *keystore.Record) { r.Keys = append(r.Keys, keystore.Key{State: keystore.Pending}) },
		"two active":           func(r *keystore.Record) { r.Keys[1].State = keystore.Active },
		"active to pending":    func(r *keystore.Record) { r.Keys[0].State = keystore.Pending },
		"active to destroyed":  func(r *keystore.Record) { r.Keys[0].State, r.Keys[0].Sealed = keystore.Destroyed, nil },
		"pending to retired":   func(r *keystore.Record) { r.Keys[1].State = keystore.Retired },
		"no state":             func(r *keystore.Record) { r.Keys[1].State = keystore.StateUnspecified },
		"active without bytes": func(r *keystore.Record) { r.Keys[0].Sealed = nil },
		"destroyed with bytes": func(r *keystore.Record) { r.Keys[1].State = keystore.Destroyed },
		"other secret":         func(r *keystore.Record) { r.Keys[0].Fingerprint = "sha256:other" },
		"new key retired":      func(r *keystore.Record) { h.addKey(r).State = keystore.Retired },
	} {
		_, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error { change(r); return nil })
		if !errors.Is(err, keystore.ErrIllegal) {
			t.Errorf("%s: got %v, want ErrIllegal", name, err)
		}
		wantEqual(t, h.get(t, "event"), want)
	}
}

// testActivation: a good first half of a change does not get in without its second half.
func testActivation(t *testing.T, h *harness) {
	h.create(t, "event")
	h.update(t, "event", func(r *keystore.Record) error {
		h.addKey(r)
		h.addKey(r)
		h.addKey(r)
		return r.Activate(1, h.clock.Now(), keystore.DefaultTiming())
	})
	want := h.get(t, "event")
	fence := h.lease(t, "event", "me")
	_, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error {
		if err := r.Activate(2, h.clock.Now(), keystore.DefaultTiming()); err != nil {
			return err
		}
		r.Keys[2].State = keystore.Retiring // illegal
		return nil
	})
	wantIs(t, err, keystore.ErrIllegal)
	wantEqual(t, h.get(t, "event"), want)
	if err := h.Release(t.Context(), "event", fence); err != nil {
		t.Fatal(err)
	}

	r := h.update(t, "event", func(r *keystore.Record) error { return r.Activate(2, h.clock.Now(), keystore.DefaultTiming()) })
	wantStates(t, r, keystore.Retiring, keystore.Active, keystore.Pending)
	// Back and forth between higher and lower versions: no order of writing may trip over "one active".
	r = h.update(t, "event", func(r *keystore.Record) error { return r.Activate(1, h.clock.Now(), keystore.DefaultTiming()) })
	wantStates(t, r, keystore.Active, keystore.Retiring, keystore.Pending)
	r = h.update(t, "event", func(r *keystore.Record) error { return r.Activate(3, h.clock.Now(), keystore.DefaultTiming()) })
	wantStates(t, r, keystore.Retiring, keystore.Retiring, keystore.Active)
}

func testLife(t *testing.T, h *harness) {
	h.create(t, "event")
	timing := keystore.DefaultTiming()
	steps := []func(*keystore.Record) error{
		func(r *keystore.Record) error { h.addKey(r); return r.Activate(1, h.clock.Now(), timing) },
		func(r *keystore.Record) error {
			return r.ScheduleCut(1, h.clock.Now().Add(time.Hour), true, h.clock.Now(), timing)
		},
		func(r *keystore.Record) error { h.addKey(r); return r.Activate(2, h.clock.Now(), timing) },
		func(r *keystore.Record) error { return r.Retire(1, true, h.clock.Now(), timing) },
		func(r *keystore.Record) error { return r.Destroy(1, true, h.clock.Now()) },
	}
	for i, step := range steps {
		h.clock.Advance(time.Minute)
		got := h.update(t, "event", step)
		if read := h.get(t, "event"); read.Revision != got.Revision {
			t.Fatalf("step %d: revision %d read, %d committed", i, read.Revision, got.Revision)
		}
	}
	r := h.get(t, "event")
	wantStates(t, r, keystore.Destroyed, keystore.Active)
	if len(r.Keys[0].Sealed) != 0 || !r.Keys[0].DestroyedAt.Equal(h.clock.Now()) {
		t.Fatalf("destroyed key: %d bytes, destroyed at %v", len(r.Keys[0].Sealed), r.Keys[0].DestroyedAt)
	}
	if n := r.NextVersion(); n != 3 {
		t.Fatalf("next version %d; want 3: versions are never used again", n)
	}
}

func testDelete(t *testing.T, h *harness) {
	h.create(t, "event")
	h.create(t, "event-2")
	h.update(t, "event", func(r *keystore.Record) error { h.addKey(r); h.addKey(r); return nil })
	fence := h.lease(t, "event", "me")
	wantIs(t, h.Delete(t.Context(), "event", fence), keystore.ErrIllegal)
	for version := 1; version <= 2; version++ {
		if len(h.get(t, "event").Keys) != 2 {
			t.Fatal("a refused Delete removed keys")
		}
		_, err := h.Update(t.Context(), "event", fence, func(r *keystore.Record) error { return r.Destroy(version, false, h.clock.Now()) })
		if err != nil {
			t.Fatal(err)
		}
		if version == 1 {
			wantIs(t, h.Delete(t.Context(), "event", fence), keystore.ErrIllegal)
		}
	}
	wantIs(t, h.Delete(t.Context(), "event", fence-1), keystore.ErrFenced)
	if err := h.Delete(t.Context(), "event", fence); err != nil {
		t.Fatal(err)
	}
	_, err := h.Get(t.Context(), "event")
	wantIs(t, err, keystore.ErrNotFound)
	h.get(t, "event-2")
	if r := h.create(t, "event"); len(r.Keys) != 0 {
		t.Fatalf("a target made again has %d keys of its predecessor", len(r.Keys))
	}
}

func wantStates(t *testing.T, r keystore.Record, want ...keystore.State) {
	t.Helper()
	got := make([]string, len(r.Keys))
	for i, k := range r.Keys {
		got[i] = k.State.String()
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("states %v, want %v", got, want)
	}
}
