package overhttp_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest/overhttp"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

func newWorld(t *testing.T, s rotatetest.Scenario) (*rotatetest.World, *overhttp.Account) {
	t.Helper()
	w, account, err := newRig(t).World(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, account
}

// advance runs the world until done, at most for a number of ticks.
func advance(t *testing.T, w *rotatetest.World, most int, what string, done func(keystore.Record) bool) keystore.Record {
	t.Helper()
	for range most {
		if err := w.Advance(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if done(w.Record()) {
			return w.Record()
		}
	}
	t.Fatalf("%s has not come within %d ticks: operation %+v, alarm %q", what, most, w.Record().Operation, w.Alarm())
	return keystore.Record{}
}

func idle(version int) func(keystore.Record) bool {
	return func(r keystore.Record) bool {
		return r.Operation == nil && r.Active() != nil && r.Active().Version == version
	}
}

// shared is a minter whose keys may be another's too.
func shared() rotatetest.Scenario {
	return rotatetest.Scenario{
		Kind: rotatetest.Minter, Provider: overhttp.Qencode, Policy: func(p *keystore.Policy) { p.SoleOwner = false },
	}
}

// TestVendorThatLosesEveryAnswer: it is not filled with keys, and somebody is told.
func TestVendorThatLosesEveryAnswer(t *testing.T) {
	w, account := newWorld(t, shared())
	account.Plan.Add(fault.Rule{Call: account.Change(), Times: fault.Forever, Fault: fault.LostAfter()})
	advance(t, w, 100, "the third orphan", func(r keystore.Record) bool { return len(r.Orphans) == keystore.MaxOrphans })
	if err := w.Advance(t.Context(), 300); err != nil {
		t.Fatal(err)
	}
	r := w.Record()
	if n, asked := len(account.KIDs()), account.Plan.Count(account.Change()); n != keystore.MaxOrphans || asked != n || len(r.Orphans) != n {
		t.Errorf("%d keys at the provider, asked for %d times, %d in quarantine; want %d", n, asked, len(r.Orphans), keystore.MaxOrphans)
	}
	if !strings.Contains(w.Alarm(), "no more are made") {
		t.Errorf("alarm %q", w.Alarm())
	}
}

// TestVendorThatNeverHears has made nothing: it is asked again and again, at growing distances.
func TestVendorThatNeverHears(t *testing.T) {
	w, account := newWorld(t, shared())
	account.Plan.Add(fault.Rule{Call: account.Change(), Times: fault.Forever, Fault: fault.LostBefore()})
	if err := w.Advance(t.Context(), 200); err != nil {
		t.Fatal(err)
	}
	asked := account.Plan.Count(account.Change())
	if n := len(account.KIDs()) + len(w.Record().Orphans); n != 0 || asked < 5 || asked > 100 || w.Alarm() == "" {
		t.Errorf("%d keys and orphans of keys that were never made; asked %d times; alarm %q", n, asked, w.Alarm())
	}
}

// TestPersonsKeySurvives: one made before our intent is never touched, one made while we were in doubt waits in
// quarantine.
func TestPersonsKeySurvives(t *testing.T) {
	var account *overhttp.Account
	var during string
	byHand := func() string {
		kid, err := account.ByHand(account.Target().Resources[0], tokens.Secret{})
		if err != nil {
			t.Error(err)
		}
		return kid
	}
	s := shared()
	s.Event = func(w *rotatetest.World) {
		if op := w.Record().Operation; during == "" && op != nil && op.Step == keystore.Minting {
			during = byHand()
		}
	}
	var w *rotatetest.World
	w, account = newWorld(t, s)
	account.Plan.Add(fault.Rule{Call: account.Change(), Fault: fault.LostBefore()})
	before := byHand()
	r := advance(t, w, 100, "the second key", idle(2))
	if kids := account.KIDs(); during == "" || !slices.Contains(kids, before) || !slices.Contains(kids, during) {
		t.Errorf("the provider has %v; made by hand were %s and %s", kids, before, during)
	}
	if len(r.Orphans) != 1 || r.Orphans[0].KID != during || r.Orphans[0].Operation == "" {
		t.Errorf("quarantine %+v", r.Orphans)
	}
}

// TestLostKeyOfTheSameSecond: the vendor cuts the time of a key to the second, so that it lies before the intent
// to make it. The key is found all the same.
func TestLostKeyOfTheSameSecond(t *testing.T) {
	s := shared()
	s.Eager = true
	w, account := newWorld(t, s)
	if w.Now().Truncate(time.Second).Equal(w.Now()) {
		t.Fatal("the world begins at a full second")
	}
	account.Plan.Add(fault.Rule{Call: account.Change(), Fault: fault.LostAfter()})
	r := advance(t, w, 20, "an orphan", func(r keystore.Record) bool { return len(r.Orphans) > 0 })
	if kids := account.KIDs(); len(kids) == 0 || r.Orphans[0].KID != kids[0] {
		t.Errorf("quarantine %+v, the provider has %v", r.Orphans, kids)
	}
}

// TestPersonsSecretSurvives: what somebody else writes into a slot is not overwritten, and somebody is told.
func TestPersonsSecretSurvives(t *testing.T) {
	foreign := tokens.NewSecret([]byte("00112233445566778899aabbccddeeff"))
	for _, provider := range []string{overhttp.Wowza, overhttp.Agora} {
		t.Run(provider, func(t *testing.T) {
			w, account := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Setter, Provider: provider, Breaks: true})
			advance(t, w, 20, "the first key", idle(1))
			resource := account.Target().Resources[0]
			if _, err := account.ByHand(resource, foreign); err != nil {
				t.Fatal(err)
			}
			if err := w.Advance(t.Context(), 60); err != nil {
				t.Fatal(err)
			}
			if !account.Secret(resource).Equal(foreign) || !strings.Contains(w.Alarm(), "somebody else") {
				t.Errorf("overwritten, or nobody told: alarm %q", w.Alarm())
			}
		})
	}
}
