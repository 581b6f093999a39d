package qencode

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

const (
	domainsPath = "/v1/domains"
	tlsPath     = "/v1/tls/subscriptions"
)

// TypeLive is the type of domains that play live streams. The vendor does not show the type of those that
// play from media storage.
const TypeLive = "live"

// Domain is a playback domain.
type Domain struct {
	ID, Name, Type string
	// CreatedAt is cut to the second. It is zero if it cannot be read.
	CreatedAt time.Time
}

type domainAnswer struct {
	ID      string `json:"id"`
	Name    string `json:"domain_name"`
	Type    string `json:"type"`
	Created string `json:"created"`
}

func (d *domainAnswer) read(call string) (Domain, error) {
	if d == nil || !isID(d.ID) {
		return Domain{}, unreadable(call, "the answer holds no domain with an id")
	}
	return Domain{ID: d.ID, Name: d.Name, Type: d.Type, CreatedAt: parseTime(d.Created)}, nil
}

// CreateDomain makes a playback domain. kind is TypeLive, or the vendor's word for media storage; it is sent
// as given. A domain cannot be changed, and an account has at most 20. The call is never repeated.
func (c *Client) CreateDomain(ctx context.Context, name, kind string) (Domain, error) {
	const call = "create domain"
	if len(name) > 253 || !hostForm().MatchString(name) {
		return Domain{}, refused(call, "a domain is a host name in lower case, with at least one dot")
	}
	if err := checkType(call, kind); err != nil {
		return Domain{}, err
	}
	r := rest.Request{Call: call, Method: http.MethodPost, Path: domainsPath, Repeat: rest.Once}
	return c.oneDomain(func(out any) error {
		return c.send(ctx, c.cdn, r, map[string]string{"name": name, "type": kind}, out)
	}, call)
}

// Domain returns one domain. ErrGone if there is none of this id.
func (c *Client) Domain(ctx context.Context, id string) (Domain, error) {
	const call = "get domain"
	if err := checkUUID(call, "a domain", id); err != nil {
		return Domain{}, err
	}
	r := rest.Request{Call: call, Method: http.MethodGet, Path: domainsPath + "/" + id, Repeat: rest.ReadOnly}
	return c.oneDomain(func(out any) error { return c.call(ctx, c.cdn, r, out) }, call)
}

func (c *Client) oneDomain(do func(out any) error, call string) (Domain, error) {
	var answer struct {
		Domain *domainAnswer `json:"domain"`
	}
	if err := do(&answer); err != nil {
		return Domain{}, err
	}
	return answer.Domain.read(call)
}

// Domains returns all domains of the account, in the order of the vendor.
func (c *Client) Domains(ctx context.Context) ([]Domain, error) {
	return c.domains(ctx, domainsPath)
}

// DomainsOfType returns the domains of one type, as in CreateDomain.
func (c *Client) DomainsOfType(ctx context.Context, kind string) ([]Domain, error) {
	if err := checkType("list domains", kind); err != nil {
		return nil, err
	}
	return c.domains(ctx, domainsPath+"/"+kind)
}

func (c *Client) domains(ctx context.Context, path string) ([]Domain, error) {
	const call = "list domains"
	var answer struct {
		Domains *[]domainAnswer `json:"domains"`
	}
	r := rest.Request{Call: call, Method: http.MethodGet, Path: path, Repeat: rest.ReadOnly}
	if err := c.call(ctx, c.cdn, r, &answer); err != nil {
		return nil, err
	}
	if answer.Domains == nil {
		return nil, unreadable(call, "the answer holds no list of domains")
	}
	all := make([]Domain, 0, len(*answer.Domains))
	for _, one := range *answer.Domains {
		d, err := one.read(call)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// DeleteDomain deletes a domain. One that is gone already is a success.
func (c *Client) DeleteDomain(ctx context.Context, id string) error {
	const call = "delete domain"
	if err := checkUUID(call, "a domain", id); err != nil {
		return err
	}
	return c.remove(ctx, call, domainsPath+"/"+id)
}

// TLSSubscription is a certificate that the vendor gets and renews for a domain.
type TLSSubscription struct {
	ID, DomainID string
	// Status is the vendor's word, for example "pending".
	Status string
	// Message tells the CNAME to create, in the vendor's words. It is there when the subscription is made, and
	// never again.
	Message string
	// CreatedAt is cut to the second. It is zero if it cannot be read.
	CreatedAt time.Time
}

type tlsAnswer struct {
	ID       string `json:"id"`
	DomainID string `json:"domain_id"`
	Status   string `json:"status"`
	Message  string `json:"message"`
	Created  string `json:"created"`
}

func (t *tlsAnswer) read(call string) (TLSSubscription, error) {
	if t == nil || !isID(t.ID) {
		return TLSSubscription{}, unreadable(call, "the answer holds no TLS subscription with an id")
	}
	return TLSSubscription{ID: t.ID, DomainID: t.DomainID, Status: t.Status, Message: t.Message, CreatedAt: parseTime(t.Created)}, nil
}

// CreateTLSSubscription asks for a certificate for a domain. The call is never repeated.
func (c *Client) CreateTLSSubscription(ctx context.Context, domainID string) (TLSSubscription, error) {
	const call = "create tls subscription"
	if err := checkUUID(call, "a domain", domainID); err != nil {
		return TLSSubscription{}, err
	}
	r := rest.Request{Call: call, Method: http.MethodPost, Path: tlsPath, Repeat: rest.Once}
	var answer struct {
		TLS *tlsAnswer `json:"tls_subscription"`
	}
	if err := c.send(ctx, c.cdn, r, map[string]string{"domain_id": domainID}, &answer); err != nil {
		return TLSSubscription{}, err
	}
	return answer.TLS.read(call)
}

// TLSSubscription returns one subscription. ErrGone if there is none of this id.
func (c *Client) TLSSubscription(ctx context.Context, id string) (TLSSubscription, error) {
	const call = "get tls subscription"
	if err := checkID(call, id); err != nil {
		return TLSSubscription{}, err
	}
	var answer struct {
		TLS *tlsAnswer `json:"tls_subscription"`
	}
	r := rest.Request{Call: call, Method: http.MethodGet, Path: tlsPath + "/" + id, Repeat: rest.ReadOnly}
	if err := c.call(ctx, c.cdn, r, &answer); err != nil {
		return TLSSubscription{}, err
	}
	return answer.TLS.read(call)
}

// TLSSubscriptions returns all subscriptions of the account, in the order of the vendor.
func (c *Client) TLSSubscriptions(ctx context.Context) ([]TLSSubscription, error) {
	const call = "list tls subscriptions"
	var answer struct {
		All *[]tlsAnswer `json:"tls_subscriptions"`
	}
	r := rest.Request{Call: call, Method: http.MethodGet, Path: tlsPath, Repeat: rest.ReadOnly}
	if err := c.call(ctx, c.cdn, r, &answer); err != nil {
		return nil, err
	}
	if answer.All == nil {
		return nil, unreadable(call, "the answer holds no list of TLS subscriptions")
	}
	all := make([]TLSSubscription, 0, len(*answer.All))
	for _, one := range *answer.All {
		t, err := one.read(call)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// DeleteTLSSubscription ends a subscription. One that is gone already is a success.
func (c *Client) DeleteTLSSubscription(ctx context.Context, id string) error {
	const call = "delete tls subscription"
	if err := checkID(call, id); err != nil {
		return err
	}
	return c.remove(ctx, call, tlsPath+"/"+id)
}

func checkType(call, kind string) error {
	if !typeForm().MatchString(kind) {
		return refused(call, `the type of a domain is a word in lower case, for example "live"`)
	}
	return nil
}

func hostForm() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)
}

func typeForm() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`) }
