package akamai

import "strings"

// appendEscaped percent-encodes as "escape early" does: UTF-8 bytes in lower-case hex, a blank as "+",
// letters, digits and - . _ as they are. For the six characters that Akamai's libraries escape
// differently it takes what most of them do, and for "~" the one reading that cannot forge a field.
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	const digits = "0123456789abcdef"
	for i := range len(text) {
		switch c := text[i]; {
		case isAlphanumeric(c), c == '-', c == '.', c == '_':
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// unescape undoes appendEscaped. What is not an escape stays as it is.
func unescape(text string) string {
	if !strings.ContainsAny(text, "%+") {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if c, ok := escapedByte(text[i:]); ok {
			out = append(out, c)
			i += len("%7e") - 1
			continue
		}
		if text[i] == '+' {
			out = append(out, ' ')
			continue
		}
		out = append(out, text[i])
	}
	return string(out)
}

// escapedByte returns the byte that text begins with in percent-encoding.
func escapedByte(text string) (byte, bool) {
	if len(text) < len("%7e") || text[0] != '%' {
		return 0, false
	}
	high, okHigh := hexValue(text[1])
	low, okLow := hexValue(text[2])
	return high<<4 | low, okHigh && okLow
}

// hexValue returns the value of a hex digit.
func hexValue(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	default:
		return 0, false
	}
}
