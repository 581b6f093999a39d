package edge_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

func TestCORS(t *testing.T) {
	w, key := startHdnts(t, nil)
	signed := livePlaylist + "?hdnts=" + w.sign(key, wowza.Params{StreamID: "LiveStream", Expire: w.expiry()})
	fromPage := withHeader("Origin", pageOrigin)
	for _, a := range []answer{w.want(http.StatusOK, "", signed, fromPage), w.want(http.StatusForbidden, tokens.Malformed, livePlaylist, fromPage)} {
		if a.header.Get("Access-Control-Allow-Origin") != pageOrigin || a.header.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%d: the page's origin is not allowed: %v", a.status, a.header)
		}
		if !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), edge.ReasonHeader) {
			t.Errorf("%d: the page cannot read the reason: %v", a.status, a.header)
		}
	}
	for _, origin := range []string{"", "null", "http://127.0.0.1:8081", "https://127.0.0.1:8080", "http://127.0.0.1:8080.evil.example", "*"} {
		a := w.want(http.StatusOK, "", signed, withHeader("Origin", origin))
		if got := a.header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("origin %q gets %q", origin, got)
		}
		if !slices.Contains(a.header.Values("Vary"), "Origin") {
			t.Errorf("origin %q: Vary %q", origin, a.header.Values("Vary"))
		}
	}
}

func TestPreflight(t *testing.T) {
	w, _ := startHdnts(t, nil)
	options, method := withMethod(http.MethodOptions), withHeader("Access-Control-Request-Method", "GET")
	a := w.want(http.StatusNoContent, "", livePlaylist, options, method, withHeader("Origin", pageOrigin))
	if a.header.Get("Access-Control-Allow-Methods") != "GET, HEAD" || a.header.Get("Access-Control-Allow-Headers") != "Range" ||
		a.header.Get("Access-Control-Allow-Origin") != pageOrigin || a.header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("preflight answer %v", a.header)
	}
	b := w.want(http.StatusForbidden, "", livePlaylist, options, method, withHeader("Origin", "http://evil.example"))
	if b.header.Get("Access-Control-Allow-Origin") != "" || b.header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("preflight answer to a foreign origin %v", b.header)
	}
}

func TestMethodsAndRanges(t *testing.T) {
	w, key := startHdnts(t, nil)
	signed := vodPlaylist + "?hdnts=" + w.sign(key, wowza.Params{StreamID: "VodStream", Expire: w.expiry()})
	head := w.want(http.StatusOK, "", signed, withMethod(http.MethodHead))
	if head.body != "" || head.cookie == nil || head.header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d bytes, header %v", len(head.body), head.header)
	}
	segment := sibling(vodPlaylist, "media_0.ts")
	whole := w.want(http.StatusOK, "", segment, withCookie(head.cookie))
	part := w.want(http.StatusPartialContent, "", segment, withCookie(head.cookie), withHeader("Range", "bytes=188-375"))
	if part.body != whole.body[188:376] {
		t.Errorf("range of %d bytes is not that of the whole", len(part.body))
	}
	w.want(http.StatusForbidden, tokens.Malformed, segment, withMethod(http.MethodHead))
	w.want(http.StatusForbidden, tokens.Malformed, segment, withHeader("Range", "bytes=188-375"))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodTrace, "PROPFIND"} {
		if a := w.want(http.StatusMethodNotAllowed, "", signed, withMethod(method)); a.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", method)
		}
	}
}

func TestPathsHaveOneSpelling(t *testing.T) {
	w, key := startHdnts(t, nil)
	query := "?hdnts=" + w.sign(key, wowza.Params{StreamID: "LiveStream", Expire: w.expiry()})
	w.want(http.StatusOK, "", livePlaylist+query)
	for _, path := range []string{
		"/1/OtherStream/../LiveStream/big-event/hls/live/playlist.m3u8",
		"/1/LiveStream/big-event/hls/live/./playlist.m3u8",
		"//1/LiveStream/big-event/hls/live/playlist.m3u8",
		"/1/LiveStream//big-event/hls/live/playlist.m3u8",
		"/1/LiveStream/big-event/hls/live%2fplaylist.m3u8",
		"/1/LiveStream/big-event/hls/live/%2e/playlist.m3u8",
		"/1/LiveStream/big-event/hls/live/playlist%2em3u8",
		`/1/LiveStream/big-event/hls\live/playlist.m3u8`,
		"/1/LiveStream/big-event/hls/live%5cplaylist.m3u8",
		"/1/LiveStrea%6d/big-event/hls/live/playlist.m3u8",
		"/1/LiveStream/big-event/hls/live/playlist.m3u8%00",
		"/..",
	} {
		w.want(http.StatusBadRequest, tokens.Malformed, path+query)
	}
}

func TestUnknownFilesAreNotFound(t *testing.T) {
	w, key := startHdnts(t, nil)
	query := "?hdnts=" + w.sign(key, wowza.Params{StreamID: "VodStream", Expire: w.expiry()})
	cookie := w.want(http.StatusOK, "", vodPlaylist+query).cookie
	for _, path := range []string{
		"/", "/favicon.ico", "/1/", "/2/VodStream/", "/1/Nobody/x/hls/live/playlist.m3u8", sibling(vodPlaylist, ""), sibling(vodPlaylist, "other.m3u8"),
		sibling(vodPlaylist, "media_00.ts"), sibling(vodPlaylist, "media_4.ts"), sibling(vodPlaylist, "playlist.m3u8/"), sibling(livePlaylist, "media_1.mp4"),
	} {
		w.want(http.StatusNotFound, "", path+query, withCookie(cookie))
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	good := edge.Config{
		Keys: func(string) []tokens.Key { return nil }, Now: func() time.Time { return time.Unix(0, 0) },
		Streams: hdntsStreams(), PageOrigins: []string{pageOrigin},
	}
	if _, err := edge.New(good); err != nil {
		t.Fatal(err)
	}
	stream := func(s edge.Stream) func(*edge.Config) {
		if s.Target == "" {
			s.Target = "t"
		}
		return func(c *edge.Config) { c.Streams = []edge.Stream{s} }
	}
	for name, change := range map[string]func(*edge.Config){
		"no keys":             func(c *edge.Config) { c.Keys = nil },
		"no clock":            func(c *edge.Config) { c.Now = nil },
		"no streams":          func(c *edge.Config) { c.Streams = nil },
		"negative sessions":   func(c *edge.Config) { c.MaxSessions = -1 },
		"origin with path":    func(c *edge.Config) { c.PageOrigins = []string{pageOrigin + "/"} },
		"any origin":          func(c *edge.Config) { c.PageOrigins = []string{"*"} },
		"null origin":         func(c *edge.Config) { c.PageOrigins = []string{"null"} },
		"twice":               func(c *edge.Config) { c.Streams = append(hdntsStreams(), hdntsStreams()[0]) },
		"no target":           func(c *edge.Config) { c.Streams = hdntsStreams(); c.Streams[0].Target = "" },
		"unknown scheme":      stream(edge.Stream{Scheme: "hls", Playlist: livePlaylist}),
		"relative path":       stream(edge.Stream{Scheme: akamai.Name, Playlist: "live/playlist.m3u8"}),
		"dot segment":         stream(edge.Stream{Scheme: akamai.Name, Playlist: "/live/../playlist.m3u8"}),
		"escape":              stream(edge.Stream{Scheme: akamai.Name, Playlist: "/li%20ve/playlist.m3u8"}),
		"hdnts depth":         stream(edge.Stream{Scheme: wowza.Name, Playlist: "/1/LiveStream/playlist.m3u8", Live: true}),
		"hdnts VOD as live":   stream(edge.Stream{Scheme: wowza.Name, Playlist: vodPlaylist, Live: true}),
		"hdnts live as VOD":   stream(edge.Stream{Scheme: wowza.Name, Playlist: livePlaylist}),
		"hdnts playback id":   stream(edge.Stream{Scheme: wowza.Name, Playlist: livePlaylist, Live: true, PlaybackID: "x"}),
		"agora depth":         stream(edge.Stream{Scheme: agora.Name, Playlist: "/live/playlist.m3u8"}),
		"agora playlist only": stream(edge.Stream{Scheme: agora.Name, Playlist: "/live/a/playlist.m3u8", PlaylistOnly: true}),
		"qencode other id":    stream(edge.Stream{Scheme: qencode.Name, Playlist: "/abc.m3u8", PlaybackID: "abd"}),
		"edgeauth name":       stream(edge.Stream{Scheme: akamai.Name, Playlist: "/hls/live/index.m3u8"}),
	} {
		cfg := good
		change(&cfg)
		if _, err := edge.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
