package qencode_test

import (
	"crypto"
	"crypto/rsa"
	"io"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// noopSigner costs nothing, so that what remains is the envelope.
type noopSigner struct {
	half      *rsa.PublicKey
	signature []byte
}

func (n *noopSigner) Public() crypto.PublicKey { return n.half }

func (n *noopSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return n.signature, nil
}

func noop(t testing.TB) *noopSigner {
	t.Helper()
	half := &testKeys(t)[liveKeyID].rsa(t).PublicKey
	return &noopSigner{half: half, signature: make([]byte, half.Size())}
}

type benchClaims struct {
	URI    string `json:"uri"`
	Viewer string `json:"viewer"`
	jwt.RegisteredClaims
}

func BenchmarkSignNoop(b *testing.B) {
	key, err := qencode.NewKey(liveKeyID, noop(b))
	if err != nil {
		b.Fatal(err)
	}
	p := &qencode.Params{URI: playbackID, Expire: now().Add(time.Hour), NotBefore: now(), Claims: claim("viewer", "u-1")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Sign(p, now()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGolangJWTNoop(b *testing.B) {
	signer := noop(b)
	expire, start := jwt.NewNumericDate(now().Add(time.Hour)), jwt.NewNumericDate(now())
	b.ReportAllocs()
	for b.Loop() {
		token := jwt.NewWithClaims(qencode.RS256{}, benchClaims{
			URI: playbackID, Viewer: "u-1",
			RegisteredClaims: jwt.RegisteredClaims{ExpiresAt: expire, NotBefore: start},
		})
		token.Header["kid"] = liveKeyID
		if _, err := token.SignedString(signer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignRSA2048(b *testing.B) { benchmarkRSA(b, smallKeyID) }

func BenchmarkSignRSA4096(b *testing.B) { benchmarkRSA(b, liveKeyID) }

func benchmarkRSA(b *testing.B, id string) {
	b.Helper()
	key, err := qencode.NewKey(id, testKeys(b)[id].rsa(b))
	if err != nil {
		b.Fatal(err)
	}
	p := &qencode.Params{URI: playbackID, Expire: now().Add(time.Hour)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Sign(p, now()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyRSA4096(b *testing.B) {
	key, err := qencode.NewKey(liveKeyID, testKeys(b)[liveKeyID].rsa(b))
	if err != nil {
		b.Fatal(err)
	}
	c, err := key.Sign(&qencode.Params{URI: playbackID, Expire: now().Add(time.Hour)}, now())
	if err != nil {
		b.Fatal(err)
	}
	p := tokens.Presented{Token: c.Token, Resource: playbackID}
	b.ReportAllocs()
	for b.Loop() {
		if err := key.Verify(p, now()); err != nil {
			b.Fatal(err)
		}
	}
}

// The envelope is held to six allocations.
func TestSignAllocations(t *testing.T) {
	key, err := qencode.NewKey(liveKeyID, noop(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &qencode.Params{URI: playbackID, Expire: now().Add(time.Hour), NotBefore: now(), Claims: claim("viewer", "u-1")}
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := key.Sign(p, now()); err != nil {
			t.Error(err)
		}
	})
	if allocations > 6 {
		t.Errorf("%v allocations, want at most 6", allocations)
	}
}
