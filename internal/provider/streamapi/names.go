package streamapi

import "strings"

const (
	digits   = "0123456789"
	upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lower    = "abcdefghijklmnopqrstuvwxyz"
	alphanum = digits + upper + lower
)

// isPublicID reports whether s can be a public host id: the vendor's are decimal.
func isPublicID(s string) bool { return consists(s, digits, 20) }

// isPrivateID reports whether s is made like a private host id, an API key or a secret key.
func isPrivateID(s string) bool { return len(s) == keyLength && consists(s, digits+upper, keyLength) }

// isWord reports whether s can be a user name or an FME key.
func isWord(s string) bool { return consists(s, alphanum, maxViewer) }

func isViewer(s string) bool { return consists(s, alphanum+"-_", maxViewer) }

// consists reports whether s is 1 to most bytes out of those allowed.
func consists(s, allowed string, most int) bool {
	return s != "" && len(s) <= most && strings.Trim(s, allowed) == ""
}
