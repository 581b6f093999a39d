package akamai

import (
	"encoding/hex"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/fieldtoken"
)

// engine writes and checks tokens of one key under one configuration. It has no rules of hygiene;
// both doors stand on it.
type engine struct {
	config Config
	key    tokens.Secret
	mac    *fieldtoken.MAC
	// appendSalt adds the hidden salt field, if there is one. The salt lives in the closure only.
	appendSalt func([]byte) []byte
}

// newEngine takes a Config with its defaults filled in and a key in hex.
func newEngine(c Config, secretHex tokens.Secret) (*engine, error) {
	newHash, err := c.Algorithm.hash()
	if err != nil {
		return nil, err
	}
	key, err := decodeKey(secretHex)
	if err != nil {
		return nil, err
	}
	e := &engine{config: c, key: key, mac: fieldtoken.NewMAC(newHash, key), appendSalt: func(b []byte) []byte { return b }}
	if salt := c.Salt.Reveal(); len(salt) > 0 {
		field := append([]byte(c.FieldDelimiter+"salt="), salt...)
		e.appendSalt = func(b []byte) []byte { return append(b, field...) }
	}
	return e, nil
}

// decodeKey reads a key in hex. All of Akamai's libraries but two refuse what is not an even count of
// hex digits; those two sign with another key than the one meant.
func decodeKey(secretHex tokens.Secret) (tokens.Secret, error) {
	text := secretHex.Reveal()
	defer clear(text)
	if len(text) == 0 {
		return tokens.Secret{}, tokens.KeyError("the key is empty")
	}
	if len(text)%2 != 0 {
		return tokens.Secret{}, tokens.KeyError("the key has %d characters; an even count of hex digits is wanted, without blanks or line ends", len(text))
	}
	key := make([]byte, hex.DecodedLen(len(text)))
	defer clear(key)
	if _, err := hex.Decode(key, text); err != nil {
		return tokens.Secret{}, tokens.KeyError("the key must be hex digits only, without blanks or line ends around it")
	}
	return tokens.NewSecret(key), nil
}

// text is what one token says. start 0 and empty texts are left out; an ACL token has acl.
type text struct {
	ip               []byte
	start, expire    int64
	acl              []string
	url              string
	session, payload string
}

// sign writes the fields in Akamai's order and adds the MAC.
func (e *engine) sign(t *text) string {
	delimiter := e.config.FieldDelimiter
	d := e.mac.Begin()
	b := d.Buf
	if len(t.ip) > 0 {
		b = append(appendValue(e, append(b, "ip="...), t.ip), delimiter...)
	}
	if t.start != 0 {
		b = append(fieldtoken.AppendSeconds(append(b, "st="...), t.start), delimiter...)
	}
	b = fieldtoken.AppendSeconds(append(b, "exp="...), t.expire)
	if len(t.acl) > 0 {
		b = append(append(b, delimiter...), "acl="...)
		for i, entry := range t.acl {
			if i > 0 {
				b = append(b, e.config.ACLDelimiter...)
			}
			b = append(b, entry...)
		}
	}
	if t.session != "" {
		b = appendValue(e, append(append(b, delimiter...), "id="...), t.session)
	}
	if t.payload != "" {
		b = appendValue(e, append(append(b, delimiter...), "data="...), t.payload)
	}
	emitted := len(b)
	if len(t.acl) == 0 {
		b = appendValue(e, append(append(b, delimiter...), "url="...), t.url)
	}
	d.Buf = e.appendSalt(b)
	return e.mac.Finish(d, emitted, delimiter)
}

func appendValue[T string | []byte](e *engine, b []byte, value T) []byte {
	if e.config.EscapeEarly {
		return appendEscaped(b, value)
	}
	return append(b, value...)
}

// matches reports whether the token is signed, and for a URL token whether it is for path: as it
// stands in the request, without its query, or as it resolves. Akamai's libraries sign a path as it
// is given; verifiers hash what they have.
func (e *engine) matches(token fieldtoken.Token, path string) bool {
	salt := string(e.appendSalt(nil))
	if _, ok := token.Value("acl"); ok {
		return e.mac.Match(token.MAC, token.Signed, salt)
	}
	for _, candidate := range readings(path) {
		url := string(appendValue(e, []byte(e.config.FieldDelimiter+"url="), candidate))
		if e.mac.Match(token.MAC, token.Signed, url, salt) {
			return true
		}
	}
	return false
}
