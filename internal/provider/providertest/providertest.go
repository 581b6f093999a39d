// Package providertest is the suite that every provider adapter passes against its stand-in. It holds the
// adapters to the contract of package provider: which class each failure has, what is repeated, how long a call
// may take, and what must never be shown.
package providertest

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/tokens"
)

// bounds are for rest.Config.
type bounds struct{ timeout, maxCall time.Duration }

// patient is for all cases in which nobody waits, however busy the machine is; hasty for providers that are slow
// on purpose.
func patient() bounds { return bounds{rest.DefaultTimeout, rest.DefaultMaxCall} }
func hasty() bounds   { return bounds{300 * time.Millisecond, 600 * time.Millisecond} }

// Config is one adapter with its stand-in.
type Config struct {
	// Stand returns a new stand-in for one case, with everything in it that the calls need.
	Stand func(t *testing.T) Stand
	// New returns a new client of the stand-in. The suite uses no rate budget below 1000 a second.
	New func(t *testing.T, env Env) provider.Provider
	// Calls are what the adapter can do.
	Calls []Call
	// Classes are the classes of statuses for which the provider means something else than HTTP does.
	Classes map[int]error
	// Relogin is set where a 401 makes the adapter fetch new credentials and send the call once more: what
	// was refused for its credentials was not applied.
	Relogin bool
}

// Stand is a stand-in of a provider.
type Stand struct {
	// Handler answers for the provider; Plan is in front of it already.
	Handler http.Handler
	Plan    *fault.Plan
	// Secrets are what no error and no log line may show.
	Secrets []tokens.Secret
}

// Env is what a client is to be made with.
type Env struct {
	// Base is the scheme and host of the stand-in.
	Base string
	Log  *slog.Logger
	Now  func() time.Time
	// Sleep notes the wait and returns at once.
	Sleep func(ctx context.Context, d time.Duration) error
	// Timeout and MaxCall are for rest.Config; MaxCall is also what Traits must say.
	Timeout, MaxCall time.Duration
}

// Call is one thing that an adapter can do.
type Call struct {
	// Name is the call to strike, as the stand-in names it. Do makes it, perhaps among others.
	Name string
	Do   func(ctx context.Context, p provider.Provider) error
	// Repeat is how often the adapter may send the call.
	Repeat rest.Repeat
	// GoneIsDone is set where a resource that does not exist is what the caller wants.
	GoneIsDone bool
	// NoBody is set where the provider's answer has no body that could be unreadable.
	NoBody bool
}

// Run runs the suite.
func Run(t *testing.T, cfg Config) {
	others := goleak.IgnoreCurrent()
	for _, call := range cfg.Calls {
		t.Run(call.Name, func(t *testing.T) {
			s := suite{Config: cfg, call: call}
			t.Run("goes well", s.goesWell)
			t.Run("classes", s.classes)
			t.Run("unreachable", s.unreachable)
			t.Run("untrusted", s.untrusted)
			t.Run("redirect", s.redirect)
			t.Run("deadline", s.deadline)
			t.Run("repeats", s.repeats)
			t.Run("in doubt", s.inDoubt)
			t.Run("retry after", s.retryAfter)
		})
	}
	goleak.VerifyNone(t, others)
}

type suite struct {
	Config

	call Call
}

// fixture is one stand-in with one client, and what both showed.
type fixture struct {
	stand Stand
	adapt provider.Provider

	mu     sync.Mutex
	log    bytes.Buffer
	slept  []time.Duration
	hidden []string // what went over the wire
}

func (s *suite) start(t *testing.T) *fixture {
	t.Helper()
	return s.startWith(t, patient())
}

func (s *suite) startWith(t *testing.T, b bounds) *fixture {
	t.Helper()
	f := &fixture{stand: s.Stand(t)}
	server := httptest.NewUnstartedServer(f.record(t, f.stand.Handler))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	f.adapt = s.client(t, f, server.URL, b)
	return f
}

func (s *suite) client(t *testing.T, f *fixture, base string, b bounds) provider.Provider {
	t.Helper()
	p := s.New(t, Env{
		Base: base, Now: time.Now, Timeout: b.timeout, MaxCall: b.maxCall,
		Log: slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Sleep: func(ctx context.Context, d time.Duration) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.slept = append(f.slept, d)
			return ctx.Err()
		},
	})
	if got := p.Traits().MaxCall; got != b.maxCall {
		t.Errorf("Traits().MaxCall = %v, want what the client was made with: %v", got, b.maxCall)
	}
	f.hide(base)
	return p
}

// do makes the call and checks that neither its error nor the log shows what must not be shown.
func (s *suite) do(t *testing.T, f *fixture) error {
	t.Helper()
	err := s.call.Do(t.Context(), f.adapt)
	f.checkLeaks(t, err)
	return err
}

func (s *suite) goesWell(t *testing.T) {
	f := s.start(t)
	if err := s.do(t, f); err != nil {
		t.Fatalf("without a fault: %v", err)
	}
	if f.stand.Plan.Count(s.call.Name) == 0 {
		t.Errorf("the stand-in saw %q and no %q: the case strikes nothing", f.stand.Plan.Calls(), s.call.Name)
	}
}
