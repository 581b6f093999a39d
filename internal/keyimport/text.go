package keyimport

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tokensvc/tokensvc/tokens"
)

// blanks are what may stand around a value without being part of it.
const blanks = " \t\r\n\v\f"

// decodeText turns bytes into text without a byte order mark and without blanks around it. UTF-16 is
// read where a byte order mark announces it, as PowerShell writes it.
func decodeText(raw []byte) (string, error) {
	var text string
	switch {
	case bytes.HasPrefix(raw, []byte{0xff, 0xfe}):
		text = fromUTF16(raw[2:], binary.LittleEndian)
	case bytes.HasPrefix(raw, []byte{0xfe, 0xff}):
		text = fromUTF16(raw[2:], binary.BigEndian)
	default:
		text = string(bytes.TrimPrefix(raw, []byte{0xef, 0xbb, 0xbf}))
	}
	switch {
	case strings.IndexByte(text, 0) >= 0:
		return "", tokens.KeyError("the %d bytes hold NUL bytes and are not DER; want text in UTF-8, or UTF-16 with a byte order mark", len(raw))
	case !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError):
		return "", tokens.KeyError("the %d bytes are neither text nor DER", len(raw))
	}
	text = strings.Trim(text, blanks)
	if text == "" {
		return "", tokens.KeyError("the key material is empty: %d bytes, all blank", len(raw))
	}
	return text, nil
}

// fromUTF16 decodes b. An odd last byte and lone surrogates become U+FFFD, which decodeText refuses.
func fromUTF16(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, 0, len(b)/2+1)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	if len(b) == 1 {
		units = append(units, utf8.RuneError)
	}
	return string(utf16.Decode(units))
}

// unquote takes one pair of equal quotes away, and whether there was one.
func unquote(text string) (string, bool) {
	if len(text) < 2 || text[0] != text[len(text)-1] || strings.IndexByte("\"'`", text[0]) < 0 {
		return text, false
	}
	return strings.Trim(text[1:len(text)-1], blanks), true
}

// unescape undoes the escapes that JSON and shells put into a PEM file to fit it on one line: \n,
// \r and \t, also behind several backslashes, \/ and \u00XX.
func unescape(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b.WriteByte(text[i])
			continue
		}
		for i+1 < len(text) && text[i+1] == '\\' {
			i++
		}
		rest := text[i+1:]
		switch {
		case strings.HasPrefix(rest, "n"), strings.HasPrefix(rest, "r"), strings.HasPrefix(rest, "t"):
			b.WriteByte('\n')
			i++
		case strings.HasPrefix(rest, "/"):
		case len(rest) >= 5 && strings.HasPrefix(rest, "u00"):
			code, err := hex.DecodeString(rest[3:5])
			if err != nil || code[0] >= utf8.RuneSelf {
				b.WriteByte('\\')
				continue
			}
			b.WriteByte(code[0])
			i += 5
		default:
			b.WriteByte('\\')
		}
	}
	return b.String()
}

// withoutBlanks drops line ends and blanks wherever they stand.
func withoutBlanks(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(blanks, r) {
			return -1
		}
		return r
	}, text)
}

// decodeBase64 reads the standard or the URL alphabet, padded or not. Blanks must be gone.
func decodeBase64(text string) ([]byte, bool) {
	body := strings.TrimRight(text, "=")
	padding := len(text) - len(body)
	if body == "" || padding > 0 && (len(text)%4 != 0 || padding > 2) {
		return nil, false
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(body, "-_") {
		encoding = base64.RawURLEncoding
	}
	out, err := encoding.Strict().DecodeString(body)
	return out, err == nil
}

// decodeHex reads hex digits of either case, with or without 0x. Blanks must be gone.
func decodeHex(text string) ([]byte, bool) {
	digits, _ := cutHexPrefix(text)
	out, err := hex.DecodeString(digits)
	return out, err == nil && len(out) > 0
}

func cutHexPrefix(text string) (string, bool) {
	if len(text) > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') {
		return text[2:], true
	}
	return text, false
}
