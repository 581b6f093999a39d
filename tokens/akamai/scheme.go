package akamai

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

const (
	// Name is the name of the format.
	Name = "akamai-edgeauth"

	// MinSecret is the fewest hex digits of a key that is taken without tokens.Material.AllowShort:
	// 64 bits.
	MinSecret = 16
	// MaxSecret is the most hex digits that Adaptive Media Delivery takes.
	MaxSecret = 32
)

// Scheme is EdgeAuth 2.0 under one configuration. The zero Scheme has the default one.
type Scheme struct{ config Config }

// New returns the format under c, or refuses a configuration that an edge would not take or that
// would let one value run into another. Errors wrap tokens.ErrInvalidParams.
func New(c Config) (Scheme, error) {
	c = c.withDefaults()
	if _, err := c.Algorithm.hash(); err != nil {
		return Scheme{}, err
	}
	if err := c.check(); err != nil {
		return Scheme{}, err
	}
	return Scheme{config: c}, nil
}

// Name implements tokens.Scheme.
func (Scheme) Name() string { return Name }

// Config returns the configuration with its defaults filled in.
func (s Scheme) Config() Config { return s.config.withDefaults() }

// CheckKey implements tokens.Scheme. A key is 2 to 32 hex digits of an even count; under 16 only with
// AllowShort. Its letters' case does not count, as the key is decoded.
func (Scheme) CheckKey(m tokens.Material) error {
	if m.ID != "" {
		return tokens.KeyError("EdgeAuth tokens carry no key id; leave it empty")
	}
	key, err := decodeKey(m.Secret)
	if err != nil {
		return err
	}
	switch n := 2 * key.Len(); {
	case n > MaxSecret:
		return tokens.KeyError("the key has %d hex digits; Akamai takes at most %d", n, MaxSecret)
	case n < MinSecret && !m.AllowShort:
		return tokens.KeyError("the key has %d hex digits and can be guessed from one token; use %d, or allow short secrets in words", n, MaxSecret)
	}
	return nil
}

// Prepare implements tokens.Scheme.
func (s Scheme) Prepare(m tokens.Material) (tokens.Key, error) {
	key, err := s.NewKey(m)
	if err != nil {
		return nil, err
	}
	return key, nil
}

// NewKey checks the material as CheckKey does and readies it.
func (s Scheme) NewKey(m tokens.Material) (*Key, error) {
	if err := s.CheckKey(m); err != nil {
		return nil, err
	}
	e, err := newEngine(s.Config(), m.Secret)
	if err != nil {
		return nil, err
	}
	return &Key{engine: e, secret: m.Secret, fingerprint: tokens.SecretFingerprint(Name, e.key.Reveal())}, nil
}

// CheckParams implements tokens.Scheme for Params and *Params.
func (s Scheme) CheckParams(p tokens.Params, now time.Time) error {
	own, err := tokens.ParamsAs[Params](p)
	if err != nil {
		return err
	}
	c := s.Config()
	return own.check(&c, now)
}

// Explain implements tokens.Scheme. Keys of other formats are left aside.
func (s Scheme) Explain(p tokens.Presented, now time.Time, keys ...tokens.Key) tokens.Explanation {
	own := make([]*Key, 0, len(keys))
	for _, key := range keys {
		if k, ok := key.(*Key); ok {
			own = append(own, k)
		}
	}
	return explain(s.Config(), p, now, own)
}
