package agora

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Name is the name of the format.
const Name = "agora-timestamp"

// Bounds of a key, in characters. Agora takes up to MaxKey. Keys under MinKey are refused unless
// Material.AllowShort is set, keys under LeastKey always: eight letters and digits fall to a search
// in hours, fewer in minutes.
const (
	MaxKey   = 128
	MinKey   = 16
	LeastKey = 8
)

// Form says which digits of the MD5 the sign holds.
type Form string

// Forms of the sign.
const (
	// FormMD5 is all 32 digits, what Agora's sample code sends. It is the default.
	FormMD5 Form = "md5"
	// FormMid16 is the middle 16 digits, as in the table of examples of Agora's page.
	FormMid16 Form = "mid16"
)

// Scheme is the format as tokens.Scheme.
type Scheme struct {
	// Form is the form that its keys sign in; empty means FormMD5.
	Form Form
}

// Name implements tokens.Scheme.
func (Scheme) Name() string { return Name }

// CheckKey implements tokens.Scheme: LeastKey to MaxKey ASCII letters and digits, and MinKey unless
// the material allows less.
func (Scheme) CheckKey(m tokens.Material) error {
	secret := m.Secret.Reveal()
	switch {
	case len(secret) == 0:
		return tokens.KeyError("the key is empty; an Agora authKey has %d to %d letters and digits", MinKey, MaxKey)
	case len(secret) > MaxKey:
		return tokens.KeyError("the key has %d bytes; an Agora authKey has at most %d", len(secret), MaxKey)
	}
	for _, c := range secret {
		if !isLetter(c) && !isDigit(c) {
			return tokens.KeyError("the key holds other characters than ASCII letters and digits")
		}
	}
	if len(secret) < LeastKey {
		return tokens.KeyError("the key has %d characters; fewer than %d are never safe", len(secret), LeastKey)
	}
	if len(secret) < MinKey && !m.AllowShort {
		return tokens.KeyError("the key has %d characters; use %d or more, or allow a short key in words", len(secret), MinKey)
	}
	return nil
}

// Prepare implements tokens.Scheme. The key is a *Key.
func (s Scheme) Prepare(m tokens.Material) (tokens.Key, error) {
	key, err := NewKey(m, s.Form)
	if err != nil {
		return nil, err
	}
	return key, nil
}

func (f Form) check() error {
	switch f {
	case "", FormMD5, FormMid16:
		return nil
	default:
		return tokens.ParamError(tokens.InvalidArgument, "form", "want %s or %s", FormMD5, FormMid16)
	}
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// CheckParams implements tokens.Scheme for Params and *Params.
func (Scheme) CheckParams(p tokens.Params, now time.Time) error {
	own, err := tokens.ParamsAs[Params](p)
	if err != nil {
		return err
	}
	_, err = own.check(now)
	return err
}
