package rotate_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
)

// bench is an executor with a store and a vendor for each target, on the clock of its bubble.
type bench struct {
	store    *rotatetest.Store
	executor *rotate.Executor
	broken   map[string]error

	mu      sync.Mutex
	vendors map[string]*rotatetest.Vendor
	events  []rotate.Event
	slow    map[string]time.Duration
	reads   time.Duration // how long a look takes, whatever its deadline
}

// sluggish is a setter that takes its time.
type sluggish struct {
	provider.Setter
	provider.Inspector
	wait, read time.Duration
}

func (s sluggish) Current(ctx context.Context, resource string) (tokens.Secret, error) {
	time.Sleep(s.read)
	return s.Inspector.Current(ctx, resource)
}

func (s sluggish) Set(ctx context.Context, resource string, secret tokens.Secret) error {
	select {
	case <-ctx.Done():
		return &provider.Error{Class: provider.ErrAmbiguous, Provider: "vendor", Call: "set"}
	case <-time.After(s.wait):
		return s.Setter.Set(ctx, resource, secret)
	}
}

func newBench(t *testing.T, prober rotate.Prober) *bench {
	t.Helper()
	sealer, err := envelope.New(envelope.GenerateMasterKeys())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		store: rotatetest.NewStore(time.Now), broken: map[string]error{}, vendors: map[string]*rotatetest.Vendor{}, slow: map[string]time.Duration{},
	}
	b.executor = rotate.New(rotate.Config{
		Store: b.store, Sealer: sealer, Clock: time.Now, Timing: rotate.DefaultTiming(), Log: slog.New(slog.DiscardHandler),
		Providers: b.provider, Prober: prober, Jitter: func() float64 { return 0.5 },
		Observe: func(e rotate.Event) { b.mu.Lock(); defer b.mu.Unlock(); b.events = append(b.events, e) },
	})
	return b
}

func (b *bench) provider(target keystore.Target) (provider.Provider, error) {
	if err := b.broken[target.ID]; err != nil {
		return nil, err
	}
	traits := provider.Traits{Slots: 1, Propagation: time.Minute, MaxCall: 30 * time.Second}
	v := b.vendor(target.ID)
	if target.Provider == "qencode" {
		return v.Minter(traits), nil
	}
	p := v.Setter(traits)
	setter, sets := p.(provider.Setter)
	inspector, reads := p.(provider.Inspector)
	if wait := b.slow[target.ID]; wait+b.reads > 0 && sets && reads {
		return sluggish{Setter: setter, Inspector: inspector, wait: wait, read: b.reads}, nil
	}
	return p, nil
}

func (b *bench) vendor(target string) *rotatetest.Vendor {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.vendors[target] == nil {
		b.vendors[target] = rotatetest.NewVendor(schemes.WowzaHdnts, time.Now, time.Minute)
	}
	return b.vendors[target]
}

func (b *bench) target(t *testing.T, id, providerName string, change func(*keystore.Target)) {
	t.Helper()
	target := keystore.Target{
		ID: id, Provider: providerName, Scheme: schemes.WowzaHdnts, Account: "main", Resources: []string{"one"}, MaxTokenLifetime: 2 * time.Minute,
		Policy: keystore.Policy{Every: time.Hour},
	}
	if change != nil {
		change(&target)
	}
	if _, err := b.store.Create(t.Context(), target); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) record(t *testing.T, id string) keystore.Record {
	t.Helper()
	r, err := b.store.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (b *bench) version(t *testing.T, id string) int {
	t.Helper()
	r := b.record(t, id)
	if active := r.Active(); active != nil {
		return active.Version
	}
	return 0
}
