package entitle

import "errors"

// Sentinels of Store.
var (
	// ErrMismatch marks an idempotency key that names another grant.
	ErrMismatch = errors.New("idempotency key used for another grant")
	// ErrEnded marks a grant whose end is not after its making.
	ErrEnded = errors.New("ends before it is made")
)
