package wowza_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/providertest"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/provider/wowza"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	standin "github.com/tokensvc/tokensvc/internal/sandbox/provider/wowza"
	"github.com/tokensvc/tokensvc/tokens"
)

func secret(s string) tokens.Secret { return tokens.NewSecret([]byte(s)) }

const (
	accessKey = "AccessAccessAccess00"
	apiKey    = "ApiKeyApiKeyApiKey00"
	jwt       = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
	oldSecret = "00112233445566778899aabbccddeeff"
	newSecret = "ffeeddccbbaa99887766554433221100"
)

// world is a stand-in and a client of it, on one clock.
type world struct {
	plan   *fault.Plan
	stand  *standin.Server
	client *wowza.Client
	base   string
	http   rest.Config

	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slept = append(w.slept, d)
	w.now = w.now.Add(d)
	return ctx.Err()
}

func newWorld(t *testing.T, version wowza.Version, auth wowza.Auth) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	w.plan = fault.New(w.clock)
	stand, err := standin.New(standin.Config{
		AccessKey: secret(accessKey), APIKey: secret(apiKey), JWT: secret(jwt), Now: w.clock, Plan: w.plan,
		Propagation: time.Minute, Transcoders: map[string][]string{"trans1": {"out1", "out2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.stand = stand
	server := httptest.NewServer(stand.Handler())
	t.Cleanup(server.Close)
	w.base = server.URL
	w.http = rest.Config{
		Log: slog.New(slog.DiscardHandler), Now: w.clock, Sleep: w.sleep, Jitter: func() float64 { return 0.5 },
		Budget: rest.NewBudget(1000, 1000),
	}
	w.client, err = wowza.New(wowza.Config{Base: w.base, Version: version, Auth: auth, HTTP: w.http})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func hmacWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, "v1.8", wowza.HMAC(secret(accessKey), secret(apiKey)))
}

// TestSuite holds the client to the contract of adapters, in both generations of the API.
func TestSuite(t *testing.T) {
	t.Run("v1.7 with HMAC", func(t *testing.T) {
		runSuite(t, "v1.7", wowza.HMAC(secret(accessKey), secret(apiKey)))
	})
	t.Run("v2.0 with a JWT", func(t *testing.T) {
		runSuite(t, "v2.0", wowza.JWT(secret(jwt)))
	})
}

func runSuite(t *testing.T, version wowza.Version, auth wowza.Auth) {
	t.Helper()
	var target string // each case has a stand-in of its own, and cases run one by one
	client := func(p provider.Provider) *wowza.Client {
		c, ok := p.(*wowza.Client)
		if !ok {
			t.Fatalf("%T is no client", p)
		}
		return c
	}
	calls := []providertest.Call{
		{Name: "get versions", Repeat: rest.ReadOnly, Do: func(ctx context.Context, p provider.Provider) error {
			_, err := client(p).Versions(ctx)
			return err
		}},
		{Name: "get target", Repeat: rest.ReadOnly, Do: func(ctx context.Context, p provider.Provider) error {
			_, err := client(p).Current(ctx, target)
			return err
		}},
		{Name: "patch target", Repeat: rest.Idempotent, Do: func(ctx context.Context, p provider.Provider) error {
			return client(p).Set(ctx, target, secret(newSecret))
		}},
		{Name: "list targets", Repeat: rest.ReadOnly, Do: func(ctx context.Context, p provider.Provider) error {
			_, err := client(p).Targets(ctx)
			return err
		}},
		{Name: "create target", Repeat: rest.Once, Do: func(ctx context.Context, p provider.Provider) error {
			_, err := client(p).Create(ctx, "blue", "tokensvc-0001", wowza.Settings{Secret: secret(newSecret)})
			return err
		}},
		{Name: "delete target", Repeat: rest.Idempotent, GoneIsDone: true, NoBody: true, Do: func(ctx context.Context, p provider.Provider) error {
			return client(p).Delete(ctx, target)
		}},
		{Name: "list outputs", Repeat: rest.ReadOnly, Do: func(ctx context.Context, p provider.Provider) error {
			_, err := client(p).Outputs(ctx, "trans1")
			return err
		}},
		{Name: "attach target", Repeat: rest.Once, Do: func(ctx context.Context, p provider.Provider) error {
			_, err := client(p).Attach(ctx, "trans1", "out1", target)
			return err
		}},
		{Name: "list attached targets", Repeat: rest.ReadOnly, Do: func(ctx context.Context, p provider.Provider) error {
			_, err := client(p).Attached(ctx, "trans1", "out1")
			return err
		}},
		{Name: "detach target", Repeat: rest.Idempotent, GoneIsDone: true, NoBody: true, Do: func(ctx context.Context, p provider.Provider) error {
			return client(p).Detach(ctx, "trans1", "out1", target)
		}},
	}
	providertest.Run(t, providertest.Config{
		Stand: func(t *testing.T) providertest.Stand {
			t.Helper()
			plan := fault.New(time.Now)
			stand, err := standin.New(standin.Config{
				AccessKey: secret(accessKey), APIKey: secret(apiKey), JWT: secret(jwt), Now: time.Now, Plan: plan,
				Transcoders: map[string][]string{"trans1": {"out1"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			target = stand.AddTarget("event", secret(oldSecret))
			return providertest.Stand{
				Handler: stand.Handler(), Plan: plan,
				Secrets: []tokens.Secret{secret(accessKey), secret(apiKey), secret(jwt), secret(oldSecret), secret(newSecret), secret(target)},
			}
		},
		New: func(t *testing.T, env providertest.Env) provider.Provider {
			t.Helper()
			c, err := wowza.New(wowza.Config{Base: env.Base, Version: version, Auth: auth, HTTP: rest.Config{
				Log: env.Log, Now: env.Now, Sleep: env.Sleep, Timeout: env.Timeout, MaxCall: env.MaxCall,
				Backoff: time.Millisecond, Budget: rest.NewBudget(1000, 1000),
			}})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Calls: calls,
	})
}
