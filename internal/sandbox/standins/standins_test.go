package standins_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/agora"
	"github.com/tokensvc/tokensvc/internal/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/provider/wowza"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/internal/sandbox/standins"
	"github.com/tokensvc/tokensvc/tokens"
)

const stream = "5f0c9a52-6a53-4b8e-9d53-1f3f7a3b8f10"

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func start(t *testing.T) (*standins.Standins, *clock) {
	t.Helper()
	c := &clock{now: time.Now()}
	return startWith(t, c, nil), c
}

func startWith(t *testing.T, c *clock, plan *fault.Plan) *standins.Standins {
	t.Helper()
	s, err := standins.Start(t.Context(), standins.Config{
		Now: c.time, Propagation: time.Minute, PlaybackBase: "http://127.0.0.1:8088", Streams: []string{stream}, Plan: plan,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func secret(text string) tokens.Secret { return tokens.NewSecret([]byte(text)) }

// setters returns a client of each stand-in with a slot.
func setters(t *testing.T, s *standins.Standins, now func() time.Time) map[string]provider.Setter {
	t.Helper()
	c := s.Credentials()
	over := rest.Config{Log: slog.New(slog.DiscardHandler), Now: now, Sleep: func(context.Context, time.Duration) error { return nil }}
	over.Budget = rest.NewBudget(1000, 1000)
	w, err := wowza.New(wowza.Config{Base: c.WowzaURL, Version: "v1.8", Auth: wowza.HMAC(c.WowzaAccessKey, c.WowzaAPIKey), HTTP: over})
	if err != nil {
		t.Fatal(err)
	}
	over.Base = c.AgoraURL
	a, err := agora.New(agora.Config{
		HTTP: over, AppID: c.AgoraAppID, Credentials: agora.Credentials{CustomerID: c.AgoraCustomerID, CustomerSecret: c.AgoraCustomerSecret},
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]provider.Setter{standins.Wowza: w, standins.Agora: a}
}

func TestEdgesFollowWhatIsSet(t *testing.T) {
	for name, resource := range map[string]string{standins.Wowza: "t1", standins.Agora: agora.Resource("play.example.com")} {
		t.Run(name, func(t *testing.T) { followsWhatIsSet(t, name, resource) })
	}
}

func followsWhatIsSet(t *testing.T, name, resource string) {
	t.Helper()
	const older, newer = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"
	s, clock := start(t) // one for each: a client does not write while the two clocks are far apart
	setter := setters(t, s, clock.time)[name]
	if got := s.Keys(name, resource); len(got) != 0 {
		t.Errorf("the edges know %d keys of nothing", len(got))
	}
	if err := s.Put(standins.Standing{Provider: name, Resource: resource, Secret: secret(older), StreamID: "s1", Name: "event"}); err != nil {
		t.Fatal(err)
	}
	before := s.Keys(name, resource)
	if len(before) != 1 {
		t.Fatalf("the edges know %d keys, want that which stood there", len(before))
	}
	if err := setter.Set(t.Context(), resource, secret(newer)); err != nil {
		t.Fatal(err)
	}
	if now := s.Keys(name, resource); len(now) != 1 || now[0].Fingerprint() != before[0].Fingerprint() {
		t.Error("the edges know the new secret at once")
	}
	clock.pass(time.Minute)
	if now := s.Keys(name, resource); len(now) != 1 || now[0].Fingerprint() == before[0].Fingerprint() {
		t.Error("the edges do not learn the new secret")
	}
}

// TestOnePlanStrikesAll: faults are named as each stand-in names its calls.
func TestOnePlanStrikesAll(t *testing.T) {
	const newer = "ffeeddccbbaa99887766554433221100"
	for name, c := range map[string]struct{ resource, call string }{
		standins.Wowza: {"t1", "patch target"},
		standins.Agora: {agora.Resource("play.example.com"), "set auth key"},
	} {
		t.Run(name, func(t *testing.T) {
			clock := &clock{now: time.Now()}
			plan := fault.New(clock.time)
			s := startWith(t, clock, plan)
			if err := s.Put(standins.Standing{Provider: name, Resource: c.resource, Secret: secret("00112233445566778899aabbccddeeff"), StreamID: "s1", Name: "event"}); err != nil {
				t.Fatal(err)
			}
			plan.Add(fault.Rule{Call: c.call, Fault: fault.Status(http.StatusConflict)})
			setter := setters(t, s, clock.time)[name]
			if err := setter.Set(t.Context(), c.resource, secret(newer)); err == nil {
				t.Error("the fault did not strike")
			}
			if err := setter.Set(t.Context(), c.resource, secret(newer)); err != nil || plan.Count(c.call) != 2 {
				t.Errorf("after the fault: %v; calls %v", err, plan.Calls())
			}
		})
	}
}

func TestAMintedKeyStandsBesideOneThatStoodBefore(t *testing.T) {
	s, clock := start(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	const resource = "stream:" + stream
	if err := s.Put(standins.Standing{Provider: standins.Qencode, Resource: resource, KID: "before", Secret: tokens.NewSecret(der)}); err != nil {
		t.Fatal(err)
	}
	c := s.Credentials()
	client, err := qencode.New(qencode.Config{
		APIKey: c.QencodeAPIKey, CDN: c.QencodeURL, Live: c.QencodeURL, HTTP: rest.Config{Log: slog.New(slog.DiscardHandler), Now: clock.time},
	})
	if err != nil {
		t.Fatal(err)
	}
	minted, err := client.Mint(t.Context(), resource)
	if err != nil {
		t.Fatal(err)
	}
	clock.pass(time.Minute)
	var ids []string
	for _, k := range s.Keys(standins.Qencode, resource) {
		ids = append(ids, k.ID())
	}
	if len(ids) != 2 || ids[0] != "before" || ids[1] != minted.KID {
		t.Errorf("the edges know %v, want before and %s", ids, minted.KID)
	}
}

func TestThereIsNoStandInForOthers(t *testing.T) {
	s, _ := start(t)
	if err := s.Put(standins.Standing{Provider: "akamai", Resource: "x"}); err == nil {
		t.Error("something was put at akamai")
	}
	if keys := s.Keys("akamai", "x"); keys != nil {
		t.Errorf("%d keys of akamai", len(keys))
	}
	if _, err := standins.Start(t.Context(), standins.Config{Now: time.Now, Streams: []string{"no id"}}); err == nil {
		t.Error("a stream without an id")
	}
}
