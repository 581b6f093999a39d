package tokens

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a Secret shows of itself, whatever it is asked.
const redacted = "[REDACTED]"

// Secret holds key material that must never be printed. It prints as [REDACTED] under every verb of
// package fmt, in JSON, as text and in slog. The bytes live in a closure, out of reach of
// reflection-driven printers, also when the Secret is an unexported field of another struct.
//
// The zero Secret is empty.
type Secret struct{ get func() []byte }

// NewSecret copies b into a Secret. The caller may wipe b afterwards.
func NewSecret(b []byte) Secret {
	own := bytes.Clone(b)
	return Secret{get: func() []byte { return own }}
}

// Reveal returns a copy of the bytes. Every use of raw key material goes through this method, so
// that a search for its name lists them all.
func (s Secret) Reveal() []byte {
	if s.get == nil {
		return nil
	}
	return bytes.Clone(s.get())
}

// Len returns the number of bytes held.
func (s Secret) Len() int {
	if s.get == nil {
		return 0
	}
	return len(s.get())
}

// Equal reports in constant time whether both hold the same bytes.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare(s.Reveal(), o.Reveal()) == 1
}

// Format implements fmt.Formatter.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
