package akamai

import "strings"

// Matches reports whether a value of the acl field covers a request: one of its entries, split at the
// delimiter, equals the path, or ends in "*" and is a prefix of it. An entry with "?" or with another
// "*" never matches, as verifiers read those in different ways. Letters' case counts.
//
// path is the path of the request as it stands in the URL. Prefixes are compared with what it
// resolves to (Normalize), and with the text itself where resolving does no more than decode it, so
// that no dot segment leads out of a directory.
func Matches(acl, delimiter, path string) bool {
	bare, _, _ := strings.Cut(path, "?")
	decoded, decodes := decode(bare)
	normal, resolves := resolve(decoded)
	for entry := range strings.SplitSeq(acl, delimiter) {
		prefix, wildcard := strings.CutSuffix(entry, "*")
		switch {
		case entry == "" || strings.ContainsAny(prefix, "*?"):
			continue
		case !wildcard && entry == bare:
			return true
		case !decodes || !resolves:
			continue
		case !wildcard && entry == normal:
			return true
		case wildcard && strings.HasPrefix(normal, prefix):
			return true
		case wildcard && normal == decoded && strings.HasPrefix(bare, prefix):
			return true
		}
	}
	return false
}

// Normalize returns the path that a request resolves to, as nginx does before it checks a token:
// the query cut off, percent-encoding decoded once, "//" merged, "." and ".." resolved. It reports
// false for what resolves to no path: not absolute, leading out of the root, a bad escape, a NUL.
func Normalize(path string) (string, bool) {
	bare, _, _ := strings.Cut(path, "?")
	decoded, ok := decode(bare)
	if !ok {
		return "", false
	}
	return resolve(decoded)
}

// decode undoes percent-encoding once. It reports false for a bad escape and for a NUL.
func decode(path string) (string, bool) {
	decoded := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			var ok bool
			if c, ok = escapedByte(path[i:]); !ok {
				return "", false
			}
			i += len("%7e") - 1
		}
		if c == 0 {
			return "", false
		}
		decoded = append(decoded, c)
	}
	return string(decoded), true
}

// resolve merges slashes and removes dot segments. A final slash stays. It reports false for what is
// not absolute or leads out of the root.
func resolve(path string) (string, bool) {
	if !strings.HasPrefix(path, "/") {
		return "", false
	}
	out := make([]string, 0, 16)
	directory := false
	for segment := range strings.SplitSeq(path[1:], "/") {
		directory = true
		switch segment {
		case "", ".":
		case "..":
			if len(out) == 0 {
				return "", false
			}
			out = out[:len(out)-1]
		default:
			out = append(out, segment)
			directory = false
		}
	}
	normal := "/" + strings.Join(out, "/")
	if directory && len(out) > 0 {
		normal += "/"
	}
	return normal, true
}

// readings returns the texts that a signer may have hashed for a request of path.
func readings(path string) []string {
	out := make([]string, 0, 3)
	if path == "" {
		return out
	}
	out = append(out, path)
	if bare, _, found := strings.Cut(path, "?"); found {
		out = append(out, bare)
	}
	if normal, ok := Normalize(path); ok && normal != out[len(out)-1] {
		out = append(out, normal)
	}
	return out
}
