package signer_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
)

// TestCutThatNobodyCarriesOut: tokens end at the cut, then none is signed; when the cut has run out by
// every clock the old key signs whole tokens again. Once it is being applied, signing stays closed.
func TestCutThatNobodyCarriesOut(t *testing.T) {
	store, sealer := open(t, sqlite.Memory), newSealer(t, envelope.GenerateMasterKeys())
	addTarget(t, store, sealer, "event", 0)
	var ahead atomic.Int64
	began := time.Now()
	now := func() time.Time { return began.Add(time.Duration(ahead.Load())) }
	timing := keystore.DefaultTiming()
	cut := began.Add(time.Hour + timing.SnapshotMaxAge).Truncate(time.Second).Add(time.Second)
	until := cut.Add(15 * time.Minute)
	change(t, store, "event", func(r *keystore.Record) error {
		to := r.Add(keystore.Key{Fingerprint: "f", Sealed: []byte("x")}, began).Version
		op := keystore.Operation{ID: "01f3b1c2-0000-7000-8000-000000000001", Kind: keystore.Rotate, To: to, CutAt: cut, CutUntil: until}
		return r.Begin(op, began, timing)
	})
	ring := signer.NewKeyring(store, sealer, now, (&lines{}).logger())
	sign := signer.New(ring, signer.DefaultConfig(1), now)
	defer sign.Close()
	at := func(moment time.Time) (signer.Credential, error) {
		t.Helper()
		ahead.Store(int64(moment.Sub(began)))
		refreshed(t, ring)
		return sign.Sign(t.Context(), entry("event"), signer.Request{Viewer: "v", TTL: 30 * time.Minute})
	}
	wantClosed := func(moment time.Time, longest time.Duration) {
		t.Helper()
		_, err := at(moment)
		var refused *signer.Error
		if !errors.As(err, &refused) || refused.Reason != tokens.KeyCutover || refused.RetryAfter > longest {
			t.Errorf("%s after the cut: %v; want KEY_CUTOVER, to retry within %s", moment.Sub(cut), err, longest)
		}
	}
	if c, err := at(cut.Add(-10 * time.Minute)); err != nil || !c.Clamped || !c.ExpiresAt.Equal(cut) {
		t.Errorf("before the cut: %+v, %v; want a token that ends with it", c, err)
	}
	wantClosed(cut, 3*time.Minute)
	wantClosed(until, timing.ClockSkew)
	wantClosed(until.Add(timing.ClockSkew-1), time.Second)
	open := until.Add(timing.ClockSkew)
	if c, err := at(open); err != nil || c.Clamped || c.ExpiresAt.Before(open.Add(30*time.Minute)) {
		t.Errorf("after the cut has run out: %+v, %v; want a whole token", c, err)
	}
	change(t, store, "event", func(r *keystore.Record) error {
		return r.Advance(keystore.Applying, cut.Add(timing.ClockSkew), timing)
	})
	wantClosed(open, time.Second)
	wantClosed(open.Add(24*time.Hour), time.Second)
}
