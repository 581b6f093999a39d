package akamai

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/fieldtoken"
)

// Verify implements tokens.Key. p.Resource is the path of the request as it stands in the URL. The
// checks, in their order: the form (MALFORMED; WRONG_ALGORITHM for a MAC of another length), the
// signature (BAD_SIGNATURE, also for a URL token of another path), exp (NO_EXPIRY, EXPIRED), st
// (NOT_YET_VALID), p.MaxLifetime (LIFETIME_TOO_LONG), acl (PATH_NOT_COVERED), ip (IP_MISMATCH).
func (k *Key) Verify(p tokens.Presented, now time.Time) error {
	return k.engine.verify(p, now, fieldtoken.Strict)
}

// VerifyCompat verifies as Key.Verify does, with keys, configurations and fields that only Compat
// takes. A repeated field, a missing expiry and everything that Key.Verify checks behind the form are
// refused all the same.
func VerifyCompat(secretHex tokens.Secret, c Config, p tokens.Presented, now time.Time) error {
	e, err := newEngine(c.withDefaults(), secretHex)
	if err != nil {
		return err
	}
	return e.verify(p, now, fieldtoken.Compat)
}

func (e *engine) verify(p tokens.Presented, now time.Time, door fieldtoken.Door) error {
	token, err := fieldtoken.Parse(p.Token, e.config.FieldDelimiter, e.mac.HexLen(), door)
	if err != nil {
		return err
	}
	if door == fieldtoken.Strict {
		if err := e.config.checkForm(token); err != nil {
			return err
		}
	}
	if err := e.checkSignature(token, p.Resource); err != nil {
		return err
	}
	times, err := token.Times(door)
	if err != nil {
		return err
	}
	if err := times.Check(p, now); err != nil {
		return err
	}
	if err := e.config.checkResource(token, p.Resource); err != nil {
		return err
	}
	if bound := e.config.address(token); bound != "" {
		if err := fieldtoken.MatchIP(bound, p.ClientIP); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) checkSignature(token fieldtoken.Token, path string) *tokens.Error {
	if e.matches(token, path) {
		return nil
	}
	if _, ok := token.Value("acl"); ok {
		return tokens.Refuse(tokens.BadSignature, "the signature does not match: another key, another salt, or a changed token")
	}
	return tokens.Refuse(tokens.BadSignature, "the signature does not match: another key, another salt, another path (this token has no acl, so its path is hashed), or a changed token")
}

// checkResource checks the acl. A URL token has none; its signature decided.
func (c Config) checkResource(token fieldtoken.Token, path string) *tokens.Error {
	acl, ok := token.Value("acl")
	if !ok || Matches(acl, c.ACLDelimiter, path) {
		return nil
	}
	return tokens.Refuse(tokens.PathNotCovered, "acl %q does not cover the path %q", tokens.Clip(acl), tokens.Clip(path))
}

// address returns the address that the token is bound to, or "".
func (c Config) address(token fieldtoken.Token) string {
	ip, _ := token.Value("ip")
	if c.EscapeEarly {
		return unescape(ip)
	}
	return ip
}

// checkForm refuses values that no strict signer writes. Fields in another order and fields of other
// signers pass: they are signed.
func (c Config) checkForm(token fieldtoken.Token) *tokens.Error {
	for _, f := range token.Fields {
		for i := range len(f.Value) {
			if b := f.Value[i]; b <= ' ' || b >= 0x7f {
				return tokens.Refuse(tokens.Malformed, "the token holds a blank, control or non-ASCII character")
			}
		}
		switch f.Name {
		case "url", "salt":
			return tokens.Refuse(tokens.Malformed, "url and salt are hashed, never sent")
		case "ip":
			if _, err := fieldtoken.ParseIP(c.address(token)); err != nil {
				return tokens.Refuse(tokens.Malformed, "%s", err.Message)
			}
		}
	}
	return nil
}
