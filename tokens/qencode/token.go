package qencode

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/refusal"
)

// maxToken bounds the text of a token, in bytes.
const maxToken = 16 << 10

// presentedObject bounds the header and the payload of a presented token.
func presentedObject() limits { return limits{size: maxToken, members: 1024, depth: 32} }

// jws is a token taken apart. Nothing of it is to be trusted before the signature is checked.
type jws struct {
	signed    string // header and payload as they stand, with the dot
	header    []member
	payload   string // encoded
	signature []byte
}

// parse reads three parts of strict base64url, the first of which is a JSON object.
func parse(token string) (*jws, *tokens.Error) {
	if token == "" {
		return nil, refusal.Malformed("the token is empty; want three parts with dots between")
	}
	if len(token) > maxToken {
		return nil, refusal.Malformed("the token has %d bytes; at most %d", len(token), maxToken)
	}
	first := strings.IndexByte(token, '.')
	last := strings.LastIndexByte(token, '.')
	if first == last || strings.Count(token, ".") != 2 {
		return nil, refusal.Malformed("the token has %d parts; want three with dots between", strings.Count(token, ".")+1)
	}
	t := &jws{signed: token[:last], payload: token[first+1 : last]}
	var err *tokens.Error
	if t.signature, err = decodePart("signature", token[last+1:]); err != nil {
		return nil, err
	}
	if t.header, err = decodeObject("header", token[:first]); err != nil {
		return nil, err
	}
	return t, nil
}

// decodePart decodes base64url without padding, line ends or loose bits, so that no two texts mean
// the same.
func decodePart(what, part string) ([]byte, *tokens.Error) {
	out, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil || strings.ContainsAny(part, "\r\n") {
		return nil, refusal.Malformed("the %s is not base64url without padding", what)
	}
	return out, nil
}

func decodeObject(what, part string) ([]member, *tokens.Error) {
	text, undecoded := decodePart(what, part)
	if undecoded != nil {
		return nil, undecoded
	}
	members, err := readObject(text, presentedObject())
	if err != nil {
		return nil, refusal.Malformed("the %s %s", what, err)
	}
	return members, nil
}

// checkAlgorithm pins RS256. A header that asks for extensions is refused, as RFC 7515, section
// 4.1.11, demands of who knows none.
func (t *jws) checkAlgorithm() *tokens.Error {
	alg := find(t.header, "alg")
	if alg == nil {
		return refusal.Malformed("the header names no algorithm (alg)")
	}
	name, ok := alg.text()
	if !ok {
		return refusal.Malformed("alg is not a string")
	}
	if name != algorithm {
		return tokens.Refuse(tokens.WrongAlgorithm, "alg is %.32q; only %s is accepted", name, algorithm)
	}
	if find(t.header, "crit") != nil {
		return refusal.Malformed("the header asks for extensions (crit), of which none is known")
	}
	if typ := find(t.header, "typ"); typ != nil {
		if name, ok := typ.text(); !ok || !strings.EqualFold(name, "JWT") {
			return refusal.Malformed("typ is not JWT")
		}
	}
	return nil
}

// keyID returns the kid of the header.
func (t *jws) keyID() (string, *tokens.Error) {
	kid := find(t.header, "kid")
	if kid == nil {
		return "", tokens.Refuse(tokens.UnknownKey, "the header names no key (kid)")
	}
	id, ok := kid.text()
	if !ok {
		return "", refusal.Malformed("kid is not a string")
	}
	return id, nil
}

func (t *jws) checkKeyID(want string) *tokens.Error {
	id, err := t.keyID()
	if err != nil {
		return err
	}
	if id != want {
		return tokens.Refuse(tokens.UnknownKey, "kid is %.64q, which is not the key at hand", id)
	}
	return nil
}

func (t *jws) checkSignature(key *public) *tokens.Error {
	if err := (RS256{}).Verify(t.signed, t.signature, key.key); err != nil {
		return tokens.Refuse(tokens.BadSignature, "the signature is not that of the key that kid names")
	}
	return nil
}

// statement is what a payload says.
type statement struct {
	members  []member
	uri      string
	exp, nbf int64
	hasNBF   bool
}

// state reads the payload. The signature must have been checked.
func (t *jws) state() (*statement, *tokens.Error) {
	members, err := decodeObject("payload", t.payload)
	if err != nil {
		return nil, err
	}
	s := &statement{members: members}
	uri := find(members, "uri")
	if uri == nil {
		return nil, refusal.Malformed("the payload has no uri")
	}
	var ok bool
	if s.uri, ok = uri.text(); !ok {
		return nil, refusal.Malformed("uri is not a string")
	}
	exp := find(members, "exp")
	if exp == nil {
		return nil, tokens.Refuse(tokens.NoExpiry, "the payload has no exp; to Qencode it never expires")
	}
	if s.exp, err = unixSeconds(exp); err != nil {
		return nil, err
	}
	if nbf := find(members, "nbf"); nbf != nil {
		s.hasNBF = true
		if s.nbf, err = unixSeconds(nbf); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// unixSeconds reads a time, which is written as digits alone.
func unixSeconds(m *member) (int64, *tokens.Error) {
	if _, ok := m.text(); ok {
		return 0, refusal.Malformed("%s is a string; want a number of Unix seconds without quotes", m.name)
	}
	n, err := strconv.ParseInt(m.value, 10, 64)
	if err != nil {
		return 0, refusal.Malformed("%s is not a whole number of Unix seconds", m.name)
	}
	return n, nil
}

// checkHygiene refuses times that the strict door never signs, though an edge might take them.
func (s *statement) checkHygiene() *tokens.Error {
	switch {
	case s.exp > tokens.MaxUnixSeconds:
		return refusal.Malformed("exp %d is over %d: milliseconds are not Unix seconds", s.exp, int64(tokens.MaxUnixSeconds))
	case s.hasNBF && s.nbf > tokens.MaxUnixSeconds:
		return refusal.Malformed("nbf %d is over %d: milliseconds are not Unix seconds", s.nbf, int64(tokens.MaxUnixSeconds))
	}
	return nil
}

// checkExpiry refuses on and after exp (RFC 7519, section 4.1.4).
func (s *statement) checkExpiry(now time.Time, leeway time.Duration) *tokens.Error {
	if s.exp <= now.Unix()-seconds(leeway) {
		return tokens.Refuse(tokens.Expired, "expired at %s", refusal.Time(s.exp))
	}
	return nil
}

func (s *statement) checkStart(now time.Time, leeway time.Duration) *tokens.Error {
	if s.hasNBF && s.nbf > now.Unix()+seconds(leeway) {
		return tokens.Refuse(tokens.NotYetValid, "counts from %s", refusal.Time(s.nbf))
	}
	return nil
}

func (s *statement) checkLifetime(now time.Time, maxLifetime time.Duration) *tokens.Error {
	if maxLifetime > 0 && s.exp > now.Unix()+seconds(maxLifetime) {
		return tokens.Refuse(tokens.LifetimeTooLong, "exp lies further ahead than %s", maxLifetime)
	}
	return nil
}

// checkResource matches as Qencode does: an empty uri opens all of a bucket, any other what begins
// with it. A playback id, which holds neither slash nor dot, must be met in full, else a token for
// cam1 would open cam10.
func (s *statement) checkResource(resource string) *tokens.Error {
	switch {
	case resource == "":
		return tokens.Refuse(tokens.PathNotCovered, "the playback id or object key that is asked for was not given")
	case s.uri == "", s.uri == resource:
		return nil
	case strings.ContainsAny(resource, "/.") && strings.HasPrefix(resource, s.uri):
		return nil
	}
	return tokens.Refuse(tokens.PathNotCovered, "uri %.128q does not cover %.128q", s.uri, resource)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
