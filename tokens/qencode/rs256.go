package qencode

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"

	"github.com/golang-jwt/jwt/v5"
)

// RS256 is RS256 for golang-jwt, with any crypto.Signer in place of its *rsa.PrivateKey. It is not
// registered anywhere: hand it to jwt.NewWithClaims.
type RS256 struct{}

var _ jwt.SigningMethod = RS256{}

// Alg implements jwt.SigningMethod.
func (RS256) Alg() string { return algorithm }

// Sign implements jwt.SigningMethod. The key is a crypto.Signer whose public half is an
// *rsa.PublicKey; any other is jwt.ErrInvalidKeyType.
func (RS256) Sign(signingString string, key any) ([]byte, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, jwt.ErrInvalidKeyType
	}
	if _, ok := signer.Public().(*rsa.PublicKey); !ok {
		return nil, jwt.ErrInvalidKeyType
	}
	digest := sha256.Sum256([]byte(signingString))
	return signer.Sign(nil, digest[:], crypto.SHA256)
}

// Verify implements jwt.SigningMethod. The key is an *rsa.PublicKey; any other is
// jwt.ErrInvalidKeyType.
func (RS256) Verify(signingString string, sig []byte, key any) error {
	half, ok := key.(*rsa.PublicKey)
	if !ok {
		return jwt.ErrInvalidKeyType
	}
	digest := sha256.Sum256([]byte(signingString))
	return rsa.VerifyPKCS1v15(half, crypto.SHA256, digest[:], sig)
}
