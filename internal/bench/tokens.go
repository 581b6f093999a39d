package main

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

const (
	hdntsLine         = "hdnts-sign"
	hdntsAllocsLine   = "hdnts-sign-allocs"
	qencodeLine       = "qencode-sign"
	qencodeAllocsLine = "qencode-sign-allocs"
)

const (
	streamID   = "NUtjdHdsc3g4Z21L"
	playbackID = "b7f2c9e0a1d34e5f"
	keyID      = "5f0c6f0e-6d0b-4a58-9f3e-2b8a4f1f9b7d"
	viewer     = "u-1"
)

// benchTime is when the micro-benchmarks sign.
func benchTime() time.Time { return time.Unix(1_700_000_000, 0) }

// throwaway returns a shared secret for one run, in hex.
func throwaway() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails, and fills raw
	return hex.EncodeToString(raw)
}

// must ends the run on an error that no input can cause.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// hdnts holds the strict door against the least that the standard library can do for the same bytes.
func (b *bench) hdnts(context.Context) error {
	secret := throwaway()
	key, err := wowza.NewKey(tokens.Material{Secret: tokens.NewSecret([]byte(secret))})
	if err != nil {
		return err
	}
	now := benchTime()
	params := wowza.Params{StreamID: streamID, Start: now.Add(-time.Minute), Expire: now.Add(time.Hour)}
	strict := func() string { return must(key.Token(params, now)) }
	pooled := pooledHMAC([]byte(secret), strict())
	naive := func() string {
		emitted := fmt.Sprintf("st=%d~exp=%d", params.Start.Unix(), params.Expire.Unix())
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(emitted + "~stream_id=" + params.StreamID))
		return fmt.Sprintf("%s~hmac=%x", emitted, mac.Sum(nil))
	}
	if strict() != pooled() || strict() != naive() {
		return errors.New("the contenders make different tokens")
	}
	got := b.effort.contest(func() { strict() }, func() { pooled() }, func() { naive() })
	if err := b.report(hdntsLine, got[0].over(got[1]), atMost(1.35), "strict door %.0f ns, pooled crypto/hmac %.0f ns, naive fmt + hmac.New %.0f ns",
		got[0].median(), got[1].median(), got[2].median()); err != nil {
		return err
	}
	return b.report(hdntsAllocsLine, allocations(func() { strict() }), atMost(1), "pooled %.0f, naive %.0f",
		allocations(func() { pooled() }), allocations(func() { naive() }))
}

// pooledHMAC returns a function that makes token from its bytes: Reset, Write, Sum, hex, one string.
func pooledHMAC(secret []byte, token string) func() string {
	emitted, _, _ := strings.Cut(token, "~hmac=")
	signed := []byte(emitted + "~stream_id=" + streamID)
	type state struct {
		mac hash.Hash
		out []byte
		sum [sha256.Size]byte
	}
	pool := sync.Pool{New: func() any { return &state{mac: hmac.New(sha256.New, secret), out: make([]byte, 0, 512)} }}
	return func() string {
		s := pool.Get().(*state) //nolint:forcetypeassert,errcheck // the pool holds nothing else
		s.mac.Reset()
		s.mac.Write(signed)
		sum := s.mac.Sum(s.sum[:0])
		s.out = append(s.out[:0], emitted...)
		s.out = append(s.out, "~hmac="...)
		s.out = hex.AppendEncode(s.out, sum)
		made := string(s.out)
		pool.Put(s)
		return made
	}
}

// freeSigner signs at no cost, so that what is measured is the envelope.
type freeSigner struct {
	half      *rsa.PublicKey
	signature []byte
}

// Public implements crypto.Signer.
func (f *freeSigner) Public() crypto.PublicKey { return f.half }

// Sign implements crypto.Signer.
func (f *freeSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return f.signature, nil
}

// jwtClaims are the same claims as golang-jwt's users write them.
type jwtClaims struct {
	URI    string `json:"uri"`
	Viewer string `json:"viewer"`
	jwt.RegisteredClaims
}

// qencode holds the JWT envelope against golang-jwt's.
func (b *bench) qencode(context.Context) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	signer := &freeSigner{half: &private.PublicKey, signature: make([]byte, private.Size())}
	key, err := qencode.NewKey(keyID, signer)
	if err != nil {
		return err
	}
	claims, err := qencode.NewClaims(qencode.Claim{Name: "viewer", Value: viewer})
	if err != nil {
		return err
	}
	now := benchTime()
	params := &qencode.Params{URI: playbackID, Expire: now.Add(time.Hour), NotBefore: now, Claims: claims}
	ours := func() string { return must(key.Sign(params, now)).Token }
	theirs := func() string {
		token := jwt.NewWithClaims(qencode.RS256{}, jwtClaims{
			URI: playbackID, Viewer: viewer,
			RegisteredClaims: jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(params.Expire), NotBefore: jwt.NewNumericDate(now)},
		})
		token.Header["kid"] = keyID
		return must(token.SignedString(signer))
	}
	// The members stand in another order, which changes no length.
	if len(ours()) != len(theirs()) {
		return errors.New("the contenders make different tokens")
	}
	got := b.effort.contest(func() { ours() }, func() { theirs() })
	if err := b.report(qencodeLine, got[0].over(got[1]), atMost(0.6), "ours %.0f ns, golang-jwt %.0f ns, both with a no-op signer",
		got[0].median(), got[1].median()); err != nil {
		return err
	}
	return b.report(qencodeAllocsLine, allocations(func() { ours() }), atMost(6), "golang-jwt %.0f", allocations(func() { theirs() }))
}
