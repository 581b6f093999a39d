package agora

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/tokens"
)

// Kinds of domains.
const (
	Publish = "publish"
	Play    = "play"
)

// Domain is a stream-pushing or stream-playing domain of the project.
type Domain struct {
	// Name is the domain name, in lower case.
	Name string
	// Type is Publish or Play.
	Type string
	// Region is "cn", "ap", "eu" or "na" for a publish domain, else empty.
	Region string
	// CName is where the domain's CNAME record has to point. Only CreateDomain knows it, and not always.
	CName string
	// AuthKey is the key of timestamp authentication; empty when none is set.
	AuthKey tokens.Secret
}

// domainAnswer is a domain in the vendor's JSON. It holds the authKey in clear.
type domainAnswer struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Region  string `json:"region"`
	CName   string `json:"cname"`
	AuthKey string `json:"authKey"`
}

// domain checks an answer about the domain that was asked for. An answer about another, or about none, is not
// one from which "no authKey is set" may be read.
func (a domainAnswer) domain(asked string) (Domain, bool) {
	if a.Name == "" {
		a.Name = asked
	}
	d := Domain{Name: a.Name, Type: a.Type, Region: a.Region, CName: a.CName, AuthKey: tokens.NewSecret([]byte(a.AuthKey))}
	return d, a.Name == asked && (a.Type == Publish || a.Type == Play)
}

// CreateDomain adds a domain. region is for publish domains, where it is required: "cn", "ap", "eu" or "na".
// It is sent once: adding a domain twice is not documented.
func (c *Client) CreateDomain(ctx context.Context, name, kind, region string) (Domain, error) {
	const call = "create domain"
	in := map[string]string{"type": kind}
	switch {
	case !isDomain(name):
		return Domain{}, refused(call, wantDomain)
	case kind == Publish && (region == "cn" || region == "ap" || region == "eu" || region == "na"):
		in["region"] = region
	case kind != Play || region != "":
		return Domain{}, refused(call, "want a play domain without a region, or a publish domain in cn, ap, eu or na")
	}
	var out domainAnswer
	resp, err := c.do(ctx, request{
		call: call, method: http.MethodPost, path: "/domains", query: url.Values{"id": {name}}, in: in, repeat: rest.Once,
	}, &out)
	if err != nil {
		return Domain{}, err
	}
	d, ok := out.domain(name)
	if !ok {
		return Domain{}, resp.Unreadable("the answer describes another domain")
	}
	return d, nil
}

// GetDomain returns a domain, with its authKey.
func (c *Client) GetDomain(ctx context.Context, name string) (Domain, error) {
	const call = "get domain"
	if !isDomain(name) {
		return Domain{}, refused(call, wantDomain)
	}
	var out domainAnswer
	resp, err := c.do(ctx, request{call: call, method: http.MethodGet, path: "/domains/" + name, repeat: rest.ReadOnly}, &out)
	if err != nil {
		return Domain{}, err
	}
	d, ok := out.domain(name)
	if !ok {
		return Domain{}, resp.Unreadable("the answer does not describe the domain that was asked for")
	}
	return d, nil
}

// ListDomains returns all domains of the project, with their authKeys.
func (c *Client) ListDomains(ctx context.Context) ([]Domain, error) {
	var out struct {
		DomainList *[]domainAnswer `json:"domainList"`
	}
	resp, err := c.do(ctx, request{call: "list domains", method: http.MethodGet, path: "/domains", repeat: rest.ReadOnly}, &out)
	if err != nil {
		return nil, err
	}
	if out.DomainList == nil {
		return nil, resp.Unreadable("the answer holds no domainList")
	}
	domains := make([]Domain, 0, len(*out.DomainList))
	for _, a := range *out.DomainList {
		d, ok := a.domain(a.Name)
		if !ok || d.Name == "" {
			return nil, resp.Unreadable("the list holds something that is no domain")
		}
		domains = append(domains, d)
	}
	return domains, nil
}

// SetAuthKey overwrites the authKey of a domain, and so switches timestamp authentication on. Nothing
// documented switches it off. The key is 8 to 128 ASCII letters and digits.
func (c *Client) SetAuthKey(ctx context.Context, name string, authKey tokens.Secret) error {
	const call = "set auth key"
	if !isDomain(name) {
		return refused(call, wantDomain)
	}
	if !isAuthKey(authKey) {
		return refused(call, wantAuthKey)
	}
	_, err := c.do(ctx, request{
		call: call, method: http.MethodPatch, path: "/domains/" + name,
		in: map[string]string{"authKey": string(authKey.Reveal())}, repeat: rest.Idempotent,
	}, nil)
	return err
}

// DeleteDomain deletes a domain, and its authKey with it. A domain that is gone already is provider.ErrGone.
func (c *Client) DeleteDomain(ctx context.Context, name string) error {
	const call = "delete domain"
	if !isDomain(name) {
		return refused(call, wantDomain)
	}
	_, err := c.do(ctx, request{call: call, method: http.MethodDelete, path: "/domains/" + name, repeat: rest.Idempotent}, nil)
	return err
}

// NewAuthKey returns a random authKey of 26 letters and digits: 130 bits.
func NewAuthKey() tokens.Secret { return tokens.NewSecret([]byte(rand.Text())) }

var (
	_ provider.Setter    = (*Client)(nil)
	_ provider.Inspector = (*Client)(nil)
)
