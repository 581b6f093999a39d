package edge

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/hls"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// DefaultMaxSessions is how many sessions an edge keeps when Config says nothing.
const DefaultMaxSessions = 10_000

// Config is what an edge serves and whom it believes.
type Config struct {
	// Keys returns the keys that count for a target now. A token is good if any of them verifies it. It is
	// called for each token; it must be safe for concurrent use and should be quick. Required.
	Keys func(target string) []tokens.Key
	// Now is the clock of the edge. Required.
	Now func() time.Time
	// Streams are what is mounted. Required.
	Streams []Stream
	// PageOrigins are the web origins (scheme://host[:port]) whose pages may play from this edge with
	// credentials. None means that no page of another origin can.
	PageOrigins []string
	// MaxSessions bounds the sessions kept; the oldest goes first. 0 means DefaultMaxSessions.
	MaxSessions int
	// CookieBoundToSecret ends a session when the key that opened it counts no more. Nobody documents
	// whether Wowza's or Akamai's edges do that; without it a session's cookie survives a new secret.
	CookieBoundToSecret bool
}

// Stream is one mounted stream.
type Stream struct {
	// Scheme is the token format that guards the stream, by its name: wowza.Name, akamai.Name, qencode.Name or
	// agora.Name.
	Scheme string
	// Target names the keys that count, for Config.Keys.
	Target string
	// Playlist is the absolute path of the first playlist:
	//
	//	wowza-hdnts      /1/STREAM_ID/NAME/hls/live/playlist.m3u8 or /2/STREAM_ID/NAME/hls/VOD_ID/playlist.m3u8
	//	akamai-edgeauth  any directory, then playlist.m3u8
	//	qencode-jwt      /PLAYBACK_ID.m3u8, or any directory (an object key), then playlist.m3u8
	//	agora-timestamp  /ENTRY/STREAM/playlist.m3u8
	//
	// Path segments are made of letters, digits, "-", "_" and ".", and do not start with a dot.
	Playlist string
	// PlaybackID is the resource that a qencode-jwt token must name. Empty means that the stream stands in
	// a bucket, where the resource is the object key of each file. Of no use to the other schemes.
	PlaybackID string
	// Live loops the stream without end, from the start of the edge on; else it is video on demand of eight seconds. For wowza-hdnts it
	// must agree with the path.
	Live bool
	// PlaylistOnly is the wowza-hdnts target's token_auth_playlist_only.
	PlaylistOnly bool
}

const firstPlaylist = "playlist.m3u8"

// mount is a Stream ready to serve. dir is where the other files are, with a final slash; for all forms but
// /PLAYBACK_ID.m3u8 the first playlist is there too.
type mount struct {
	Stream

	origin    hls.Stream
	dir       string
	cookieDir string // wowza-hdnts: what a session opens
}

func newMount(s Stream, start time.Time) (*mount, error) {
	path := playlistPath()
	if !path.MatchString(s.Playlist) {
		return nil, fmt.Errorf("stream %q: the playlist must be an absolute path like /live/playlist.m3u8, in letters, digits, \"-\", \"_\" and \".\"", s.Playlist)
	}
	if s.Target == "" {
		return nil, fmt.Errorf("stream %q: a target is needed, it names the keys", s.Playlist)
	}
	m := &mount{Stream: s, origin: hls.Stream{Live: s.Live, Start: start}}
	dir, isFirst := strings.CutSuffix(s.Playlist, firstPlaylist)
	m.dir = dir
	isFirst = isFirst && strings.HasSuffix(dir, "/")
	if !isFirst {
		m.dir = strings.TrimSuffix(s.Playlist, ".m3u8") + "/"
	}
	if s.PlaybackID != "" && s.Scheme != qencode.Name {
		return nil, fmt.Errorf("stream %q: %s has no playback id", s.Playlist, s.Scheme)
	}
	if s.PlaylistOnly && s.Scheme != wowza.Name {
		return nil, fmt.Errorf("stream %q: %s has no playlist-only mode", s.Playlist, s.Scheme)
	}
	segments := strings.Split(strings.TrimPrefix(s.Playlist, "/"), "/")
	switch s.Scheme {
	case wowza.Name:
		if !isFirst || len(segments) != 6 || segments[3] != "hls" || !hdntsKindFits(segments, s.Live) {
			return nil, fmt.Errorf("stream %q: want /1/STREAM_ID/NAME/hls/live/playlist.m3u8 for live or /2/STREAM_ID/NAME/hls/VOD_ID/playlist.m3u8 for VOD", s.Playlist)
		}
		m.cookieDir = "/" + segments[0] + "/" + segments[1] + "/"
	case akamai.Name:
		if !isFirst {
			return nil, fmt.Errorf("stream %q: want a path that ends in /playlist.m3u8", s.Playlist)
		}
	case qencode.Name:
		if !isFirst && s.Playlist != "/"+s.PlaybackID+".m3u8" {
			return nil, fmt.Errorf("stream %q: want /PLAYBACK_ID.m3u8 or a path that ends in /playlist.m3u8", s.Playlist)
		}
	case agora.Name:
		if !isFirst || len(segments) != 3 {
			return nil, fmt.Errorf("stream %q: want /ENTRY/STREAM/playlist.m3u8", s.Playlist)
		}
	default:
		return nil, fmt.Errorf("stream %q: no scheme %q; want %s, %s, %s or %s", s.Playlist, s.Scheme, wowza.Name, akamai.Name, qencode.Name, agora.Name)
	}
	return m, nil
}

// hdntsKindFits reports whether the first and fifth path segment are those of a live or VOD stream.
func hdntsKindFits(segments []string, live bool) bool {
	if live {
		return segments[0] == "1" && segments[4] == "live"
	}
	return segments[0] == "2"
}

func playlistPath() *regexp.Regexp {
	return regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+\.m3u8$`)
}

// ParseOrigin reads a web origin in the one form that browsers send: scheme://host[:port], http or https, and
// nothing behind it.
func ParseOrigin(origin string) (*url.URL, error) {
	u, err := url.Parse(origin)
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return nil, fmt.Errorf("origin %q: want scheme://host[:port], http or https, and nothing behind it", origin)
	}
	return u, nil
}

func (c Config) check() error {
	if c.Keys == nil || c.Now == nil {
		return errors.New("an edge needs keys and a clock")
	}
	if len(c.Streams) == 0 {
		return errors.New("an edge needs at least one stream")
	}
	if c.MaxSessions < 0 {
		return fmt.Errorf("%d sessions: want 0 for the default, or more", c.MaxSessions)
	}
	for _, o := range c.PageOrigins {
		if _, err := ParseOrigin(o); err != nil {
			return fmt.Errorf("page %w", err)
		}
	}
	return nil
}
