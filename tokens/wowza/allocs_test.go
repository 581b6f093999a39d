//go:build !race

// The race detector empties sync.Pool at random, so the count holds without it only.

package wowza_test

import (
	"net/netip"
	"testing"
)

func TestTokenAllocatesOnce(t *testing.T) {
	key := testKey(t)
	p, now := benchParams(), clock()
	p.VODStreamID = "rqcbmfjl"
	p.IP = netip.MustParseAddr("2001:db8::1")
	got := testing.AllocsPerRun(1000, func() {
		if _, err := key.Token(p, now); err != nil {
			t.Fatal(err)
		}
	})
	if got > 1 {
		t.Errorf("%v allocations, want 1", got)
	}
}
