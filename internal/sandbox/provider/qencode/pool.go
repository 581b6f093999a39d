package qencode

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
)

// throwaway holds ready-made RSA keys, since making one takes a good part of a second.
//
//go:embed throwaway.pem
var throwaway []byte

// keyBits is the size of the sandbox's keys. The vendor's have 4096; 2048 sign six times as fast, which a
// test that signs often is glad of.
const keyBits = 2048

// privateKeyKind is the PEM type of the keys that the vendor gives.
const privateKeyKind = "RSA PRIVATE KEY"

// pool gives RSA keys, each of them once: first the ready-made ones, then new ones. It is not safe for
// concurrent use.
type pool struct{ rest []byte }

func newPool() *pool { return &pool{rest: throwaway} }

// take returns a private key in PEM and its public half.
func (p *pool) take() (text []byte, public *rsa.PublicKey, err error) {
	block, rest := pem.Decode(p.rest)
	p.rest = rest
	if block == nil {
		made, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			return nil, nil, errors.New("sandbox: no RSA key could be made")
		}
		block = &pem.Block{Type: privateKeyKind, Bytes: x509.MarshalPKCS1PrivateKey(made)}
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, errors.New("sandbox: a ready-made RSA key cannot be read")
	}
	return pem.EncodeToMemory(block), &key.PublicKey, nil
}
