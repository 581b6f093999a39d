package edge_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

const pageOrigin = "http://127.0.0.1:8080"

// Playlists mounted in each test.
const (
	livePlaylist  = "/1/LiveStream/big-event/hls/live/playlist.m3u8"
	otherPlaylist = "/1/OtherStream/big-event/hls/live/playlist.m3u8"
	vodPlaylist   = "/2/VodStream/movie/hls/vod1/playlist.m3u8"
	vodPlaylist2  = "/2/VodStream/movie/hls/vod2/playlist.m3u8"
	openPlaylist  = "/1/OpenStream/big-event/hls/live/playlist.m3u8"
)

// world is an edge on a server of its own, with a clock that the test moves and the keys that count.
type world struct {
	t      *testing.T
	server *httptest.Server

	mu   sync.Mutex
	now  time.Time
	keys map[string][]tokens.Key
}

func start(t *testing.T, streams []edge.Stream, change func(*edge.Config)) *world {
	t.Helper()
	w := &world{t: t, now: time.Unix(1_800_000_000, 0), keys: map[string][]tokens.Key{}}
	cfg := edge.Config{Keys: w.keysOf, Now: w.time, Streams: streams, PageOrigins: []string{pageOrigin}}
	if change != nil {
		change(&cfg)
	}
	e, err := edge.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewUnstartedServer(nil)
	w.server.Config = edge.Server(e)
	w.server.Start()
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) sleep(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) keysOf(target string) []tokens.Key {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys[target]
}

func (w *world) setKeys(target string, keys ...tokens.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[target] = keys
}

// sign returns a token of one minute and its URL.
func (w *world) sign(key tokens.Key, p tokens.Params) string {
	w.t.Helper()
	c, err := key.Sign(p, w.time())
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Token
}

func (w *world) expiry() time.Time { return w.time().Add(time.Minute) }

type answer struct {
	status int
	header http.Header
	body   string
	cookie *http.Cookie
}

func (a answer) reason() tokens.Reason { return tokens.Reason(a.header.Get(edge.ReasonHeader)) }

// get requests target (path and query, as it stands). Options change the request.
func (w *world) get(target string, options ...func(*http.Request)) answer {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	// Opaque goes out as it stands: no cleaning, no escaping.
	req.URL.Opaque = "//" + req.URL.Host + target
	for _, change := range options {
		change(req)
	}
	// The transport neither follows redirects nor keeps cookies.
	resp, err := w.server.Client().Transport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	for _, c := range resp.Cookies() {
		if c.Name == edge.CookieName {
			a.cookie = c
		}
	}
	return a
}

// want requests target and checks status and reason ("" for none).
func (w *world) want(status int, reason tokens.Reason, target string, options ...func(*http.Request)) answer {
	w.t.Helper()
	a := w.get(target, options...)
	if a.status != status || a.reason() != reason {
		w.t.Errorf("%s: %d %q, want %d %q\n%s", target, a.status, a.reason(), status, reason, strings.TrimSpace(a.body))
	}
	return a
}

func withCookie(c *http.Cookie) func(*http.Request) {
	return func(r *http.Request) {
		if c != nil {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
}

func withHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func withMethod(method string) func(*http.Request) {
	return func(r *http.Request) { r.Method = method }
}

// children returns the URI lines of a playlist as paths, relative to that of the playlist.
func children(playlist, path string) []string {
	path, _, _ = strings.Cut(path, "?")
	dir := path[:strings.LastIndexByte(path, '/')+1]
	var out []string
	for line := range strings.Lines(playlist) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out = append(out, dir+line)
		}
	}
	return out
}

// changes returns token with each one of its characters changed, one at a time.
func changes(token string) []string {
	out := make([]string, 0, len(token))
	for i := range len(token) {
		c := byte('0')
		if token[i] == c {
			c = '1'
		}
		out = append(out, token[:i]+string(c)+token[i+1:])
	}
	return out
}

func hdntsKey(t *testing.T, secret string) tokens.Key {
	t.Helper()
	return prepare(t, wowza.Scheme{}, tokens.Material{Secret: tokens.NewSecret([]byte(secret))})
}

func prepare(t *testing.T, scheme tokens.Scheme, m tokens.Material) tokens.Key {
	t.Helper()
	key, err := scheme.Prepare(m)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func hdntsStreams() []edge.Stream {
	return []edge.Stream{
		{Scheme: wowza.Name, Target: "wowza", Playlist: livePlaylist, Live: true},
		{Scheme: wowza.Name, Target: "wowza", Playlist: otherPlaylist, Live: true},
		{Scheme: wowza.Name, Target: "wowza", Playlist: vodPlaylist},
		{Scheme: wowza.Name, Target: "wowza", Playlist: vodPlaylist2},
		{Scheme: wowza.Name, Target: "wowza-open", Playlist: openPlaylist, Live: true, PlaylistOnly: true},
	}
}

// startHdnts starts an edge with the streams above and one key for both targets.
func startHdnts(t *testing.T, change func(*edge.Config)) (*world, tokens.Key) {
	t.Helper()
	w := start(t, hdntsStreams(), change)
	key := hdntsKey(t, "00112233445566778899aabbccddeeff")
	w.setKeys("wowza", key)
	w.setKeys("wowza-open", key)
	return w, key
}
