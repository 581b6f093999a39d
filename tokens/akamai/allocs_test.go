//go:build !race

// The race detector empties sync.Pool at random, so the count holds without it only.

package akamai_test

import (
	"testing"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
)

func TestTokenAllocatesOnce(t *testing.T) {
	for _, config := range []akamai.Config{{}, {EscapeEarly: true, Salt: tokens.NewSecret([]byte("pepper"))}} {
		key := testKey(t, config)
		p, now := fullParams(), clock()
		got := testing.AllocsPerRun(1000, func() {
			if _, err := key.Token(p, now); err != nil {
				t.Fatal(err)
			}
		})
		if got > 1 {
			t.Errorf("%v allocations, want 1", got)
		}
	}
}
