package keyimport

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// checkKID refuses an id that could not stand in a token header or a log line. Empty is fine.
func checkKID(kid string) error {
	if len(kid) > MaxKIDLen {
		return tokens.ParamError(tokens.InvalidArgument, "kid", "%d bytes; at most %d are allowed", len(kid), MaxKIDLen)
	}
	for i := range len(kid) {
		if kid[i] <= ' ' || kid[i] >= 0x7f {
			return tokens.ParamError(tokens.InvalidArgument, "kid", "byte %d is a blank, a control character or not ASCII; want printable ASCII", i+1)
		}
	}
	return nil
}

// chooseKID settles the id of an RSA key from what the caller gave and what the material carries.
func chooseKID(scheme tokens.Scheme, key *rsa.PrivateKey, carried string, opts Options) (string, error) {
	if checkKID(carried) != nil {
		return "", tokens.KeyError("the kid inside the JWK is no usable key id: want at most %d printable ASCII characters without blanks", MaxKIDLen)
	}
	switch {
	case carried != "" && opts.KID != "" && carried != opts.KID:
		return "", tokens.KeyError("the JWK carries another kid than the one given; leave the given one out, or correct the JWK")
	case opts.KID != "":
		return opts.KID, nil
	case carried != "":
		return carried, nil
	case opts.RequireKID:
		return "", tokens.KeyError("%s", missingKID(scheme.Name()))
	}
	return thumbprint(key), nil
}

func missingKID(scheme string) string {
	if scheme == qencode.Name {
		return "the signing key id is missing: Qencode finds the key of a token by it; give it as kid: " +
			`the "id" beside "private_key" in the answer of POST /v1/signing-keys, also listed by GET /v1/signing-keys`
	}
	return "the key id is missing: the provider finds the key of a token by it; give it as kid"
}

// thumbprint is the JWK thumbprint of RFC 7638 with SHA-256.
func thumbprint(key *rsa.PrivateKey) string {
	encode := base64.RawURLEncoding.EncodeToString
	e := big.NewInt(int64(key.E)).Bytes()
	sum := sha256.Sum256([]byte(`{"e":"` + encode(e) + `","kty":"RSA","n":"` + encode(key.N.Bytes()) + `"}`))
	return encode(sum[:])
}
