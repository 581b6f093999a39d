package session

import (
	"encoding/hex"
	"fmt"
	"io"
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
