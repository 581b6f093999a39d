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

// runners leave the machine something.
func runners() []rotatetest.Runner { return []rotatetest.Runner{rotatetest.Run, rotatetest.Run} }

func hold(t *testing.T, name string, tally rotatetest.Tally) {
	t.Helper()
	t.Logf("%s: %d runs, %d violations", name, tally.Runs, tally.Violations)
	for _, v := range tally.First {
		t.Error(v)
	}
}

func TestEverySingleCrash(t *testing.T) {
	hold(t, "single crashes", rotatetest.RunAll(t.Context(), rotatetest.InMemory().Singles(60, 0), 0, runners(), nil))
}

func TestEverySingleAnswer(t *testing.T) {
	hold(t, "single answers", rotatetest.RunAll(t.Context(), rotatetest.InMemory().Singles(0, 30), 0, runners(), nil))
}

func TestCrashPairs(t *testing.T) {
	hold(t, "pairs of crashes", rotatetest.RunAll(t.Context(), rotatetest.InMemory().Pairs(9), 0, runners(), nil))
}

func TestRandomFaults(t *testing.T) {
	hold(t, "random faults", rotatetest.RunAll(t.Context(), rotatetest.InMemory().Random(1), 150, runners(), nil))
}

func TestDroppedRulesAreNoticed(t *testing.T) {
	for _, m := range rotatetest.InMemory().Mutants() {
		if caught := m.Caught(t.Context(), rotatetest.Run); caught == "" {
			t.Errorf("%s: %s: nobody noticed", m.Subject.Kind, m.Mutation)
		} else {
			t.Log(caught)
		}
	}
}
