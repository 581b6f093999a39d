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
