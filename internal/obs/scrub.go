package obs

import (
	"regexp"
	"strings"
)

// redacted stands where something was taken out. It is what tokens.Secret prints of itself.
const redacted = "[REDACTED]"

// Expressions for what Scrub takes out. "=" and "&" may be percent-encoded any number of times, or
// escaped as JSON does it. Group 1 of an expression stays.
const (
	equals   = `(?:=|%(?:25)*3d|\\u003d)`
	boundary = `(?:^|[^a-z0-9_-]|%(?:25)*(?:26|3f)|\\u0026)`
)

var (
	// privateKey is a PEM block, to its end or that of the text.
	privateKey = regexp.MustCompile(`(?s)()-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`)
	// privateDER is base64 of a DER structure of more than a hundred bytes, on one line.
	privateDER = regexp.MustCompile(`()\bMI[A-Za-z0-9+/_-]{150,}=*`)
	// privateJWK is a private member of a JSON Web Key (RFC 7518, section 6).
	privateJWK = regexp.MustCompile(`("(?:d|p|q|dp|dq|qi|k)\\?"\s*:\s*\\?")[A-Za-z0-9_-]{20,}=*`)
	// jwt is a JSON Web Token: base64url of an object that begins with `{"`, and what follows; or of one
	// with white space in front of its first name, which needs both dots to count.
	jwt = regexp.MustCompile(`()(?:eyJ[A-Za-z0-9_-]{9,}(?:\.[A-Za-z0-9_-]+)+|(?:eyA|ewo|ew0)[A-Za-z0-9_-]{9,}(?:\.[A-Za-z0-9_-]+){2,})`)
	// mac is the last field of hdnts and EdgeAuth tokens.
	mac = regexp.MustCompile(`(?i)(hmac` + equals + `)[0-9a-z]+`)
	// parameter is a query parameter that carries a token.
	parameter = regexp.MustCompile(`(?i)(` + boundary + `(?:__token__|__hdnea__|hdnts|hdnea|hdntl|auth|sign|token)` + equals + `)[^&#\s"'<>\\` + "`" + `]+`)
	// masterKey is ID:BASE64 of 32 bytes, as a file of master keys has it.
	masterKey = regexp.MustCompile(`(:)[A-Za-z0-9+/_-]{43}=`)
	// named is a long value behind a name that says secret.
	named = regexp.MustCompile(`(?i)((?:^|[^a-z0-9])(?:secret|key|password|passwd|passphrase|material)\\?["']?\s*(?:[:=]|%3d)\s*\\?["']?)([a-z0-9+/_-]{16,}=*)`)
)

// Scrub returns s without what looks like a token or a key: JSON Web Tokens, the values of query
// parameters that carry tokens (hdnts, hdnea, auth, sign, token and their like), hmac=… wherever it
// stands, private keys as PEM, DER or JWK, master keys, and long hex or base64 behind names like secret
// or key. In its place stands [REDACTED]. Ordinary text comes back as it is, and so does text that was
// scrubbed before.
//
// It is the last line of defense, not a license to log tokens.
func Scrub(s string) string {
	if len(s) <= 150 && !strings.ContainsAny(s, `=:%\.-`) {
		return s // most values: no token or key, short of DER, is without one of these
	}
	if strings.Contains(s, "-----BEGIN") {
		s = take(privateKey, s)
	}
	if len(s) > 150 && strings.Contains(s, "MI") {
		s = take(privateDER, s)
	}
	if strings.Contains(s, "eyJ") || strings.Contains(s, "eyA") || strings.Contains(s, "ewo") || strings.Contains(s, "ew0") {
		s = take(jwt, s)
	}
	if strings.IndexByte(s, ':') >= 0 {
		if strings.IndexByte(s, '"') >= 0 {
			s = take(privateJWK, s)
		}
		if strings.IndexByte(s, '=') >= 0 {
			s = take(masterKey, s)
		}
	}
	if assignsTelling(s) {
		s = take(mac, s)
		s = take(parameter, s)
		s = scrubNamed(s)
	}
	return s
}

// take replaces all of a match but its group 1.
func take(re *regexp.Regexp, s string) string {
	if !re.MatchString(s) {
		return s
	}
	return re.ReplaceAllString(s, "${1}"+redacted)
}

// assignsTelling reports whether one of the names of mac, parameter and named stands before an equals
// sign or colon. It is quick, since most text has none, and never false where one of these matches.
func assignsTelling(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '=', ':', '%':
		case '\\':
			if i+1 == len(s) || s[i+1] != 'u' && s[i+1] != 'U' {
				continue
			}
		default:
			continue
		}
		before := strings.TrimRight(s[:i], "\\\"' \t\n\f\r")
		for _, name := range [...]string{
			"hmac", "__token__", "__hdnea__", "hdnts", "hdnea", "hdntl", "auth", "sign", "token",
			"secret", "key", "password", "passwd", "passphrase", "material",
		} {
			if start := len(before) - len(name); start >= 0 && strings.EqualFold(before[start:], name) {
				return true
			}
		}
	}
	return false
}

// scrubNamed takes out long values behind telling names, and leaves names of keys such as
// "key=big-stage/12".
func scrubNamed(s string) string {
	var out strings.Builder
	done := 0
	for _, m := range named.FindAllStringSubmatchIndex(s, -1) {
		if looksSecret(s[m[4]:m[5]]) {
			out.WriteString(s[done:m[4]])
			out.WriteString(redacted)
			done = m[5]
		}
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// looksSecret reports at least 16 hex digits, or at least 20 characters of base64 with capitals, small
// letters and digits among them.
func looksSecret(s string) bool {
	s = strings.TrimRight(s, "=")
	var digit, small, capital, other bool
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digit = true
		case c >= 'a' && c <= 'z':
			small, other = true, other || c > 'f'
		case c >= 'A' && c <= 'Z':
			capital, other = true, other || c > 'F'
		case c == '+' || c == '/' || c == '_' || c == '-':
			other = true
		default:
			return false
		}
	}
	if !other {
		return len(s) >= 16
	}
	return len(s) >= 20 && digit && small && capital
}

// scrubValue is Scrub for a value whose name is known. A name that promises a secret costs the whole
// value.
func scrubValue(name, value string) string {
	name = strings.ToLower(name)
	last := name[strings.LastIndexAny(name, "_-.")+1:]
	switch last {
	case "secret", "password", "passwd", "passphrase", "material", "token", "jwt", "authorization", "cookie":
		return redactAll(value)
	case "key":
		if strings.HasSuffix(name, "private_key") || strings.HasSuffix(name, "api_key") || looksSecret(value) {
			return redactAll(value)
		}
	}
	return Scrub(value)
}

// redactAll keeps nothing but whether there was something.
func redactAll(value string) string {
	if value == "" {
		return ""
	}
	return redacted
}
