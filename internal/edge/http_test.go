package edge_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/edge"
)

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// proxy asks as a proxy on loopback would.
func (w *world) proxy(path string, header http.Header, peer string) *http.Response {
	w.t.Helper()
	mux := http.NewServeMux()
	for pattern, handler := range (&edge.HTTP{Decider: w.Decider, Trusted: loopback(), Log: slog.New(slog.DiscardHandler)}).Handlers() {
		mux.Handle(pattern, handler)
	}
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, path, http.NoBody)
	r.Header, r.RemoteAddr = header, peer
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, r)
	return recorder.Result()
}

func (w *world) status(when string, r *http.Response, status int, reason string) {
	w.t.Helper()
	body, err := io.ReadAll(r.Body)
	w.must(err)
	if r.StatusCode != status || r.Header.Get("X-Tokensvc-Reason") != reason {
		w.t.Errorf("%s: %d %s, want %d %s", when, r.StatusCode, body, status, reason)
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("%s: the answer may be cached", when)
	}
}

const proxyAddr = "127.0.0.1:40000"

func TestEveryConventionReadsItsOwnHeader(t *testing.T) {
	w := newWorld(t)
	good, bad := w.sign("event", ""), "/1/S2/show/hls/live/playlist.m3u8"
	for _, c := range edge.Conventions() {
		value := func(target string) string {
			if c.Absolute {
				return "https://cdn.example" + target
			}
			return target
		}
		r := w.proxy(c.Path, http.Header{c.Header: {value(good)}}, proxyAddr)
		w.status(c.Path, r, 200, "")
		cookies := r.Cookies()
		if len(cookies) != 1 || r.Header.Get("X-Tokensvc-Playback") != "event" || cookies[0].Secure {
			t.Errorf("%s: %v", c.Path, r.Header)
		}
		r = w.proxy(c.Path, http.Header{c.Header: {value(good)}, "X-Forwarded-Proto": {"https"}}, proxyAddr)
		if cookies = r.Cookies(); len(cookies) != 1 || !cookies[0].Secure || cookies[0].SameSite != http.SameSiteNoneMode {
			t.Errorf("%s over TLS: %v", c.Path, cookies)
		}
		segment := http.Header{c.Header: {value("/1/S1/event/hls/live/seg_1.ts")}, "Cookie": {"theme=dark; " + cookies[0].Name + "=" + cookies[0].Value}}
		w.status(c.Path+" segment", w.proxy(c.Path, segment, proxyAddr), 200, "")
		w.status(c.Path+" without a token", w.proxy(c.Path, http.Header{c.Header: {value(bad)}}, proxyAddr), 401, "MALFORMED")

		// The viewer asks for B and adds what other conventions would read as A.
		for _, other := range []string{"X-Original-Uri", "X-Original-Url", "X-Forwarded-Uri", "X-Rewrite-Url", "X-Forwarded-Path"} {
			if other == c.Header {
				continue
			}
			r := w.proxy(c.Path, http.Header{c.Header: {value(bad)}, other: {good}}, proxyAddr)
			w.status(c.Path+" with "+other, r, 401, "MALFORMED")
			r = w.proxy(c.Path, http.Header{other: {good}}, proxyAddr)
			w.status(c.Path+" with "+other+" alone", r, 403, "MALFORMED")
		}
		w.status(c.Path+" twice", w.proxy(c.Path, http.Header{c.Header: {value(bad), value(good)}}, proxyAddr), 403, "MALFORMED")
		w.status(c.Path+" from anybody", w.proxy(c.Path, http.Header{c.Header: {value(good)}}, "192.0.2.1:40000"), 403, "FORBIDDEN_ORIGIN")
	}
	for _, u := range []string{"/relative?x", "ftp://h/a", "https://", "https:///a", "://"} {
		w.status(u, w.proxy("/edge/auth/ingress-nginx", http.Header{"X-Original-Url": {u}}, proxyAddr), 403, "MALFORMED")
	}
}

func TestOnlyTrustedProxiesNameTheClient(t *testing.T) {
	w := newWorld(t)
	target := w.sign("bound", "192.0.2.7")
	for forwarded, status := range map[string]int{
		"192.0.2.7": 200, "198.51.100.9, 192.0.2.7": 200, "192.0.2.7, 198.51.100.9": 403, "192.0.2.7, 127.0.0.5": 200, "": 403, "garbage": 403, "192.0.2.7, garbage": 403,
	} {
		r := w.proxy("/edge/auth", http.Header{"X-Original-Uri": {target}, "X-Forwarded-For": {forwarded}}, proxyAddr)
		if r.StatusCode != status {
			t.Errorf("X-Forwarded-For %q: %d, want %d", forwarded, r.StatusCode, status)
		}
	}
	lines := http.Header{"X-Original-Uri": {target}, "X-Forwarded-For": {"192.0.2.7", "198.51.100.9"}}
	if r := w.proxy("/edge/auth", lines, proxyAddr); r.StatusCode != http.StatusForbidden {
		t.Errorf("two headers: %d; the last one is the proxy's", r.StatusCode)
	}
}

func TestProxiesAskWithoutABody(t *testing.T) {
	w := newWorld(t)
	handler := (&edge.HTTP{Decider: w.Decider, Trusted: loopback(), Log: slog.New(slog.DiscardHandler)}).Handlers()["/edge/auth"]
	for method, status := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 403, http.MethodOptions: 403} {
		r := httptest.NewRequestWithContext(t.Context(), method, "/edge/auth", strings.NewReader(""))
		r.Header.Set("X-Original-URI", w.sign("event", ""))
		r.RemoteAddr = proxyAddr
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, r)
		if recorder.Code != status {
			t.Errorf("%s: %d, want %d", method, recorder.Code, status)
		}
	}
}

func TestCookiesAreWrittenAsTheStandardLibraryWouldWriteThem(t *testing.T) {
	w := newWorld(t)
	for _, proto := range []string{"http", "https"} {
		header := http.Header{"X-Original-Uri": {w.sign("concert", "")}, "X-Forwarded-Proto": {proto}}
		r := w.proxy("/edge/auth", header, proxyAddr)
		cookies := r.Cookies()
		if len(cookies) != 1 || cookies[0].String() != r.Header.Get("Set-Cookie") {
			t.Errorf("%s: %v, written as %s", proto, cookies, r.Header.Get("Set-Cookie"))
		}
	}
}
