package signer

import (
	"context"
	"errors"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Verify says which of a target's keys accepts a token, or why none does. A token of a key that no
// longer counts is refused with KEY_RETIRED. Checks of RSA signatures run in the pool.
func (s *Signer) Verify(ctx context.Context, targetID string, p tokens.Presented, now time.Time) (*Key, error) {
	snapshot, err := s.Snapshot()
	if err != nil {
		return nil, err
	}
	target := snapshot.Target(targetID)
	if target == nil {
		return nil, refuse(tokens.NotFound, 0, "target %q does not exist", targetID)
	}
	if !target.costly() {
		return target.verify(p, now)
	}
	var k *Key
	if poolErr := s.pool.Do(ctx, func() { k, err = target.verify(p, now) }); poolErr != nil {
		return nil, poolErr
	}
	return k, err
}

// Explain decodes a token against a target's keys.
func (s *Signer) Explain(ctx context.Context, targetID string, p tokens.Presented, now time.Time) (tokens.Explanation, error) {
	snapshot, err := s.Snapshot()
	if err != nil {
		return tokens.Explanation{}, err
	}
	target := snapshot.Target(targetID)
	if target == nil {
		return tokens.Explanation{}, refuse(tokens.NotFound, 0, "target %q does not exist", targetID)
	}
	var keys []tokens.Key
	for _, k := range target.Keys {
		if k.accepted() {
			keys = append(keys, k.Key)
		}
	}
	var e tokens.Explanation
	if !target.costly() {
		return target.Scheme.Explain(p, now, keys...), nil
	}
	err = s.pool.Do(ctx, func() { e = target.Scheme.Explain(p, now, keys...) })
	return e, err
}

// accepted reports whether the provider accepts tokens of the key.
func (k *Key) accepted() bool { return k.State == keystore.Active || k.State == keystore.Retiring }

// costly reports whether checking a signature takes long enough to belong into the pool.
func (t *Target) costly() bool {
	return len(t.Keys) > 0 && t.Keys[0].Public() != nil
}

func (t *Target) verify(p tokens.Presented, now time.Time) (*Key, error) {
	var verdict error = tokens.Refuse(tokens.UnknownKey, "target %q has no key that is accepted", t.ID)
	for _, k := range t.Keys {
		err := k.Verify(p, now)
		switch {
		case err == nil && k.accepted():
			return k, nil
		case err == nil && k.State == keystore.Retired:
			verdict = tokens.Refuse(tokens.KeyRetired, "the token was signed with key %s, which is retired; sign again", k.Ref)
		case err != nil && k.accepted() && telling(err, verdict):
			verdict = err
		}
	}
	return nil, verdict
}

// telling reports whether err says more of a token than the verdict so far: a key that recognises its
// own signature knows best.
func telling(err, sofar error) bool {
	rank := func(e error) int {
		var t *tokens.Error
		if !errors.As(e, &t) {
			return 0
		}
		switch t.Reason {
		case tokens.UnknownKey:
			return 1
		case tokens.BadSignature:
			return 2
		case tokens.KeyRetired:
			return 4
		default:
			return 3
		}
	}
	return rank(err) > rank(sofar)
}

// SchemeOf returns the scheme of a target and its options.
func (s *Signer) SchemeOf(targetID string) (string, keystore.SchemeOptions, error) {
	snapshot, err := s.Snapshot()
	if err != nil {
		return "", keystore.SchemeOptions{}, err
	}
	target := snapshot.Target(targetID)
	if target == nil {
		return "", keystore.SchemeOptions{}, refuse(tokens.NotFound, 0, "target %q does not exist", targetID)
	}
	return target.Target.Scheme, target.Options, nil
}
