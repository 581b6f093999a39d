package qencode

import (
	"encoding/json"
	"strings"
	"unicode"

	"github.com/tokensvc/tokensvc/tokens"
)

// Claims are values of the caller's own that ride along in a token, checked and encoded once. They
// keep their order, and numbers keep every digit. The zero Claims are none. Claims can be compared
// with ==: equal texts are equal claims.
type Claims struct{ members string }

// Claim is one value of the caller's own, anything that encoding/json encodes.
type Claim struct {
	Name  string
	Value any
}

// strictClaims bounds claims so that a token stays fit for a URL.
func strictClaims() limits { return limits{size: 2048, members: 64, depth: 8} }

// NewClaims encodes claims in the order given, under the rules of ParseClaims.
func NewClaims(claims ...Claim) (Claims, error) {
	members := make([]member, 0, len(claims))
	for _, c := range claims {
		if !isText(c.Name) {
			return Claims{}, claimsError("a name holds damaged text")
		}
		if text, ok := c.Value.(string); ok && !isText(text) {
			return Claims{}, claimsError("%q holds damaged text", c.Name)
		}
		value, err := json.Marshal(c.Value)
		if err != nil {
			return Claims{}, claimsError("%q cannot be encoded as JSON", c.Name)
		}
		members = append(members, member{name: c.Name, value: string(value)})
	}
	return ParseClaims(append(appendMembers([]byte{'{'}, members), '}'))
}

// ParseClaims reads a JSON object of claims: up to 2,048 bytes, 64 values and 8 levels, no member
// twice. The names uri, exp, nbf, kid, alg and typ are refused in any case of letters, so that no
// claim can pass for what the token is about. No text at all means no claims. Errors wrap
// tokens.ErrInvalidParams.
func ParseClaims(object []byte) (Claims, error) {
	return parseClaims(object, strictClaims(), func(name string) error {
		if name == "" || len(name) > 128 || strings.ContainsFunc(name, unicode.IsControl) {
			return claimsError("a name is empty, over 128 bytes or holds a control character")
		}
		for _, reserved := range []string{"uri", "exp", "nbf", "kid", "alg", "typ"} {
			if strings.EqualFold(name, reserved) {
				return claimsError("%q is set by the token itself; use the parameter or another name", name)
			}
		}
		return nil
	})
}

func parseClaims(object []byte, bounds limits, check func(name string) error) (Claims, error) {
	if len(object) == 0 {
		return Claims{}, nil
	}
	members, err := readObject(object, bounds)
	if err != nil {
		return Claims{}, claimsError("the claims: the text %s", err)
	}
	for _, m := range members {
		if err := check(m.name); err != nil {
			return Claims{}, err
		}
	}
	return Claims{members: string(appendMembers(nil, members))}, nil
}

// String returns the claims as a JSON object.
func (c Claims) String() string { return "{" + c.members + "}" }

func claimsError(format string, args ...any) error {
	return tokens.ParamError(tokens.InvalidArgument, "claims", format, args...)
}
