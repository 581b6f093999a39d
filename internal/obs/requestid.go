package obs

import (
	"context"
	"crypto/rand"
)

// maxRequestID is the longest request id that is taken over from a caller, in bytes.
const maxRequestID = 64

type requestIDKey struct{}

// WithRequestID puts a request id into ctx: the one asked for, when it is 1 to 64 letters, digits, ".",
// "_" and "-", else a new one of 128 random bits.
func WithRequestID(ctx context.Context, asked string) (context.Context, string) {
	id := asked
	if !validRequestID(id) {
		id = rand.Text()
	}
	return context.WithValue(ctx, requestIDKey{}, id), id
}

// RequestID returns the request id in ctx, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

func validRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
