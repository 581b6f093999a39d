package rotatetest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

const stranger = "00112233445566778899aabbccddeeff"

func newWorld(t *testing.T, s rotatetest.Scenario) *rotatetest.World {
	t.Helper()
	w, err := rotatetest.New(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
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
	r := w.Record()
	t.Fatalf("%s has not come within %d ticks: keys %v, operation %+v, alarm %q", what, most, states(r), r.Operation, w.Alarm())
	return r
}

func activeOf(r keystore.Record) *keystore.Key { return r.Active() }

func states(r keystore.Record) []string {
	var out []string
	for i := range r.Keys {
		out = append(out, r.Keys[i].State.String())
	}
	return out
}

func signs(version int) func(keystore.Record) bool {
	return func(r keystore.Record) bool { a := r.Active(); return a != nil && a.Version == version }
}

func idle(version int) func(keystore.Record) bool {
	return func(r keystore.Record) bool { return signs(version)(r) && r.Operation == nil }
}

func at(step keystore.Step) func(keystore.Record) bool {
	return func(r keystore.Record) bool { return r.Operation != nil && r.Operation.Step == step }
}

// TestVendorThatLosesEveryAnswer: it is not filled with keys, and somebody is told.
func TestVendorThatLosesEveryAnswer(t *testing.T) {
	for _, lost := range []rotatetest.Answer{rotatetest.LostAfter, rotatetest.LostBefore} {
		w := newWorld(t, rotatetest.Scenario{
			Kind: rotatetest.Minter, Policy: func(p *keystore.Policy) { p.SoleOwner = false },
			Script: func(call string, _ int) rotatetest.Answer {
				if call == "mint" {
					return lost
				}
				return rotatetest.OK
			},
		})
		if err := w.Advance(t.Context(), 400); err != nil {
			t.Fatal(err)
		}
		if lost == rotatetest.LostBefore {
			if n := len(w.Record().Orphans); n != 0 || w.Vendor.Count("mint") < 5 {
				t.Errorf("%d orphans of keys that were never made; %d tries", n, w.Vendor.Count("mint"))
			}
			continue
		}
		if n := len(w.Vendor.KIDs()); n != keystore.MaxOrphans || len(w.Record().Orphans) != n {
			t.Errorf("%d keys at the provider, %d in quarantine, want %d", n, len(w.Record().Orphans), keystore.MaxOrphans)
		}
		if !strings.Contains(w.Alarm(), "no more are made") {
			t.Errorf("alarm %q", w.Alarm())
		}
	}
}

// TestPersonsKeySurvives: one made before our intent is never touched, one made while we were in doubt
// waits in quarantine.
func TestPersonsKeySurvives(t *testing.T) {
	var before, during string
	s := rotatetest.Scenario{
		Kind: rotatetest.Minter, Policy: func(p *keystore.Policy) { p.SoleOwner = false },
		Script: func(call string, n int) rotatetest.Answer {
			if call == "mint" && n == 1 {
				return rotatetest.LostBefore
			}
			return rotatetest.OK
		},
		Event: func(w *rotatetest.World) {
			if op := w.Record().Operation; during == "" && op != nil && op.Step == keystore.Minting {
				during = w.Vendor.MintByHand()
			}
		},
	}
	w := newWorld(t, s)
	before = w.Vendor.MintByHand()
	r := advance(t, w, 100, "the second key", idle(2))
	kids := strings.Join(w.Vendor.KIDs(), " ")
	if !strings.Contains(kids, before) || during == "" || !strings.Contains(kids, during) {
		t.Errorf("the provider has %s; made by hand were %s and %s", kids, before, during)
	}
	if len(r.Orphans) != 1 || r.Orphans[0].KID != during || r.Orphans[0].Operation == "" {
		t.Errorf("quarantine %+v", r.Orphans)
	}
}

// TestKeyBesideThePresentOneIsRefused: nothing is forced; the alarm says what to decide.
func TestKeyBesideThePresentOneIsRefused(t *testing.T) {
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Minter, Script: func(call string, n int) rotatetest.Answer {
		if call == "mint" && n > 1 {
			return rotatetest.Rejected
		}
		return rotatetest.OK
	}})
	if err := w.Advance(t.Context(), 80); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(w.Alarm(), "needs_replace") || !signs(1)(w.Record()) {
		t.Errorf("alarm %q, keys %v", w.Alarm(), states(w.Record()))
	}
}

func TestKeysCarryTheirOperation(t *testing.T) {
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Minter})
	var operation string
	advance(t, w, 10, "a minted key", func(r keystore.Record) bool {
		if r.Operation != nil {
			operation = r.Operation.ID
		}
		return at(keystore.Draining)(r)
	})
	if labels := w.Vendor.Labels(); len(labels) != 1 || labels[w.Vendor.KIDs()[0]] != operation {
		t.Errorf("labels %v, want operation %s", labels, operation)
	}
}

// TestNewSecretIsRejected: the old one goes back into its slot and signs again; no token breaks.
func TestNewSecretIsRejected(t *testing.T) {
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Setter, Script: func(call string, n int) rotatetest.Answer {
		if call == "set" && (n == 2 || n == 3) {
			return rotatetest.Rejected
		}
		return rotatetest.OK
	}})
	advance(t, w, 60, "the cut", at(keystore.Applying))
	r := advance(t, w, 20, "the end of the operation", idle(1))
	if !strings.Contains(strings.Join(states(r), " "), "active destroyed") || !r.Active().Horizon.IsZero() {
		t.Errorf("keys %v, horizon %s", states(r), r.Active().Horizon)
	}
}

// TestNeitherSecretIsTaken: signing stays closed, and somebody is told.
func TestNeitherSecretIsTaken(t *testing.T) {
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Setter, Script: func(call string, n int) rotatetest.Answer {
		if call == "set" && n > 1 {
			return rotatetest.Rejected
		}
		return rotatetest.OK
	}})
	advance(t, w, 60, "the cut", at(keystore.Applying))
	if err := w.Advance(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	r := w.Record()
	if !at(keystore.Applying)(r) || r.Active().Horizon.IsZero() || !r.Active().HorizonEnds.IsZero() || w.Alarm() == "" {
		t.Errorf("operation %+v, alarm %q", r.Operation, w.Alarm())
	}
}

// TestCutIsPutOffWithoutCredentials: nobody stops signing for a cut that cannot work.
func TestCutIsPutOffWithoutCredentials(t *testing.T) {
	denied := false
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Setter, Script: func(string, int) rotatetest.Answer {
		if denied {
			return rotatetest.Denied
		}
		return rotatetest.OK
	}})
	advance(t, w, 60, "a scheduled cut", func(r keystore.Record) bool { return signs(1)(r) && at(keystore.Scheduled)(r) })
	denied = true
	for range 60 {
		if err := w.Advance(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if h := activeOf(w.Record()).Horizon; !h.IsZero() && !w.Now().Before(h) {
			t.Fatalf("signing closed at tick %d", w.Tick())
		}
	}
	denied = false
	advance(t, w, 60, "the second key", idle(2))
}

// TestLateWriteOfALostLeader: what a paused process wrote after its lease is healed at the next look.
func TestLateWriteOfALostLeader(t *testing.T) {
	for _, kind := range []rotatetest.Kind{rotatetest.Setter, rotatetest.BlindSetter} {
		w := newWorld(t, rotatetest.Scenario{Kind: kind, Breaks: true})
		advance(t, w, 10, "the first key", idle(1))
		first := w.Vendor.Secret("first")
		advance(t, w, 80, "the second key", idle(2))
		second := w.Vendor.Secret("first")
		w.Vendor.SetByHand("first", first)
		advance(t, w, 12, "the second secret in its slot", func(keystore.Record) bool { return w.Vendor.Secret("first").Equal(second) })
	}
}

func TestStrangersSecret(t *testing.T) {
	foreign := tokens.NewSecret([]byte(stranger))
	for policy, want := range map[string]func(*testing.T, *rotatetest.World, keystore.Record, tokens.Secret){
		"": func(t *testing.T, w *rotatetest.World, r keystore.Record, _ tokens.Secret) {
			if !w.Vendor.Secret("first").Equal(foreign) || !signs(1)(r) || !strings.Contains(w.Alarm(), "somebody else") {
				t.Errorf("overwritten, or nobody told: keys %v, alarm %q", states(r), w.Alarm())
			}
		},
		keystore.DriftReassert: func(t *testing.T, w *rotatetest.World, r keystore.Record, own tokens.Secret) {
			if !w.Vendor.Secret("first").Equal(own) || !signs(1)(r) {
				t.Errorf("keys %v", states(r))
			}
		},
		keystore.DriftAdopt: func(t *testing.T, w *rotatetest.World, r keystore.Record, _ tokens.Secret) {
			if !w.Vendor.Secret("first").Equal(foreign) || !signs(2)(r) || r.Active().Origin != keystore.OriginImport {
				t.Errorf("keys %v", states(r))
			}
		},
	} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Setter, Breaks: true, Policy: func(p *keystore.Policy) { p.OnDrift = policy }})
			advance(t, w, 10, "the first key", idle(1))
			own := w.Vendor.Secret("first")
			w.Vendor.SetByHand("first", foreign)
			if err := w.Advance(t.Context(), 15); err != nil {
				t.Fatal(err)
			}
			want(t, w, w.Record(), own)
		})
	}
}

// TestStrangerBeforeTheCut: with the policy alert the cut is put off, and goes on when the stranger left.
func TestStrangerBeforeTheCut(t *testing.T) {
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Setter, Breaks: true})
	advance(t, w, 60, "a scheduled cut", func(r keystore.Record) bool { return signs(1)(r) && at(keystore.Scheduled)(r) })
	own := w.Vendor.Secret("first")
	w.Vendor.SetByHand("first", tokens.NewSecret([]byte(stranger)))
	r := advance(t, w, 20, "the cut taken back", func(r keystore.Record) bool { return r.Operation.CutAt.IsZero() })
	if !r.Active().Horizon.IsZero() {
		t.Error("signing stays clamped")
	}
	w.Vendor.SetByHand("first", own)
	advance(t, w, 60, "the second key", idle(2))
}

// TestStrangerAtTheCut: one who writes after the last look is found before signing is closed for good, and
// one who writes while the slot is in doubt is not overwritten; with an immediate rotation it goes on.
func TestStrangerAtTheCut(t *testing.T) {
	foreign := tokens.NewSecret([]byte(stranger))
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Setter, Breaks: true})
	r := advance(t, w, 60, "a scheduled cut", func(r keystore.Record) bool { return signs(1)(r) && at(keystore.Scheduled)(r) })
	cut := r.Operation.CutAt
	advance(t, w, 20, "the cut", func(keystore.Record) bool { return !w.Now().Before(cut) })
	w.Vendor.SetByHand("first", foreign)
	advance(t, w, 30, "the cut taken back", func(r keystore.Record) bool { return at(keystore.Scheduled)(r) && r.Operation.CutAt.IsZero() })
	if !w.Vendor.Secret("first").Equal(foreign) {
		t.Error("the stranger's secret was overwritten")
	}

	lose := false
	w = newWorld(t, rotatetest.Scenario{Kind: rotatetest.Setter, Breaks: true, Script: func(call string, _ int) rotatetest.Answer {
		if lose && call == "set" {
			return rotatetest.LostBefore
		}
		return rotatetest.OK
	}})
	advance(t, w, 20, "the first key", idle(1))
	lose = true
	advance(t, w, 60, "the cut", at(keystore.Applying))
	lose = false
	w.Vendor.SetByHand("first", foreign)
	if err := w.Advance(t.Context(), 20); err != nil {
		t.Fatal(err)
	}
	if !w.Vendor.Secret("first").Equal(foreign) || !at(keystore.Applying)(w.Record()) || !strings.Contains(w.Alarm(), "somebody else") {
		t.Errorf("at %s, alarm %q", w.Record().Operation.Step, w.Alarm())
	}
	if _, err := w.Executor().Start(t.Context(), w.Target, rotate.Request{Immediate: true}); err != nil {
		t.Fatal(err)
	}
	advance(t, w, 10, "the second key", idle(2))
}

// TestAdoption: the first cut waits for the tokens of the former signer.
func TestAdoption(t *testing.T) {
	const life = 50 // ticks, far more than T
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Setter, Policy: func(p *keystore.Policy) { p.Every = 2 * rotatetest.Tick }})
	foreign := tokens.NewSecret([]byte(stranger))
	w.Vendor.SetByHand("first", foreign)
	if err := w.Advance(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if len(w.Record().Keys) != 0 || !strings.Contains(w.Alarm(), "somebody else") {
		t.Fatalf("a stranger's secret was not respected: keys %v, alarm %q", states(w.Record()), w.Alarm())
	}
	if _, err := w.Executor().Adopt(t.Context(), w.Target, 0); !errors.Is(err, keystore.ErrIllegal) {
		t.Errorf("without saying how long foreign tokens live: %v", err)
	}
	if _, err := w.Executor().Adopt(t.Context(), w.Target, life*rotatetest.Tick); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Executor().Adopt(t.Context(), w.Target, life*rotatetest.Tick); !errors.Is(err, keystore.ErrIllegal) {
		t.Errorf("twice: %v", err)
	}
	w.Expect(foreign, life)
	r := advance(t, w, 30, "a scheduled cut", at(keystore.Scheduled))
	if ahead := r.Operation.CutAt.Sub(w.Now()); ahead < 40*rotatetest.Tick {
		t.Errorf("the cut comes in %s", ahead)
	}
	advance(t, w, 80, "the second key", signs(2))
}

// TestImmediate: whatever the open operation stands at, a new key signs soon and the compromised one is
// accepted no more.
func TestImmediate(t *testing.T) {
	steps := map[rotatetest.Kind][]keystore.Step{
		rotatetest.Minter: {"", keystore.Intent, keystore.Minting, keystore.Minted, keystore.Draining},
		rotatetest.Setter: {"", keystore.Scheduled, keystore.Applying, keystore.Applied},
		rotatetest.Pair:   {"", keystore.Applying, keystore.Applied, keystore.Draining, keystore.Voiding},
	}
	for kind, all := range steps {
		for _, step := range all {
			t.Run(kind.String()+" at "+string(step), func(t *testing.T) {
				second := false // the second rotation meets a provider that holds it at the step
				w := newWorld(t, rotatetest.Scenario{Kind: kind, Breaks: true, Script: func(call string, _ int) rotatetest.Answer {
					changes := call == "mint" || call == "set"
					hold := changes && (step == keystore.Applying || step == keystore.Minting || step == keystore.Voiding && kind == rotatetest.Pair)
					if second && hold {
						return rotatetest.LostBefore
					}
					return rotatetest.OK
				}})
				advance(t, w, 20, "the first key", idle(1))
				second = step != keystore.Voiding
				reached := func(r keystore.Record) bool { return len(r.Keys) > 1 && at(step)(r) }
				switch step {
				case "":
				case keystore.Voiding:
					advance(t, w, 80, "the second key draining", func(r keystore.Record) bool { return len(r.Keys) > 1 && at(keystore.Draining)(r) })
					second = true
					fallthrough
				default:
					advance(t, w, 80, "the step", reached)
				}
				old := activeOf(w.Record())
				if _, err := w.Executor().Start(t.Context(), w.Target, rotate.Request{Immediate: true}); err != nil {
					t.Fatal(err)
				}
				second = false
				r := advance(t, w, 15, "a new key", func(r keystore.Record) bool { return r.Active() != nil && r.Active().Version > old.Version })
				advance(t, w, 15, "the end of the operation", idle(r.Active().Version))
				if w.Vendor.Accepts(old.Fingerprint) {
					t.Error("the compromised key is still accepted")
				}
				if !w.Vendor.Accepts(r.Active().Fingerprint) {
					t.Error("the new key is not accepted")
				}
			})
		}
	}
}

func TestRollback(t *testing.T) {
	for _, kind := range []rotatetest.Kind{rotatetest.Minter, rotatetest.Setter, rotatetest.Pair} {
		t.Run(kind.String(), func(t *testing.T) {
			w := newWorld(t, rotatetest.Scenario{Kind: kind})
			first := advance(t, w, 20, "the first key", idle(1)).Keys[0].Fingerprint
			advance(t, w, 80, "the second key", signs(2))
			r, err := w.Executor().Start(t.Context(), w.Target, rotate.Request{Kind: keystore.Rollback})
			if err != nil {
				t.Fatal(err)
			}
			if kind != rotatetest.Setter && !signs(1)(r) {
				t.Errorf("the first key is still accepted, and does not sign at once: %v", states(r))
			}
			r = advance(t, w, 40, "the end of the rollback", func(r keystore.Record) bool {
				return r.Operation == nil && r.Active().Fingerprint == first
			})
			if kind == rotatetest.Setter && r.Active().Version != 3 {
				t.Errorf("key %d signs; a single slot takes a copy of the secret as a new version", r.Active().Version)
			}
		})
	}
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Minter})
	advance(t, w, 20, "the first key", idle(1))
	if _, err := w.Executor().Start(t.Context(), w.Target, rotate.Request{Kind: keystore.Rollback}); !errors.Is(err, keystore.ErrIllegal) {
		t.Errorf("without an earlier key: %v", err)
	}
	advance(t, w, 80, "the second key, the first one revoked", idle(2))
	if _, err := w.Executor().Start(t.Context(), w.Target, rotate.Request{Kind: keystore.Rollback}); !errors.Is(err, keystore.ErrIllegal) {
		t.Errorf("to a revoked key: %v", err)
	}
}

func TestStartWhileOpen(t *testing.T) {
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Minter})
	advance(t, w, 20, "an open operation", at(keystore.Minted))
	if _, err := w.Executor().Start(t.Context(), w.Target, rotate.Request{}); !errors.Is(err, keystore.ErrIllegal) {
		t.Errorf("a second rotation: %v", err)
	}
	if _, err := w.Executor().Start(t.Context(), "absent", rotate.Request{}); !errors.Is(err, keystore.ErrNotFound) {
		t.Errorf("an absent target: %v", err)
	}
}

// TestTwoProcesses: both work on the target, one dies now and then; leases keep them apart.
func TestTwoProcesses(t *testing.T) {
	for _, kind := range kinds() {
		for point := 1; point < 60; point += 7 {
			s := rotatetest.Scenario{Kind: kind, Twin: true, Crashes: []int{point, point + 3}, Down: 5, Eager: point%2 == 0}
			if o := rotatetest.Run(t.Context(), s); o.Violation != nil {
				t.Errorf("%s: %v", s, o.Violation)
			}
		}
	}
}

// TestFindingBeforeAnActivation: a process that looked into the slot before another wrote and activated a key
// does not write that key again for what it saw.
func TestFindingBeforeAnActivation(t *testing.T) {
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Setter, Twin: true})
	advance(t, w, 10, "the first key", idle(1))
	if err := w.Advance(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if n := w.Vendor.Count("set"); n != 1 {
		t.Errorf("the first key was written %d times", n)
	}
}

// TestStrangerInAPair: a secret that somebody has set in the slot that signs is taken over there; the next rotation
// goes to the other slot.
func TestStrangerInAPair(t *testing.T) {
	foreign := tokens.NewSecret([]byte(stranger))
	w := newWorld(t, rotatetest.Scenario{Kind: rotatetest.Pair, Breaks: true, Policy: func(p *keystore.Policy) { p.OnDrift = keystore.DriftAdopt }})
	advance(t, w, 60, "the second key", idle(2))
	w.Vendor.SetByHand("second", foreign)
	r := advance(t, w, 15, "the stranger's key", idle(3))
	if k := r.Active(); k.Slot != 1 || k.Origin != keystore.OriginImport || !w.Vendor.Secret("second").Equal(foreign) {
		t.Errorf("%+v", k)
	}
	if got := strings.Join(states(r)[1:], " "); got != "retired active" {
		t.Errorf("keys %s", got)
	}
	if k := activeOf(advance(t, w, 120, "the fourth key", signs(4))); k.Slot != 0 {
		t.Errorf("key 4 stands in slot %d", k.Slot)
	}
}
