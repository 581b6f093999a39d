package overhttp

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/qencode"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Names of the stand-ins, as Scenario.Provider has them.
const (
	Qencode = "qencode"
	Wowza   = "wowza"
	Agora   = "agora"
)

// Suite is every shape of provider at every stand-in that has it.
func Suite() rotatetest.Suite {
	return rotatetest.Suite{
		{Kind: rotatetest.Minter, Provider: Qencode},
		{Kind: rotatetest.Setter, Provider: Wowza},
		{Kind: rotatetest.Setter, Provider: Agora},
		{Kind: rotatetest.Pair, Provider: Wowza},
		{Kind: rotatetest.Pair, Provider: Agora},
	}
}

// standin is one vendor: its server, its adapter and its edges.
type standin interface {
	handler() http.Handler
	target() keystore.Target
	// adapter returns a new client.
	adapter(over rest.Config, t provider.Traits) (provider.Provider, error)
	// accepted returns the keys whose tokens the edges accept for any of the target's resources now.
	accepted() []tokens.Key
	kids() []string
	// change is the name of the call that makes or sets a key.
	change() string
	// secret is what the API holds for a resource; empty where keys are not shown.
	secret(resource string) tokens.Secret
	// byHand makes a key, or sets this secret, as a person does in the vendor's console.
	byHand(resource string, secret tokens.Secret) (kid string, err error)
}

// Account is the one account of a world at its stand-in. It is the world's rotatetest.Backend.
type Account struct {
	// Plan is what goes wrong with the calls.
	Plan *fault.Plan

	standin standin
	url     string
	tries   int
	now     func() time.Time
	api     http.Handler
}

// newAccount returns an account without keys, whose edges do the worst they may while a change is on its way
// to them.
func newAccount(s rotatetest.Scenario, url string, pool *qencode.Pool, now func() time.Time, propagation time.Duration) (*Account, error) {
	a := &Account{Plan: fault.New(now), url: url, tries: s.Tries, now: now}
	var err error
	switch {
	case s.Provider == Qencode && s.Kind == rotatetest.Minter:
		a.standin, err = newQencode(a.Plan, pool, now, propagation)
	case s.Provider == Wowza && (s.Kind == rotatetest.Setter || s.Kind == rotatetest.Pair):
		a.standin, err = newWowza(a.Plan, s.Kind, now, propagation)
	case s.Provider == Agora && (s.Kind == rotatetest.Setter || s.Kind == rotatetest.Pair):
		a.standin, err = newAgora(a.Plan, s.Kind, now, propagation)
	default:
		err = fmt.Errorf("there is no %s at provider %q; want one of %v", s.Kind, s.Provider, Suite())
	}
	if err != nil {
		return nil, err
	}
	a.api = a.standin.handler()
	for call, answer := range s.Answers {
		if answer != rotatetest.OK {
			a.Plan.Add(fault.Rule{From: call, Fault: Fault(answer)})
		}
	}
	return a, nil
}

// Fault returns what an answer is over HTTP.
func Fault(answer rotatetest.Answer) fault.Fault {
	switch answer {
	case rotatetest.Rejected:
		return fault.Status(http.StatusUnprocessableEntity)
	case rotatetest.Throttled:
		return fault.Throttled("")
	case rotatetest.LostBefore:
		return fault.LostBefore()
	case rotatetest.LostAfter:
		return fault.LostAfter()
	case rotatetest.ServerError:
		return fault.Status(http.StatusServiceUnavailable)
	case rotatetest.Denied:
		return fault.Status(http.StatusForbidden)
	case rotatetest.ErrorAfter:
		return fault.Status(http.StatusBadGateway).AfterEffect()
	default:
		return fault.Fault{After: true}
	}
}

// Target implements rotatetest.Backend.
func (a *Account) Target() keystore.Target { return a.standin.target() }

// Provider implements rotatetest.Backend. Each adapter has a session and a rate budget of its own.
func (a *Account) Provider(t provider.Traits) (provider.Provider, error) {
	return a.standin.adapter(rest.Config{
		// One try may take as long as the whole call: a busy machine is no fault of the provider.
		Base: a.url, Timeout: t.MaxCall, MaxCall: t.MaxCall, Tries: a.tries, Log: slog.New(slog.DiscardHandler), Now: a.now,
		// The world's clock stands while a call is made.
		Sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Jitter: func() float64 { return 0 },
	}, t)
}

// Accepts implements rotatetest.Backend.
func (a *Account) Accepts(fingerprint string) bool {
	return slices.ContainsFunc(a.standin.accepted(), func(k tokens.Key) bool { return k.Fingerprint() == fingerprint })
}

// KIDs implements rotatetest.Backend.
func (a *Account) KIDs() []string { return a.standin.kids() }

// Calls implements rotatetest.Backend: every request counts, also one that an adapter repeats.
func (a *Account) Calls() int { return a.Plan.Count("") }

// Change is the name of the call that makes or sets a key, for rules of the plan.
func (a *Account) Change() string { return a.standin.change() }

// Secret is what the API holds for a resource; empty where the vendor does not show its keys.
func (a *Account) Secret(resource string) tokens.Secret { return a.standin.secret(resource) }

// ByHand makes a key, or sets this secret, as a person does in the vendor's console.
func (a *Account) ByHand(resource string, secret tokens.Secret) (kid string, err error) {
	return a.standin.byHand(resource, secret)
}

// prepare leaves out what cannot be a key: an edge accepts no token then.
func prepare(scheme tokens.Scheme, secrets ...tokens.Secret) []tokens.Key {
	var keys []tokens.Key
	for _, secret := range secrets {
		if key, err := scheme.Prepare(tokens.Material{Secret: secret, AllowShort: true}); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}
