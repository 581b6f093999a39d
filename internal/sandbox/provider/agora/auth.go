package agora

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// clockSkew is how far the date of a call may be from the server's clock.
const clockSkew = 300 * time.Second

func authorizationForm() *regexp.Regexp {
	return regexp.MustCompile(`^hmac username="([^"]+)", *algorithm="([^"]+)", *headers="([^"]+)", *signature="([^"]+)"$`)
}

// authenticate says why a call is refused, in the words of Kong's plugin, or "".
func (s *Server) authenticate(r *http.Request, body []byte, now time.Time) string {
	const mismatch = "HMAC signature does not match"
	if r.Header.Get("Authorization") == "" {
		return "Unauthorized"
	}
	for _, name := range []string{"Authorization", "Date", "Digest"} {
		if len(r.Header.Values(name)) != 1 {
			return "HMAC signature cannot be verified"
		}
	}
	date, err := time.Parse(http.TimeFormat, r.Header.Get("Date"))
	if err != nil || date.Sub(now).Abs() > clockSkew {
		return "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication"
	}
	parts := authorizationForm().FindStringSubmatch(r.Header.Get("Authorization"))
	if len(parts) != 5 || parts[1] != s.cfg.CustomerID || parts[2] != "hmac-sha256" {
		return "HMAC signature cannot be verified"
	}
	text, complete := signedText(r, strings.Fields(parts[3]))
	if !complete {
		return "HMAC signature does not cover host, date, request-line and digest"
	}
	mac := hmac.New(sha256.New, s.cfg.CustomerSecret.Reveal())
	mac.Write([]byte(text))
	signature, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || !hmac.Equal(signature, mac.Sum(nil)) {
		return mismatch
	}
	sum := sha256.Sum256(body)
	if r.Header.Get("Digest") != "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]) {
		return mismatch
	}
	return ""
}

// signedText rebuilds what was signed from the request as it was received, in the order that the caller
// names; complete is false when something needed is not covered, or something unknown is.
func signedText(r *http.Request, names []string) (text string, complete bool) {
	lines := make([]string, 0, len(names))
	for _, name := range names {
		switch name {
		case "host":
			lines = append(lines, "host: "+r.Host)
		case "request-line":
			// The three parts of the first line, split at its spaces by net/http and not changed.
			lines = append(lines, r.Method+" "+r.RequestURI+" "+r.Proto)
		case "date", "digest":
			lines = append(lines, name+": "+r.Header.Get(name))
		default:
			return "", false
		}
	}
	for _, needed := range []string{"host", "date", "request-line", "digest"} {
		if !slices.Contains(names, needed) {
			return "", false
		}
	}
	return strings.Join(lines, "\n"), true
}
