// Package rest is the HTTP client of all provider adapters. It bounds what goes out and comes in, keeps to an
// account's rate budget, repeats only what an adapter calls safe to repeat, and classifies every failure as one
// of the classes of package provider. What it does not know is provider.ErrAmbiguous.
//
// Every try has a connection of its own, over HTTP/1.1. A kept connection that the provider closes at the wrong
// moment would make a failure ambiguous, and net/http would repeat some requests by itself; both cost a rotation
// far more than a handshake. So a request was certainly not sent unless its connection stood.
//
// No error and no log line holds a URL, a path, a header or a body: providers put credentials in all of them.
// Redirects are not followed, and no proxy is taken from the environment.
package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
)

// Defaults of Config.
const (
	DefaultMaxBody = 1 << 20
	DefaultTimeout = 10 * time.Second
	DefaultMaxCall = 30 * time.Second
	DefaultTries   = 4
	DefaultBackoff = 500 * time.Millisecond

	maxBackoff     = 30 * time.Second
	maxHeaderBytes = 64 << 10
)

// Config is what a Client talks to, and within which bounds.
type Config struct {
	// Provider names the provider in errors and log lines. Required.
	Provider string
	// Base is the scheme and host of the API, perhaps with a path before every Request.Path. http is refused
	// unless the host is a loopback address. Required.
	Base string
	// Version of this program, for the User-Agent; empty means "dev".
	Version string
	// MaxBody bounds the bodies of requests and answers, in bytes; 0 means DefaultMaxBody.
	MaxBody int64
	// Timeout bounds one try, MaxCall one call with all its tries and waits, as in provider.Traits. 0 means the
	// default.
	Timeout, MaxCall time.Duration
	// Tries is how often a call that may be repeated is sent at most; 0 means DefaultTries.
	Tries int
	// Backoff is the wait before the second try; it doubles each time. 0 means DefaultBackoff.
	Backoff time.Duration
	// Budget is the account's rate budget. Clients of one account share it. nil means no limit.
	Budget *Budget
	// RequestID reads the provider's id of a call from its answer; nil reads the header X-Request-Id. What is not
	// made of letters, digits, ".", "_", ":" and "-" is dropped.
	RequestID func(http.Header, []byte) string
	// Refine may sharpen the error made of an answer that is not 2xx: its class, code and detail. May be nil.
	Refine func(Response, *provider.Error)
	// Judge says whether an answer that is 2xx is a failure nonetheless, or nil. One that is
	// provider.ErrThrottled is tried again as if it were a 429. May be nil.
	Judge func(Response) *provider.Error
	// OnSkew is told by how much the provider's clock is ahead of ours, from the Date header of each answer. It is
	// exact to about a second. May be nil.
	OnSkew func(ahead time.Duration)
	// RootCAs are the authorities to trust; nil means those of the system.
	RootCAs *x509.CertPool
	// Observe is told of each call that has ended, with its failure or nil. It must not keep the failure. May be
	// nil.
	Observe func(call string, failure *provider.Error)
	// Log gets one debug line for each try. Required.
	Log *slog.Logger
	// Now is the clock. Required.
	Now func() time.Time
	// Sleep waits, or returns the error of ctx; nil waits on a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// Jitter returns a number in [0, 1) that spreads the waits between tries; nil means math/rand/v2.
	Jitter func() float64
}

// Repeat says whether a call may be sent again when its fate is unknown.
type Repeat int

const (
	// Once is for calls that must never be sent twice, such as the making of a key. It is the zero value.
	Once Repeat = iota
	// Idempotent is for calls with an effect that is the same if they arrive twice. If one try may have been
	// applied and a later one fails, the call as a whole is ambiguous.
	Idempotent
	// ReadOnly is for calls without an effect.
	ReadOnly
)

// Request is one call.
type Request struct {
	// Call names the call in errors and log lines, for example "set secret". It holds no id.
	Call   string
	Method string
	// Path is the escaped path, from "/" on. The caller has validated the ids in it.
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
	Repeat Repeat
	// Sign adds the credentials. It is called anew for each try, with the complete request; its error is not
	// shown unless it is a *provider.Error. May be nil.
	Sign func(req *http.Request, body []byte) error
}

// Response is an answer.
type Response struct {
	// Provider and Call are those of the request.
	Provider, Call string
	Status         int
	Header         http.Header
	// Body is the whole body. It may hold secrets.
	Body []byte
	// RequestID is the provider's id of the call; may be empty.
	RequestID string
	// Skew is how far the provider's clock is ahead of ours, exact to about a second, if Dated.
	Skew  time.Duration
	Dated bool
	// RetryAfter is what the provider asked for; 0 when it did not.
	RetryAfter time.Duration
}

// Client is the client of one account. It is safe for concurrent use and needs no closing.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
}

// New returns a client, or an error that names everything that is wrong with cfg.
func New(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.Base)
	if cfg.Provider == "" || cfg.Log == nil || cfg.Now == nil {
		err = errors.Join(err, errors.New("a client needs the provider's name, a logger and a clock"))
	}
	if cfg.MaxBody < 0 || cfg.Timeout < 0 || cfg.MaxCall < 0 || cfg.Tries < 0 || cfg.Backoff < 0 {
		err = errors.Join(err, errors.New("bounds of a client: want 0 for the default, or more"))
	}
	if err != nil {
		return nil, err
	}
	setDefault(&cfg.Version, "dev")
	setDefault(&cfg.MaxBody, DefaultMaxBody)
	setDefault(&cfg.Timeout, DefaultTimeout)
	setDefault(&cfg.MaxCall, DefaultMaxCall)
	setDefault(&cfg.Tries, DefaultTries)
	setDefault(&cfg.Backoff, DefaultBackoff)
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string, *provider.Error) {}
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(h http.Header, _ []byte) string { return h.Get("X-Request-Id") }
	}
	onlyHTTP1 := new(http.Protocols)
	onlyHTTP1.SetHTTP1(true)
	return &Client{cfg: cfg, base: base, http: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:        &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
			Protocols:              onlyHTTP1,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// MaxCall bounds one call, as in provider.Traits.
func (c *Client) MaxCall() time.Duration { return c.cfg.MaxCall }

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return nil, errors.New("base of an API: want https://host, perhaps with a port and a path, and nothing else")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("base of an API at %q: want https; http is for loopback addresses alone", u.Host)
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), ""
	return u, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
