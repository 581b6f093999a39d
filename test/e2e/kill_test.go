//go:build e2e

package e2e

import (
	"testing"

	"github.com/tokensvc/tokensvc/test/killtest"
)

// TestRotationsOutliveKills is the short form of `make kill`: the same runs, some of them.
func TestRotationsOutliveKills(t *testing.T) {
	const (
		runs = 6  // two of each kind of provider
		seed = 33 // none of these draws faults whose back-off takes long
	)
	tally, err := killtest.All(t.Context(), killtest.Runs{
		Binary: binary(t), Dir: t.TempDir(), Count: runs, Parallel: runs, Seed: seed, Out: t.Output(),
	})
	t.Logf("%s\n%s", tally.Detail(), tally)
	if err != nil || tally.Runs != runs || tally.Violations > 0 {
		t.Fatalf("%s: %v", tally, err)
	}
	if tally.Kills < runs {
		t.Errorf("%d kills in %d runs: the test shows little", tally.Kills, runs)
	}
}
