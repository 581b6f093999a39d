package session

import "errors"

// Sentinels of Store.
var (
	// ErrLimit marks one session, play or device too many. Its text names the limit.
	ErrLimit = errors.New("session limit")
	// ErrEnded marks a session that was stopped, evicted or revoked, or has expired.
	ErrEnded = errors.New("session ended")
	// ErrRevoked marks a viewer, playback or grant that a revocation holds.
	ErrRevoked = errors.New("revoked")
)

// Sentinels of Keeper. With either nobody knows whether a session lives: refuse.
var (
	// ErrStale marks a memory that has not been compared with the store for too long.
	ErrStale = errors.New("sessions in memory are too old")
	// ErrBusy marks an unknown session too many to ask the store for.
	ErrBusy = errors.New("too many unknown sessions at once")
)
