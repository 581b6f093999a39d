package keystore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tokensvc/tokensvc/keystore"
)

// life is a record on which changes are tried one after the other, each as a store would.
type life struct {
	t   *testing.T
	r   keystore.Record
	now time.Time
	ops int
}

// live returns a target with an active key 1, in slot 0, and a pending key 2.
func live(t *testing.T, mode keystore.Mode) *life {
	t.Helper()
	provider := map[keystore.Mode]string{keystore.Overlap: "qencode", keystore.Cut: "wowza", keystore.Pair: "agora", keystore.Replace: "qencode"}[mode]
	r := record(provider, keystore.Active, keystore.Pending)
	r.Target.Resources = []string{"one"}
	if mode == keystore.Pair {
		r.Target.Resources = []string{"one", "two"}
		r.Keys[1].Slot = 1
	}
	if mode != keystore.Replace && r.Target.Mode() != mode {
		t.Fatalf("mode %s, want %s", r.Target.Mode(), mode)
	}
	return &life{t: t, r: r, now: start()}
}

// do commits what fn does; it must be legal.
func (l *life) do(fn func(*keystore.Record) error) {
	l.t.Helper()
	before := l.r.Clone()
	if err := fn(&l.r); err != nil {
		l.t.Fatal(err)
	}
	if err := keystore.CheckUpdate(before, l.r); err != nil {
		l.t.Fatalf("the record allows what the store refuses: %v", err)
	}
	l.r.Closed = nil
}

// refuses wants fn to be illegal and to leave no traces.
func (l *life) refuses(what string, fn func(*keystore.Record) error) {
	l.t.Helper()
	r := l.r.Clone()
	if err := fn(&r); !errors.Is(err, keystore.ErrIllegal) {
		l.t.Errorf("%s: %v, want ErrIllegal", what, err)
	} else if traces(r) != traces(l.r) {
		l.t.Errorf("%s: the refusal left traces", what)
	}
}

// storeRefuses wants CheckUpdate to refuse what fn leaves.
func (l *life) storeRefuses(what string, fn func(*keystore.Record)) {
	l.t.Helper()
	r := l.r.Clone()
	fn(&r)
	if err := keystore.CheckUpdate(l.r, r); !errors.Is(err, keystore.ErrIllegal) {
		l.t.Errorf("the store takes this: %s (%v)", what, err)
	}
}

func traces(r keystore.Record) string {
	return fmt.Sprintf("%v %+v %v %v", r.Keys, r.Operation, r.Closed, r.Orphans)
}

func (l *life) operation(kind keystore.Kind, to int) keystore.Operation {
	l.ops++
	return keystore.Operation{ID: fmt.Sprintf("01f3b1c2-0000-7000-8000-%012d", l.ops), Kind: kind, To: to}
}

func (l *life) begin(op keystore.Operation) {
	l.t.Helper()
	l.do(func(r *keystore.Record) error { return r.Begin(op, l.now, timing()) })
}

func (l *life) advance(step keystore.Step) {
	l.t.Helper()
	l.do(func(r *keystore.Record) error { return r.Advance(step, l.now, timing()) })
}

func (l *life) activate() {
	l.t.Helper()
	l.do(func(r *keystore.Record) error { return r.ActivateTo(l.now, timing()) })
}

func (l *life) close(outcome string) {
	l.t.Helper()
	l.do(func(r *keystore.Record) error { return r.Close(outcome, l.now) })
}

func (l *life) states(want string) {
	l.t.Helper()
	if got := statesOf(l.r); got != want {
		l.t.Fatalf("states %q, want %q", got, want)
	}
}

func TestOverlapRotation(t *testing.T) {
	l := live(t, keystore.Overlap)
	l.r.Target.Policy.Every = 30 * 24 * time.Hour
	l.r.Keys[1].Sealed, l.r.Keys[1].Fingerprint = nil, ""
	l.begin(l.operation(keystore.Rotate, 2))
	if op := l.r.Operation; op.Step != keystore.Intent || op.From != 1 || op.Target != "event" || !op.StartedAt.Equal(l.now) {
		t.Fatalf("begun %+v", op)
	}
	l.refuses("a second operation", func(r *keystore.Record) error {
		return r.Begin(l.operation(keystore.Rotate, 2), l.now, timing())
	})
	l.refuses("a step left out", func(r *keystore.Record) error { return r.Advance(keystore.Minted, l.now, timing()) })
	l.advance(keystore.Minting)
	l.r.Operation.Tries, l.r.Operation.LastError = 2, "ambiguous"
	l.refuses("abandoned in doubt", func(r *keystore.Record) error { return r.Close(keystore.OutcomeAbandoned, l.now) })
	l.do(func(r *keystore.Record) error { // the sweep
		r.Operation.Seen = []string{"k"}
		if err := r.Quarantine("k", l.now); err != nil {
			return err
		}
		return r.Advance(keystore.Intent, l.now, timing())
	})
	if l.r.Operation.Tries != 2 {
		t.Fatal("going back forgot the failures")
	}
	l.advance(keystore.Minting)
	l.storeRefuses("minted without a secret", func(r *keystore.Record) { r.Operation.Step = keystore.Minted })
	l.do(func(r *keystore.Record) error {
		if err := r.SetSecret(2, "kid", "f2", []byte("sealed"), l.now.Add(time.Minute)); err != nil {
			return err
		}
		return r.Advance(keystore.Minted, l.now, timing())
	})
	l.refuses("a secret twice", func(r *keystore.Record) error { return r.SetSecret(2, "other", "f3", []byte("x"), l.now) })
	l.storeRefuses("another name", func(r *keystore.Record) { r.Keys[1].KID = "other" })
	l.activate()
	l.states("retiring active")
	if !l.r.NextRotation.Equal(l.now.Add(30 * 24 * time.Hour)) {
		t.Fatalf("the next rotation is due at %v", l.r.NextRotation)
	}
	l.refuses("done too early", func(r *keystore.Record) error { return r.Close(keystore.OutcomeDone, l.now) })
	l.now = l.r.Keys[0].RetireAfter
	l.do(func(r *keystore.Record) error { return r.Retire(1, false, l.now, timing()) })
	l.close(keystore.OutcomeDone)
	l.states("retired active")
}

func TestCutRotation(t *testing.T) {
	l := live(t, keystore.Cut)
	drain := 30*time.Second + lifetime
	at, until := l.now.Add(drain), l.now.Add(drain+15*time.Minute)
	op := l.operation(keystore.Rotate, 2)
	op.CutAt, op.CutUntil = at.Add(-1), until
	l.refuses("a cut that breaks tokens", func(r *keystore.Record) error { return r.Begin(op, l.now, timing()) })
	op.CutAt, op.CutUntil = at, at.Add(time.Minute)
	l.refuses("a cut that cannot be carried out", func(r *keystore.Record) error { return r.Begin(op, l.now, timing()) })
	op.CutUntil = until
	l.begin(op)
	if k := l.r.Keys[0]; !k.Horizon.Equal(at) || !k.HorizonEnds.Equal(until) {
		t.Fatalf("horizon %v to %v", k.Horizon, k.HorizonEnds)
	}
	l.refuses("a horizon by hand", func(r *keystore.Record) error { return r.ScheduleCut(1, until, true, l.now, timing()) })
	l.refuses("its horizon taken back by hand", func(r *keystore.Record) error { return r.ClearHorizon(1) })
	l.storeRefuses("another horizon", func(r *keystore.Record) { r.Keys[0].Horizon = at.Add(1) })
	l.storeRefuses("another active key", func(r *keystore.Record) { _ = r.Activate(2, l.now, timing()) })
	l.storeRefuses("other resources", func(r *keystore.Record) { r.Target.Resources = []string{"two"} })

	l.now = at
	l.refuses("applied before the slowest clock", func(r *keystore.Record) error { return r.Advance(keystore.Applying, l.now, timing()) })
	l.now = until.Add(-45 * time.Second)
	l.refuses("applied too late", func(r *keystore.Record) error { return r.Advance(keystore.Applying, l.now, timing()) })
	l.do(func(r *keystore.Record) error { return r.CancelCut(l.now) })
	if k := l.r.Keys[0]; !k.Horizon.IsZero() || !k.HorizonEnds.IsZero() {
		t.Fatalf("a cut taken back leaves %v", k.Horizon)
	}
	at = l.now.Add(drain)
	l.do(func(r *keystore.Record) error { return r.Schedule(at, at.Add(15*time.Minute), l.now, timing()) })
	l.now = at.Add(15 * time.Second)
	l.advance(keystore.Applying)
	if k := l.r.Keys[0]; !k.Horizon.Equal(at) || !k.HorizonEnds.IsZero() {
		t.Fatalf("at applying the horizon is %v to %v; want it to hold", k.Horizon, k.HorizonEnds)
	}
	for what, open := range map[string]func(*keystore.Record){
		"no horizon":     func(r *keystore.Record) { r.Keys[0].Horizon = time.Time{} },
		"it ends":        func(r *keystore.Record) { r.Keys[0].HorizonEnds = at.Add(time.Hour) },
		"scheduled back": func(r *keystore.Record) { r.Operation.Step = keystore.Scheduled },
		"new key gone":   func(r *keystore.Record) { _ = r.Destroy(2, true, l.now) },
	} {
		l.storeRefuses("in doubt, "+what, open)
	}
	l.refuses("abandoned in doubt", func(r *keystore.Record) error { return r.Close(keystore.OutcomeAbandoned, l.now) })
	l.refuses("activated in doubt", func(r *keystore.Record) error { return r.ActivateTo(l.now, timing()) })
	l.advance(keystore.Applied)
	l.refuses("abandoned with the new secret in the slot", func(r *keystore.Record) error { return r.Close(keystore.OutcomeAbandoned, l.now) })
	l.activate()
	l.states("retired active")
	if l.r.Operation != nil {
		t.Fatalf("open %+v", l.r.Operation)
	}
}

// TestRestoredCut: a secret that the provider refuses for good gives way to the old one.
func TestRestoredCut(t *testing.T) {
	l := live(t, keystore.Cut)
	op := l.operation(keystore.Rotate, 2)
	op.Immediate = true
	l.begin(op)
	l.advance(keystore.Applying)
	if k := l.r.Keys[0]; !k.Horizon.Equal(l.now) {
		t.Fatalf("signing goes on until %v", k.Horizon)
	}
	l.do(func(r *keystore.Record) error { return r.Restored(l.now.Add(time.Minute), l.now) })
	l.states("active destroyed")
	if k := l.r.Keys[0]; k.Horizon.IsZero() || l.r.Operation.Step != keystore.Applied {
		t.Fatalf("%+v; want signing closed until the edges know the old key", k)
	}
	l.close(keystore.OutcomeAbandoned)
	if k := l.r.Keys[0]; !k.Horizon.IsZero() {
		t.Fatalf("signing stays closed: %+v", k)
	}
}

// TestReplace: where the provider takes no second key, the old one is deleted while nobody signs.
func TestReplace(t *testing.T) {
	l := live(t, keystore.Replace)
	l.r.Keys[1].Sealed = nil // the provider makes it
	at, until := l.now.Add(30*time.Second+lifetime), l.now.Add(lifetime+15*time.Minute)
	l.begin(l.operation(keystore.Rotate, 2)) // refused by the provider
	op := l.operation(keystore.Rotate, l.r.Add(keystore.Key{}, l.now).Version)
	op.Mode, op.CutAt, op.CutUntil = keystore.Replace, at.Add(-1), until
	l.refuses("a cut that breaks tokens", func(r *keystore.Record) error { return r.Supersede(op, l.now, timing()) })
	op.CutAt = at
	l.do(func(r *keystore.Record) error { return r.Supersede(op, l.now, timing()) })
	l.states("active destroyed pending")
	if k := l.r.Keys[0]; l.r.Operation.Step != keystore.Scheduled || !k.Horizon.Equal(at) || !k.HorizonEnds.Equal(until) {
		t.Fatalf("%+v, horizon %v to %v", l.r.Operation, k.Horizon, k.HorizonEnds)
	}
	l.refuses("made beside the old key", func(r *keystore.Record) error { return r.Advance(keystore.Minting, l.now, timing()) })
	l.refuses("applied before the cut", func(r *keystore.Record) error { return r.Advance(keystore.Applying, l.now, timing()) })
	l.now = at.Add(15 * time.Second)
	for _, step := range []keystore.Step{keystore.Applying, keystore.Intent, keystore.Minting, keystore.Intent, keystore.Minting} {
		l.advance(step)
		if k := l.r.Keys[0]; k.Horizon.IsZero() || !k.HorizonEnds.IsZero() || !l.r.Operation.Closed() {
			t.Fatalf("at %s somebody may sign: %+v", step, k)
		}
		l.refuses("abandoned without a key that signs", func(r *keystore.Record) error { return r.Close(keystore.OutcomeAbandoned, l.now) })
		l.storeRefuses("the old key signs", func(r *keystore.Record) { r.Keys[0].Horizon = time.Time{} })
	}
	l.do(func(r *keystore.Record) error {
		if err := r.SetSecret(3, "kid-3", "f3", []byte("x"), l.now); err != nil {
			return err
		}
		return r.Advance(keystore.Minted, l.now, timing())
	})
	l.activate()
	l.states("retired destroyed active")
	if l.r.Operation != nil {
		t.Fatalf("open %+v", l.r.Operation)
	}
	for what, mode := range map[string]keystore.Mode{"of one slot": keystore.Cut, "of a pair": keystore.Pair} {
		l := live(t, mode)
		op := l.operation(keystore.Rotate, 2)
		op.Mode = keystore.Replace
		l.refuses("a key "+what, func(r *keystore.Record) error { return r.Begin(op, l.now, timing()) })
	}
	none := &life{t: t, r: record("qencode", keystore.Pending), now: start()}
	op = none.operation(keystore.Rotate, 1)
	op.Mode = keystore.Replace
	none.refuses("no key to make room", func(r *keystore.Record) error { return r.Begin(op, none.now, timing()) })
}

func TestPairRotation(t *testing.T) {
	l := live(t, keystore.Pair)
	l.refuses("the slot in use", func(r *keystore.Record) error {
		r.Keys[1].Slot = 0
		defer func() { r.Keys[1].Slot = 1 }()
		return r.Begin(l.operation(keystore.Rotate, 2), l.now, timing())
	})
	l.begin(l.operation(keystore.Rotate, 2))
	l.advance(keystore.Applied)
	l.activate()
	l.states("retiring active")
	void := func(r *keystore.Record) error { return r.Void([]byte("sealed"), "fv", l.now) }
	l.refuses("voided too early", void)
	l.now = l.r.Keys[0].RetireAfter
	l.do(void)
	if op := l.r.Operation; op.Step != keystore.Voiding || l.r.Keys[0].VoidFingerprint != "fv" || op.VoidBinding().Version != 1 {
		t.Fatalf("voiding %+v, %+v", op, l.r.Keys[0])
	}
	secrets := 0
	for range l.r.Secrets {
		secrets++
	}
	if secrets != 3 {
		t.Fatalf("%d sealed secrets, want two keys and the void", secrets)
	}
	l.refuses("rollback into a voided slot", func(r *keystore.Record) error {
		return r.Supersede(keystore.Operation{ID: "x", Kind: keystore.Rollback, To: 1, Step: keystore.Draining}, l.now, timing())
	})
	l.do(func(r *keystore.Record) error {
		if err := r.Retire(1, false, l.now, timing()); err != nil {
			return err
		}
		return r.Close(keystore.OutcomeDone, l.now)
	})
	l.states("retired active")
}

// TestRollback: while the old key drains it can be had back at once, and then the new one drains.
func TestRollback(t *testing.T) {
	for _, mode := range []keystore.Mode{keystore.Overlap, keystore.Pair} {
		l := live(t, mode)
		if mode == keystore.Pair {
			l.begin(l.operation(keystore.Rotate, 2))
			l.advance(keystore.Applied)
		} else {
			l.begin(l.operation(keystore.Rotate, 2))
			l.advance(keystore.Minting)
			l.advance(keystore.Minted)
		}
		l.activate()
		l.do(func(r *keystore.Record) error {
			if err := r.Supersede(l.operation(keystore.Rollback, 1), l.now, timing()); err != nil {
				return err
			}
			return r.ActivateTo(l.now, timing())
		})
		l.states("active retiring")
		if op := l.r.Operation; mode == keystore.Overlap && (op.Step != keystore.Draining || op.From != 2) {
			t.Fatalf("%s: %+v", mode, op)
		}
	}
}

func TestSupersede(t *testing.T) {
	immediate := func(l *life, to int) keystore.Operation {
		op := l.operation(keystore.Rotate, to)
		op.Immediate = true
		return op
	}
	supersede := func(l *life, op keystore.Operation) func(*keystore.Record) error {
		return func(r *keystore.Record) error { return r.Supersede(op, l.now, timing()) }
	}
	t.Run("taken over", func(t *testing.T) {
		l := live(t, keystore.Overlap)
		op := l.operation(keystore.Rotate, 2)
		op.Seen = []string{"k"}
		l.begin(op)
		l.advance(keystore.Minting)
		l.refuses("another key in doubt", func(r *keystore.Record) error {
			other := r.Clone()
			version := other.Add(keystore.Key{}, l.now).Version
			return other.Supersede(immediate(l, version), l.now, timing())
		})
		l.do(supersede(l, immediate(l, 2)))
		if op := l.r.Operation; op.Step != keystore.Minting || len(op.Seen) != 1 || !op.Immediate {
			t.Fatalf("%+v; want the doubt and the inventory of the old one", op)
		}
	})
	t.Run("the doubt of a slot is handed on", func(t *testing.T) {
		for _, step := range []keystore.Step{keystore.Applying, keystore.Applied} {
			l := live(t, keystore.Cut)
			l.begin(immediate(l, 2))
			l.advance(keystore.Applying)
			if step == keystore.Applied {
				l.advance(step)
			}
			l.do(func(r *keystore.Record) error {
				version := r.Add(keystore.Key{Sealed: []byte("x"), Fingerprint: "f3"}, l.now).Version
				return r.Supersede(l.operation(keystore.Rotate, version), l.now, timing())
			})
			if op := l.r.Operation; op.Step != keystore.Applying || l.r.Keys[0].Horizon.IsZero() {
				t.Fatalf("from %s: %+v, horizon %v", step, op, l.r.Keys[0].Horizon)
			}
			l.states("active destroyed pending")
		}
	})
	t.Run("a cut that was only scheduled", func(t *testing.T) {
		l := live(t, keystore.Cut)
		op := l.operation(keystore.Rotate, 2)
		op.CutAt, op.CutUntil = l.now.Add(7*time.Hour), l.now.Add(8*time.Hour)
		l.begin(op)
		l.do(supersede(l, immediate(l, 2)))
		if op := l.r.Operation; op.Step != keystore.Scheduled || !op.CutAt.Equal(l.r.Keys[0].Horizon) {
			t.Fatalf("%+v", op)
		}
		l.advance(keystore.Applying)
		if !l.r.Keys[0].Horizon.Equal(l.now) {
			t.Fatalf("signing goes on until %v", l.r.Keys[0].Horizon)
		}
	})
	l := live(t, keystore.Cut)
	l.refuses("nothing is open", supersede(l, immediate(l, 2)))
}

func TestFirstKey(t *testing.T) {
	l := live(t, keystore.Cut)
	l.r.Keys = l.r.Keys[1:]
	op := l.operation(keystore.Rotate, 2)
	op.CutAt, op.CutUntil = l.now, l.now.Add(15*time.Minute)
	l.begin(op)
	l.now = l.now.Add(15 * time.Second)
	l.advance(keystore.Applying)
	l.advance(keystore.Applied)
	l.activate()
	l.states("active")
}

func TestAdopt(t *testing.T) {
	l := live(t, keystore.Cut)
	l.do(func(r *keystore.Record) error {
		r.Target.LongLivedUntil = l.now.Add(48 * time.Hour) // tokens of the former signer
		if err := r.Begin(l.operation(keystore.Adopt, 2), l.now, timing()); err != nil {
			return err
		}
		return r.ActivateTo(l.now, timing())
	})
	l.states("retired active")
	l.do(func(r *keystore.Record) error { r.Add(keystore.Key{Sealed: []byte("x")}, l.now); return nil })
	op := l.operation(keystore.Rotate, 3)
	op.CutAt, op.CutUntil = l.now.Add(48*time.Hour), l.now.Add(49*time.Hour)
	l.refuses("a cut before the former signer's tokens have died", func(r *keystore.Record) error { return r.Begin(op, l.now, timing()) })
}

// TestAnyRotation: whatever is asked of an operation in whatever order, a store takes what the record
// allows, and in doubt nobody signs.
func TestAnyRotation(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mode := rapid.SampledFrom([]keystore.Mode{keystore.Overlap, keystore.Cut, keystore.Pair, keystore.Replace}).Draw(rt, "mode")
		l := live(t, mode)
		steps := []keystore.Step{
			keystore.Intent, keystore.Minting, keystore.Minted, keystore.Scheduled,
			keystore.Applying, keystore.Applied, keystore.Draining, keystore.Voiding,
		}
		for range rapid.IntRange(1, 40).Draw(rt, "changes") {
			l.now = l.now.Add(time.Duration(rapid.Int64Range(0, int64(8*time.Hour)).Draw(rt, "later")))
			before := l.r.Clone()
			version := rapid.IntRange(1, len(l.r.Keys)).Draw(rt, "version")
			op := l.operation(rapid.SampledFrom([]keystore.Kind{keystore.Rotate, keystore.Adopt, keystore.Rollback}).Draw(rt, "kind"), version)
			op.Immediate = rapid.Bool().Draw(rt, "immediate")
			if mode == keystore.Replace {
				op.Mode = rapid.SampledFrom([]keystore.Mode{keystore.Replace, keystore.Overlap}).Draw(rt, "mode of the operation")
			}
			at := l.now.Add(time.Duration(rapid.Int64Range(0, int64(9*time.Hour)).Draw(rt, "cut")))
			var err error
			switch rapid.IntRange(0, 11).Draw(rt, "change") {
			case 0:
				l.r.Add(keystore.Key{Sealed: []byte("x"), Slot: version % 2}, l.now)
			case 1, 2:
				err = l.r.Begin(op, l.now, timing())
			case 3:
				err = l.r.Supersede(op, l.now, timing())
			case 4, 5:
				err = l.r.Advance(rapid.SampledFrom(steps).Draw(rt, "step"), l.now, timing())
			case 6:
				err = l.r.ActivateTo(l.now, timing())
			case 7:
				err = l.r.Schedule(at, at.Add(time.Hour), l.now, timing())
			case 8:
				err = l.r.Close(rapid.SampledFrom([]string{keystore.OutcomeDone, keystore.OutcomeAbandoned}).Draw(rt, "outcome"), l.now)
			case 9:
				err = l.r.Void([]byte("void"), "fv", l.now)
			case 10:
				err = l.r.Restored(l.now, l.now)
			case 11:
				err = l.r.Retire(version, false, l.now, timing())
			}
			if op := l.r.Operation; err == nil && op != nil && op.Kind == keystore.Rollback && op.Step == keystore.Draining {
				// A rollback to a key that still counts begins and activates in one change, or not at all.
				if to, _ := l.r.Key(op.To); to.State != keystore.Active && l.r.ActivateTo(l.now, timing()) != nil {
					l.r = before
					continue
				}
			}
			if err != nil {
				if traces(before) != traces(l.r) {
					rt.Fatalf("a refused change left traces: %v", err)
				}
				continue
			}
			if err := keystore.CheckUpdate(before, l.r); err != nil {
				rt.Fatalf("from %s %+v to %s %+v: %v", statesOf(before), before.Operation, statesOf(l.r), l.r.Operation, err)
			}
			l.r.Closed = nil
		}
	})
}
