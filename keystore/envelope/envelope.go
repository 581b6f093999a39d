package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Envelope is a keystore.Sealer. It is safe for concurrent use.
type Envelope struct {
	source Source
	keys   atomic.Pointer[MasterKeys]
}

var _ keystore.Sealer = (*Envelope)(nil)

// New returns an envelope with the master keys of source, which may be fixed MasterKeys or a KeyFile.
func New(source Source) (*Envelope, error) {
	e := &Envelope{source: source}
	if _, err := e.reload(); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Envelope) reload() (MasterKeys, error) {
	keys, err := e.source.Load()
	if err != nil {
		return MasterKeys{}, err
	}
	if _, err := keys.Load(); err != nil {
		return MasterKeys{}, err
	}
	e.keys.Store(&keys)
	return keys, nil
}

// CurrentID returns the id of the master key that seals now.
func (e *Envelope) CurrentID() (string, error) {
	keys, err := e.reload()
	if err != nil {
		return "", err
	}
	return keys.keys[0].id, nil
}

// Seal encrypts a secret of 1 byte to MaxSecretBytes under the current master key. It asks the source
// for it every time, so that nothing is sealed under a key that has been replaced.
func (e *Envelope) Seal(b keystore.Binding, secret tokens.Secret) ([]byte, error) {
	if err := checkBinding(b); err != nil {
		return nil, err
	}
	if n := secret.Len(); n == 0 || n > MaxSecretBytes {
		return nil, fmt.Errorf("seal %s/%d: a secret has 1 to %d bytes, not %d", b.Target, b.Version, MaxSecretBytes, n)
	}
	keys, err := e.reload()
	if err != nil {
		return nil, err
	}
	dataKey := make([]byte, dataKeyBytes)
	defer clear(dataKey)
	_, _ = rand.Read(dataKey) // never fails, and fills dataKey
	plain := secret.Reveal()
	defer clear(plain)
	body, err := encrypt(dataKey, plain, additionalData(labelSecret, "", b))
	if err != nil {
		return nil, err
	}
	return wrap(keys.keys[0], b, dataKey, body)
}

// Open decrypts. An id that is not at hand is looked for in the source once more before it counts as
// unknown.
func (e *Envelope) Open(b keystore.Binding, sealedBytes []byte) (tokens.Secret, error) {
	_, s, dataKey, err := e.unwrap(b, sealedBytes)
	if err != nil {
		return tokens.Secret{}, err
	}
	defer clear(dataKey)
	plain, err := decrypt(dataKey, s.body, additionalData(labelSecret, "", b))
	if err != nil {
		return tokens.Secret{}, fmt.Errorf("%w: %s/%d: its bytes were changed, or are those of another key", keystore.ErrTampered, b.Target, b.Version)
	}
	defer clear(plain)
	return tokens.NewSecret(plain), nil
}

// Rewrap moves sealed bytes to the current master key. The secret itself stays encrypted all the while.
func (e *Envelope) Rewrap(b keystore.Binding, sealedBytes []byte) ([]byte, bool, error) {
	if _, err := e.reload(); err != nil {
		return nil, false, err
	}
	keys, s, dataKey, err := e.unwrap(b, sealedBytes)
	if err != nil {
		return nil, false, err
	}
	defer clear(dataKey)
	if s.id == keys.keys[0].id {
		return bytes.Clone(sealedBytes), false, nil
	}
	out, err := wrap(keys.keys[0], b, dataKey, s.body)
	if err != nil {
		return nil, false, err
	}
	return out, true, nil
}

// unwrap opens the data key.
func (e *Envelope) unwrap(b keystore.Binding, sealedBytes []byte) (MasterKeys, sealed, []byte, error) {
	fail := func(err error) (MasterKeys, sealed, []byte, error) { return MasterKeys{}, sealed{}, nil, err }
	if err := checkBinding(b); err != nil {
		return fail(err)
	}
	s, err := parseSealed(sealedBytes)
	if err != nil {
		return fail(fmt.Errorf("%w: %s/%d: %w", keystore.ErrTampered, b.Target, b.Version, err))
	}
	keys := *e.keys.Load()
	key, ok := keys.find(s.id)
	if !ok {
		if keys, err = e.reload(); err != nil {
			return fail(fmt.Errorf("%w: %s/%d is sealed under %q: %w", keystore.ErrUnknownMasterKey, b.Target, b.Version, s.id, err))
		}
		if key, ok = keys.find(s.id); !ok {
			return fail(fmt.Errorf("%w: %s/%d is sealed under %q; at hand are %s",
				keystore.ErrUnknownMasterKey, b.Target, b.Version, s.id, strings.Join(keys.IDs(), ", ")))
		}
	}
	value := key.value.Reveal()
	defer clear(value)
	dataKey, err := decrypt(value, s.wrapped, additionalData(labelDataKey, s.id, b))
	if err != nil {
		return fail(fmt.Errorf("%w: %s/%d under master key %q: the master key has another value than the one that sealed it, or the bytes were changed or are those of another key",
			keystore.ErrTampered, b.Target, b.Version, s.id))
	}
	return keys, s, dataKey, nil
}

func wrap(key masterKey, b keystore.Binding, dataKey, body []byte) ([]byte, error) {
	value := key.value.Reveal()
	defer clear(value)
	wrapped, err := encrypt(value, dataKey, additionalData(labelDataKey, key.id, b))
	if err != nil {
		return nil, err
	}
	return sealed{id: key.id, wrapped: wrapped, body: body}.encode(), nil
}

func checkBinding(b keystore.Binding) error {
	if b.Target == "" || b.Version < 1 {
		return errors.New("a sealed secret is bound to a target and a version above 0")
	}
	return nil
}

func encrypt(key, plain, additional []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(nil, nil, plain, additional), nil
}

func decrypt(key, box, additional []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, nil, box, additional)
}

// newGCM returns AES-256-GCM that puts a random nonce of 12 bytes in front of what it seals.
func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("aes: %w", err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("gcm: %w", err)
	}
	return gcm, nil
}
