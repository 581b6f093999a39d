package wowza

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

const (
	// Name is the name of the format.
	Name = "wowza-hdnts"
	// QueryName is the query parameter that tokens travel in. It is fixed.
	QueryName = "hdnts"

	// MinSecret is the fewest hex digits of a secret that is taken without tokens.Material.AllowShort:
	// 64 bits.
	MinSecret = 16
	// MaxSecret is the most hex digits that the Wowza Video API takes.
	MaxSecret = 32
)

// Scheme is the hdnts format. The zero Scheme is ready to use.
type Scheme struct{}

// Name implements tokens.Scheme.
func (Scheme) Name() string { return Name }

// CheckKey implements tokens.Scheme. A secret is 2 to 32 hex digits of an even count, as the Wowza
// Video API demands; under 16 only with AllowShort. Its letters' case counts and is kept.
func (Scheme) CheckKey(m tokens.Material) error {
	if m.ID != "" {
		return tokens.KeyError("hdnts tokens carry no key id; leave it empty")
	}
	secret := m.Secret.Reveal()
	defer clear(secret)
	switch n := len(secret); {
	case n == 0:
		return tokens.KeyError("the secret is empty")
	case !isHex(secret):
		return tokens.KeyError("the secret must be hex digits only, without blanks or line ends around it")
	case n%2 != 0:
		return tokens.KeyError("the secret has %d hex digits; the count must be even", n)
	case n > MaxSecret:
		return tokens.KeyError("the secret has %d hex digits; Wowza takes at most %d", n, MaxSecret)
	case n < MinSecret && !m.AllowShort:
		return tokens.KeyError("the secret has %d hex digits and can be guessed from one token; use %d, or allow short secrets in words", n, MaxSecret)
	}
	return nil
}

// Prepare implements tokens.Scheme.
func (Scheme) Prepare(m tokens.Material) (tokens.Key, error) {
	key, err := NewKey(m)
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

// Explain implements tokens.Scheme. Keys of other formats are left aside.
func (Scheme) Explain(p tokens.Presented, now time.Time, keys ...tokens.Key) tokens.Explanation {
	own := make([]*Key, 0, len(keys))
	for _, key := range keys {
		if k, ok := key.(*Key); ok {
			own = append(own, k)
		}
	}
	return explain(p, now, own)
}

func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
