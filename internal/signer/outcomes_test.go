package signer_test

import (
	"context"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// TestSignsAreCountedBySchemeAndReason: what was handed out, what was refused and why.
func TestSignsAreCountedBySchemeAndReason(t *testing.T) {
	v := hdntsEvent(t)
	sign := func(target string, ttl time.Duration) {
		_, _ = v.sign.Sign(t.Context(), entry(target), signer.Request{Viewer: "v", TTL: ttl})
	}
	sign("event", 0)
	sign("event", 0)
	sign("event", 48*time.Hour)
	sign("event", -time.Second)
	sign("nobody", 0)
	_, _ = v.sign.Sign(t.Context(), entry("event"), signer.Request{Viewer: "v", NotAfter: v.now().Add(-time.Hour)})
	v.ahead.Store(int64(time.Hour))
	sign("event", 0)
	for scheme, want := range map[string]map[tokens.Reason]uint64{
		wowza.Name: {"": 2, tokens.LifetimeTooLong: 1, tokens.InvalidArgument: 1, tokens.NotEntitled: 1},
		"":         {tokens.NotFound: 1, tokens.SnapshotStale: 1},
	} {
		for reason, n := range v.sign.Counts().Signs[scheme] {
			if n != want[reason] {
				t.Errorf("scheme %q, reason %q: %d, want %d", scheme, reason, n, want[reason])
			}
		}
	}
}

// TestCachesAndTimeoutsAreCounted: of RSA tokens, the shared ones and the proven ones.
func TestCachesAndTimeoutsAreCounted(t *testing.T) {
	v, perViewer := qencodeEvent(t)
	shared := playback.NewEntry(playback.Playback{
		ID: "p", TargetID: "event", URL: "https://h/cam.m3u8", TTL: 5 * time.Minute, ExpiryGranularity: 5 * time.Minute,
		Qencode: &playback.Qencode{URI: "cam"},
	})
	var last signer.Credential
	for range 3 {
		var err error
		if last, err = v.sign.Sign(t.Context(), shared, signer.Request{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		if _, err := v.sign.Verify(t.Context(), "event", tokens.Presented{Token: last.Token, Resource: "cam"}, v.now()); err != nil {
			t.Fatal(err)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := v.sign.Sign(gone, perViewer, signer.Request{Viewer: "v"}); err == nil {
		t.Fatal("a caller who has left got a token")
	}
	c := v.sign.Counts()
	if want := (signer.CacheCounts{Hits: 2, Misses: 1}); c.Shared != want {
		t.Errorf("shared: %+v, want %+v", c.Shared, want)
	}
	if want := (signer.CacheCounts{Hits: 3, Misses: 1}); c.Proven != want {
		t.Errorf("proven: %+v, want %+v", c.Proven, want)
	}
	if n := c.Signs[qencode.Name]; n[""] != 3 || n[tokens.Timeout] != 1 {
		t.Errorf("signs: %v", n)
	}
	if c.SignsRefused+c.ChecksRefused != 0 {
		t.Errorf("%d and %d refused by the queues", c.SignsRefused, c.ChecksRefused)
	}
}
