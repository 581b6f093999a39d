package edge

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/tokensvc/tokensvc/internal/playback"
)

// CookiePrefix begins the names of the cookies that an edge passes on.
const CookiePrefix = "tokensvc_"

// maxCookie bounds a cookie's value, in bytes; browsers drop cookies over 4 KiB.
const maxCookie = 3800

// newCookie returns a cookie that lets the other files of the playback through: the request itself, which is
// judged again with each of them. So it needs no key of its own, any instance can read it, and it opens no
// more and lives no longer than what the viewer holds already. Nil where the request has brought it, is not for
// the playlist, or does not fit.
func newCookie(e *playback.Entry, asked uri, ask *Ask) *http.Cookie {
	if !e.IsURL(asked.path) {
		return nil
	}
	value := base64.RawURLEncoding.EncodeToString([]byte(asked.raw))
	name := cookieName(e)
	if len(value) > maxCookie {
		return nil
	}
	for _, c := range ask.Cookies {
		if c.Name == name && c.Value == value {
			return nil
		}
	}
	same := http.SameSiteLaxMode
	if ask.Secure {
		same = http.SameSiteNoneMode // the player may stand on a page of another site
	}
	//nolint:gosec // without TLS, as on loopback, a Secure cookie would never come back
	return &http.Cookie{Name: name, Value: value, Path: e.ScopeOf(asked.path), HttpOnly: true, Secure: ask.Secure, SameSite: same}
}

// cookieName returns the name of a playback's cookie.
func cookieName(e *playback.Entry) string {
	sum := sha256.Sum256([]byte(e.ID))
	return CookiePrefix + hex.EncodeToString(sum[:6])
}

// toTry returns the cookies to try for a path, at most maxCookies. Where a request brings more, those of the
// playbacks that the path belongs to come first: at the root a browser brings the cookies of all it has watched.
func (d *Decider) toTry(cookies []*http.Cookie, path string) []*http.Cookie {
	if len(cookies) <= maxCookies {
		return cookies
	}
	var here []string
	for e := range d.Catalogue.At(path) {
		here = append(here, cookieName(e))
	}
	first := func(c *http.Cookie) int {
		if slices.Contains(here, c.Name) {
			return 0
		}
		return 1
	}
	sorted := slices.Clone(cookies)
	slices.SortStableFunc(sorted, func(a, b *http.Cookie) int { return first(a) - first(b) })
	return sorted[:maxCookies]
}

// written is what http.Cookie.String writes of a cookie of ours, whose parts need no second look: the value is
// base64url, and checkPath has refused what could end a path.
func written(c *http.Cookie) string {
	attributes := "; HttpOnly; SameSite=Lax"
	if c.Secure {
		attributes = "; HttpOnly; Secure; SameSite=None"
	}
	return c.Name + "=" + c.Value + "; Path=" + c.Path + attributes
}

// readCookie returns the request that a cookie was given for.
func readCookie(value string) (uri, error) {
	if len(value) > maxCookie {
		return uri{}, malformed("the cookie is too long")
	}
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return uri{}, malformed("the cookie is none of ours")
	}
	return parseURI(string(raw))
}

// cookiesOf returns the cookies of ours among those of a request.
func cookiesOf(all []*http.Cookie) []*http.Cookie {
	var ours []*http.Cookie
	for _, c := range all {
		if strings.HasPrefix(c.Name, CookiePrefix) {
			ours = append(ours, c)
		}
	}
	return ours
}
