package agora

import (
	"crypto"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Key is a checked authKey, ready to sign. It is safe for concurrent use and prints nothing of its
// secret.
type Key struct {
	signer      signer
	form        Form
	fingerprint string
}

// NewKey checks the material as Scheme.CheckKey does and readies it to sign in the given form.
func NewKey(m tokens.Material, form Form) (*Key, error) {
	if err := (Scheme{}).CheckKey(m); err != nil {
		return nil, err
	}
	if err := form.check(); err != nil {
		return nil, err
	}
	return &Key{
		signer:      newSigner(m.Secret),
		form:        form,
		fingerprint: tokens.SecretFingerprint(Name, m.Secret.Reveal()),
	}, nil
}

// ID implements tokens.Key. The tokens name no key.
func (*Key) ID() string { return "" }

// Fingerprint implements tokens.Key.
func (k *Key) Fingerprint() string { return k.fingerprint }

// Public implements tokens.Key. A shared secret has no public half.
func (*Key) Public() crypto.PublicKey { return nil }

// String describes the key by its fingerprint.
func (k *Key) String() string { return fmt.Sprintf("%s key %s", Name, k.fingerprint) }

// Sign implements tokens.Key for Params and *Params.
func (k *Key) Sign(p tokens.Params, now time.Time) (tokens.Credential, error) {
	own, err := tokens.ParamsAs[Params](p)
	if err != nil {
		return tokens.Credential{}, err
	}
	path, err := own.check(now)
	if err != nil {
		return tokens.Credential{}, err
	}
	ts := own.Expire.Unix()
	token := k.signer.token(path, ts, k.form)
	return tokens.Credential{
		Token:     token,
		URL:       tokens.AppendQuery(own.URL, token),
		ExpiresAt: time.Unix(ts, 0).UTC(),
	}, nil
}

// signer computes signs. The secret stands in a closure, where no printer reaches it.
type signer struct {
	begin func(dst []byte) []byte // appends the secret
}

func newSigner(secret tokens.Secret) signer {
	own := secret.Reveal()
	return signer{begin: func(dst []byte) []byte { return append(dst, own...) }}
}

// digest returns the MD5 in hex of the secret, path and ts.
func (s signer) digest(path, ts string) [2 * md5.Size]byte {
	var room [512]byte
	text := s.begin(room[:0])
	text = append(text, path...)
	text = append(text, ts...)
	sum := md5.Sum(text)
	var out [2 * md5.Size]byte
	hex.Encode(out[:], sum[:])
	return out
}

func (s signer) token(path string, ts int64, form Form) string {
	text := strconv.FormatInt(ts, 10)
	digits := s.digest(path, text)
	return "ts=" + text + "&sign=" + string(form.of(&digits))
}

// of cuts the digits that the form sends out of all of them.
func (f Form) of(digits *[2 * md5.Size]byte) []byte {
	if f == FormMid16 {
		return digits[8:24]
	}
	return digits[:]
}
