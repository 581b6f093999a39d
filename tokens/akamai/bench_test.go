package akamai_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
)

// Token, PooledHMAC and Naive make the same token: the strict door, the least that the standard
// library can do for the same bytes, and what one writes first.

func benchParams() akamai.Params {
	return akamai.Params{ACL: []string{"/hls/live/*"}, Start: after(-time.Minute), Expire: after(time.Hour), SessionID: "sess-1"}
}

func BenchmarkToken(b *testing.B) {
	key := testKey(b, akamai.Config{})
	p, now := benchParams(), clock()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Token(p, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPooledHMAC(b *testing.B) {
	token, err := testKey(b, akamai.Config{}).Token(benchParams(), clock())
	if err != nil {
		b.Fatal(err)
	}
	signed, _, _ := strings.Cut(token, "~hmac=")
	secret := rawSecret(b)
	type state struct {
		mac hash.Hash
		out []byte
		sum [sha256.Size]byte
	}
	pool := sync.Pool{New: func() any {
		return &state{mac: hmac.New(sha256.New, secret), out: make([]byte, 0, 512)}
	}}
	text := []byte(signed)
	b.ReportAllocs()
	for b.Loop() {
		s, ok := pool.Get().(*state)
		if !ok {
			b.Fatal("not a state")
		}
		s.mac.Reset()
		s.mac.Write(text)
		sum := s.mac.Sum(s.sum[:0])
		s.out = append(s.out[:0], text...)
		s.out = append(s.out, "~hmac="...)
		s.out = hex.AppendEncode(s.out, sum)
		if got := string(s.out); len(got) != len(token) {
			b.Fatal(got)
		}
		pool.Put(s)
	}
}

func BenchmarkNaive(b *testing.B) {
	p, secret := benchParams(), rawSecret(b)
	b.ReportAllocs()
	for b.Loop() {
		signed := fmt.Sprintf("st=%d~exp=%d~acl=%s~id=%s", p.Start.Unix(), p.Expire.Unix(), strings.Join(p.ACL, "!"), p.SessionID)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signed))
		if got := fmt.Sprintf("%s~hmac=%x", signed, mac.Sum(nil)); got == "" {
			b.Fatal("no token")
		}
	}
}

func rawSecret(b *testing.B) []byte {
	b.Helper()
	secret, err := hex.DecodeString(secretHex)
	if err != nil {
		b.Fatal(err)
	}
	return secret
}

func BenchmarkVerify(b *testing.B) {
	key := testKey(b, akamai.Config{})
	token, err := key.Token(benchParams(), clock())
	if err != nil {
		b.Fatal(err)
	}
	presented, now := tokens.Presented{Token: token, Resource: "/hls/live/master.m3u8"}, clock()
	b.ReportAllocs()
	for b.Loop() {
		if err := key.Verify(presented, now); err != nil {
			b.Fatal(err)
		}
	}
}
