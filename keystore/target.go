package keystore

import (
	"fmt"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tokensvc/tokensvc/tokens"
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
		return fmt.Errorf("%w: %q is no target id; use 1 to %d of a-z, 0-9 and \"-\", beginning with a letter and not ending with \"-\"", ErrIllegal, tokens.Clip(t.ID), MaxTargetID)
	}
	if !slices.Contains(Providers(), t.Provider) {
		return fmt.Errorf("%w: unknown provider %q; use one of %v", ErrIllegal, tokens.Clip(t.Provider), Providers())
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
	if err := checkResources(t); err != nil {
		return err
	}
	return checkPolicy(t)
}

// Equal reports whether two targets say the same, apart from what a store stamps: times, and
// LongLivedUntil.
func (t Target) Equal(other Target) bool {
	same := slices.Equal(t.Resources, other.Resources)
	t.Resources, other.Resources = nil, nil
	t.CreatedAt, t.UpdatedAt, t.LongLivedUntil = time.Time{}, time.Time{}, time.Time{}
	other.CreatedAt, other.UpdatedAt, other.LongLivedUntil = time.Time{}, time.Time{}, time.Time{}
	return same && reflect.DeepEqual(t, other)
}

// LongestLife returns the longest that a token signed now, or earlier, has still to live: that of new
// tokens, or of older ones that were allowed to live longer.
func (t Target) LongestLife(now time.Time) time.Duration {
	return max(t.MaxTokenLifetime, t.LongLivedUntil.Sub(now))
}

// Succeed returns after as it follows before at now, with what a store stamps: the times, and
// LongLivedUntil, since a lower MaxTokenLifetime counts only when the tokens of the higher one have died.
func Succeed(before, after Target, now time.Time) Target {
	after.CreatedAt, after.UpdatedAt = before.CreatedAt, now
	after.LongLivedUntil = later(before.LongLivedUntil, after.LongLivedUntil)
	if after.MaxTokenLifetime < before.MaxTokenLifetime {
		after.LongLivedUntil = later(after.LongLivedUntil, now.Add(before.MaxTokenLifetime))
	}
	return after
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
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
