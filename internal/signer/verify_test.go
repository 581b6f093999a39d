package signer_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// verifying is a signer over a store with one target, event, and a clock that a test moves.
type verifying struct {
	store keystore.Store
	ring  *signer.Keyring
	sign  *signer.Signer
	began time.Time
	ahead atomic.Int64
}

func (v *verifying) now() time.Time { return v.began.Add(time.Duration(v.ahead.Load())) }

func newVerifying(t *testing.T, add func(store keystore.Store, sealer keystore.Sealer)) *verifying {
	t.Helper()
	v := &verifying{began: time.Now().Truncate(time.Second)}
	store, sealer := open(t, sqlite.Memory), newSealer(t, envelope.GenerateMasterKeys())
	add(store, sealer)
	v.store = store
	v.ring = signer.NewKeyring(store, sealer, v.now, (&lines{}).logger())
	v.sign = signer.New(v.ring, signer.DefaultConfig(1), v.now)
	t.Cleanup(v.sign.Close)
	refreshed(t, v.ring)
	return v
}

func hdntsEvent(t *testing.T) *verifying {
	t.Helper()
	return newVerifying(t, func(store keystore.Store, sealer keystore.Sealer) { addTarget(t, store, sealer, "event", 0) })
}

// token signs with the key itself, past the rules of the service.
func (v *verifying) token(t *testing.T, lifetime time.Duration) string {
	t.Helper()
	c, err := v.ring.Snapshot().Target("event").Active.Sign(wowza.Params{StreamID: "S", Expire: v.now().Add(lifetime)}, v.now())
	if err != nil {
		t.Fatal(err)
	}
	return c.Token
}

// check returns what Verify and Explain say of a token at a moment after the beginning; they must agree.
func (v *verifying) check(t *testing.T, token string, at time.Duration) tokens.Reason {
	t.Helper()
	v.ahead.Store(int64(at))
	refreshed(t, v.ring)
	p := tokens.Presented{Token: token, Resource: "S"}
	_, err := v.sign.Verify(t.Context(), "event", p, v.now())
	explained, explainErr := v.sign.Explain(t.Context(), "event", p, v.now())
	if explainErr != nil {
		t.Fatal(explainErr)
	}
	if got := tokens.ReasonOf(explained.Err()); got != tokens.ReasonOf(err) {
		t.Errorf("after %s: verified as %v, explained as %q: %+v", at, err, got, explained.Checks)
	}
	return tokens.ReasonOf(err)
}

func TestTokensOfAKeyEndWithItsHorizon(t *testing.T) {
	v := hdntsEvent(t)
	token := v.token(t, time.Hour)
	horizon, ends := v.began.Add(10*time.Second), v.began.Add(30*time.Minute)
	change(t, v.store, "event", func(r *keystore.Record) error {
		r.Keys[0].Horizon, r.Keys[0].HorizonEnds = horizon, ends
		return nil
	})
	for at, want := range map[time.Duration]tokens.Reason{
		0: "", 10 * time.Second: "", 11 * time.Second: tokens.KeyRetired, 30*time.Minute - 1: tokens.KeyRetired, 30 * time.Minute: "", 2 * time.Hour: tokens.Expired,
	} {
		if got := v.check(t, token, at); got != want {
			t.Errorf("after %s: %q, want %q", at, got, want)
		}
	}
	change(t, v.store, "event", func(r *keystore.Record) error {
		return r.Retire(1, true, v.now(), keystore.DefaultTiming())
	})
	if got := v.check(t, token, time.Minute); got != tokens.KeyRetired {
		t.Errorf("of a retired key: %q", got)
	}
}

func TestVerifyRefusesATokenThatLivesTooLong(t *testing.T) {
	v := hdntsEvent(t) // T is an hour
	skew := keystore.DefaultTiming().ClockSkew
	longest, longer := v.token(t, time.Hour+skew), v.token(t, time.Hour+skew+time.Second)
	if got := v.check(t, longest, 0); got != "" {
		t.Errorf("of the longest token: %q", got)
	}
	if got := v.check(t, longer, 0); got != tokens.LifetimeTooLong {
		t.Errorf("of a longer one: %q", got)
	}
	change(t, v.store, "event", func(r *keystore.Record) error { r.Target.MaxTokenLifetime = time.Minute; return nil })
	if got := v.check(t, longest, time.Minute); got != "" {
		t.Errorf("of a token from before the cap was lowered: %q", got)
	}
	v.ring.LimitLifetime(time.Second)
	change(t, v.store, "event", func(r *keystore.Record) error { r.Target.Description = "changed"; return nil })
	if got := v.check(t, v.token(t, time.Minute), time.Minute); got != "" {
		t.Errorf("of a token from before the service's cap was lowered: %q", got)
	}
}

// qencodeEvent has an RSA key, whose signatures and checks run in pools.
func qencodeEvent(t *testing.T) (*verifying, *playback.Entry) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	const id = "ec25a6a6-b31e-4ac9-af01-711460421c6b"
	prepared, err := qencode.NewKey(id, private)
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifying(t, func(store keystore.Store, sealer keystore.Sealer) {
		if _, err := store.Create(t.Context(), keystore.Target{ID: "event", Provider: "qencode", Scheme: qencode.Name, MaxTokenLifetime: time.Hour}); err != nil {
			t.Fatal(err)
		}
		sealed, err := sealer.Seal(keystore.Binding{Target: "event", Version: 1}, tokens.NewSecret(x509.MarshalPKCS1PrivateKey(private)))
		if err != nil {
			t.Fatal(err)
		}
		change(t, store, "event", func(r *keystore.Record) error {
			r.Add(keystore.Key{KID: id, Fingerprint: prepared.Fingerprint(), Sealed: sealed, Origin: keystore.OriginImport}, time.Now())
			return r.Activate(1, time.Now(), keystore.DefaultTiming())
		})
	})
	return v, playback.NewEntry(playback.Playback{
		ID: "p", TargetID: "event", URL: "https://h/cam.m3u8", TTL: 5 * time.Minute, Qencode: &playback.Qencode{URI: "cam", ViewerClaim: "viewer"},
	})
}

// A caller that leaves while its token is explained gets nothing that a worker still writes to. The race
// detector is what fails this test.
func TestCallersMayLeaveWhileAWorkerIsAtWork(t *testing.T) {
	v, entry := qencodeEvent(t)
	c, err := v.sign.Sign(t.Context(), entry, signer.Request{Viewer: "v"})
	if err != nil {
		t.Fatal(err)
	}
	p := tokens.Presented{Token: c.Token, Resource: "cam"}
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for n := range 50 {
				ctx, cancel := context.WithCancel(t.Context()) // a deadline would be refused when it is too near
				leave := time.AfterFunc(time.Duration(n)*10*time.Microsecond, cancel)
				if e, err := v.sign.Explain(ctx, "event", p, v.now()); err != nil && len(e.Checks)+len(e.Fields)+len(e.Scheme) > 0 {
					t.Errorf("an explanation beside %v: %+v", err, e)
				}
				if k, err := v.sign.Verify(ctx, "event", p, v.now()); err != nil && k != nil {
					t.Errorf("a key beside %v", err)
				}
				if c, err := v.sign.Sign(ctx, entry, signer.Request{Viewer: "v"}); err != nil && c.Token != "" {
					t.Errorf("a token beside %v", err)
				}
				leave.Stop()
				cancel()
			}
		})
	}
	callers.Wait()
}

// A check of a signature costs a fiftieth of one, and anyone may ask for it.
func TestChecksNeitherHoldUpSignaturesNorCountAsOnes(t *testing.T) {
	v, entry := qencodeEvent(t)
	before := signer.SigningCost(v.sign)
	p := tokens.Presented{Token: "eyJhbGciOiJSUzI1NiJ9.e30.AAAA", Resource: "cam"}
	for range 50 {
		if _, err := v.sign.Verify(t.Context(), "event", p, v.now()); !errors.Is(err, tokens.ErrRefused) {
			t.Fatal(err)
		}
	}
	if after := signer.SigningCost(v.sign); after != before {
		t.Errorf("a signature was expected to take %s, and after 50 checks %s", before, after)
	}
	busy, release := make(chan struct{}), make(chan struct{})
	var held sync.WaitGroup
	held.Go(func() {
		if err := signer.Checks(v.sign).Do(t.Context(), func() { close(busy); <-release }); err != nil {
			t.Error(err)
		}
	})
	<-busy
	if _, err := v.sign.Sign(t.Context(), entry, signer.Request{Viewer: "v"}); err != nil {
		t.Errorf("while the checks are held up: %v", err)
	}
	close(release)
	held.Wait()
}
