package killtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"

	"github.com/tokensvc/tokensvc/tokens"
)

// freshMaterial makes the key that stood at the provider before.
func freshMaterial(kind Kind) (tokens.Material, error) {
	if kind != Minter {
		secret := make([]byte, 16)
		_, _ = rand.Read(secret) // never fails, and fills secret
		return tokens.Material{Secret: tokens.NewSecret([]byte(hex.EncodeToString(secret)))}, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return tokens.Material{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tokens.Material{}, err
	}
	return tokens.Material{ID: "first", Secret: tokens.NewSecret(der)}, nil
}
