package signer

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

func sharedKeyParts(tb testing.TB) (tokens.Key, string, int64) {
	tb.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := qencode.NewKey("kid", private)
	if err != nil {
		tb.Fatal(err)
	}
	return key, `false"b7f2c9e0a1d34e5f"`, 1_700_000_000
}

func BenchmarkSharedToken(b *testing.B) {
	key, claims, exp := sharedKeyParts(b)
	pool := NewPool(1, 16, time.Minute)
	defer pool.Close()
	shared := NewSharedTokens(pool, 1024)
	sign := func() (tokens.Credential, error) { return tokens.Credential{Token: "token"}, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := shared.Get(b.Context(), SharedKey{Key: key, Claims: claims, Exp: exp}, sign); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareMap is what a shared token is held against.
func BenchmarkBareMap(b *testing.B) {
	key, claims, exp := sharedKeyParts(b)
	bare := map[SharedKey]string{{Key: key, Claims: claims, Exp: exp}: "token"}
	b.ReportAllocs()
	for b.Loop() {
		if bare[SharedKey{Key: key, Claims: claims, Exp: exp}] == "" {
			b.Fatal("not found")
		}
	}
}
