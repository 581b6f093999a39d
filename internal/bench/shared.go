package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

const (
	sharedLine       = "shared-token"
	sharedAllocsLine = "shared-token-allocs"
	onceLine         = "shared-token-signatures"
)

// shared holds the cache of shared tokens against a bare map that holds the same.
func (b *bench) shared(ctx context.Context) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	key, err := qencode.NewKey(keyID, private)
	if err != nil {
		return err
	}
	pool := signer.NewPool(2, 1<<16, time.Minute)
	defer pool.Close()
	if err := b.lookUp(ctx, key, pool); err != nil {
		return err
	}
	return b.signOnce(ctx, key, pool)
}

// lookUp compares the cost of one hit.
func (b *bench) lookUp(ctx context.Context, key tokens.Key, pool *signer.Pool) error {
	const playbacks, size = 256, 1024
	cache := signer.NewSharedTokens(pool, size)
	bare := make(map[signer.SharedKey]string, playbacks)
	entries := make([]*playback.Entry, playbacks)
	exp := benchTime().Add(time.Hour)
	sign := func() (tokens.Credential, error) { return tokens.Credential{Token: "token"}, nil }
	keyOf := func(e *playback.Entry) signer.SharedKey {
		return signer.SharedKey{Key: key, Claims: e.Claims, Exp: exp.Unix()}
	}
	for i := range entries {
		entries[i] = playback.NewEntry(playback.Playback{Qencode: &playback.Qencode{URI: playbackID + strconv.Itoa(i)}})
		bare[keyOf(entries[i])] = must(cache.Get(ctx, keyOf(entries[i]), sign))
	}
	next, nextBare := 0, 0
	fromCache := func() string {
		next++
		return must(cache.Get(ctx, keyOf(entries[next%playbacks]), sign))
	}
	fromMap := func() string {
		nextBare++
		return bare[keyOf(entries[nextBare%playbacks])]
	}
	got := b.effort.contest(func() { fromCache() }, func() { fromMap() })
	if err := b.report(sharedLine, got[0].over(got[1]), atMost(3), "cache %.0f ns, bare map %.0f ns, the key built in both", got[0].median(), got[1].median()); err != nil {
		return err
	}
	return b.report(sharedAllocsLine, allocations(func() { fromCache() }), atMost(2), "bare map %.0f", allocations(func() { fromMap() }))
}

// signOnce lets many callers ask for the same few tokens at once and counts the signatures.
func (b *bench) signOnce(ctx context.Context, key tokens.Key, pool *signer.Pool) error {
	const callers, buckets = 256, 200
	cache := signer.NewSharedTokens(pool, 2*buckets)
	var signatures, failures atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range buckets {
				sign := func() (tokens.Credential, error) {
					signatures.Add(1)
					return key.Sign(&qencode.Params{URI: playbackID, Expire: benchTime().Add(time.Duration(i+1) * time.Minute)}, benchTime())
				}
				if _, err := cache.Get(ctx, signer.SharedKey{Key: key, Claims: playbackID, Exp: int64(i)}, sign); err != nil {
					failures.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := failures.Load(); n > 0 {
		return fmt.Errorf("%d calls failed", n)
	}
	return b.report(onceLine, float64(signatures.Load())/buckets, exactly(1), "%d signatures for %d (key, claims, bucket) asked for by %d callers at once",
		signatures.Load(), buckets, callers)
}
