package signer

import (
	"context"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/tokensvc/tokensvc/tokens"
)

// SharedKey names a token that does not depend on the viewer. The prepared key stands for itself, so
// that a token never outlives the secret that made it.
type SharedKey struct {
	Key tokens.Key
	// Claims are those of playback.Entry.
	Claims string
	// Exp is the expiry inside the token, in Unix seconds.
	Exp int64
}

// SharedTokens keeps one token for each SharedKey, made by one signature however many callers ask at
// once. The cache is bounded; the least used tokens leave first.
type SharedTokens struct {
	pool  *Pool
	cache *otter.Cache[SharedKey, string]
	uses  uses

	mu      sync.Mutex
	flights map[SharedKey]*flight
}

// flight is a signature under way.
type flight struct {
	done  chan struct{}
	token string
	err   error
}

// NewSharedTokens returns an empty cache of at most size tokens, which are signed in pool.
func NewSharedTokens(pool *Pool, size int) *SharedTokens {
	return &SharedTokens{
		pool:    pool,
		cache:   otter.Must(&otter.Options[SharedKey, string]{MaximumSize: size}),
		flights: make(map[SharedKey]*flight),
	}
}

// Lookup returns the token of k if there is one.
func (s *SharedTokens) Lookup(k SharedKey) (string, bool) { return s.cache.GetIfPresent(k) }

// Get returns the token of k, signing it if nobody has. The signature goes on when the caller that
// began it leaves, since others may wait for it.
func (s *SharedTokens) Get(ctx context.Context, k SharedKey, sign func() (tokens.Credential, error)) (string, error) {
	if token, ok := s.Lookup(k); ok {
		return token, nil
	}
	f, err := s.join(ctx, k, sign)
	if err != nil {
		return "", err
	}
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// join returns the flight for k, beginning one if there is none.
func (s *SharedTokens) join(ctx context.Context, k SharedKey, sign func() (tokens.Credential, error)) (*flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[k]; f != nil {
		return f, nil
	}
	f := &flight{done: make(chan struct{})}
	if token, ok := s.Lookup(k); ok {
		f.token = token
		close(f.done)
		return f, nil
	}
	land := func() {
		var c tokens.Credential
		var err error
		if broke := contain(func() { c, err = sign() }); broke != nil {
			err = broke
		}
		f.token, f.err = c.Token, err
		if err == nil {
			s.cache.Set(k, c.Token)
		}
		s.mu.Lock()
		delete(s.flights, k)
		s.mu.Unlock()
		close(f.done)
	}
	if err := s.pool.submit(&job{ctx: context.WithoutCancel(ctx), run: land, finished: make(chan struct{})}, remaining(ctx)); err != nil {
		return nil, err
	}
	s.flights[k] = f
	return f, nil
}

// remaining returns the time until the deadline of ctx, or 0 when it has none.
func remaining(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(deadline), 1) //nolint:forbidigo // deadlines of contexts are of the machine's clock
}
