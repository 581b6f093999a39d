package qencode

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tokensvc/tokensvc/tokens"
)

const algorithm = "RS256"

// envelope makes JWS compact tokens under one header. The signer stands in a closure, where no
// printer reaches its numbers.
type envelope struct {
	header string // encoded, with the dot
	room   int    // of the encoded signature, with the dot
	sign   func(digest []byte) ([]byte, error)
}

func newEnvelope(id string, signer crypto.Signer) envelope {
	header := appendString([]byte(`{"alg":"`+algorithm+`","typ":"JWT","kid":`), id)
	header = append(header, '}')
	size := 0
	if half, ok := signer.Public().(*rsa.PublicKey); ok {
		size = half.Size()
	}
	return envelope{
		header: base64.RawURLEncoding.EncodeToString(header) + ".",
		room:   base64.RawURLEncoding.EncodedLen(size) + 1,
		sign:   func(digest []byte) ([]byte, error) { return signer.Sign(nil, digest, crypto.SHA256) },
	}
}

// payload is what a token says. A nil time is left out.
type payload struct {
	uri      string
	exp, nbf *int64
	claims   Claims
}

// credential signs p and puts the token into rawURL, if there is one.
func (e *envelope) credential(p *payload, rawURL string) (tokens.Credential, error) {
	token, err := e.seal(p)
	if err != nil {
		return tokens.Credential{}, err
	}
	out := tokens.Credential{Token: token}
	if p.exp != nil {
		out.ExpiresAt = time.Unix(*p.exp, 0).UTC()
	}
	if rawURL != "" {
		out.URL = tokens.AppendQuery(rawURL, QueryName, "=", token)
	}
	return out, nil
}

func (e *envelope) seal(p *payload) (string, error) {
	var room [512]byte
	body := p.append(room[:0])
	out := make([]byte, 0, len(e.header)+base64.RawURLEncoding.EncodedLen(len(body))+e.room)
	out = append(out, e.header...)
	out = base64.RawURLEncoding.AppendEncode(out, body)
	digest := sha256.Sum256(out)
	signature, err := e.sign(digest[:])
	if err != nil {
		return "", fmt.Errorf("sign with RSA: %w", err)
	}
	out = append(out, '.')
	return string(base64.RawURLEncoding.AppendEncode(out, signature)), nil
}

// append appends the payload as JSON: uri, exp, nbf, then the claims in their order.
func (p *payload) append(dst []byte) []byte {
	dst = appendString(append(dst, `{"uri":`...), p.uri)
	if p.exp != nil {
		dst = strconv.AppendInt(append(dst, `,"exp":`...), *p.exp, 10)
	}
	if p.nbf != nil {
		dst = strconv.AppendInt(append(dst, `,"nbf":`...), *p.nbf, 10)
	}
	if p.claims.members != "" {
		dst = append(append(dst, ','), p.claims.members...)
	}
	return append(dst, '}')
}

// appendString appends s as a JSON string the way JSON.stringify writes it: quotes, backslashes and
// control characters escaped, all else as it is. encoding/json escapes more.
func appendString(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(append(dst, s[done:i]...), '\\')
		done = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, c)
		case '\b':
			dst = append(dst, 'b')
		case '\f':
			dst = append(dst, 'f')
		case '\n':
			dst = append(dst, 'n')
		case '\r':
			dst = append(dst, 'r')
		case '\t':
			dst = append(dst, 't')
		default:
			dst = append(dst, 'u', '0', '0', digits[c>>4], digits[c&0xf])
		}
	}
	return append(append(dst, s[done:]...), '"')
}

// isText reports whether s is sound UTF-8. U+FFFD is what decoders leave where it was not.
func isText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError {
			return false
		}
	}
	return true
}
