// Package refusal words what the formats refuse alike.
package refusal

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Malformed refuses a text that is not a token of its format.
func Malformed(format string, args ...any) *tokens.Error {
	return tokens.Refuse(tokens.Malformed, format, args...)
}

// Time writes Unix seconds for a person.
func Time(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) }
