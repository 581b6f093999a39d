package streamapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

// raiseBy is how far request ids are moved ahead when the provider says that it has seen a greater one: a
// minute of the milliseconds that they are made of.
const raiseBy = 60_000

// Config is one account.
type Config struct {
	// HTTP bounds the calls. Provider is set here. Base is required: the vendor's own address no longer answers.
	HTTP        rest.Config
	Credentials Credentials
	// RIDs are the request ids of the API key. Required.
	RIDs RIDs
}

// Client is the client of one account. It makes one call at a time, as RIDs let it. It is safe for concurrent
// use and needs no closing; the owner of the RIDs closes them.
type Client struct {
	http  *rest.Client
	creds Credentials
	rids  RIDs
}

// New returns a client, or an error that names everything that is wrong with cfg.
func New(cfg Config) (*Client, error) {
	cfg.HTTP.Provider = "streamapi"
	client, err := rest.New(cfg.HTTP)
	if cfg.RIDs == nil {
		err = errors.Join(err, errors.New("a keeper of request ids is needed"))
	}
	if err := errors.Join(cfg.Credentials.check(), err); err != nil {
		return nil, fmt.Errorf("streamapi: %w", err)
	}
	return &Client{http: client, creds: cfg.Credentials, rids: cfg.RIDs}, nil
}

// Traits implements provider.Provider. The API has no keys to rotate, so there are no slots and nothing that
// spreads to edges.
func (c *Client) Traits() provider.Traits { return provider.Traits{MaxCall: c.http.MaxCall()} }

var _ provider.Provider = (*Client)(nil)

// call is one call: its name in errors, method, path and own parameters.
type call struct {
	name, method, path string
	params             map[string]string
}

// do makes a call and returns its answer, of code 0. When the provider says that the request id is not
// greater than the last it saw, ids are moved ahead and the call is made once more, since it was certainly not
// applied. Nothing else is repeated: the same request id must not be sent twice.
func (c *Client) do(ctx context.Context, r call) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.http.MaxCall())
	defer cancel()
	var used int64
	var got *answer
	send := func(rid int64) (err error) {
		used = rid
		got, err = c.send(ctx, r, rid)
		return err
	}
	err := c.rids.Do(ctx, send)
	if failure, ok := errors.AsType[*provider.Error](err); ok && failure.Code == codeBadRID {
		if used <= maxRID-raiseBy {
			err = c.rids.Raise(ctx, used+raiseBy)
		}
		if err == nil {
			err = c.rids.Do(ctx, send)
		}
	}
	if errors.Is(err, ErrNoRID) {
		return nil, notSent(r.name, provider.ErrThrottled, "no request id could be had")
	}
	if err != nil {
		return nil, err
	}
	return got, nil
}

// send makes one call under one request id.
func (c *Client) send(ctx context.Context, r call, rid int64) (*answer, error) {
	params := make(url.Values, len(r.params)+3)
	for name, value := range maps.All(r.params) {
		params.Set(name, value)
	}
	params.Set("key", c.creds.APIKey)
	params.Set("rid", strconv.FormatInt(rid, 10))
	params.Set("sig", c.creds.Sign(r.params, rid))
	out := rest.Request{Call: r.name, Method: r.method, Path: r.path, Repeat: rest.Once}
	if r.method == http.MethodPost {
		out.Body, out.Header = []byte(params.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	} else {
		out.Query = params
	}
	resp, err := c.http.Do(ctx, out)
	if err != nil {
		return nil, err
	}
	return readAnswer(resp)
}

// notSent is the error of a call that did not leave this process.
func notSent(name string, class error, detail string) error {
	return &provider.Error{Class: class, Provider: "streamapi", Call: name, Detail: detail + "; nothing was sent"}
}

// fromMillis reads the vendor's times.
func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
