package entitle

import "errors"

// ErrMismatch marks an idempotency key that names another grant.
var ErrMismatch = errors.New("idempotency key used for another grant")
