package overhttp_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest/overhttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newRig(t *testing.T) *overhttp.Rig {
	t.Helper()
	rig, err := overhttp.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rig.Close(); err != nil {
			t.Error(err)
		}
	})
	return rig
}

// TestSample is the short form of `make crash`: every part of it, at even distances.
func TestSample(t *testing.T) {
	const standard, sample = 10_000, 40
	rigs, err := overhttp.OpenAll(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := rigs.Close(); err != nil {
			t.Error(err)
		}
	}()
	suite, err := overhttp.Suite().Measured(t.Context(), rigs[0].Run)
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range suite {
		if subject.Points < 30 || subject.Calls < 15 {
			t.Errorf("%+v: too little happens without a fault", subject)
		}
	}
	tally := rotatetest.RunAll(t.Context(), rotatetest.Spread(suite.Mixed(standard, 1), sample), 0, rigs.Runners(), nil)
	t.Logf("%d runs", tally.Runs)
	for _, v := range tally.First {
		t.Error(v)
	}
	if tally.Runs < sample/2 {
		t.Errorf("only %d runs", tally.Runs)
	}
}

// TestDroppedRuleIsNoticed at every stand-in. The others are for `make mutations`.
func TestDroppedRuleIsNoticed(t *testing.T) {
	rig := newRig(t)
	for _, m := range overhttp.Suite().Mutants() {
		if m.Mutation != rotatetest.NoCacheAge {
			continue
		}
		if m.Caught(t.Context(), rig.Run) == "" {
			t.Errorf("%s at %s: %s: nobody noticed", m.Subject.Kind, m.Subject.Provider, m.Mutation)
		}
	}
}

// TestTwoProcesses: what one has found before the other activated a key is no reason to write that key again.
func TestTwoProcesses(t *testing.T) {
	rig := newRig(t)
	for i, subject := range overhttp.Suite() {
		s := rotatetest.Scenario{Kind: subject.Kind, Provider: subject.Provider, Twin: true, Eager: i%2 == 0, Crashes: []int{25}, Down: 5}
		if o := rig.Run(t.Context(), s); o.Violation != nil {
			t.Errorf("%s: %v", s, o.Violation)
		}
	}
}

func TestThereAreNoOtherStandins(t *testing.T) {
	rig := newRig(t)
	for _, s := range []rotatetest.Scenario{
		{Kind: rotatetest.Minter, Provider: overhttp.Agora}, {Kind: rotatetest.BlindSetter, Provider: overhttp.Wowza}, {Kind: rotatetest.Pair, Provider: "other"},
	} {
		if o := rig.Run(t.Context(), s); o.Violation == nil {
			t.Errorf("%s: ran", s)
		}
	}
}
