package keyimport

import (
	"fmt"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// Reading is one way in which ambiguous material could be meant.
type Reading struct {
	// Encoding picks the reading, or is Auto where no encoding does.
	Encoding Encoding
	// Says describes the reading, without anything of the material.
	Says string
	// Pick is what the caller has to do to get it.
	Pick string
}

// AmbiguousError refuses material that could be meant in more ways than one, or only after an
// encoding is peeled off that nobody named. It wraps a *tokens.Error with reason AMBIGUOUS_KEY, which
// wraps tokens.ErrInvalidKey.
type AmbiguousError struct {
	// Readings are the possible ones, the literal one first.
	Readings []Reading
	cause    *tokens.Error
}

// Error implements error. It lists the readings.
func (e *AmbiguousError) Error() string { return e.cause.Error() }

// Unwrap returns the *tokens.Error.
func (e *AmbiguousError) Unwrap() error { return e.cause }

// ambiguous builds the error; why is the first half of its sentence.
func ambiguous(why string, readings []Reading) *AmbiguousError {
	var b strings.Builder
	b.WriteString(why)
	for i, r := range readings {
		fmt.Fprintf(&b, "; (%d) %s: %s", i+1, r.Says, r.Pick)
	}
	cause := tokens.KeyError("%s", b.String())
	cause.Reason = tokens.AmbiguousKey
	return &AmbiguousError{Readings: readings, cause: cause}
}

func flag(e Encoding) string { return "--encoding " + e.String() }
