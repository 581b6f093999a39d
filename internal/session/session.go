// Package session keeps count of who is watching: it opens, extends and ends sessions within their limits,
// revokes them, and keeps what edges have to know in memory.
package session

import (
	"context"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
)

// Session is one viewer's watching of one playback: the lineage of a sign and its refreshes.
type Session struct {
	// ID is 128 random bits in lower-case hex; NewID makes it.
	ID         string
	Viewer     string
	PlaybackID string
	// GrantID is the grant it was opened under; empty where the policy asks for none.
	GrantID  string
	Device   string
	OpenedAt time.Time
	// SeenAt is when it was last refreshed or beat.
	SeenAt time.Time
	// ExpiresAt is when it ends unless it is refreshed or beats before: never later than TokenExpiresAt.
	ExpiresAt time.Time
	// TokenExpiresAt is the last expiry of its tokens.
	TokenExpiresAt time.Time
	// HeartbeatTimeout is the playback's when it was last signed; 0 means that it lives as long as its
	// token.
	HeartbeatTimeout time.Duration
	// EndedAt is zero while it has not been ended; one past ExpiresAt has ended all the same.
	EndedAt time.Time
	End     End
	// Revision grows with every committed change of any session.
	Revision int64
}

// Alive reports whether the session lives at now.
func (s *Session) Alive(now time.Time) bool { return s.EndedAt.IsZero() && now.Before(s.ExpiresAt) }

// End says why a session ended.
type End string

// Ends of sessions.
const (
	Stopped End = "stopped"
	Expired End = "expired"
	Evicted End = "evicted"
	Ended   End = "revoked"
)

// Bounds are the limits under which a session opens. Zeros do not limit.
type Bounds struct {
	// Rule says what happens at PerPlayback and PerGrant.
	Rule playback.SessionRule
	// PerPlayback is how many sessions of the viewer and the playback may live at once.
	PerPlayback int
	// PerGrant is how many sessions of the grant may live at once.
	PerGrant int
	// Plays is how many sessions the grant may open in all.
	Plays int
	// Devices is how many devices may ever open a session under the grant.
	Devices int
}

// Extension keeps a session alive.
type Extension struct {
	// TokenExpiresAt is the expiry of the token that a refresh has signed; zero for a heartbeat.
	TokenExpiresAt time.Time
	// GrantID is the grant that lets the viewer in now, and Bounds are the limits to move to it under; for
	// refreshes only.
	GrantID string
	Bounds  Bounds
	// HeartbeatTimeout is the playback's now; for refreshes only.
	HeartbeatTimeout time.Duration
}

// Kind is what a revocation is about.
type Kind string

// Kinds of revocations.
const (
	OfViewer   Kind = "viewer"
	OfSession  Kind = "session"
	OfPlayback Kind = "playback"
	OfGrant    Kind = "grant"
	OfOrder    Kind = "order"
)

// Revocation ends what a subject plays, and holds a viewer or playback off for a time.
type Revocation struct {
	// ID is a UUIDv7.
	ID      string
	Kind    Kind
	Subject string
	Reason  string
	At      time.Time
	// EffectiveAt is when the last token that was out at At has died.
	EffectiveAt time.Time
	// Holds means that signing refuses the subject until HoldUntil, or until it is lifted where that is
	// zero.
	Holds     bool
	HoldUntil time.Time
	LiftedAt  time.Time
	// SessionsEnded and GrantsRevoked count what it changed.
	SessionsEnded int
	GrantsRevoked int
	Revision      int64
}

// Holding reports whether signing refuses the subject at now.
func (r *Revocation) Holding(now time.Time) bool {
	return r.Holds && r.LiftedAt.IsZero() && (r.HoldUntil.IsZero() || now.Before(r.HoldUntil))
}

// Filter selects sessions; empty fields select all.
type Filter struct {
	Viewer     string
	PlaybackID string
	GrantID    string
	// Ended selects those that have ended too.
	Ended bool
}

// Store keeps sessions and revocations. It is safe for concurrent use, also by several processes, and
// limits hold exactly: no interleaving opens one session too many. The sentinels are those of package
// keystore and ErrLimit, ErrEnded, ErrRevoked. Sessiontest.Run is its suite.
type Store interface {
	Feed
	// Open adds a session within its bounds and counts a play of its grant where they limit plays, all or
	// nothing. It returns the session as it is kept, and those of the viewer that the rule of the bounds has
	// ended. ErrLimit; ErrRevoked when a revocation of the viewer, playback or grant holds.
	Open(ctx context.Context, s Session, b Bounds, now time.Time) (opened Session, ended []Session, err error)
	// Extend moves ExpiresAt, SeenAt and TokenExpiresAt of a live session forward; never back. A move to
	// another grant counts as opening under it. ErrNotFound; ErrEnded; ErrRevoked; ErrLimit of the other
	// grant.
	Extend(ctx context.Context, id string, e Extension, now time.Time) (Session, error)
	// Stop ends a session. ErrNotFound. One that has ended stays as it is.
	Stop(ctx context.Context, id string, why End, now time.Time) (Session, error)
	// Sessions returns those that the filter selects, in ascending order of id.
	Sessions(ctx context.Context, f Filter, now time.Time, p keystore.Page) ([]Session, error)
	// Devices returns how many devices have opened a session under the grant while its devices were limited, and
	// whether the given one is among them. None have under a grant that does not exist.
	Devices(ctx context.Context, grantID, device string) (count int, known bool, err error)

	// Revoke ends the sessions of the subject, revokes grants where it is one or an order, and keeps the
	// revocation with its counts, in one transaction. EffectiveAt is the later of the given and the last
	// token expiry of the sessions. ErrNotFound: no such session, grant or order.
	Revoke(ctx context.Context, r Revocation, now time.Time) (Revocation, error)
	// Lift ends the hold of a revocation. ErrNotFound; ErrIllegal where it holds nothing.
	Lift(ctx context.Context, id string, now time.Time) (Revocation, error)
	// Revocations returns revocations, newest first: in descending order of id.
	Revocations(ctx context.Context, p keystore.Page) ([]Revocation, error)

	// Sweep removes sessions that ended, and whose tokens expired, before the given time, at most limit,
	// and returns how many.
	Sweep(ctx context.Context, before time.Time, limit int) (int, error)
}

// Feed is the part of a Store that a Keeper follows.
type Feed interface {
	// Session returns one session. ErrNotFound.
	Session(ctx context.Context, id string) (Session, error)
	// Holding returns the revocations that hold something at now, and the last revision that it has seen.
	Holding(ctx context.Context, now time.Time) (holds []Revocation, revision int64, err error)
	// Changed returns sessions and revocations with a revision over since, in ascending order of it, at
	// most limit of both together, and the last revision it has seen. What edges need in memory follows it.
	Changed(ctx context.Context, since int64, limit int) (Changes, error)
	// WatchSessions sends a hint after changes of sessions or revocations, by this process or another,
	// within a second; several changes may share one. It is a hint: readers poll too. The channel closes
	// when ctx ends.
	WatchSessions(ctx context.Context) <-chan struct{}
}

// Changes are what changed after a revision.
type Changes struct {
	Sessions    []Session
	Revocations []Revocation
	// Revision is the highest that the answer covers.
	Revision int64
	// More means that the limit cut the answer short.
	More bool
}
