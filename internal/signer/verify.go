package signer

import (
	"context"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Verify says which of a target's keys accepts a token, or why none does. A token of a key that no
// longer counts, being retired or past its horizon, is refused with KEY_RETIRED, and one that lives
// longer than any that was signed here with LIFETIME_TOO_LONG. Checks of RSA signatures run in a pool.
func (s *Signer) Verify(ctx context.Context, targetID string, p tokens.Presented, now time.Time) (*Key, error) {
	target, err := s.target(targetID)
	if err != nil {
		return nil, err
	}
	p.MaxLifetime = s.longest(target, now)
	if !target.costly() {
		return target.verify(p, now)
	}
	if k, statement, ok := s.proven.of(target, p.Token); ok {
		return target.settle(k, statement.Check(p, now), now)
	}
	return await(ctx, s.checks, func() (*Key, error) {
		k, statement, err := target.prove(p.Token)
		if err != nil {
			return nil, err
		}
		s.proven.remember(k, p.Token, statement)
		return target.settle(k, statement.Check(p, now), now)
	})
}

// Explain decodes a token against a target's keys, as Verify judges it.
func (s *Signer) Explain(ctx context.Context, targetID string, p tokens.Presented, now time.Time) (tokens.Explanation, error) {
	target, err := s.target(targetID)
	if err != nil {
		return tokens.Explanation{}, err
	}
	p.MaxLifetime = s.longest(target, now)
	if !target.costly() {
		return target.explain(p, now), nil
	}
	return await(ctx, s.checks, func() (tokens.Explanation, error) { return target.explain(p, now), nil })
}

func (s *Signer) target(id string) (*Target, error) {
	snapshot, err := s.Snapshot()
	if err != nil {
		return nil, err
	}
	target := snapshot.Target(id)
	if target == nil {
		return nil, refuse(tokens.NotFound, 0, "target %q does not exist; `tokensvc targets list` shows them", id)
	}
	return target, nil
}

// longest is how far ahead the expiry of a token can lie that was signed here, by a clock that may be
// ahead of this one. A cap of the config file does not count: it may be lower now than it was.
func (s *Signer) longest(target *Target, now time.Time) time.Duration {
	return max(target.uncapped, target.LongestLife(now)) + s.cfg.Timing.ClockSkew
}

// await runs fn in the pool. A caller that leaves gets the zero T: fn may still be at work.
func await[T any](ctx context.Context, pool *Pool, fn func() (T, error)) (T, error) {
	var out T
	var err error
	if poolErr := pool.Do(ctx, func() { out, err = fn() }); poolErr != nil {
		var none T
		return none, poolErr
	}
	return out, err
}

// Accepted reports whether tokens of the key count now.
func (k *Key) Accepted(now time.Time) bool {
	return (k.State == keystore.Active || k.State == keystore.Retiring) && !k.cut(now)
}

// cut reports whether the key's horizon has passed and still holds.
func (k *Key) cut(now time.Time) bool {
	return !k.Horizon.IsZero() && now.After(k.Horizon) && (k.HorizonEnds.IsZero() || now.Before(k.HorizonEnds))
}

// ended refuses a token of a key that counted once; nil where the key still does, or never did.
func (k *Key) ended(now time.Time) *tokens.Error {
	switch {
	case k.State == keystore.Retired:
		return tokens.Refuse(tokens.KeyRetired, "the token was signed with key %s, which is retired; sign again", k.Ref)
	case k.cut(now):
		return tokens.Refuse(tokens.KeyRetired, "the token was signed with key %s, whose tokens ended at %s; sign again", k.Ref, k.Horizon.UTC().Format(time.RFC3339))
	default:
		return nil
	}
}

// costly reports whether checking a signature takes long enough to belong into a pool.
func (t *Target) costly() bool {
	return len(t.Keys) > 0 && t.Keys[0].Public() != nil
}

func (t *Target) verify(p tokens.Presented, now time.Time) (*Key, error) {
	verdict := t.noKey()
	for _, k := range t.Keys {
		accepted, err := t.settle(k, k.Verify(p, now), now)
		if err == nil {
			return accepted, nil
		}
		if (k.Accepted(now) && tokens.TellsMore(err, verdict)) || tokens.ReasonOf(err) == tokens.KeyRetired {
			verdict = err
		}
	}
	return nil, verdict
}

// prove returns the key that made the token, whether it still counts or not, and what the token says.
func (t *Target) prove(token string) (*Key, tokens.Statement, error) {
	verdict := t.noKey()
	for _, k := range t.Keys {
		prover, ok := k.Key.(tokens.Prover)
		if !ok {
			continue
		}
		statement, err := prover.Prove(token)
		if err == nil {
			return k, statement, nil
		}
		if tokens.TellsMore(err, verdict) {
			verdict = err
		}
	}
	return nil, nil, verdict
}

// settle turns a key's own verdict into the target's: a good token counts only under a key that does.
func (t *Target) settle(k *Key, err error, now time.Time) (*Key, error) {
	switch {
	case err != nil:
		return nil, err
	case k.Accepted(now):
		return k, nil
	}
	if ended := k.ended(now); ended != nil {
		return nil, ended
	}
	return nil, t.noKey()
}

func (t *Target) noKey() error {
	return tokens.Refuse(tokens.UnknownKey, "target %q has no key that is accepted", t.ID)
}

func (t *Target) explain(p tokens.Presented, now time.Time) tokens.Explanation {
	var accepted []tokens.Key
	for _, k := range t.Keys {
		if k.Accepted(now) {
			accepted = append(accepted, k.Key)
		}
	}
	out := t.Scheme.Explain(p, now, accepted...)
	if signed(out) {
		return out
	}
	for _, k := range t.Keys {
		ended := k.ended(now)
		if ended == nil {
			continue
		}
		if e := t.Scheme.Explain(p, now, k.Key); signed(e) {
			e.Fail("key_state", ended)
			return e
		}
	}
	return out
}

// signed reports whether one of the keys at hand made the token.
func signed(e tokens.Explanation) bool {
	return slices.ContainsFunc(e.Checks, func(c tokens.Check) bool { return c.Name == "signature" && c.Outcome == tokens.Passed })
}

// SchemeOf returns the scheme of a target and its options.
func (s *Signer) SchemeOf(targetID string) (string, keystore.SchemeOptions, error) {
	target, err := s.target(targetID)
	if err != nil {
		return "", keystore.SchemeOptions{}, err
	}
	return target.Target.Scheme, target.Options, nil
}
