package keystore

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// Bounds of a target's texts, in bytes.
const (
	MaxTargetID    = 63
	MaxDescription = 256
)

// CheckTarget holds the rules that a target keeps for life. Every Store applies them, in Create and by
// way of CheckUpdate. It wraps ErrIllegal.
func CheckTarget(t Target) error {
	if !validTargetID(t.ID) {
		return fmt.Errorf("%w: %q is no target id; use 1 to %d of a-z, 0-9 and \"-\", beginning with a letter and not ending with \"-\"", ErrIllegal, clip(t.ID), MaxTargetID)
	}
	if !slices.Contains(Providers(), t.Provider) {
		return fmt.Errorf("%w: unknown provider %q; use one of %v", ErrIllegal, clip(t.Provider), Providers())
	}
	if t.Scheme == "" {
		return fmt.Errorf("%w: target %s names no scheme", ErrIllegal, t.ID)
	}
	if len(t.Description) > MaxDescription || !utf8.ValidString(t.Description) {
		return fmt.Errorf("%w: the description of target %s must be UTF-8 of at most %d bytes", ErrIllegal, t.ID, MaxDescription)
	}
	if t.MaxTokenLifetime < 0 {
		return fmt.Errorf("%w: the longest token lifetime of target %s is negative", ErrIllegal, t.ID)
	}
	return nil
}

func validTargetID(id string) bool {
	if id == "" || len(id) > MaxTargetID || id[0] < 'a' || id[0] > 'z' || id[len(id)-1] == '-' {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// clip bounds a refused text for an error message.
func clip(s string) string {
	if len(s) > MaxTargetID {
		return s[:MaxTargetID] + "..."
	}
	return s
}
