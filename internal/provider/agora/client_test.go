package agora_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/agora"
	"github.com/tokensvc/tokensvc/internal/provider/providertest"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	sandbox "github.com/tokensvc/tokensvc/internal/sandbox/provider/agora"
	"github.com/tokensvc/tokensvc/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	appID      = "0b2f4a6c8d1e4f3a9c7b5d2e1f0a9b8c"
	customerID = "5f1d3c7b9a2e4f60"
	play       = "play.example.com"
	firstKey   = "z2tn3uiny0aasebz"
	secondKey  = "q8sl0bkcn7wwpxre"
	webhookKey = "ncssecretncssecret"
)

func customerSecret() tokens.Secret {
	return tokens.NewSecret([]byte("9b1c2d3e4f5061728394a5b6c7d8e9f0"))
}

// stand is the stand-in behind a plan of faults, with a clock of its own.
type stand struct {
	plan    *fault.Plan
	server  *sandbox.Server
	handler http.Handler
}

func newStand(t *testing.T, now func() time.Time, change func(*sandbox.Config)) stand {
	t.Helper()
	plan := fault.New(now)
	cfg := sandbox.Config{AppID: appID, CustomerID: customerID, CustomerSecret: customerSecret(), Now: plan.Now}
	if change != nil {
		change(&cfg)
	}
	server, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.PersonAddsPlayDomain(play, tokens.NewSecret([]byte(firstKey))); err != nil {
		t.Fatal(err)
	}
	return stand{plan: plan, server: server, handler: plan.Handler(server.Call, server)}
}

func (s stand) serve(t *testing.T) (base string) {
	t.Helper()
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	return server.URL
}

func newClient(t *testing.T, base string, change func(*agora.Config)) *agora.Client {
	t.Helper()
	cfg := agora.Config{
		HTTP: rest.Config{
			Base: base, Log: slog.New(slog.DiscardHandler), Now: time.Now, Backoff: time.Millisecond,
		},
		AppID:       appID,
		Credentials: agora.Credentials{CustomerID: customerID, CustomerSecret: customerSecret()},
	}
	if change != nil {
		change(&cfg)
	}
	client, err := agora.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestSuite(t *testing.T) {
	call := func(name string, repeat rest.Repeat, noBody bool, do func(context.Context, *agora.Client) error) providertest.Call {
		return providertest.Call{Name: name, Repeat: repeat, NoBody: noBody, Do: func(ctx context.Context, p provider.Provider) error {
			client, ok := p.(*agora.Client)
			if !ok {
				return fmt.Errorf("a %T", p)
			}
			return do(ctx, client)
		}}
	}
	providertest.Run(t, providertest.Config{
		Stand: func(t *testing.T) providertest.Stand {
			t.Helper()
			s := newStand(t, time.Now, nil)
			if !s.server.Publish("live", "show") {
				t.Fatal("the stream did not go online")
			}
			return providertest.Stand{Handler: s.handler, Plan: s.plan, Secrets: []tokens.Secret{
				customerSecret(), tokens.NewSecret([]byte(firstKey)), tokens.NewSecret([]byte(secondKey)), tokens.NewSecret([]byte(webhookKey)),
			}}
		},
		New: func(t *testing.T, env providertest.Env) provider.Provider {
			t.Helper()
			return newClient(t, env.Base, func(cfg *agora.Config) {
				cfg.HTTP = rest.Config{
					Base: env.Base, Log: env.Log, Now: env.Now, Sleep: env.Sleep, Timeout: env.Timeout, MaxCall: env.MaxCall,
					Budget: rest.NewBudget(1000, 1000),
				}
			})
		},
		Calls: []providertest.Call{
			call(sandbox.CallSetAuthKey, rest.Idempotent, true, func(ctx context.Context, c *agora.Client) error {
				return c.Set(ctx, agora.Resource(play), tokens.NewSecret([]byte(secondKey)))
			}),
			call(sandbox.CallGetDomain, rest.ReadOnly, false, func(ctx context.Context, c *agora.Client) error {
				_, err := c.Current(ctx, agora.Resource(play))
				return err
			}),
			call(sandbox.CallCreateDomain, rest.Once, false, func(ctx context.Context, c *agora.Client) error {
				_, err := c.CreateDomain(ctx, "push.example.com", agora.Publish, "eu")
				return err
			}),
			call(sandbox.CallListDomains, rest.ReadOnly, false, func(ctx context.Context, c *agora.Client) error {
				_, err := c.ListDomains(ctx)
				return err
			}),
			call(sandbox.CallSetOriginAuth, rest.Idempotent, true, func(ctx context.Context, c *agora.Client) error {
				return c.SetOriginAuth(ctx, agora.OriginAuth{
					Enabled: true, URL: "https://auth.example.com/agora/origin", Secret: tokens.NewSecret([]byte(webhookKey)),
				})
			}),
			call(sandbox.CallGetOriginAuth, rest.ReadOnly, false, func(ctx context.Context, c *agora.Client) error {
				_, err := c.GetOriginAuth(ctx)
				return err
			}),
			call(sandbox.CallCreateEntryPoint, rest.Once, true, func(ctx context.Context, c *agora.Client) error {
				return c.CreateEntryPoint(ctx, "live2")
			}),
			call(sandbox.CallListEntryPoints, rest.ReadOnly, false, func(ctx context.Context, c *agora.Client) error {
				_, err := c.ListEntryPoints(ctx)
				return err
			}),
			call(sandbox.CallBan, rest.Idempotent, true, func(ctx context.Context, c *agora.Client) error {
				return c.Ban(ctx, "live", "show", time.Time{})
			}),
			call(sandbox.CallListBans, rest.ReadOnly, false, func(ctx context.Context, c *agora.Client) error {
				_, err := c.Bans(ctx, "live")
				return err
			}),
			call(sandbox.CallListOnline, rest.ReadOnly, false, func(ctx context.Context, c *agora.Client) error {
				_, err := c.Online(ctx, "live")
				return err
			}),
			call(sandbox.CallGetOnline, rest.ReadOnly, false, func(ctx context.Context, c *agora.Client) error {
				_, err := c.OnlineSince(ctx, "live", "show")
				return err
			}),
		},
	})
}

func TestDomains(t *testing.T) {
	s := newStand(t, time.Now, nil)
	c, ctx := newClient(t, s.serve(t), nil), t.Context()
	got, err := c.CreateDomain(ctx, "push.example.com", agora.Publish, "na")
	if err != nil {
		t.Fatal(err)
	}
	secrets := cmp.Comparer(func(a, b tokens.Secret) bool { return a.Equal(b) })
	want := agora.Domain{Name: "push.example.com", Type: agora.Publish, Region: "na", CName: "push.example.com.cname.example"}
	if diff := cmp.Diff(want, got, secrets); diff != "" {
		t.Error(diff)
	}
	if _, err := c.CreateDomain(ctx, "push.example.com", agora.Publish, "na"); !errors.Is(err, provider.ErrRejected) {
		t.Errorf("added twice: %v", err)
	}
	if err := c.SetAuthKey(ctx, "push.example.com", tokens.NewSecret([]byte(secondKey))); err != nil {
		t.Fatal(err)
	}
	list, err := c.ListDomains(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want.CName, want.AuthKey = "", tokens.NewSecret([]byte(secondKey))
	if diff := cmp.Diff([]agora.Domain{{Name: play, Type: agora.Play, AuthKey: tokens.NewSecret([]byte(firstKey))}, want}, list, secrets); diff != "" {
		t.Error(diff)
	}
	if err := c.DeleteDomain(ctx, "push.example.com"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetDomain(ctx, "push.example.com"); !errors.Is(err, provider.ErrGone) {
		t.Errorf("after the deletion: %v, want ErrGone", err)
	}
	if err := c.DeleteDomain(ctx, "push.example.com"); !errors.Is(err, provider.ErrGone) {
		t.Errorf("deleted twice: %v, want ErrGone", err)
	}
}

// TestUnfitAnswersAreNoAnswers: from none of them may "no authKey is set" be read.
func TestUnfitAnswersAreNoAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"an empty object": `{}`,
		"another domain":  `{"name":"push.example.com","type":"play"}`,
		"no type":         `{"name":"play.example.com"}`,
		"another type":    `{"name":"play.example.com","type":"watch"}`,
		"a number":        `{"name":"play.example.com","type":"play","authKey":7}`,
		"something more":  `{"name":"play.example.com","type":"play"}{}`,
	} {
		s := newStand(t, time.Now, nil)
		f := fault.Status(http.StatusOK)
		f.Body = []byte(body)
		s.plan.Add(fault.Rule{Times: fault.Forever, Fault: f})
		c := newClient(t, s.serve(t), nil)
		if _, err := c.Current(t.Context(), agora.Resource(play)); !errors.Is(err, provider.ErrAmbiguous) {
			t.Errorf("%s: %v, want ErrAmbiguous", name, err)
		}
		for call, err := range map[string]error{
			"domains": second(c.ListDomains(t.Context())), "origin authentication": second(c.GetOriginAuth(t.Context())),
			"entry points": second(c.ListEntryPoints(t.Context())), "bans": second(c.Bans(t.Context(), "live")),
			"online": second(c.Online(t.Context(), "live")), "since": second(c.OnlineSince(t.Context(), "live", "show")),
		} {
			if !errors.Is(err, provider.ErrAmbiguous) {
				t.Errorf("%s for %s: %v, want ErrAmbiguous", name, call, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestStaleDatesAreTold lets the provider's clock run ahead: it refuses, and the error says that it is the clock.
func TestStaleDatesAreTold(t *testing.T) {
	for ahead, isRefused := range map[time.Duration]bool{
		290 * time.Second: false, -290 * time.Second: false, 310 * time.Second: true, -310 * time.Second: true,
	} {
		s := newStand(t, time.Now, nil)
		s.plan.SetSkew(ahead)
		_, err := newClient(t, s.serve(t), nil).GetDomain(t.Context(), play)
		if errors.Is(err, provider.ErrDenied) != isRefused {
			t.Errorf("%v ahead: %v", ahead, err)
		}
		if isRefused && !strings.Contains(err.Error(), "set the clock right") {
			t.Errorf("%v ahead: %v, want a word about the clock", ahead, err)
		}
	}
}

func TestWrongCredentialsAreDenied(t *testing.T) {
	s := newStand(t, time.Now, nil)
	c := newClient(t, s.serve(t), func(cfg *agora.Config) { cfg.Credentials.CustomerSecret = tokens.NewSecret([]byte("another")) })
	err := c.Set(t.Context(), agora.Resource(play), tokens.NewSecret([]byte(secondKey)))
	if !errors.Is(err, provider.ErrDenied) {
		t.Errorf("%v, want ErrDenied", err)
	}
	if !s.server.AuthKey(play).Equal(tokens.NewSecret([]byte(firstKey))) {
		t.Error("the authKey changed")
	}
}

func TestNothingUnfitIsSent(t *testing.T) {
	s := newStand(t, time.Now, nil)
	c, ctx := newClient(t, s.serve(t), nil), t.Context()
	good := tokens.NewSecret([]byte(secondKey))
	for name, do := range map[string]func() error{
		"no kind of resource": func() error { return c.Set(ctx, play, good) },
		"another kind":        func() error { return c.Set(ctx, "stream:x", good) },
		"no resource to read": func() error { _, err := c.Current(ctx, play); return err },
		"a wildcard":          func() error { return c.Set(ctx, agora.Resource("*.example.com"), good) },
		"a path in a domain":  func() error { return c.DeleteDomain(ctx, "../settings") },
		"an upper-case name":  func() error { _, err := c.GetDomain(ctx, "Play.example.com"); return err },
		"an empty key":        func() error { return c.Set(ctx, agora.Resource(play), tokens.Secret{}) },
		"a key with a dash":   func() error { return c.SetAuthKey(ctx, play, tokens.NewSecret([]byte("z2tn3uiny0-aasebz"))) },
		"a key too long":      func() error { return c.SetAuthKey(ctx, play, tokens.NewSecret([]byte(strings.Repeat("x", 129)))) },
		"a region to play in": func() error { _, err := c.CreateDomain(ctx, "a.example.com", agora.Play, "eu"); return err },
		"no region to publish": func() error {
			_, err := c.CreateDomain(ctx, "a.example.com", agora.Publish, "")
			return err
		},
		"a kind of domain": func() error { _, err := c.CreateDomain(ctx, "a.example.com", "watch", ""); return err },
		"a dot for a name": func() error { return c.Ban(ctx, "live", "..", time.Time{}) },
		"a slash":          func() error { return c.Unban(ctx, "live", "a/b") },
		"an entry point":   func() error { return c.CreateEntryPoint(ctx, "a b") },
		"no entry point":   func() error { _, err := c.Online(ctx, ""); return err },
	} {
		if err := do(); !errors.Is(err, provider.ErrRejected) {
			t.Errorf("%s: %v, want ErrRejected", name, err)
		}
	}
	if calls := s.plan.Calls(); len(calls) != 0 {
		t.Errorf("sent %q", calls)
	}
}

func TestConfigNamesAllFaults(t *testing.T) {
	_, err := agora.New(agora.Config{AppID: "a/b", Propagation: -1, Credentials: agora.Credentials{CustomerID: `a"b`}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"app id", "propagation", "customer", "clock"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v says nothing of the %s", err, want)
		}
	}
	_, err = agora.New(agora.Config{
		HTTP:  rest.Config{Now: time.Now, Log: slog.New(slog.DiscardHandler)},
		AppID: appID, Credentials: agora.Credentials{CustomerID: `a"b`, CustomerSecret: customerSecret()},
	})
	if err == nil || !strings.Contains(err.Error(), "a quote") || strings.Contains(err.Error(), `a"b`) {
		t.Errorf("%v, want a word about the quote, without the id", err)
	}
}

// TestTravelsAsHTTP11 offers HTTP/2: what is signed names HTTP/1.1, so a call over HTTP/2 would be refused.
func TestTravelsAsHTTP11(t *testing.T) {
	s := newStand(t, time.Now, nil)
	server := httptest.NewUnstartedServer(s.handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c := newClient(t, server.URL, func(cfg *agora.Config) { cfg.HTTP.RootCAs = roots })
	if _, err := c.CreateDomain(t.Context(), "new.example.com", agora.Play, ""); err != nil {
		t.Error(err)
	}
}

func TestTraits(t *testing.T) {
	c := newClient(t, "http://127.0.0.1:1", func(cfg *agora.Config) { cfg.HTTP.MaxCall = 7 * time.Second })
	want := provider.Traits{Slots: 1, Propagation: time.Minute, MaxCall: 7 * time.Second}
	if got := c.Traits(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestBudgetKeepsUnderTheLimit makes 70 calls at one moment and notes how long each is held back.
func TestBudgetKeepsUnderTheLimit(t *testing.T) {
	s := newStand(t, time.Now, func(cfg *sandbox.Config) { cfg.CallsPerSecond = 1000 })
	var waits []time.Duration
	now := time.Now()
	c := newClient(t, s.serve(t), func(cfg *agora.Config) {
		cfg.HTTP.Now = func() time.Time { return now }
		cfg.HTTP.Sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	})
	for range 70 {
		if _, err := c.GetDomain(t.Context(), play); err != nil {
			t.Fatal(err)
		}
	}
	inFirst := 70
	for _, d := range waits {
		if d >= time.Second {
			inFirst--
		}
	}
	if inFirst > 50 || inFirst < 40 {
		t.Errorf("%d calls in the first second, want at most 50 and not many fewer", inFirst)
	}
}
