package session

import (
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
)

// idBytes is the length of a session id before hex: 128 bits, which nobody guesses.
const idBytes = 16

// NewID returns a new session id from random, which is crypto/rand.Reader outside of tests.
func NewID(random io.Reader) (string, error) {
	var b [idBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a session id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// validID reports whether id has the form of a session id.
func validID(id string) bool {
	if len(id) != 2*idBytes {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// NewRevocationID returns a UUIDv7 whose time is now, so that ids sort by the clock that revocations go by.
func NewRevocationID(random io.Reader, now time.Time) (string, error) {
	id, err := uuid.NewRandomFromReader(random)
	if err != nil {
		return "", fmt.Errorf("make a revocation id: %w", err)
	}
	ms := now.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i))) //nolint:gosec // one byte after the other
	}
	id[6] = id[6]&0x0f | 0x70
	return id.String(), nil
}
