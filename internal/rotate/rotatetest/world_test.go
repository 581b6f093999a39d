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
