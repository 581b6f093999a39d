package wowza

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

// Defaults of Config.
const (
	DefaultBase        = "https://api.video.wowza.com"
	DefaultPropagation = time.Minute
	DefaultPageSize    = 1000

	// Wowza allows 60 connections a minute from one address: callsAtOnce, and callsPerMinute besides. While a
	// secret is set, nobody can sign: its calls must not wait for each other.
	callsAtOnce    = 10
	callsPerMinute = 50

	backoff      = 2 * time.Second
	maxSkew      = 10 * time.Second
	skewLasts    = 5 * time.Minute
	warnBefore   = 14 * 24 * time.Hour
	providerName = "wowza"
)

// Config is one account at Wowza.
type Config struct {
	// Base is the scheme and host of the API; empty means DefaultBase.
	Base string
	// Version of the API, and credentials that it takes. Required.
	Version Version
	Auth    Auth
	// Propagation is how long the edges may take to learn a secret. Wowza promises nothing; 0 means
	// DefaultPropagation.
	Propagation time.Duration
	// CookieBound says that the edge's session cookie ends with the secret. Wowza does not document whether
	// it does.
	CookieBound bool
	// PageSize is how many targets to ask for at once, 1 to 1000; 0 means DefaultPageSize.
	PageSize int
	// HTTP has the bounds of the client, its log, clock and randomness. Provider, Base, RequestID, Refine and
	// OnSkew are set by New. Without a Budget the account gets 60 calls in any minute.
	HTTP rest.Config
}

// Client speaks for one account. It is safe for concurrent use.
type Client struct {
	cfg  Config
	rest *rest.Client
	log  *slog.Logger

	mu       sync.Mutex
	skew     time.Duration
	measured time.Time
}

var (
	_ provider.Setter    = (*Client)(nil)
	_ provider.Inspector = (*Client)(nil)
)

// New returns a client, or says what is wrong with cfg. A JWT that has expired or soon will is logged.
func New(cfg Config) (*Client, error) {
	if err := cfg.Auth.check(cfg.Version); err != nil {
		return nil, err
	}
	if cfg.PageSize < 0 || cfg.PageSize > DefaultPageSize || cfg.Propagation < 0 {
		return nil, errors.New("wowza: want 1 to 1000 targets a page, and a propagation time of 0 or more")
	}
	if cfg.Base == "" {
		cfg.Base = DefaultBase
	}
	if cfg.PageSize == 0 {
		cfg.PageSize = DefaultPageSize
	}
	if cfg.Propagation == 0 {
		cfg.Propagation = DefaultPropagation
	}
	if cfg.HTTP.Budget == nil {
		cfg.HTTP.Budget = rest.NewBudget(callsPerMinute/time.Minute.Seconds(), callsAtOnce)
	}
	if cfg.HTTP.Backoff == 0 {
		cfg.HTTP.Backoff = backoff
	}
	c := &Client{cfg: cfg, log: cfg.HTTP.Log}
	over := cfg.HTTP
	over.Provider, over.Base = providerName, cfg.Base
	over.RequestID, over.Refine, over.OnSkew = requestID, c.refine, c.noteSkew
	client, err := rest.New(over)
	if err != nil {
		return nil, fmt.Errorf("wowza: %w", err)
	}
	c.rest = client
	c.warnOfExpiry(over.Now())
	return c, nil
}

func (c *Client) warnOfExpiry(now time.Time) {
	at, ok := c.cfg.Auth.Expires()
	if ok && at.Before(now.Add(warnBefore)) {
		c.log.Warn("the JWT for the provider expires soon or has expired; make a new one",
			slog.String("provider", providerName), slog.Time("expires_at", at))
	}
}

// Traits implements provider.Provider: one slot for each target.
func (c *Client) Traits() provider.Traits {
	return provider.Traits{Slots: 1, Propagation: c.cfg.Propagation, MaxCall: c.rest.MaxCall(), CookieBound: c.cfg.CookieBound}
}

// CredentialsExpire returns when the account's JWT expires, if it is one and says so.
func (c *Client) CredentialsExpire() (time.Time, bool) { return c.cfg.Auth.Expires() }

// call is one request below the version's path.
type call struct {
	name, method, path string
	query              url.Values
	body               any
	repeat             rest.Repeat
}

// do makes a call. Before one with an effect it makes sure that the clocks agree.
func (c *Client) do(ctx context.Context, k call) (rest.Response, error) {
	if k.repeat != rest.ReadOnly {
		if err := c.checkClock(ctx, k.name); err != nil {
			return rest.Response{}, err
		}
	}
	k.path = "/" + string(c.cfg.Version) + k.path
	return c.send(ctx, k)
}

// send makes a call below /api.
func (c *Client) send(ctx context.Context, k call) (rest.Response, error) {
	req := rest.Request{
		Call: k.name, Method: k.method, Path: "/api" + k.path, Query: k.query, Repeat: k.repeat,
		Header: http.Header{"Accept": {"application/json"}},
		Sign:   func(r *http.Request, _ []byte) error { return c.cfg.Auth.sign(r, c.cfg.HTTP.Now()) },
	}
	if k.body != nil {
		body, err := json.Marshal(k.body)
		if err != nil {
			return rest.Response{}, c.refuse(k.name, "the request cannot be put into JSON")
		}
		req.Body = body
		req.Header.Set("Content-Type", "application/json")
	}
	return c.rest.Do(ctx, req)
}

func (c *Client) noteSkew(ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew, c.measured = ahead, c.cfg.HTTP.Now()
}

// Skew returns how far Wowza's clock is ahead of ours, exact to about a second, and whether that was measured
// within the last five minutes.
func (c *Client) Skew() (ahead time.Duration, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := c.cfg.HTTP.Now().Sub(c.measured)
	return c.skew, !c.measured.IsZero() && age >= 0 && age < skewLasts
}

// checkClock refuses a write while the clocks differ by more than 10 seconds: Wowza checks signatures within 15,
// and times that we note for keys would be wrong. It asks for the time where it does not know it, or knows it to
// be bad.
func (c *Client) checkClock(ctx context.Context, name string) error {
	if skew, fresh := c.Skew(); fresh && skew.Abs() <= maxSkew {
		return nil
	}
	_, err := c.Versions(ctx)
	skew, fresh := c.Skew()
	if fresh && skew.Abs() > maxSkew {
		return &provider.Error{
			Class: provider.ErrThrottled, Provider: providerName, Call: name,
			Detail: clockDetail(skew) + "; nothing was written",
		}
	}
	var failure *provider.Error
	if fresh || !errors.As(err, &failure) {
		return nil
	}
	early := *failure
	early.Call = name
	if errors.Is(failure, provider.ErrAmbiguous) {
		early.Class, early.Detail = provider.ErrThrottled, "Wowza's clock could not be read; nothing was written"
	}
	return &early
}

func clockDetail(skew time.Duration) string {
	side := "behind"
	if skew < 0 {
		side = "ahead of"
	}
	return fmt.Sprintf("our clock is %s %s Wowza's, and may be %s; correct the clock", skew.Abs().Round(time.Second), side, maxSkew)
}

// refuse is the error of a call that is wrong before it is sent.
func (c *Client) refuse(name, detail string) *provider.Error {
	return &provider.Error{Class: provider.ErrRejected, Provider: providerName, Call: name, Detail: detail}
}

// isID reports whether an id can stand in a path: Wowza's are opaque, of letters and digits.
func isID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return id != "" && len(id) <= 64
}

// checkIDs refuses a call with an id that is none.
func (c *Client) checkIDs(name string, ids ...string) error {
	for _, id := range ids {
		if !isID(id) {
			return c.refuse(name, "an id is not made of 1 to 64 letters and digits; nothing was sent")
		}
	}
	return nil
}
