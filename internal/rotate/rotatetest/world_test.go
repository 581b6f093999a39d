package rotatetest_test

import (
	"testing"

	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
)

func kinds() []rotatetest.Kind {
	return []rotatetest.Kind{rotatetest.Minter, rotatetest.Setter, rotatetest.BlindSetter, rotatetest.Pair}
}

func TestNoFault(t *testing.T) {
	for _, kind := range kinds() {
		for _, eager := range []bool{false, true} {
			s := rotatetest.Scenario{Kind: kind, Eager: eager}
			o := rotatetest.Run(t.Context(), s)
			if o.Violation != nil {
				t.Errorf("%s: %v", s, o.Violation)
			}
			t.Logf("%s: %+v", s, o)
		}
	}
}

// workers leaves the machine something.
const workers = 2

func hold(t *testing.T, name string, tally rotatetest.Tally) {
	t.Helper()
	t.Logf("%s: %d runs, %d violations", name, tally.Runs, tally.Violations)
	for _, v := range tally.First {
		t.Error(v)
	}
}

func TestEverySingleCrash(t *testing.T) {
	hold(t, "single crashes", rotatetest.RunAll(t.Context(), rotatetest.Singles(60, 0), 0, workers))
}

func TestEverySingleAnswer(t *testing.T) {
	hold(t, "single answers", rotatetest.RunAll(t.Context(), rotatetest.Singles(0, 30), 0, workers))
}

func TestCrashPairs(t *testing.T) {
	hold(t, "pairs of crashes", rotatetest.RunAll(t.Context(), rotatetest.Pairs(5), 0, workers))
}

func TestRandomFaults(t *testing.T) {
	hold(t, "random faults", rotatetest.RunAll(t.Context(), rotatetest.Random(1), 150, workers))
}

func TestDroppedRulesAreNoticed(t *testing.T) {
	for _, m := range rotatetest.Mutants() {
		if caught := m.Caught(t.Context()); caught == "" {
			t.Errorf("%s: %s: nobody noticed", m.Kind, m.Mutation)
		} else {
			t.Log(caught)
		}
	}
}
