package signer_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
)

// TestKeyOfTheSecondSlotSignsTheAlternate: a key in slot 1 counts at the second resource only, so its
// tokens name that one's URL and stream; a playback without a second address is refused.
func TestKeyOfTheSecondSlotSignsTheAlternate(t *testing.T) {
	store, sealer := open(t, sqlite.Memory), newSealer(t, envelope.GenerateMasterKeys())
	addTarget(t, store, sealer, "event", 0)
	change(t, store, "event", func(r *keystore.Record) error {
		r.Target.Resources = []string{"S", "T"}
		return nil
	})
	ring := signer.NewKeyring(store, sealer, time.Now, (&lines{}).logger())
	sign := signer.New(ring, signer.DefaultConfig(1), time.Now)
	defer sign.Close()
	pair := playback.NewEntry(playback.Playback{
		ID: "p", TargetID: "event", URL: "https://h/1/S/a.m3u8", TTL: 5 * time.Minute, Hdnts: &playback.Hdnts{StreamID: "S"},
		Alternate: &playback.Alternate{URL: "https://h/1/T/a.m3u8", StreamID: "T"},
	})
	signed := func() signer.Credential {
		t.Helper()
		refreshed(t, ring)
		c, err := sign.Sign(t.Context(), pair, signer.Request{Viewer: "v"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := signed(); !strings.HasPrefix(c.URL, "https://h/1/S/a.m3u8?") {
		t.Errorf("slot 0: %s", c.KeyRef)
	}
	addKeyIn(t, store, sealer, "event", 1, 1)
	c := signed()
	if !strings.HasPrefix(c.URL, "https://h/1/T/a.m3u8?") || c.KeyRef != "event/2" {
		t.Errorf("slot 1: key %s does not sign the alternate", c.KeyRef)
	}
	for stream, accepted := range map[string]bool{"T": true, "S": false} {
		_, err := sign.Verify(t.Context(), "event", tokens.Presented{Token: c.Token, Resource: stream}, time.Now())
		if (err == nil) != accepted {
			t.Errorf("stream %s: %v", stream, err)
		}
	}
	_, err := sign.Sign(t.Context(), entry("event"), signer.Request{Viewer: "v"})
	if refused, ok := errors.AsType[*signer.Error](err); !ok || refused.Reason != tokens.NoActiveKey {
		t.Errorf("without an alternate: %v; want NO_ACTIVE_KEY", err)
	}
}
