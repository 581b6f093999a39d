package agora

import (
	"context"
	"errors"
	"strings"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/tokens"
	scheme "github.com/tokensvc/tokensvc/tokens/agora"
)

// resourcePrefix stands in front of the domain's name in a resource.
const resourcePrefix = "domain:"

// Resource returns the resource of a domain, as Set and Current take it.
func Resource(domain string) string { return resourcePrefix + domain }

// Set implements provider.Setter: it overwrites the domain's authKey and reads it back. Where the key stands
// already it writes nothing: Agora does not say what its edges accept while they learn a key anew. The answer
// to the write has no documented body, so only a read says that the new key stands; when it does not, or cannot
// be read, the call is provider.ErrAmbiguous. All together take no longer than Traits.MaxCall.
func (c *Client) Set(ctx context.Context, resource string, secret tokens.Secret) error {
	domain, ok := strings.CutPrefix(resource, resourcePrefix)
	if !ok {
		return refused("set auth key", "want a resource domain:NAME")
	}
	ctx, cancel := context.WithTimeout(ctx, c.http.MaxCall())
	defer cancel()
	if !isAuthKey(secret) {
		return refused("set auth key", wantAuthKey)
	}
	before, err := c.GetDomain(ctx, domain)
	if err != nil {
		return unsent(err)
	}
	if before.AuthKey.Equal(secret) {
		return nil
	}
	if err := c.SetAuthKey(ctx, domain, secret); err != nil {
		return err
	}
	now, err := c.GetDomain(ctx, domain)
	if err != nil {
		return unconfirmed(err)
	}
	if !now.AuthKey.Equal(secret) {
		return &provider.Error{
			Class: provider.ErrAmbiguous, Provider: "agora", Call: "set auth key",
			Detail: "the provider accepted the key, and shows another one: somebody else writes it too, or it shows changes late",
		}
	}
	return nil
}

// Current implements provider.Inspector.
func (c *Client) Current(ctx context.Context, resource string) (tokens.Secret, error) {
	domain, ok := strings.CutPrefix(resource, resourcePrefix)
	if !ok {
		return tokens.Secret{}, refused("get domain", "want a resource domain:NAME")
	}
	d, err := c.GetDomain(ctx, domain)
	if err != nil {
		return tokens.Secret{}, err
	}
	return d.AuthKey, nil
}

// unsent is the error of a read that came before a write: nothing is in doubt.
func unsent(err error) error {
	read, ok := errors.AsType[*provider.Error](err)
	if !ok {
		return err
	}
	failure := *read
	failure.Call = "set auth key"
	if errors.Is(err, provider.ErrAmbiguous) {
		failure.Class, failure.Detail = provider.ErrThrottled, "the domain could not be read; nothing was written"
	}
	return &failure
}

// unconfirmed is the error of a read that was to confirm a write. Whatever went wrong with the read, the write
// was accepted.
func unconfirmed(err error) error {
	read, ok := errors.AsType[*provider.Error](err)
	if !ok {
		return err
	}
	failure := *read
	failure.Class, failure.Gone, failure.Call = provider.ErrAmbiguous, false, "set auth key"
	failure.Detail = "the provider accepted the key, and it could not be read back"
	return &failure
}

// isAuthKey takes short keys too: a roll-back may have to set again what was imported as short.
func isAuthKey(secret tokens.Secret) bool {
	return scheme.Scheme{}.CheckKey(tokens.Material{Secret: secret, AllowShort: true}) == nil
}
