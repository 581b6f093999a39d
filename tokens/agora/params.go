package agora

import (
	"net/url"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Bounds of the strict door, in bytes.
const (
	maxURL  = 2048
	maxName = 128
)

// Params is what one token is signed for.
type Params struct {
	// URL is the play or push URL to sign: rtmp(s)://host/{entry}/{stream},
	// http(s)://host/{entry}/{stream}.flv or http(s)://host/{entry}/{stream}/playlist.m3u8. Required.
	// Entry and stream are of letters, digits, "-", "_" and "."; an RTMP stream does not end in a
	// digit. Only the path is signed. A query is kept; it must not hold ts or sign.
	URL string
	// Expire is the last second in which the token counts. Required, after now.
	Expire time.Time
	// MaxLifetime is the furthest that Expire may lie after now. 0 means tokens.DefaultMaxLifetime.
	// Agora recommends 5 to 10 minutes.
	MaxLifetime time.Duration
}

// SchemeName implements tokens.Params.
func (Params) SchemeName() string { return Name }

// check applies the strict rules and returns the path to sign.
func (p *Params) check(now time.Time) (string, error) {
	if len(p.URL) > maxURL {
		return "", urlError("%d bytes; at most %d", len(p.URL), maxURL)
	}
	for i := range len(p.URL) {
		if c := p.URL[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\^`+"`{|}#;", c) >= 0 {
			return "", urlError("holds %q at byte %d, which a URL to sign must not", c, i)
		}
	}
	scheme, rest, ok := strings.Cut(p.URL, "://")
	if !ok {
		return "", urlError("want an absolute URL, as in https://host/entry/stream.flv")
	}
	host, _, _ := strings.Cut(rest, "/")
	if parsed, err := url.Parse(scheme + "://" + host); err != nil || parsed.Hostname() == "" || parsed.User != nil || parsed.Host != host {
		return "", urlError("want a host, with or without a port, behind ://")
	}
	path, query, _ := strings.Cut(rest[len(host):], "?")
	if err := checkPath(scheme, path); err != nil {
		return "", err
	}
	if err := checkQuery(query); err != nil {
		return "", err
	}
	return path, tokens.CheckWindow(now, time.Time{}, p.Expire, p.MaxLifetime)
}

func checkPath(scheme, path string) error {
	kind := kindOf(path)
	switch scheme {
	case "rtmp", "rtmps":
		if kind != kindRTMP {
			return urlError("an RTMP path is /{entry}/{stream}, of letters, digits, -, _ and ., without a suffix")
		}
		if isDigit(path[len(path)-1]) {
			return urlError("the RTMP stream name ends in a digit; nothing parts it from the time behind it, so a viewer could move digits between them")
		}
	case "http", "https":
		if kind != kindFLV && kind != kindHLS {
			return urlError("an HTTP path is /{entry}/{stream}.flv or /{entry}/{stream}/playlist.m3u8, of letters, digits, -, _ and .")
		}
	default:
		return urlError("want rtmp, rtmps, http or https, in small letters")
	}
	return nil
}

func checkQuery(query string) error {
	for parameter := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			return urlError("the query holds a broken percent escape")
		}
		if _, err := url.QueryUnescape(value); err != nil {
			return urlError("the query holds a broken percent escape")
		}
		if strings.EqualFold(plain, "ts") || strings.EqualFold(plain, "sign") {
			return urlError("the query holds %s already; give the URL without its token", strings.ToLower(plain))
		}
	}
	return nil
}

func urlError(format string, args ...any) *tokens.Error {
	return tokens.ParamError(tokens.InvalidArgument, "url", format, args...)
}

// kind is one of the three forms of path.
type kind int

const (
	kindNone kind = iota
	kindRTMP
	kindFLV
	kindHLS
)

// kindOf tells the form of a path.
func kindOf(path string) kind {
	entry, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !strings.HasPrefix(path, "/") || !isName(entry) {
		return kindNone
	}
	if stream, ok := strings.CutSuffix(rest, "/playlist.m3u8"); ok && isName(stream) {
		return kindHLS
	}
	if stream, ok := strings.CutSuffix(rest, ".flv"); ok && isName(stream) {
		return kindFLV
	}
	lower := strings.ToLower(rest)
	if isName(rest) && !strings.HasSuffix(lower, ".flv") && !strings.HasSuffix(lower, ".m3u8") && !strings.HasSuffix(lower, ".m3u") {
		return kindRTMP
	}
	return kindNone
}

// isName reports whether s can be the name of an entry point or a stream: a dot does not begin it,
// so that it is no dot segment.
func isName(s string) bool {
	if s == "" || len(s) > maxName || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}
