package qencode

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Name is the name of the format.
const Name = "qencode-jwt"

// QueryName is the query parameter that carries a token.
const QueryName = "auth"

// Bounds of an RSA modulus, in bits. Qencode hands out keys of 4096.
const (
	MinBits = 2048
	MaxBits = 8192
)

// Scheme is the format as tokens.Scheme.
type Scheme struct{}

// Name implements tokens.Scheme.
func (Scheme) Name() string { return Name }

// CheckKey implements tokens.Scheme: an RSA private key of MinBits to MaxBits as PKCS#1 or PKCS#8,
// PEM or DER, and an ID of up to MaxKeyID letters, digits, "-", "_", "." and ":".
func (Scheme) CheckKey(m tokens.Material) error {
	_, err := newKeyFrom(m)
	return err
}

// Prepare implements tokens.Scheme. The key is a *Key that signs with crypto/rsa.
func (Scheme) Prepare(m tokens.Material) (tokens.Key, error) {
	key, err := newKeyFrom(m)
	if err != nil {
		return nil, err
	}
	return key, nil
}

// CheckParams implements tokens.Scheme for Params and *Params.
func (Scheme) CheckParams(p tokens.Params, now time.Time) error {
	own, err := tokens.ParamsAs[Params](p)
	if err != nil {
		return err
	}
	return own.check(now)
}

func newKeyFrom(m tokens.Material) (*Key, error) {
	if err := checkKeyID(m.ID); err != nil {
		return nil, err
	}
	private, err := parsePrivate(m.Secret)
	if err != nil {
		return nil, err
	}
	return NewKey(m.ID, private)
}
