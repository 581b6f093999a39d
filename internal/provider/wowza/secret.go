package wowza

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/tokens"
)

const (
	secretBytes = 16
	maxSecret   = 32
	readings    = 4
	// cacheLasts is how long Wowza may answer a GET with what was, and a little more.
	cacheLasts = 1200 * time.Millisecond
)

// NewSecret makes a secret of 32 lower-case hex digits, the longest that Wowza takes, from random, which is
// crypto/rand.Reader outside of tests.
func NewSecret(random io.Reader) (tokens.Secret, error) {
	raw := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return tokens.Secret{}, fmt.Errorf("wowza: no randomness for a secret: %w", err)
	}
	return tokens.NewSecret(hex.AppendEncode(nil, raw)), nil
}

// isTokenSecret reports whether Wowza would take s.
func isTokenSecret(s tokens.Secret) bool {
	raw := s.Reveal()
	_, err := hex.Decode(make([]byte, len(raw)), raw)
	return err == nil && len(raw) > 0 && len(raw) <= maxSecret
}

// Set implements provider.Setter: it writes the secret, switches token checking on in the same call, and reads
// both back. Where they stand already it writes nothing.
//
// If what is read back is not what was written, somebody else writes, and the error is provider.ErrAmbiguous.
func (c *Client) Set(ctx context.Context, resource string, secret tokens.Secret) error {
	return c.apply(ctx, "set secret", resource, secret, nil)
}

// Protect does as Set does, and says whether tokens are checked on the first playlist alone.
func (c *Client) Protect(ctx context.Context, resource string, secret tokens.Secret, playlistOnly bool) error {
	return c.apply(ctx, "protect", resource, secret, &playlistOnly)
}

// Current implements provider.Inspector. A secret of a target that does not check tokens protects nothing: it is
// reported as none.
func (c *Client) Current(ctx context.Context, resource string) (tokens.Secret, error) {
	t, err := c.Target(ctx, resource)
	if err != nil || !isOn(t.TokenAuthEnabled) {
		return tokens.Secret{}, err
	}
	return t.Secret, nil
}

func isOn(flag *bool) bool { return flag != nil && *flag }

func (c *Client) apply(ctx context.Context, name, resource string, secret tokens.Secret, playlistOnly *bool) error {
	if !isTokenSecret(secret) {
		return c.refuse(name, "a secret is 2 to 32 hex digits, an even number of them; nothing was sent")
	}
	ctx, cancel := context.WithTimeout(ctx, c.rest.MaxCall())
	defer cancel()
	before, err := c.Target(ctx, resource)
	if err != nil {
		return unsent(err)
	}
	if before.State == StateArchived {
		return c.refuse(name, "the target is archived, and can no longer be changed")
	}
	wants := func(t Target) bool {
		return isOn(t.TokenAuthEnabled) && t.Secret.Equal(secret) && (playlistOnly == nil || isOn(t.PlaylistOnly) == *playlistOnly)
	}
	if wants(before) {
		return nil
	}
	on := true
	change := Settings{TokenAuthEnabled: &on, Secret: secret, PlaylistOnly: playlistOnly}
	if _, err := c.Patch(ctx, resource, change); err != nil {
		return err
	}
	after, err := c.readBack(ctx, resource, before, wants)
	if err != nil {
		return c.doubt(name, "Wowza accepted the change, and it could not be read back", err)
	}
	if !wants(after) {
		return c.doubt(name, mismatch(after, secret), nil)
	}
	c.reportChanges(before, after)
	return nil
}

// readBack reads the target until it is as wanted, or has another secret than before: the answer may be older
// than the change.
func (c *Client) readBack(ctx context.Context, resource string, before Target, wants func(Target) bool) (Target, error) {
	for reading := 1; ; reading++ {
		after, err := c.Target(ctx, resource)
		isStale := err == nil && !wants(after) && after.Secret.Equal(before.Secret)
		if !isStale || reading == readings {
			return after, err
		}
		if err := c.pause(ctx, cacheLasts); err != nil {
			return after, err
		}
	}
}

func (c *Client) pause(ctx context.Context, d time.Duration) error {
	if c.cfg.HTTP.Sleep != nil {
		return c.cfg.HTTP.Sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func mismatch(after Target, secret tokens.Secret) string {
	switch {
	case bytes.EqualFold(after.Secret.Reveal(), secret.Reveal()) && !after.Secret.Equal(secret):
		return "Wowza changed the case of the secret's letters, and case counts; import the secret as it stands there"
	case !after.Secret.Equal(secret):
		return "another secret stands there than was written; somebody else writes to this target"
	default:
		return "the secret stands there, and its settings do not; somebody else writes to this target"
	}
}

// unsent is the error of a read before a write: nothing was written, so nothing is in doubt.
func unsent(err error) error {
	var failure *provider.Error
	if !errors.Is(err, provider.ErrAmbiguous) || !errors.As(err, &failure) {
		return err
	}
	early := *failure
	early.Class = provider.ErrThrottled
	early.Detail = "the target could not be read; nothing was written"
	return &early
}

// doubt is the error of a change that was accepted and is not seen.
func (c *Client) doubt(name, detail string, cause error) error {
	e := &provider.Error{Class: provider.ErrAmbiguous, Provider: providerName, Call: name, Detail: detail}
	if failure, ok := errors.AsType[*provider.Error](cause); ok {
		e.Status, e.Code, e.RequestID, e.RetryAfter = failure.Status, failure.Code, failure.RequestID, failure.RetryAfter
	}
	return e
}

// reportChanges logs which settings are different after a change of the secret. Wowza keeps several in one
// place, and other writers may be at work.
func (c *Client) reportChanges(before, after Target) {
	settings := reflect.TypeFor[Settings]()
	for i := range settings.NumField() {
		field := settings.Field(i)
		switch field.Name {
		case "Secret", "TokenAuthEnabled", "PlaylistOnly":
			continue
		}
		was, is := reflect.ValueOf(before.Settings).Field(i).Interface(), reflect.ValueOf(after.Settings).Field(i).Interface()
		if !reflect.DeepEqual(was, is) {
			c.log.Warn("another setting of the target changed while its secret was written",
				slog.String("provider", providerName), slog.String("target", after.ID), slog.String("setting", field.Name))
		}
	}
}
