package signer_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// A player shows one token with each request. Its signature is checked once, and everything else each time.
func TestAProvenSignatureIsNotCheckedAgain(t *testing.T) {
	v, entry := qencodeEvent(t)
	c, err := v.sign.Sign(t.Context(), entry, signer.Request{Viewer: "v"})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(token, resource string) tokens.Reason {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		k, err := v.sign.Verify(ctx, "event", tokens.Presented{Token: token, Resource: resource}, v.now())
		if (k == nil) == (err == nil) {
			t.Fatalf("key %v beside %v", k, err)
		}
		if err != nil && tokens.ReasonOf(err) == "" {
			return tokens.Timeout // the pool is held up
		}
		return tokens.ReasonOf(err)
	}
	wants := func(want tokens.Reason, token, resource, when string) {
		t.Helper()
		if got := verify(token, resource); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	wants("", c.Token, "cam", "at first")
	changed := c.Token[:len(c.Token)-10] + strings.Repeat("A", 10)
	wants(tokens.BadSignature, changed, "cam", "with a changed signature, at first")

	busy, release := make(chan struct{}), make(chan struct{})
	var held sync.WaitGroup
	held.Go(func() {
		if err := signer.Checks(v.sign).Do(t.Context(), func() { close(busy); <-release }); err != nil {
			t.Error(err)
		}
	})
	<-busy
	wants("", c.Token, "cam", "while no signature can be checked")
	wants(tokens.PathNotCovered, c.Token, "other", "for another resource")
	wants(tokens.Timeout, changed, "cam", "with a changed signature")
	v.ahead.Store(int64(10 * time.Minute))
	refreshed(t, v.ring)
	wants(tokens.Expired, c.Token, "cam", "after its expiry")
	v.ahead.Store(0)
	change(t, v.store, "event", func(r *keystore.Record) error {
		return r.Retire(1, true, v.now(), keystore.DefaultTiming())
	})
	refreshed(t, v.ring)
	wants(tokens.KeyRetired, c.Token, "cam", "under a retired key")
	close(release)
	held.Wait()
}
