package qencode

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// MaxKeyID is the greatest length of a key id, in bytes. Qencode's are UUIDs.
const MaxKeyID = 128

// public is the half of a key that verifies.
type public struct {
	id          string
	key         *rsa.PublicKey
	fingerprint string
}

func newPublic(id string, key *rsa.PublicKey) (public, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return public{}, tokens.KeyError("the public key cannot be encoded")
	}
	sum := sha256.Sum256(der)
	return public{id: id, key: key, fingerprint: hex.EncodeToString(sum[:])}, nil
}

// ID returns the key id that tokens carry as kid.
func (p public) ID() string { return p.id }

// Fingerprint returns the SHA-256, in hex, of the SubjectPublicKeyInfo.
func (p public) Fingerprint() string { return p.fingerprint }

// Public returns the *rsa.PublicKey.
func (p public) Public() crypto.PublicKey { return p.key }

// String describes the key by its id and fingerprint.
func (p public) String() string { return fmt.Sprintf("%s key %s (%s)", Name, p.id, p.fingerprint) }

// Key is a checked signing key. It is safe for concurrent use if its signer is, and prints nothing
// of its secret.
type Key struct {
	public
	envelope envelope
}

// NewKey makes a key that signs through signer, whose public half must be an *rsa.PublicKey of
// MinBits to MaxBits. The signer is asked for PKCS#1 v1.5 signatures of SHA-256 digests, which need
// no randomness: it is given none.
func NewKey(id string, signer crypto.Signer) (*Key, error) {
	if err := checkKeyID(id); err != nil {
		return nil, err
	}
	if signer == nil {
		return nil, tokens.KeyError("there is no signer")
	}
	half, ok := signer.Public().(*rsa.PublicKey)
	if !ok {
		return nil, tokens.KeyError("the signer's key is a %T; RS256 needs RSA", signer.Public())
	}
	if err := checkSize(half); err != nil {
		return nil, err
	}
	verifying, err := newPublic(id, half)
	if err != nil {
		return nil, err
	}
	return &Key{public: verifying, envelope: newEnvelope(id, signer)}, nil
}

// Sign implements tokens.Key for Params and *Params. An error that is not the caller's comes from
// the signer.
func (k *Key) Sign(p tokens.Params, now time.Time) (tokens.Credential, error) {
	own, err := tokens.ParamsAs[Params](p)
	if err != nil {
		return tokens.Credential{}, err
	}
	if err := own.check(now); err != nil {
		return tokens.Credential{}, err
	}
	exp, nbf := own.Expire.Unix(), own.NotBefore.Unix()
	payload := payload{uri: own.URI, exp: &exp, claims: own.Claims}
	if !own.NotBefore.IsZero() {
		payload.nbf = &nbf
	}
	return k.envelope.credential(&payload, own.URL)
}

// VerifyKey is the public half of a key. It verifies, and refuses to sign.
type VerifyKey struct{ public }

// NewVerifyKey makes a key that verifies from an RSA public key: PKIX or PKCS#1, PEM or DER, of
// MinBits to MaxBits.
func NewVerifyKey(id string, text []byte) (*VerifyKey, error) {
	if err := checkKeyID(id); err != nil {
		return nil, err
	}
	half, err := parsePublic(text)
	if err != nil {
		return nil, err
	}
	if err := checkSize(half); err != nil {
		return nil, err
	}
	verifying, err := newPublic(id, half)
	if err != nil {
		return nil, err
	}
	return &VerifyKey{verifying}, nil
}

// Sign implements tokens.Key. It always fails, with INVALID_KEY.
func (*VerifyKey) Sign(tokens.Params, time.Time) (tokens.Credential, error) {
	return tokens.Credential{}, tokens.KeyError("this is the public half of a key; signing needs the private half")
}

// checkKeyID accepts what stands for itself in JSON and in a URL.
func checkKeyID(id string) error {
	if id == "" {
		return tokens.KeyError("the key has no id; give the id of the signing key, which tokens carry as kid")
	}
	if len(id) > MaxKeyID {
		return tokens.KeyError("the key id has %d bytes; at most %d", len(id), MaxKeyID)
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ':':
		default:
			return tokens.KeyError("the key id holds other characters than letters, digits, -, _, . and :")
		}
	}
	return nil
}

func checkSize(key *rsa.PublicKey) error {
	switch bits := key.N.BitLen(); {
	case bits < MinBits:
		return tokens.KeyError("the RSA key has %d bits; at least %d", bits, MinBits)
	case bits > MaxBits:
		return tokens.KeyError("the RSA key has %d bits; at most %d", bits, MaxBits)
	}
	return nil
}
