package session

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// Counted is a Store that counts what this process opens and ends in another. It is safe for concurrent use.
type Counted struct {
	Store

	opened                        atomic.Uint64
	limit, revoked, ended, failed atomic.Uint64 // refused
	stopped, evicted, byRevoking  atomic.Uint64 // ended
}

// Counts is what a Counted has counted since it was made.
type Counts struct {
	Opened uint64
	// Limit, Revoked, Gone and Failed are sessions that were not opened or extended: for a limit, for a revocation,
	// since the session had ended, and because the store could not.
	Limit, Revoked, Gone, Failed uint64
	// Ended counts sessions that were ended. Nobody ends those that expire.
	Ended map[End]uint64
}

// Counts returns what has been counted so far.
func (c *Counted) Counts() Counts {
	return Counts{
		Opened: c.opened.Load(), Limit: c.limit.Load(), Revoked: c.revoked.Load(), Gone: c.ended.Load(), Failed: c.failed.Load(),
		Ended: map[End]uint64{Stopped: c.stopped.Load(), Evicted: c.evicted.Load(), Ended: c.byRevoking.Load()},
	}
}

// Open implements Store.
func (c *Counted) Open(ctx context.Context, s Session, b Bounds, now time.Time) (opened Session, ended []Session, err error) {
	opened, ended, err = c.Store.Open(ctx, s, b, now)
	if err != nil {
		c.refuse(err)
		return opened, ended, err
	}
	c.opened.Add(1)
	c.evicted.Add(uint64(len(ended)))
	return opened, ended, nil
}

// Extend implements Store.
func (c *Counted) Extend(ctx context.Context, id string, e Extension, now time.Time) (Session, error) {
	s, err := c.Store.Extend(ctx, id, e, now)
	if err != nil {
		c.refuse(err)
	}
	return s, err
}

func (c *Counted) refuse(err error) {
	switch {
	case errors.Is(err, ErrLimit):
		c.limit.Add(1)
	case errors.Is(err, ErrRevoked):
		c.revoked.Add(1)
	case errors.Is(err, ErrEnded), errors.Is(err, keystore.ErrNotFound):
		c.ended.Add(1)
	default:
		c.failed.Add(1)
	}
}

// Stop implements Store.
func (c *Counted) Stop(ctx context.Context, id string, why End, now time.Time) (Session, error) {
	s, err := c.Store.Stop(ctx, id, why, now)
	if err == nil && s.End == Stopped && !s.EndedAt.Before(now.Truncate(time.Millisecond)) { // stores cut times
		c.stopped.Add(1)
	}
	return s, err
}

// Revoke implements Store.
func (c *Counted) Revoke(ctx context.Context, r Revocation, now time.Time) (Revocation, error) {
	done, err := c.Store.Revoke(ctx, r, now)
	if err == nil {
		c.byRevoking.Add(uint64(max(done.SessionsEnded, 0)))
	}
	return done, err
}
