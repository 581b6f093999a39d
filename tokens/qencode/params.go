package qencode

import (
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/tokensvc/tokensvc/tokens"
)

// Bounds of the strict door, in bytes. Object keys are bounded as in S3.
const (
	maxURI = 1024
	maxURL = 8 << 10
)

// playlistSuffix stands behind the playback id in the URL of a live stream on a custom domain.
const playlistSuffix = ".m3u8"

// Params is what one token is signed for.
type Params struct {
	// URI is what the token opens: the playback id of a live stream (not the stream's own id), the key
	// of an object in a bucket, or with a final slash a key prefix. Keys are raw: no leading slash, not
	// percent-encoded. Required, unless WholeBucket is set.
	URI string
	// WholeBucket opens all of a bucket. URI must be empty then.
	WholeBucket bool
	// Expire is the second from which on the token is dead. Required, after now and NotBefore.
	Expire time.Time
	// NotBefore is when the token begins to count. Optional. Qencode promises no tolerance for clocks
	// that differ; set it 30 to 60 s into the past, if at all.
	NotBefore time.Time
	// Claims ride along.
	Claims Claims
	// MaxLifetime is the furthest that Expire may lie after now. 0 means tokens.DefaultMaxLifetime.
	MaxLifetime time.Duration
	// URL is the playback URL to put the token into. Optional.
	URL string
}

// SchemeName implements tokens.Params.
func (Params) SchemeName() string { return Name }

func (p *Params) check(now time.Time) error {
	switch {
	case p.WholeBucket && p.URI != "":
		return uriError("a token for the whole bucket has no uri; leave out one of the two")
	case !p.WholeBucket:
		if err := checkURI(p.URI); err != nil {
			return err
		}
	}
	if p.URL != "" {
		if err := p.checkURL(); err != nil {
			return err
		}
	}
	return tokens.CheckWindow(now, p.NotBefore, p.Expire, p.MaxLifetime)
}

// checkURI accepts a playback id, an object key or a key prefix that ends in a slash.
func checkURI(uri string) error {
	switch {
	case uri == "":
		return uriError("required; an empty uri opens the whole bucket and has to be asked for in words")
	case len(uri) > maxURI:
		return uriError("%d bytes; at most %d", len(uri), maxURI)
	case !isText(uri):
		return uriError("not sound UTF-8")
	case uri[0] == '/':
		return uriError("begins with a slash; keys have none")
	case strings.ContainsFunc(uri, unicode.IsControl):
		return uriError("holds a control character")
	case strings.ContainsAny(uri, `?#\`):
		return uriError(`holds one of ? # \; give the raw key, without query or fragment`)
	}
	if plain, err := url.PathUnescape(uri); err == nil && plain != uri {
		return uriError("is percent-encoded; give the raw key")
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(uri, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return uriError("holds an empty segment or a dot segment")
		}
	}
	return nil
}

func (p *Params) checkURL() error {
	if len(p.URL) > maxURL {
		return urlError("%d bytes; at most %d", len(p.URL), maxURL)
	}
	for i := range len(p.URL) {
		if c := p.URL[i]; c <= ' ' || c >= 0x7f {
			return urlError("holds a blank, control or non-ASCII character; percent-encode it")
		}
	}
	parsed, err := url.Parse(p.URL)
	if err != nil {
		return urlError("cannot be read as a URL")
	}
	if parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.Hostname() == "" || parsed.User != nil {
		return urlError("want https://host/…, without user or password")
	}
	if _, err := url.ParseQuery(parsed.RawQuery); err != nil {
		return urlError("the query cannot be read")
	}
	if tokens.CarriesQuery(p.URL, QueryName) {
		return urlError("has a parameter %s already; give the URL without its token", QueryName)
	}
	// Qencode opens whatever begins with a uri. All of a path but the suffix of a live playlist is no
	// name of a resource, so this uri is a prefix that lacks its slash.
	rest, isPrefix := strings.CutPrefix(strings.TrimPrefix(parsed.Path, "/"), p.URI)
	if p.URI != "" && isPrefix && rest != "" && rest != playlistSuffix && !strings.HasSuffix(p.URI, "/") {
		return uriError("is a bare prefix of the URL's path, which also opens what only begins alike; give the whole key, or end the prefix with a slash")
	}
	return nil
}

func uriError(format string, args ...any) error {
	return tokens.ParamError(tokens.InvalidArgument, "uri", format, args...)
}

func urlError(format string, args ...any) error {
	return tokens.ParamError(tokens.InvalidArgument, "url", format, args...)
}
