package akamai

import (
	"crypto"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/fieldtoken"
)

// Key is a checked key under one configuration, ready to sign. It is safe for concurrent use.
type Key struct {
	engine      *engine
	secret      tokens.Secret
	fingerprint string
}

// ID implements tokens.Key. EdgeAuth tokens name no key.
func (*Key) ID() string { return "" }

// Fingerprint implements tokens.Key. It is that of the decoded key, so letters' case does not count.
func (k *Key) Fingerprint() string { return k.fingerprint }

// Public implements tokens.Key. A shared secret has no public half.
func (*Key) Public() crypto.PublicKey { return nil }

// Sign implements tokens.Key for Params and *Params.
func (k *Key) Sign(p tokens.Params, now time.Time) (tokens.Credential, error) {
	own, err := tokens.ParamsAs[Params](p)
	if err != nil {
		return tokens.Credential{}, err
	}
	token, err := k.Token(own, now)
	if err != nil {
		return tokens.Credential{}, err
	}
	out := tokens.Credential{Token: token, ExpiresAt: time.Unix(own.Expire.Unix(), 0).UTC()}
	if own.URL != "" {
		out.URL = tokens.AppendQuery(own.URL, k.engine.config.TokenName, "=", token)
	}
	return out, nil
}

// Token signs p and returns the token without its parameter name. Errors wrap
// tokens.ErrInvalidParams. It allocates the returned string and nothing else.
func (k *Key) Token(p Params, now time.Time) (string, error) {
	if err := p.check(&k.engine.config, now); err != nil {
		return "", err
	}
	var address [maxAddress]byte
	t := text{expire: p.Expire.Unix(), acl: p.ACL, url: p.URLPath, session: p.SessionID, payload: p.Payload}
	if !p.Start.IsZero() {
		t.start = p.Start.Unix()
	}
	if p.IP.IsValid() {
		t.ip = fieldtoken.Canonical(p.IP).AppendTo(address[:0])
	}
	return k.engine.sign(&t), nil
}

// maxAddress is the length of the longest text of an IPv6 address.
const maxAddress = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

// Compat makes the token that Akamai's libraries make, whatever it holds: nothing keeps a value from
// forging a field. secretHex may have any even count of hex digits. Where the libraries differ it
// takes the reading of most of them, but writes "~" as "%7e" when escaping and refuses times below 1
// and an empty scope. ACLs are never escaped.
func Compat(secretHex tokens.Secret, c Config, p CompatParams, now time.Time) (string, error) {
	e, err := newEngine(c.withDefaults(), secretHex)
	if err != nil {
		return "", err
	}
	acl := strings.Join(p.ACL, e.config.ACLDelimiter)
	if (acl == "") == (p.URLPath == "") {
		return "", tokens.ParamError(tokens.InvalidArgument, "path", "give what the token opens: one or more ACLs, or one url path")
	}
	start, expire, windowErr := p.window(now)
	if windowErr != nil {
		return "", windowErr
	}
	return e.sign(&text{
		ip: []byte(p.IP), start: start, expire: expire,
		acl: p.ACL, url: p.URLPath, session: p.SessionID, payload: p.Payload,
	}), nil
}
