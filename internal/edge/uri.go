package edge

import (
	"encoding/hex"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// maxURI bounds what a proxy may pass on, in bytes; nginx's own bound is 8 KiB.
const maxURI = 8 << 10

// uri is a request target as the viewer sent it, parted but not decoded.
type uri struct {
	raw   string
	path  string
	query string
}

// parseURI reads a request target. It refuses every spelling that a proxy, an origin and this service could
// read in different ways: the answer would be for one file and the bytes of another.
func parseURI(raw string) (uri, error) {
	if raw == "" || raw[0] != '/' {
		return uri{}, malformed("the request target must begin with a slash")
	}
	if len(raw) > maxURI {
		return uri{}, malformed("the request target is over 8 KiB")
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || c == '#' || c == '\\' {
			return uri{}, malformed("the request target holds a blank, a control or non-ASCII character, # or \\")
		}
	}
	path, query, _ := strings.Cut(raw, "?")
	if err := checkPath(path); err != nil {
		return uri{}, err
	}
	return uri{raw: raw, path: path, query: query}, nil
}

// checkPath refuses empty and dotted parts, and the escapes that could make some.
func checkPath(path string) error {
	switch {
	case strings.Contains(path, "//"):
		return malformed("the path holds an empty part")
	case strings.ContainsRune(path, ';'):
		return malformed("the path holds a semicolon, which some origins cut off")
	}
	plain, err := unescape(path)
	if err != nil {
		return err
	}
	for segment := range strings.SplitSeq(plain, "/") {
		if segment == "." || segment == ".." {
			return malformed("the path holds a dot segment")
		}
	}
	return nil
}

// unescape decodes the escapes of a path that can mean but one thing.
func unescape(path string) (string, error) {
	if !strings.ContainsRune(path, '%') {
		return path, nil
	}
	var out strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			out.WriteByte(path[i])
			continue
		}
		if i+2 >= len(path) {
			return "", malformed("the path ends within an escape")
		}
		pair, err := hex.DecodeString(path[i+1 : i+3])
		if err != nil {
			return "", malformed("the path holds a percent sign that begins no escape")
		}
		switch c := pair[0]; {
		case c < ' ', c == 0x7f, c == '/', c == '\\', c == '%', c == ';':
			return "", malformed("the path holds an escaped slash, backslash, percent sign, semicolon or control character")
		default:
			out.WriteByte(c)
		}
		i += 2
	}
	return out.String(), nil
}

func malformed(message string) error { return tokens.Refuse(tokens.Malformed, "%s", message) }
