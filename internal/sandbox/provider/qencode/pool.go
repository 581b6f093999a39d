package qencode

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
	"sync"
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

// Pool holds RSA keys for servers: first the ready-made ones, then those that it had to make. Each server
// is given each of them once; several servers are given the same. Make it with NewPool. It is safe for
// concurrent use.
type Pool struct {
	mu   sync.Mutex
	rest []byte // of the ready-made keys
	keys []pooled
}

type pooled struct {
	text   []byte // PEM
	public *rsa.PublicKey
}

// NewPool returns a pool that has made no keys yet.
func NewPool() *Pool { return &Pool{rest: throwaway} }

// key returns the key of a number, counted from 0, after all keys of lower numbers: a private key in PEM and
// its public half.
func (p *Pool) key(number int) (text []byte, public *rsa.PublicKey, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.keys) <= number {
		if err := p.more(); err != nil {
			return nil, nil, err
		}
	}
	k := p.keys[number]
	return k.text, k.public, nil
}

// more adds a key. The caller holds the lock.
func (p *Pool) more() error {
	block, rest := pem.Decode(p.rest)
	p.rest = rest
	if block == nil {
		made, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			return errors.New("sandbox: no RSA key could be made")
		}
		block = &pem.Block{Type: privateKeyKind, Bytes: x509.MarshalPKCS1PrivateKey(made)}
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return errors.New("sandbox: a ready-made RSA key cannot be read")
	}
	p.keys = append(p.keys, pooled{text: pem.EncodeToMemory(block), public: &key.PublicKey})
	return nil
}
