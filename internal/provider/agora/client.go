package agora

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

const (
	// DefaultBase is where Agora serves the API.
	DefaultBase = "https://api.agora.io"
	// DefaultPropagation is how long edges are given to learn a change; Agora documents no time.
	DefaultPropagation = time.Minute
	// clockSkew is how far the date of a call may be off: the default of Kong's hmac-auth, whose dialect this is.
	clockSkew = 300 * time.Second
)

// Config is one account and one of its projects.
type Config struct {
	// HTTP bounds the calls. Provider is set here; an empty Base means DefaultBase; a nil Budget means a new one
	// from NewBudget. Clients of one account must share a Budget.
	HTTP rest.Config
	// AppID is the project: letters and digits. Required.
	AppID       string
	Credentials Credentials
	// Propagation is Traits.Propagation; 0 means DefaultPropagation.
	Propagation time.Duration
}

// NewBudget returns the rate that Agora allows one account: no second sees more than 50 calls.
func NewBudget() *rest.Budget { return rest.NewBudget(40, 10) }

// Client is the client of one project. It is a provider.Setter and a provider.Inspector, safe for concurrent
// use, and needs no closing.
type Client struct {
	http        *rest.Client
	creds       Credentials
	now         func() time.Time
	prefix      string
	propagation time.Duration
}

// New returns a client, or an error that names everything that is wrong with cfg.
func New(cfg Config) (*Client, error) {
	cfg.HTTP.Provider = "agora"
	if cfg.HTTP.Base == "" {
		cfg.HTTP.Base = DefaultBase
	}
	if cfg.HTTP.Budget == nil {
		cfg.HTTP.Budget = NewBudget()
	}
	if cfg.HTTP.Refine == nil {
		cfg.HTTP.Refine = refine
	}
	if cfg.Propagation == 0 {
		cfg.Propagation = DefaultPropagation
	}
	var faults []error
	if !appID().MatchString(cfg.AppID) {
		faults = append(faults, errors.New("an app id of letters and digits is needed; the console shows it with the project"))
	}
	if cfg.Propagation < 0 {
		faults = append(faults, fmt.Errorf("a propagation time of %v: want 0 for the default, or more", cfg.Propagation))
	}
	client, err := rest.New(cfg.HTTP)
	if err := errors.Join(append(faults, cfg.Credentials.check(), err)...); err != nil {
		return nil, fmt.Errorf("agora: %w", err)
	}
	return &Client{
		http: client, creds: cfg.Credentials, now: cfg.HTTP.Now,
		prefix:      "/v1/projects/" + cfg.AppID + "/fls",
		propagation: cfg.Propagation,
	}, nil
}

// Traits implements provider.Provider: one slot for each domain.
func (c *Client) Traits() provider.Traits {
	return provider.Traits{Slots: 1, Propagation: c.propagation, MaxCall: c.http.MaxCall()}
}

// request is one call, before it is signed. in is sent as JSON unless it is nil; query may be nil.
type request struct {
	call, method, path string
	query              url.Values
	in                 any
	repeat             rest.Repeat
}

// do makes a call and reads the answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, r request, out any) (rest.Response, error) {
	call := rest.Request{
		Call: r.call, Method: r.method, Path: c.prefix + r.path, Query: r.query, Repeat: r.repeat, Sign: c.sign,
	}
	if r.in != nil {
		body, err := json.Marshal(r.in)
		if err != nil {
			return rest.Response{}, refused(r.call, "the request cannot be written as JSON")
		}
		call.Body, call.Header = body, http.Header{"Content-Type": {"application/json"}}
	}
	resp, err := c.http.Do(ctx, call)
	if err != nil || out == nil {
		return resp, err
	}
	return resp, rest.Decode(resp, out)
}

// sign signs one try, over the request target with its query, as it travels.
func (c *Client) sign(req *http.Request, body []byte) error {
	s := c.creds.Sign(req.Method, req.URL.RequestURI(), req.Host, body, c.now())
	req.Header.Set("Date", s.Date)
	req.Header.Set("Digest", s.Digest)
	req.Header.Set("Authorization", s.Authorization)
	return nil
}

// refine says in words what Agora's statuses leave open. There is no documented body to read.
func refine(resp rest.Response, failure *provider.Error) {
	if !errors.Is(failure, provider.ErrDenied) {
		return
	}
	failure.Detail = "check the customer id and secret"
	if resp.Dated && resp.Skew.Abs() > clockSkew {
		failure.Detail = fmt.Sprintf("this clock and the provider's differ by %v, and calls more than %v off are refused; set the clock right",
			resp.Skew.Abs().Round(time.Second), clockSkew)
	}
}

// refused is the error of a call that was not sent, since its arguments are wrong.
func refused(call, detail string) error {
	return &provider.Error{Class: provider.ErrRejected, Provider: "agora", Call: call, Detail: detail + "; nothing was sent"}
}
