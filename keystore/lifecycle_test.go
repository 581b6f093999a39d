package keystore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/keystore"
)

func start() time.Time { return time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC) }

func timing() keystore.Timing {
	return keystore.Timing{SnapshotMaxAge: 30 * time.Second, ClockSkew: 15 * time.Second, RollbackWindow: 24 * time.Hour}
}

const lifetime = 6 * time.Hour

// record has one key in each of the given states, with bytes where the state wants them.
func record(provider string, states ...keystore.State) keystore.Record {
	r := keystore.Record{Target: keystore.Target{ID: "event", Provider: provider, Scheme: "any", MaxTokenLifetime: lifetime}}
	for i, s := range states {
		k := keystore.Key{Version: i + 1, State: s, Fingerprint: fmt.Sprint("f", i+1)}
		if s != keystore.Destroyed {
			k.Sealed = []byte{byte(i + 1)}
		}
		switch s {
		case keystore.Retiring:
			k.RetireAfter = start().Add(time.Hour)
		case keystore.Retired:
			k.DestroyAfter = start().Add(time.Hour)
		case keystore.StateUnspecified, keystore.Pending, keystore.Active, keystore.Destroyed:
		}
		r.Keys = append(r.Keys, k)
	}
	return r
}

func statesOf(r keystore.Record) string {
	names := make([]string, len(r.Keys))
	for i, k := range r.Keys {
		names[i] = k.State.String()
	}
	return strings.Join(names, " ")
}

func TestAdd(t *testing.T) {
	r := record("qencode", keystore.Destroyed, keystore.Active)
	r.Keys[1].Version = 5
	k := r.Add(keystore.Key{Version: 1, State: keystore.Active, KID: "kid"}, start())
	if k.Version != 6 || k.State != keystore.Pending || !k.CreatedAt.Equal(start()) || k.KID != "kid" {
		t.Fatalf("added %+v; want a pending version 6", k)
	}
	if k != &r.Keys[2] {
		t.Fatal("Add returns a pointer outside the record")
	}
	if n := (&keystore.Record{}).NextVersion(); n != 1 {
		t.Fatalf("first version %d", n)
	}
}

func TestActivate(t *testing.T) {
	for _, c := range []struct {
		name, provider string
		states         []keystore.State
		version        int
		want           string
		err            error
	}{
		{name: "first", provider: "wowza", states: []keystore.State{keystore.Pending}, version: 1, want: "active"},
		{name: "overlap", provider: "qencode", states: []keystore.State{keystore.Active, keystore.Pending}, version: 2, want: "retiring active"},
		{name: "overlap akamai", provider: "akamai", states: []keystore.State{keystore.Active, keystore.Pending}, version: 2, want: "retiring active"},
		{name: "single slot", provider: "wowza", states: []keystore.State{keystore.Active, keystore.Pending}, version: 2, want: "retired active"},
		{name: "single slot agora", provider: "agora", states: []keystore.State{keystore.Active, keystore.Pending}, version: 2, want: "retired active"},
		{name: "rollback", provider: "qencode", states: []keystore.State{keystore.Retiring, keystore.Active}, version: 1, want: "active retiring"},
		{name: "active already", provider: "qencode", states: []keystore.State{keystore.Active}, version: 1, want: "active", err: keystore.ErrIllegal},
		{name: "retired", provider: "qencode", states: []keystore.State{keystore.Retired, keystore.Active}, version: 1, want: "retired active", err: keystore.ErrIllegal},
		{name: "destroyed", provider: "qencode", states: []keystore.State{keystore.Destroyed}, version: 1, want: "destroyed", err: keystore.ErrIllegal},
		{name: "absent", provider: "qencode", states: []keystore.State{keystore.Active}, version: 2, want: "active", err: keystore.ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := record(c.provider, c.states...)
			err := r.Activate(c.version, start(), timing())
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			if got := statesOf(r); got != c.want {
				t.Fatalf("states %q, want %q", got, c.want)
			}
			if err == nil && !r.Active().ActivatedAt.Equal(start()) {
				t.Fatalf("activated at %v", r.Active().ActivatedAt)
			}
		})
	}

	r := record("qencode", keystore.Active, keystore.Pending)
	r.Keys[1].Sealed = nil
	if err := r.Activate(2, start(), timing()); !errors.Is(err, keystore.ErrIllegal) || statesOf(r) != "active pending" {
		t.Fatalf("a key without bytes: %v, %s", err, statesOf(r))
	}
}

// TestTimesOfActivation: tokens of the old key live on until replicas have seen the change and the last
// token has died; a rollback forgets that.
func TestTimesOfActivation(t *testing.T) {
	r := record("qencode", keystore.Active, keystore.Pending)
	if err := r.Activate(2, start(), timing()); err != nil {
		t.Fatal(err)
	}
	if want := start().Add(30*time.Second + lifetime + 15*time.Second); !r.Keys[0].RetireAfter.Equal(want) {
		t.Fatalf("retire after %v, want C + T + S later: %v", r.Keys[0].RetireAfter, want)
	}
	if err := r.Activate(1, start().Add(time.Minute), timing()); err != nil {
		t.Fatal(err)
	}
	if !r.Keys[0].RetireAfter.IsZero() || !r.Keys[0].Horizon.IsZero() {
		t.Fatalf("after the rollback: %+v", r.Keys[0])
	}

	r = record("wowza", keystore.Active, keystore.Pending)
	if err := r.Activate(2, start(), timing()); err != nil {
		t.Fatal(err)
	}
	old := r.Keys[0]
	if !old.RetiredAt.Equal(start()) || !old.DestroyAfter.Equal(start().Add(24*time.Hour)) || len(old.Sealed) == 0 {
		t.Fatalf("single slot: %+v; want it kept for the rollback window", old)
	}
}

func TestRetire(t *testing.T) {
	for _, c := range []struct {
		name, provider string
		state          keystore.State
		force          bool
		after          time.Duration
		want           string
		err            error
	}{
		{"active overlap", "qencode", keystore.Active, false, 0, "retiring", nil},
		{"active overlap by force", "qencode", keystore.Active, true, 0, "retired", nil},
		{"active single slot", "wowza", keystore.Active, false, 0, "retired", nil},
		{"retiring too early", "qencode", keystore.Retiring, false, time.Hour - 1, "retiring", keystore.ErrIllegal},
		{"retiring in time", "qencode", keystore.Retiring, false, time.Hour, "retired", nil},
		{"retiring by force", "qencode", keystore.Retiring, true, 0, "retired", nil},
		{"pending", "qencode", keystore.Pending, true, 0, "pending", keystore.ErrIllegal},
		{"retired", "qencode", keystore.Retired, true, 0, "retired", keystore.ErrIllegal},
		{"destroyed", "qencode", keystore.Destroyed, true, 0, "destroyed", keystore.ErrIllegal},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := record(c.provider, c.state)
			now := start().Add(c.after)
			err := r.Retire(1, c.force, now, timing())
			if !errors.Is(err, c.err) || statesOf(r) != c.want {
				t.Fatalf("got %v and %s, want %v and %s", err, statesOf(r), c.err, c.want)
			}
			if c.want == "retired" && c.err == nil && (!r.Keys[0].RetiredAt.Equal(now) || !r.Keys[0].DestroyAfter.Equal(now.Add(24*time.Hour))) {
				t.Fatalf("times %+v", r.Keys[0])
			}
		})
	}
	r := record("qencode")
	if err := r.Retire(1, true, start(), timing()); !errors.Is(err, keystore.ErrNotFound) {
		t.Fatalf("absent: %v", err)
	}
}

func TestDestroy(t *testing.T) {
	for _, c := range []struct {
		name  string
		state keystore.State
		force bool
		after time.Duration
		want  string
		err   error
	}{
		{"pending", keystore.Pending, false, 0, "destroyed", nil},
		{"retired too early", keystore.Retired, false, time.Hour - 1, "retired", keystore.ErrIllegal},
		{"retired in time", keystore.Retired, false, time.Hour, "destroyed", nil},
		{"retired by force", keystore.Retired, true, 0, "destroyed", nil},
		{"active", keystore.Active, true, 0, "active", keystore.ErrIllegal},
		{"retiring", keystore.Retiring, true, 0, "retiring", keystore.ErrIllegal},
		{"destroyed", keystore.Destroyed, true, 0, "destroyed", keystore.ErrIllegal},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := record("qencode", c.state)
			now := start().Add(c.after)
			err := r.Destroy(1, c.force, now)
			if !errors.Is(err, c.err) || statesOf(r) != c.want {
				t.Fatalf("got %v and %s, want %v and %s", err, statesOf(r), c.err, c.want)
			}
			if err == nil && (len(r.Keys[0].Sealed) != 0 || !r.Keys[0].DestroyedAt.Equal(now) || r.Keys[0].Fingerprint == "") {
				t.Fatalf("tombstone %+v", r.Keys[0])
			}
		})
	}
	r := record("qencode")
	if err := r.Destroy(1, true, start()); !errors.Is(err, keystore.ErrNotFound) {
		t.Fatalf("absent: %v", err)
	}
}

func TestScheduleCut(t *testing.T) {
	r := record("wowza", keystore.Active, keystore.Pending)
	r.Target.MaxTokenLifetime = 40 * time.Minute
	safe := start().Add(40*time.Minute + timing().SnapshotMaxAge)
	if err := r.ScheduleCut(1, safe, false, start(), timing()); err != nil || !r.Keys[0].Horizon.Equal(safe) {
		t.Fatalf("horizon %v, %v", r.Keys[0].Horizon, err)
	}
	r.Target.LongLivedUntil = start().Add(time.Hour) // the lifetime was an hour until now
	for _, c := range []struct {
		version int
		at      time.Time
		force   bool
		err     error
	}{
		{1, safe, false, keystore.ErrIllegal},
		{1, safe, true, nil},
		{1, start().Add(time.Hour + timing().SnapshotMaxAge - 1), false, keystore.ErrIllegal},
		{1, start().Add(time.Hour + timing().SnapshotMaxAge), false, nil},
		{1, start().Add(time.Second), true, nil},
		{1, start(), true, keystore.ErrIllegal},
		{1, start().Add(-time.Second), true, keystore.ErrIllegal},
		{1, time.Time{}, true, keystore.ErrIllegal},
		{2, safe, true, keystore.ErrIllegal},
		{3, safe, true, keystore.ErrNotFound},
	} {
		if err := r.ScheduleCut(c.version, c.at, c.force, start(), timing()); !errors.Is(err, c.err) {
			t.Errorf("cut of %d at %v, force %v: %v, want %v", c.version, c.at, c.force, err, c.err)
		}
	}
	r.Keys[0].HorizonEnds = start().Add(time.Hour)
	if err := r.ClearHorizon(1); err != nil || !r.Keys[0].Horizon.IsZero() || !r.Keys[0].HorizonEnds.IsZero() {
		t.Errorf("a horizon taken back: %+v, %v", r.Keys[0], err)
	}
	if err := r.ClearHorizon(2); !errors.Is(err, keystore.ErrIllegal) {
		t.Errorf("that of a pending key: %v", err)
	}
}

func TestOverlaps(t *testing.T) {
	for provider, want := range map[string]bool{"qencode": true, "akamai": true, "wowza": false, "agora": false, "": false, "other": false} {
		if keystore.Overlaps(provider) != want {
			t.Errorf("Overlaps(%q) = %v", provider, !want)
		}
	}
}

func TestClone(t *testing.T) {
	r := record("qencode", keystore.Active, keystore.Destroyed)
	c := r.Clone()
	if diff := cmp.Diff(r, c); diff != "" {
		t.Fatal(diff)
	}
	c.Keys[0].Sealed[0] = 99
	c.Keys[0].State = keystore.Retired
	if r.Keys[0].Sealed[0] == 99 || r.Keys[0].State == keystore.Retired {
		t.Fatal("a clone shares memory")
	}
}
