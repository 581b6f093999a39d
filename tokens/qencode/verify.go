package qencode

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Verify implements tokens.Key for Key and VerifyKey. Presented.Resource is the playback id or the
// raw object key. The checks, in their order: form, algorithm (RS256 alone), kid, signature, then
// the payload: exp (exclusive, required), nbf, lifetime and uri. Header and payload must be JSON
// without repeated members, and the parts strict base64url.
func (p public) Verify(presented tokens.Presented, now time.Time) error {
	s, err := p.Prove(presented.Token)
	if err != nil {
		return err
	}
	return s.Check(presented, now)
}

// Prove implements tokens.Prover: the checks of Verify up to the signature, and the types of the payload.
func (p public) Prove(token string) (tokens.Statement, error) {
	s, err := p.authentic(token)
	if err != nil {
		return nil, err
	}
	if err := s.checkHygiene(); err != nil {
		return nil, err
	}
	return s, nil
}

// authentic returns what a token says once its signature has been checked.
func (p *public) authentic(token string) (*statement, error) {
	t, err := parse(token)
	if err != nil {
		return nil, err
	}
	if err := t.checkAlgorithm(); err != nil {
		return nil, err
	}
	if err := t.checkKeyID(p.id); err != nil {
		return nil, err
	}
	if err := t.checkSignature(p); err != nil {
		return nil, err
	}
	s, err := t.state()
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Check implements tokens.Statement: the checks of Verify on the payload.
func (s *statement) Check(p tokens.Presented, now time.Time) error {
	if err := s.checkExpiry(now, p.Leeway); err != nil {
		return err
	}
	if err := s.checkStart(now, p.Leeway); err != nil {
		return err
	}
	if err := s.checkLifetime(now, p.MaxLifetime); err != nil {
		return err
	}
	if err := s.checkResource(p.Resource); err != nil {
		return err
	}
	return nil
}
