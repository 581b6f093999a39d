//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/hls"
)

// TestNginxAsks: Debian's nginx with the configuration of docs/edges.md stands before a stream that checks
// nothing itself. A signed URL plays; anything else gets 401 or 403; a revoked session ends within a second.
func TestNginxAsks(t *testing.T) {
	origin := httptest.NewServer(plainStream{hls.Stream{Live: true, Start: time.Now().Add(-time.Minute)}})
	t.Cleanup(origin.Close)
	dir, at := t.TempDir(), freePort(t)
	config := filepath.Join(dir, "tokensvc.yaml")
	writeFile(t, config, `
trusted_proxies: [127.0.0.1]
targets:
  - {id: live, provider: wowza}
playbacks:
  - id: event
    target: live
    url: http://`+at+`/1/NUtjdHdsc3g4Z21L/event/hls/live/playlist.m3u8
    hdnts: {stream_id: NUtjdHdsc3g4Z21L}
    sessions: {max: 1, rule: evict_oldest}
    ttl: 10m
  - id: open
    target: live
    url: http://`+at+`/1/T3BlbnN0cmVhbTE2/open/hls/live/playlist.m3u8
    hdnts: {stream_id: T3BlbnN0cmVhbTE2}
    ttl: 10m
`)
	s := startServe(t, dir, nil, "--config", config)
	secret := filepath.Join(dir, "secret")
	writeFile(t, secret, freshSecret())
	must(t, "", "keys", "import", "live", secret, "--activate", "--server", s.grpc)
	startNginx(t, dir, at, strings.TrimPrefix(origin.URL, "http://"), strings.TrimPrefix(s.http, "http://"))

	watch := func(playback, viewer string) *nginxViewer {
		t.Helper()
		var signed struct {
			Credential struct{ URL string }
			SessionID  string `json:"session_id"`
		}
		text := must(t, "", "sign", playback, "--viewer", viewer, "--server", s.grpc, "--output", "json")
		if err := json.Unmarshal([]byte(text), &signed); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		return &nginxViewer{t: t, client: &http.Client{Jar: jar}, url: signed.Credential.URL, session: signed.SessionID}
	}

	open := watch("open", "ada")
	open.plays("without a session")
	ada := watch("event", "ada")
	ada.plays("with a session")
	bare, _, _ := strings.Cut(ada.url, "?")
	stranger := &nginxViewer{t: t, client: &http.Client{}, url: ada.url}
	stranger.gets("no token", bare, http.StatusUnauthorized, "MALFORMED")
	stranger.gets("a segment without cookie", ada.segment(), http.StatusUnauthorized, "MALFORMED")
	at16 := strings.Index(ada.url, "hmac=") + 16
	stranger.gets("a changed token", ada.url[:at16]+flipped(ada.url[at16])+ada.url[at16+1:], http.StatusForbidden, "BAD_SIGNATURE")
	stranger.gets("another playback's token", strings.Replace(ada.url, bare, strings.Split(open.url, "?")[0], 1), http.StatusForbidden, "BAD_SIGNATURE")
	stranger.gets("a path that is none of a playback", "http://"+at+"/secret.txt", http.StatusForbidden, "NOT_FOUND")
	raw := strings.Replace(ada.url, "/event/", "/event/%2e%2e/event/", 1)
	stranger.gets("a dotted path", raw, http.StatusForbidden, "MALFORMED")

	second := watch("event", "ada")
	ada.ends("evicted by a newer session", "SESSION_ENDED")
	second.plays("the newer session")
	revoked := time.Now()
	must(t, "", "sessions", "revoke", "--session", second.session, "--server", s.grpc)
	second.ends("revoked", "REVOKED")
	t.Logf("nginx refused %s after the revocation", time.Since(revoked).Round(time.Millisecond))
	open.plays("the other playback goes on")
}

func flipped(c byte) string {
	if c == '0' {
		return "1"
	}
	return "0"
}

// nginxViewer is a player that keeps cookies.
type nginxViewer struct {
	t            *testing.T
	client       *http.Client
	url, session string
}

// segment returns the URL of a segment that the playlist names now.
func (v *nginxViewer) segment() string {
	v.t.Helper()
	code, playlist, _ := get(v.t, v.client, v.url)
	if code != http.StatusOK {
		v.t.Fatalf("playlist: %d %s", code, playlist)
	}
	bare, _, _ := strings.Cut(v.url, "?")
	lines := strings.Split(strings.TrimSpace(playlist), "\n")
	return bare[:strings.LastIndexByte(bare, '/')+1] + lines[len(lines)-1]
}

func (v *nginxViewer) plays(when string) {
	v.t.Helper()
	for range 3 {
		if code, body, header := get(v.t, v.client, v.segment()); code != http.StatusOK || body == "" {
			v.t.Errorf("%s: segment %d %s", when, code, header.Get("X-Tokensvc-Reason"))
		}
	}
}

func (v *nginxViewer) gets(when, url string, want int, reason string) {
	v.t.Helper()
	if code, _, header := get(v.t, v.client, url); code != want || header.Get("X-Tokensvc-Reason") != reason {
		v.t.Errorf("%s: %d %s, want %d %s", when, code, header.Get("X-Tokensvc-Reason"), want, reason)
	}
}

// ends waits until the viewer is refused, by URL and by cookie, for at most a second on an idle machine.
func (v *nginxViewer) ends(when, reason string) {
	v.t.Helper()
	await(v.t, func() bool {
		code, _, header := get(v.t, v.client, v.url)
		return code == http.StatusForbidden && header.Get("X-Tokensvc-Reason") == reason
	})
	bare, _, _ := strings.Cut(v.url, "?")
	v.gets(when+": a segment by cookie", bare[:strings.LastIndexByte(bare, '/')+1]+"media_1.ts", http.StatusForbidden, reason)
}

// plainStream serves a live stream to everybody.
type plainStream struct{ hls.Stream }

func (s plainStream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	if strings.HasSuffix(name, ".m3u8") {
		playlist, err := s.Media(time.Now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(playlist)
		return
	}
	n, ok := hls.SegmentNumber(name)
	if !ok {
		http.NotFound(w, r)
		return
	}
	segment, ok := s.Segment(n, time.Now())
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(segment)
}

// startNginx runs nginx with the configuration of docs/edges.md, at other addresses, until the test ends.
func startNginx(t *testing.T, dir, at, origin, service string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/edges.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```nginx\n")
	server, _, ended := strings.Cut(rest, "\n```")
	if !found || !ended {
		t.Fatal("docs/edges.md shows no nginx configuration")
	}
	server = strings.NewReplacer("127.0.0.1:8000", at, "127.0.0.1:9000", origin, "127.0.0.1:8080", service).Replace(server)
	config := filepath.Join(dir, "nginx.conf")
	writeFile(t, config, `
daemon off;
pid `+dir+`/nginx.pid;
error_log stderr warn;
worker_processes 1;
events { worker_connections 256; }
http {
access_log off;
client_body_temp_path `+dir+`/body;
proxy_temp_path `+dir+`/proxy;
fastcgi_temp_path `+dir+`/fastcgi;
uwsgi_temp_path `+dir+`/uwsgi;
scgi_temp_path `+dir+`/scgi;
`+server+`
}
`)
	name, err := exec.LookPath("nginx")
	if err != nil {
		name = "/usr/sbin/nginx"
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, name, "-p", dir, "-e", "stderr", "-c", config)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // an interrupt ends it
		if t.Failed() {
			t.Logf("nginx:\n%s", log.String())
		}
	})
	client := &http.Client{Timeout: 5 * time.Second}
	await(t, func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			return false
		}
		return response.Body.Close() == nil
	})
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
