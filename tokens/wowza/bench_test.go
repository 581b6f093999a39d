package wowza_test

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

	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// The three benchmarks make the same token: the strict door, the least that the standard library can
// do for the same bytes, and what one writes first.

func benchParams() wowza.Params {
	return wowza.Params{StreamID: streamID, Start: after(-time.Minute), Expire: after(time.Hour)}
}

func BenchmarkToken(b *testing.B) {
	key := testKey(b)
	p, now := benchParams(), clock()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Token(p, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPooledHMAC(b *testing.B) {
	token, err := testKey(b).Token(benchParams(), clock())
	if err != nil {
		b.Fatal(err)
	}
	emitted := token[:strings.Index(token, "~hmac=")]
	signed := []byte(emitted + "~stream_id=" + streamID)
	type state struct {
		mac hash.Hash
		out []byte
		sum [sha256.Size]byte
	}
	pool := sync.Pool{New: func() any {
		return &state{mac: hmac.New(sha256.New, []byte(secretText)), out: make([]byte, 0, 512)}
	}}
	b.ReportAllocs()
	for b.Loop() {
		s, ok := pool.Get().(*state)
		if !ok {
			b.Fatal("not a state")
		}
		s.mac.Reset()
		s.mac.Write(signed)
		sum := s.mac.Sum(s.sum[:0])
		s.out = append(s.out[:0], emitted...)
		s.out = append(s.out, "~hmac="...)
		s.out = hex.AppendEncode(s.out, sum)
		if got := string(s.out); len(got) != len(token) {
			b.Fatal(got)
		}
		pool.Put(s)
	}
}

func BenchmarkNaive(b *testing.B) {
	p := benchParams()
	b.ReportAllocs()
	for b.Loop() {
		emitted := fmt.Sprintf("st=%d~exp=%d", p.Start.Unix(), p.Expire.Unix())
		mac := hmac.New(sha256.New, []byte(secretText))
		mac.Write([]byte(emitted + "~stream_id=" + p.StreamID))
		if got := fmt.Sprintf("%s~hmac=%x", emitted, mac.Sum(nil)); got == "" {
			b.Fatal("no token")
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	key := testKey(b)
	token, err := key.Token(benchParams(), clock())
	if err != nil {
		b.Fatal(err)
	}
	presented := presentedFor(token)
	now := clock()
	b.ReportAllocs()
	for b.Loop() {
		if err := key.Verify(presented, now); err != nil {
			b.Fatal(err)
		}
	}
}
