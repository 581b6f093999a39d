package rotatetest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/keystore"
)

// oneKey is a scenario of a provider that makes no key beside another, and of an operator who replaces the key
// when told to.
func oneKey(t *testing.T) rotatetest.Scenario {
	t.Helper()
	var world *rotatetest.World
	return rotatetest.Scenario{
		Kind: rotatetest.Minter,
		Script: func(call string, _ int) rotatetest.Answer {
			if call == "mint" && world != nil && len(world.Vendor.KIDs()) > 0 {
				return rotatetest.Rejected
			}
			return rotatetest.OK
		},
		Event: func(w *rotatetest.World) {
			world = w
			op := w.Record().Operation
			if op == nil || !strings.HasPrefix(op.Alarm, "needs_replace") || op.Step != keystore.Intent {
				return
			}
			_, err := w.Executor().Start(t.Context(), w.Target, rotate.Request{Replace: true})
			if err != nil && !errors.Is(err, keystore.ErrConflict) { // a process that died may have the lease
				t.Error(err)
			}
		},
	}
}

// TestReplace: where the provider takes no second key, an operator's word deletes the first one, without breaking
// a token.
func TestReplace(t *testing.T) {
	w := newWorld(t, oneKey(t))
	advance(t, w, 20, "the first key", idle(1))
	r := advance(t, w, 60, "a scheduled cut", at(keystore.Scheduled))
	if op := r.Operation; op.Mode != keystore.Replace || op.From != 1 || op.To != 3 || !activeOf(r).Horizon.Equal(op.CutAt) || op.Immediate {
		t.Fatalf("%+v, horizon %s", op, activeOf(r).Horizon)
	}
	mints := w.Vendor.Count("mint")
	r = advance(t, w, 40, "the third key", idle(3))
	if got := strings.Join(states(r), " "); got != "retired destroyed active" {
		t.Errorf("keys %s", got)
	}
	if n := w.Vendor.Count("mint") - mints; n != 1 {
		t.Errorf("%d keys were asked for", n)
	}
	if w.Alarm() != "" {
		t.Errorf("alarm %q", w.Alarm())
	}
}

// TestReplaceIsHastened: an immediate rotation takes a replacement over where it stands, and deletes at once.
func TestReplaceIsHastened(t *testing.T) {
	s := oneKey(t)
	s.Breaks = true
	w := newWorld(t, s)
	advance(t, w, 20, "the first key", idle(1))
	first := activeOf(w.Record()).Fingerprint
	advance(t, w, 60, "a scheduled cut", at(keystore.Scheduled))
	if _, err := w.Executor().Start(t.Context(), w.Target, rotate.Request{Immediate: true}); err != nil {
		t.Fatal(err)
	}
	advance(t, w, 10, "the third key", idle(3))
	if w.Vendor.Accepts(first) {
		t.Error("the first key is still accepted")
	}
}

func TestReplaceIsRefused(t *testing.T) {
	for kind, most := range map[rotatetest.Kind]int{rotatetest.Minter: 40, rotatetest.Setter: 10, rotatetest.Pair: 20} {
		w := newWorld(t, rotatetest.Scenario{Kind: kind})
		advance(t, w, most, "the first key", idle(1))
		_, err := w.Executor().Start(t.Context(), w.Target, rotate.Request{Replace: true, Kind: keystore.Rollback})
		if !errors.Is(err, keystore.ErrIllegal) {
			t.Errorf("%s: a rollback by deletion: %v", kind, err)
		}
		if kind == rotatetest.Minter {
			advance(t, w, 40, "a minted key", at(keystore.Minted))
		}
		if _, err := w.Executor().Start(t.Context(), w.Target, rotate.Request{Replace: true}); !errors.Is(err, keystore.ErrIllegal) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestReplaceThroughCrashes: at every point, with every time down.
func TestReplaceThroughCrashes(t *testing.T) {
	for point := range 70 {
		for _, down := range []int{0, 5, 25} {
			s := oneKey(t)
			s.Crashes, s.Down, s.Eager = []int{point, point + 7}, down, (point+down)%2 == 1
			if o := rotatetest.Run(t.Context(), s); o.Violation != nil {
				t.Errorf("%s: %v", s, o.Violation)
			}
		}
	}
}

// TestReplaceThroughBadAnswers: whatever the provider says to each call.
func TestReplaceThroughBadAnswers(t *testing.T) {
	for call := range 35 {
		for answer := rotatetest.OK + 1; answer < rotatetest.Answers; answer++ {
			s := oneKey(t)
			s.Answers, s.Eager = map[int]rotatetest.Answer{call: answer}, call%2 == 1
			if o := rotatetest.Run(t.Context(), s); o.Violation != nil {
				t.Errorf("%s: %v", s, o.Violation)
			}
		}
	}
}
