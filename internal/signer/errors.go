package signer

import (
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Error is a refusal of the service itself; the fault does not lie in the parameters. Errors in
// parameters are *tokens.Error.
type Error struct {
	Reason  tokens.Reason
	Message string
	// RetryAfter is when to try again; 0 when waiting does not help.
	RetryAfter time.Duration
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

func refuse(reason tokens.Reason, retryAfter time.Duration, format string, args ...any) *Error {
	return &Error{Reason: reason, RetryAfter: retryAfter, Message: fmt.Sprintf(format, args...)}
}
