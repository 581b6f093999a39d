package qencode

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// UnusableKeyError says that the vendor made a key that cannot be signed with. It stands at the vendor, and
// nobody holds it: revoke it. It is provider.ErrAmbiguous, so that who does not know this type looks for the
// key as for one whose answer was lost.
type UnusableKeyError struct {
	// KID is the key's id.
	KID string
	// Err says what is wrong with it.
	Err *provider.Error
}

// Error implements error.
func (e *UnusableKeyError) Error() string {
	return e.Err.Error() + "; it is useless and may be revoked: " + e.KID
}

// Unwrap returns Err.
func (e *UnusableKeyError) Unwrap() error { return e.Err }

// Mint implements provider.Minter. The secret is an RSA private key in PEM, of at least qencode.MinBits; it
// has been parsed. An answer that cannot be used is an *UnusableKeyError.
func (c *Client) Mint(ctx context.Context, resource string) (provider.Minted, error) {
	const call = "create signing key"
	kind, id, err := parseResource(call, resource)
	if err != nil {
		return provider.Minted{}, err
	}
	var answer struct {
		Key json.RawMessage `json:"signing_key"`
	}
	r := rest.Request{Call: call, Method: http.MethodPost, Path: keysPath, Repeat: rest.Once}
	if err := c.send(ctx, c.cdn, r, map[string]string{bindingField(kind): id}, &answer); err != nil {
		return provider.Minted{}, err
	}
	key, private, ok := readKey(answer.Key)
	clear(answer.Key)
	if !ok {
		return provider.Minted{}, unreadable(call, "a signing key may have been made, but the answer does not show its id")
	}
	unusable := func(detail string) (provider.Minted, error) {
		return provider.Minted{}, &UnusableKeyError{KID: key.ID, Err: unreadable(call, detail)}
	}
	minted := provider.Minted{KID: key.ID, Secret: tokens.NewSecret([]byte(private)), CreatedAt: key.CreatedAt}
	if minted.CreatedAt.IsZero() {
		minted.CreatedAt = c.now().UTC()
	}
	if key.Resource != "" && !key.belongsTo(resource) {
		return unusable("the new signing key belongs to another resource than the one asked for")
	}
	if private == "" {
		return unusable("the answer shows no private key, and no other will")
	}
	scheme := qencode.Scheme{}
	if err := scheme.CheckKey(tokens.Material{ID: minted.KID, Secret: minted.Secret}); err != nil {
		return unusable("the new signing key cannot be signed with: " + err.Error())
	}
	return minted, nil
}
