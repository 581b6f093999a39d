package session

import (
	"context"
	"io"
	"time"
)

// Command is what to revoke, and how far.
type Command struct {
	Kind    Kind
	Subject string
	// Reason is for people.
	Reason string
	// Holds keeps a viewer or playback off for Hold, or until it is lifted where Hold is 0.
	Holds bool
	Hold  time.Duration
	// Unseen is the longest that a token of the subject may live of which no session knows; 0 means that
	// every token has a session.
	Unseen time.Duration
}

// Revoker revokes for every door by which a revocation comes.
type Revoker struct {
	Store  Store
	Keeper *Keeper
	// Random makes ids.
	Random io.Reader
	Now    func() time.Time
}

// noticeTime bounds how long a revocation waits for this process's own memory to hear of it.
const noticeTime = 2 * time.Second

// Revoke revokes and lets this process's memory know at once; others hear of it by the store. Errors are
// those of Store.Revoke.
func (r *Revoker) Revoke(ctx context.Context, c Command) (Revocation, error) {
	now := r.Now()
	id, err := NewRevocationID(r.Random, now)
	if err != nil {
		return Revocation{}, err
	}
	revocation := Revocation{ID: id, Kind: c.Kind, Subject: c.Subject, Reason: c.Reason, At: now, EffectiveAt: now.Add(c.Unseen), Holds: c.Holds}
	if c.Holds && c.Hold > 0 {
		revocation.HoldUntil = now.Add(c.Hold)
	}
	done, err := r.Store.Revoke(ctx, revocation, now)
	if err != nil {
		return Revocation{}, err
	}
	r.notice(ctx)
	return done, nil
}

// Lift ends the hold of a revocation. Errors are those of Store.Lift.
func (r *Revoker) Lift(ctx context.Context, id string) (Revocation, error) {
	lifted, err := r.Store.Lift(ctx, id, r.Now())
	if err != nil {
		return Revocation{}, err
	}
	r.notice(ctx)
	return lifted, nil
}

// notice refreshes memory. What has been revoked is revoked all the same when that fails.
func (r *Revoker) notice(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noticeTime)
	defer cancel()
	if err := r.Keeper.Refresh(ctx); err != nil {
		r.Keeper.log.WarnContext(ctx, "sessions not refreshed after a revocation", "error", err)
	}
}
