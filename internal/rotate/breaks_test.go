package rotate_test

import (
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/keystore"
)

// TestPlanSaysWhatBreaks: of the open operation, or of the next one, with an edge whose cookies outlive the secret
// and with one whose cookies end with it.
func TestPlanSaysWhatBreaks(t *testing.T) {
	const (
		nothing = "no token"
		late    = "tokens of the new key that edges learn late of, since the target opens on apply"
	)
	at1to2 := func(s keystore.Step) *keystore.Operation { return &keystore.Operation{From: 1, To: 2, Step: s} }
	active, pending, retiring := key(1, keystore.Active), key(2, keystore.Pending), key(1, keystore.Retiring)
	newer := key(2, keystore.Active)
	immediate := at1to2(keystore.Applying)
	immediate.Immediate = true
	opensEarly := record("wowza", 1, nil, active)
	opensEarly.Target.Policy.OpenOnApply = true
	unmanaged := record("wowza", 1, nil, active)
	unmanaged.Target.Account = ""
	cut := at1to2(keystore.Scheduled)
	cut.CutAt, cut.CutUntil = at(hour), at(hour+15*time.Minute)
	for name, c := range map[string]struct {
		r               keystore.Record
		survives, bound string
	}{
		"overlap, next": {record("qencode", 1, nil, active), nothing, nothing},
		"overlap, open": {record("qencode", 1, at1to2(keystore.Draining), retiring, newer), nothing, nothing},
		"cut, next": {
			record("wowza", 1, nil, active), nothing,
			"no token; every session of key 1 ends at the cut: 403 until its player signs again",
		},
		"cut, open": {
			record("wowza", 1, cut, active, pending), nothing,
			"no token; every session of key 1 ends at the cut of 2031-02-03T13:00:00Z: 403 until its player signs again",
		},
		"cut, the first key":             {record("wowza", 1, nil), nothing, nothing},
		"cut, imported by hand":          {unmanaged, nothing, nothing},
		"cut, opens before edges follow": {opensEarly, late, late + "; every session of key 1 ends at the cut: 403 until its player signs again"},
		"cut, immediate": {
			record("wowza", 1, immediate, active, pending),
			"every token of key 1 that is alive, until 2031-02-03T18:00:00Z at the latest",
			"every token of key 1 that is alive, until 2031-02-03T18:00:00Z at the latest, and the sessions that they opened",
		},
		"pair, next": {
			record("wowza", 2, nil, active), nothing,
			"no token; sessions of key 1 that have not signed again end with its slot",
		},
		"pair, open": {
			record("wowza", 2, at1to2(keystore.Draining), retiring, newer), nothing,
			"no token; sessions of key 1 that have not signed again end with its slot at 2031-02-03T13:00:00Z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := setterFacts()
			if c.r.Target.Provider == "qencode" {
				f = minterFacts()
			}
			for bound, want := range map[bool]string{false: c.survives, true: c.bound} {
				f.Traits.CookieBound = bound && c.r.Target.Provider == "wowza"
				if d := rotate.Plan(c.r, f, rotate.DefaultTiming(), start()); d.Breaks != want {
					t.Errorf("with cookies bound %t:\n got %q\nwant %q", bound, d.Breaks, want)
				}
			}
		})
	}
}

// TestPlanSaysWhichKeyEndsAndWhen: so that its living tokens can be counted.
func TestPlanSaysWhichKeyEndsAndWhen(t *testing.T) {
	open := func(s keystore.Step, immediate bool, cut time.Time) *keystore.Operation {
		return &keystore.Operation{From: 1, To: 2, Step: s, Immediate: immediate, CutAt: cut, CutUntil: cut.Add(15 * time.Minute)}
	}
	active, pending, retiring, newer := key(1, keystore.Active), key(2, keystore.Pending), key(1, keystore.Retiring), key(2, keystore.Active)
	due := record("wowza", 1, nil, active)
	due.NextRotation, due.Target.Policy.Every = start(), 24*time.Hour
	unmanaged := record("wowza", 1, nil, active)
	unmanaged.Target.Account = ""
	for name, c := range map[string]struct {
		r    keystore.Record
		ends int
		at   time.Time
	}{
		"cut, next":             {record("wowza", 1, nil, active), 1, time.Time{}},
		"cut, due":              {due, 1, at(6*time.Hour + 30*time.Second)},
		"cut, open":             {record("wowza", 1, open(keystore.Scheduled, false, at(hour)), active, pending), 1, at(hour)},
		"cut, immediate":        {record("wowza", 1, open(keystore.Scheduled, true, time.Time{}), active, pending), 1, start()},
		"cut, the first key":    {record("wowza", 1, nil), 0, time.Time{}},
		"cut, imported by hand": {unmanaged, 0, time.Time{}},
		"overlap, next":         {record("qencode", 1, nil, active), 1, time.Time{}},
		"overlap, open":         {record("qencode", 1, open(keystore.Draining, false, time.Time{}), retiring, newer), 1, at(hour)},
		"overlap, immediate":    {record("qencode", 1, open(keystore.Draining, true, time.Time{}), retiring, newer), 1, start()},
		"pair, open":            {record("wowza", 2, open(keystore.Draining, false, time.Time{}), retiring, newer), 1, at(hour)},
	} {
		t.Run(name, func(t *testing.T) {
			f := setterFacts()
			if c.r.Target.Provider == "qencode" {
				f = minterFacts()
			}
			d := rotate.Plan(c.r, f, rotate.DefaultTiming(), start())
			if d.Ends != c.ends || !d.EndsAt.Equal(c.at) {
				t.Errorf("key %d at %s, want key %d at %s (%s: %s)", d.Ends, d.EndsAt, c.ends, c.at, d.Action, d.Why)
			}
		})
	}
}
