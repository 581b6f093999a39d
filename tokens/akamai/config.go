package akamai

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// Algorithm names the hash of the HMAC. Letters' case does not count.
type Algorithm string

// The algorithms of EdgeAuth 2.0. A MAC of MD5 or SHA-1 is not broken as their bare hashes are, and
// properties are set to them.
const (
	SHA256 Algorithm = "sha256"
	SHA1   Algorithm = "sha1"
	MD5    Algorithm = "md5"
)

// What an empty field of Config stands for.
const (
	// DefaultTokenName is the short token of Segmented Media Protection, whose name is fixed.
	DefaultTokenName      = "hdnts"
	DefaultFieldDelimiter = "~"
	DefaultACLDelimiter   = "!"
)

const (
	maxTokenName = 64
	maxSalt      = 256
)

// Config is what the property at the edge is set to. All tokens of one target share it; the zero
// Config is the default of Akamai's libraries, but for the token's name.
type Config struct {
	// TokenName is the query parameter or cookie that carries the token: a letter or "_", then
	// letters, digits, "-" and "_". Empty means DefaultTokenName.
	TokenName string
	// Algorithm of the HMAC. Empty means SHA256.
	Algorithm Algorithm
	// FieldDelimiter and ACLDelimiter stand between fields and between ACLs: one ASCII character each,
	// none that URLs, fields or ordinary values need. Empty means the default.
	FieldDelimiter, ACLDelimiter string
	// Salt is hashed with each token and not sent. Optional.
	Salt tokens.Secret
	// EscapeEarly percent-encodes ip, id, data and url before they are hashed and sent, as the
	// property's "Escape token input" demands. ACLs are never encoded.
	EscapeEarly bool
}

// withDefaults fills in what is empty and reads the algorithm without regard to case.
func (c Config) withDefaults() Config {
	if c.TokenName == "" {
		c.TokenName = DefaultTokenName
	}
	if c.FieldDelimiter == "" {
		c.FieldDelimiter = DefaultFieldDelimiter
	}
	if c.ACLDelimiter == "" {
		c.ACLDelimiter = DefaultACLDelimiter
	}
	c.Algorithm = Algorithm(strings.ToLower(string(c.Algorithm)))
	if c.Algorithm == "" {
		c.Algorithm = SHA256
	}
	return c
}

// hash returns the constructor of the algorithm's hash.
func (a Algorithm) hash() (func() hash.Hash, error) {
	switch a {
	case SHA256:
		return sha256.New, nil
	case SHA1:
		return sha1.New, nil
	case MD5:
		return md5.New, nil
	default:
		return nil, tokens.ParamError(tokens.InvalidArgument, "algorithm", "%q is unknown; EdgeAuth has sha256, sha1 and md5", tokens.Clip(string(a)))
	}
}

// check applies the strict rules to a Config with its defaults filled in.
func (c Config) check() error {
	if !isTokenName(c.TokenName) {
		return tokens.ParamError(tokens.InvalidArgument, "token_name", "%q is not a letter or _ followed by letters, digits, - and _, at most %d", tokens.Clip(c.TokenName), maxTokenName)
	}
	if !isDelimiter(c.FieldDelimiter) {
		return delimiterError("field_delimiter")
	}
	if !isDelimiter(c.ACLDelimiter) {
		return delimiterError("acl_delimiter")
	}
	if c.FieldDelimiter == c.ACLDelimiter {
		return tokens.ParamError(tokens.InvalidArgument, "acl_delimiter", "must differ from the field delimiter")
	}
	return c.checkSalt()
}

func (c Config) checkSalt() error {
	if c.Salt.Len() > maxSalt {
		return tokens.ParamError(tokens.InvalidArgument, "salt", "%d bytes; at most %d", c.Salt.Len(), maxSalt)
	}
	salt := c.Salt.Reveal()
	defer clear(salt)
	for _, b := range salt {
		if b < ' ' || b >= 0x7f {
			return tokens.ParamError(tokens.InvalidArgument, "salt", "holds a control or non-ASCII character")
		}
	}
	return nil
}

func delimiterError(field string) error {
	return tokens.ParamError(tokens.InvalidArgument, field, "must be one ASCII character that is no letter, digit or blank and none of %s", notDelimiters)
}

// notDelimiters are the characters that Akamai's property API refuses as delimiters (& = / \ : %),
// those that end a query parameter or a cookie, and those that ids and paths are full of.
const notDelimiters = `& = / \ : % # + ; " < > ? - . _`

func isDelimiter(s string) bool {
	return len(s) == 1 && s[0] > ' ' && s[0] < 0x7f && !isAlphanumeric(s[0]) && !strings.Contains(notDelimiters, s)
}

func isTokenName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := isAlphanumeric(c) && (c < '0' || c > '9')
		if !letter && c != '_' && (i == 0 || (c != '-' && (c < '0' || c > '9'))) {
			return false
		}
	}
	return s != "" && len(s) <= maxTokenName
}

func isAlphanumeric(c byte) bool {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
}
