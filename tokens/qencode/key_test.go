package qencode_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// Every form in which a key may come gives the same key.
func TestKeyForms(t *testing.T) {
	sound := testKeys(t)[smallKeyID]
	private := sound.rsa(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(private)
	want := prepare(t, sound.material()).Fingerprint()
	for name, secret := range map[string][]byte{
		"PKCS#1 PEM":             []byte(sound.Private),
		"PKCS#1 PEM with CRLF":   []byte(strings.ReplaceAll(sound.Private, "\n", "\r\n")),
		"PKCS#1 PEM with blanks": []byte("\n  " + sound.Private + "\n\n"),
		"PKCS#8 PEM":             pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		"PKCS#1 DER":             pkcs1,
		"PKCS#8 DER":             pkcs8,
	} {
		if got := prepare(t, material(sound.ID, secret)).Fingerprint(); got != want {
			t.Errorf("%s: fingerprint %s, want %s", name, got, want)
		}
	}

	half, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sum := crypto.SHA256.New()
	sum.Write(half)
	if digest := hex.EncodeToString(sum.Sum(nil)); want != digest {
		t.Errorf("the fingerprint is %s, SHA-256 of the SubjectPublicKeyInfo %s", want, digest)
	}
	for name, text := range map[string][]byte{
		"PKIX PEM":   []byte(sound.Public),
		"PKIX DER":   half,
		"PKCS#1 PEM": pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&private.PublicKey)}),
		"PKCS#1 DER": x509.MarshalPKCS1PublicKey(&private.PublicKey),
	} {
		key, err := qencode.NewVerifyKey(sound.ID, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if key.Fingerprint() != want {
			t.Errorf("%s: fingerprint %s, want %s", name, key.Fingerprint(), want)
		}
	}
}

func TestVerifyKeyRefuses(t *testing.T) {
	keys := testKeys(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwardsDER, err := x509.MarshalPKIXPublicKey(edwards)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		id   string
		text []byte
	}{
		"empty":           {"k", nil},
		"no id":           {"", []byte(keys[smallKeyID].Public)},
		"the private PEM": {"k", []byte(keys[smallKeyID].Private)},
		"1024 bits":       {"k", x509.MarshalPKCS1PublicKey(&small.PublicKey)},
		"Ed25519":         {"k", edwardsDER},
		"noise":           {"k", []byte("noise")},
		"two keys":        {"k", []byte(keys[smallKeyID].Public + keys[smallKeyID].Public)},
	}
	for name, c := range cases {
		if key, err := qencode.NewVerifyKey(c.id, c.text); !errors.Is(err, tokens.ErrInvalidKey) || key != nil {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
	key, err := qencode.NewVerifyKey(smallKeyID, []byte(keys[smallKeyID].Public))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign(qencode.Params{URI: playbackID, Expire: now().Add(time.Hour)}, now()); !errors.Is(err, tokens.ErrInvalidKey) {
		t.Errorf("a public key signed: %v", err)
	}
}

// fakeSigner signs with a fixed answer.
type fakeSigner struct {
	half      crypto.PublicKey
	signature []byte
	err       error
	rand      io.Reader
	opts      crypto.SignerOpts
}

func (f *fakeSigner) Public() crypto.PublicKey { return f.half }

func (f *fakeSigner) Sign(random io.Reader, _ []byte, opts crypto.SignerOpts) ([]byte, error) {
	f.rand, f.opts = random, opts
	return f.signature, f.err
}

func TestNewKeyTakesAnySigner(t *testing.T) {
	private := testKeys(t)[smallKeyID].rsa(t)
	params := qencode.Params{URI: playbackID, Expire: now().Add(time.Hour)}

	signer := &fakeSigner{half: &private.PublicKey, signature: []byte("signature")}
	key, err := qencode.NewKey("k", signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := key.Sign(params, now())
	if err != nil || !strings.HasSuffix(c.Token, ".c2lnbmF0dXJl") {
		t.Errorf("signed %q, %v", c.Token, err)
	}
	if signer.opts != crypto.SHA256 || signer.rand != nil {
		t.Errorf("the signer was asked with %v and randomness %v", signer.opts, signer.rand)
	}

	signer.err = errors.New("engine is down")
	if _, err := key.Sign(params, now()); !errors.Is(err, signer.err) || errors.Is(err, tokens.ErrInvalidParams) {
		t.Errorf("a fault of the signer came out as %v", err)
	}

	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]crypto.Signer{"nil": nil, "Ed25519": &fakeSigner{half: edwards}, "no public half": &fakeSigner{}} {
		if key, err := qencode.NewKey("k", wrong); !errors.Is(err, tokens.ErrInvalidKey) || key != nil {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}
