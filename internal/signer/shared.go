package signer

import (
	"context"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/tokensvc/tokensvc/tokens"
)

// sharedKey names a token that does not depend on the viewer. The prepared key stands for itself, so
// that a token never outlives the secret that made it.
type sharedKey struct {
	key    tokens.Key
	claims string
	exp    int64
}

// sharedTokens keeps one token for each sharedKey, made by one signature however many callers ask at
// once. The cache is bounded; the least used tokens leave first.
type sharedTokens struct {
	pool  *Pool
	cache *otter.Cache[sharedKey, string]

	mu      sync.Mutex
	flights map[sharedKey]*flight
}

// flight is a signature under way.
type flight struct {
	done  chan struct{}
	token string
	err   error
}

func newSharedTokens(pool *Pool, size int) *sharedTokens {
	return &sharedTokens{
		pool:    pool,
		cache:   otter.Must(&otter.Options[sharedKey, string]{MaximumSize: size}),
		flights: make(map[sharedKey]*flight),
	}
}

// get returns the token of k, signing it if nobody has. The signature goes on when the caller that
// began it leaves, since others may wait for it.
func (s *sharedTokens) get(ctx context.Context, k sharedKey, sign func() (tokens.Credential, error)) (string, error) {
	if token, ok := s.cache.GetIfPresent(k); ok {
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
func (s *sharedTokens) join(ctx context.Context, k sharedKey, sign func() (tokens.Credential, error)) (*flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[k]; f != nil {
		return f, nil
	}
	f := &flight{done: make(chan struct{})}
	if token, ok := s.cache.GetIfPresent(k); ok {
		f.token = token
		close(f.done)
		return f, nil
	}
	land := func() {
		c, err := sign()
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
	return max(time.Until(deadline), 1)
}
