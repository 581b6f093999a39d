package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bytes is a size in bytes. As text it is a whole number with an optional unit: 512, 64KiB, 4MiB, 1GiB.
type Bytes int64

// Units of Bytes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// String writes the size with the largest unit that loses nothing.
func (b Bytes) String() string {
	switch {
	case b == 0:
		return "0"
	case b%GiB == 0:
		return strconv.FormatInt(int64(b/GiB), 10) + "GiB"
	case b%MiB == 0:
		return strconv.FormatInt(int64(b/MiB), 10) + "MiB"
	case b%KiB == 0:
		return strconv.FormatInt(int64(b/KiB), 10) + "KiB"
	default:
		return strconv.FormatInt(int64(b), 10)
	}
}

// ParseBytes is the inverse of Bytes.String.
func ParseBytes(text string) (Bytes, error) {
	digits, unit := text, Bytes(1)
	for _, u := range []struct {
		suffix string
		size   Bytes
	}{{"KiB", KiB}, {"MiB", MiB}, {"GiB", GiB}} {
		if before, ok := strings.CutSuffix(text, u.suffix); ok {
			digits, unit = strings.TrimSpace(before), u.size
		}
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, errors.New("is not a size; write bytes or a unit of KiB, MiB or GiB, for example 4MiB")
	}
	return Bytes(n) * unit, nil
}

// formatDuration writes a duration without the zero parts that time.Duration puts behind: 1h, 1m30s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parse reads the text of a setting that holds one value. The error says what would be right.
func (f *field) parse(text string) (any, error) {
	switch f.kind {
	case kindText:
		if strings.ContainsFunc(text, f.forbids) {
			return nil, errors.New("holds control characters or invalid UTF-8")
		}
		return text, nil
	case kindBool:
		switch text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("%s is neither true nor false", quote(text))
	case kindInt:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%s is not a whole number", quote(text))
		}
		return n, nil
	case kindFloat:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not a number", quote(text))
		}
		return n, nil
	case kindDuration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("%s is not a duration; write a number with a unit, for example 30s, 15m or 6h", quote(text))
		}
		return d, nil
	case kindBytes:
		b, err := ParseBytes(text)
		if err != nil {
			return nil, fmt.Errorf("%s %w", quote(text), err)
		}
		return b, nil
	default:
		return nil, errors.New("cannot be set by one value")
	}
}

// forbids reports whether a text of the setting may not hold r.
func (f *field) forbids(r rune) bool {
	if f.multiline && (r == '\n' || r == '\t') {
		return false
	}
	return r < ' ' || r == 0x7f || r == '\uFFFD'
}

// quote shows a value in an error, cut short.
func quote(text string) string {
	const most = 64
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}
