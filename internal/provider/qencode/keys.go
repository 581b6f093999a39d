package qencode

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

const keysPath = "/v1/signing-keys"

// SigningKey is a key as the API describes it after it was made: without its private half.
type SigningKey struct {
	ID string
	// Resource is what the key belongs to, in the form of the port; empty if it is in none of the fields
	// that this client knows.
	Resource string
	// Name is empty for a key without one.
	Name string
	// CreatedAt is cut to the second, by the vendor's clock. It is zero if it cannot be read.
	CreatedAt time.Time
	// Other holds the short texts of all other fields.
	Other map[string]string
}

// maxOther bounds a text in SigningKey.Other, in bytes.
const maxOther = 256

// readKey reads a signing key. private is the private half as the answer shows it, or "".
func readKey(raw json.RawMessage) (key SigningKey, private string, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return SigningKey{}, "", false
	}
	defer clear(fields)
	texts := make(map[string]string, len(fields))
	for name, value := range fields {
		var text *string
		if json.Unmarshal(value, &text) == nil && text != nil {
			texts[name] = *text
		}
	}
	take := func(name string) string {
		text := texts[name]
		delete(texts, name)
		return text
	}
	key = SigningKey{ID: take("id"), Name: take("name"), CreatedAt: parseTime(take("created")), Other: texts}
	private = take("private_key")
	for _, kind := range kinds() {
		if id := texts[bindingField(kind)]; id != "" && key.Resource == "" {
			key.Resource = kind + ":" + take(bindingField(kind))
		}
	}
	for name, text := range texts {
		if len(text) > maxOther || strings.Contains(text, "PRIVATE KEY") {
			delete(texts, name)
		}
	}
	return key, private, isID(key.ID)
}

// belongsTo reports whether the key is one of a resource. The field that names a key's bucket is not
// documented: where no known one is there, any that has the name counts, so that no key is overlooked.
func (k SigningKey) belongsTo(resource string) bool {
	if k.Resource != "" {
		return k.Resource == resource
	}
	name, isBucket := strings.CutPrefix(resource, KindBucket+":")
	if !isBucket {
		return false
	}
	for _, text := range k.Other {
		if text == name {
			return true
		}
	}
	return false
}

// describe reads a signing key from an answer that should not show its private half. One that does is not
// kept.
func (c *Client) describe(ctx context.Context, call string, raw json.RawMessage) (SigningKey, error) {
	key, private, ok := readKey(raw)
	clear(raw)
	if !ok {
		return SigningKey{}, unreadable(call, "the answer holds no signing key with an id")
	}
	if private != "" {
		c.log.LogAttrs(ctx, slog.LevelWarn, "the provider showed a private key again and it was dropped",
			slog.String("provider", Name), slog.String("call", call), slog.String("kid", key.ID))
	}
	return key, nil
}

// SigningKeys returns all signing keys of the account, in the order of the vendor.
func (c *Client) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	const call = "list signing keys"
	var answer struct {
		Keys *[]json.RawMessage `json:"signing_keys"`
	}
	r := rest.Request{Call: call, Method: http.MethodGet, Path: keysPath, Repeat: rest.ReadOnly}
	if err := c.call(ctx, c.cdn, r, &answer); err != nil {
		return nil, err
	}
	if answer.Keys == nil {
		return nil, unreadable(call, "the answer holds no list of signing keys")
	}
	keys := make([]SigningKey, 0, len(*answer.Keys))
	for _, raw := range *answer.Keys {
		key, err := c.describe(ctx, call, raw)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// List implements provider.Minter. The vendor has no call for the keys of one resource: all are read.
func (c *Client) List(ctx context.Context, resource string) ([]provider.Listed, error) {
	const call = "list signing keys"
	if _, _, err := parseResource(call, resource); err != nil {
		return nil, err
	}
	keys, err := c.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	var listed []provider.Listed
	for _, k := range keys {
		if !k.belongsTo(resource) {
			continue
		}
		if k.CreatedAt.IsZero() {
			return nil, unreadable(call, "the time at which a signing key was made cannot be read")
		}
		listed = append(listed, provider.Listed{KID: k.ID, Name: k.Name, CreatedAt: k.CreatedAt})
	}
	slices.SortFunc(listed, func(a, b provider.Listed) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.KID, b.KID))
	})
	return listed, nil
}

// SigningKey returns one key. ErrGone if there is none of this id.
func (c *Client) SigningKey(ctx context.Context, kid string) (SigningKey, error) {
	const call = "get signing key"
	if err := checkID(call, kid); err != nil {
		return SigningKey{}, err
	}
	r := rest.Request{Call: call, Method: http.MethodGet, Path: keysPath + "/" + kid, Repeat: rest.ReadOnly}
	return c.oneKey(ctx, r, kid)
}

// Label implements provider.Labeller. The resource is not sent: a key is named by its id alone. A name has 1
// to 255 bytes.
func (c *Client) Label(ctx context.Context, _, kid, name string) error {
	const call = "rename signing key"
	if err := checkID(call, kid); err != nil {
		return err
	}
	if name == "" || len(name) > 255 {
		return refused(call, "a name has 1 to 255 bytes")
	}
	r := rest.Request{Call: call, Method: http.MethodPut, Path: keysPath + "/" + kid, Repeat: rest.Idempotent}
	r, err := withBody(r, map[string]string{"name": name})
	if err != nil {
		return err
	}
	got, err := c.oneKey(ctx, r, kid)
	if err == nil && got.Name != name {
		return unreadable(call, "the answer shows another name than the one that was set")
	}
	return err
}

// oneKey makes a call whose answer describes the key kid.
func (c *Client) oneKey(ctx context.Context, r rest.Request, kid string) (SigningKey, error) {
	var answer struct {
		Key json.RawMessage `json:"signing_key"`
	}
	if err := c.call(ctx, c.cdn, r, &answer); err != nil {
		return SigningKey{}, err
	}
	key, err := c.describe(ctx, r.Call, answer.Key)
	if err == nil && key.ID != kid {
		err = unreadable(r.Call, "the answer describes another signing key")
	}
	return key, err
}

// Revoke implements provider.Minter. The resource is not sent: a key is deleted by its id alone. The vendor
// does not say how it answers for a key that does not exist; where it finds a fault, the list decides.
func (c *Client) Revoke(ctx context.Context, _, kid string) error {
	const call = "delete signing key"
	if err := checkID(call, kid); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cdn.MaxCall())
	defer cancel()
	r := rest.Request{Call: call, Method: http.MethodDelete, Path: keysPath + "/" + kid, Repeat: rest.Idempotent}
	err := c.call(ctx, c.cdn, r, nil)
	if err == nil || errors.Is(err, provider.ErrGone) {
		return nil
	}
	if !isFaultOfRequest(err) {
		return err
	}
	keys, listErr := c.SigningKeys(ctx)
	stands := slices.ContainsFunc(keys, func(k SigningKey) bool { return k.ID == kid })
	if listErr == nil && !stands {
		return nil
	}
	return err
}

// isFaultOfRequest reports whether the provider answered that something is wrong with a call, in a way that
// may mean that its object does not exist.
func isFaultOfRequest(err error) bool {
	failure, ok := errors.AsType[*provider.Error](err)
	if !ok {
		return false
	}
	return errors.Is(failure, provider.ErrRejected) || failure.Status == http.StatusOK && failure.Code != "" && errors.Is(failure, provider.ErrAmbiguous)
}
