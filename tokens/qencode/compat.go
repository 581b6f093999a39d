package qencode

import (
	"crypto/rsa"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// CompatParams is the input of Qencode's sample code.
type CompatParams struct {
	// URI is set as it is; empty opens the whole bucket.
	URI string
	// Expire and NotBefore are Unix seconds. They are set as they are, and left out when nil: a token
	// without Expire never expires.
	Expire, NotBefore *int64
	// Claims come from ParseCompatClaims or any other source of Claims.
	Claims Claims
	// URL is the URL to put the token into, as it is. Optional.
	URL string
}

// ParseCompatClaims is ParseClaims for the byte-exact door: up to 8 KiB, and only the names that
// would stand in the payload twice are refused.
func ParseCompatClaims(object []byte) (Claims, error) {
	return parseClaims(object, limits{size: 8 << 10, members: 1024, depth: 32}, func(name string) error {
		switch name {
		case "uri", "exp", "nbf":
			return claimsError("%q is a parameter of its own", name)
		default:
			return nil
		}
	})
}

// leastBits is the smallest RSA modulus that crypto/rsa signs and verifies with.
const leastBits = 1024

// CompatKey is a key for the byte-exact door alone: any id that is not empty, and any size of RSA
// that crypto/rsa signs with.
type CompatKey struct {
	public
	envelope *envelope // nil for a public half
}

// NewCompatKey makes a key from an RSA private key, PKCS#1 or PKCS#8, PEM or DER.
func NewCompatKey(m tokens.Material) (*CompatKey, error) {
	private, err := parsePrivate(m.Secret)
	if err != nil {
		return nil, err
	}
	key, err := newCompatKey(m.ID, &private.PublicKey)
	if err != nil {
		return nil, err
	}
	sealing := newEnvelope(m.ID, private)
	key.envelope = &sealing
	return key, nil
}

// NewCompatVerifyKey makes a key that only verifies from an RSA public key, PKIX or PKCS#1, PEM or
// DER.
func NewCompatVerifyKey(id string, text []byte) (*CompatKey, error) {
	half, err := parsePublic(text)
	if err != nil {
		return nil, err
	}
	return newCompatKey(id, half)
}

func newCompatKey(id string, half *rsa.PublicKey) (*CompatKey, error) {
	if id == "" || !isText(id) {
		return nil, tokens.KeyError("the key has no id, or one that is not sound UTF-8")
	}
	if bits := half.N.BitLen(); bits < leastBits {
		return nil, tokens.KeyError("the RSA key has %d bits; crypto/rsa takes %d or more", bits, leastBits)
	}
	verifying, err := newPublic(id, half)
	if err != nil {
		return nil, err
	}
	return &CompatKey{public: verifying}, nil
}

// Compat makes the token that Qencode's sample code makes in those of its languages that sign with
// RS256, with non-ASCII text as it is (Node, Ruby; Python and PHP escape it).
func (k *CompatKey) Compat(p CompatParams) (tokens.Credential, error) {
	if k.envelope == nil {
		return tokens.Credential{}, tokens.KeyError("this is the public half of a key; signing needs the private half")
	}
	if !isText(p.URI) {
		return tokens.Credential{}, uriError("not sound UTF-8")
	}
	return k.envelope.credential(&payload{uri: p.URI, exp: p.Expire, nbf: p.NotBefore, claims: p.Claims}, p.URL)
}

// Verify is Key.Verify without the rules on keys and on the size of times. Signature, algorithm,
// time and resource count as ever, and so does that an expiry is there.
func (k *CompatKey) Verify(p tokens.Presented, now time.Time) error {
	s, err := k.authentic(p.Token)
	if err != nil {
		return err
	}
	return s.Check(p, now)
}
