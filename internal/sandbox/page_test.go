package sandbox_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/sandbox"
)

const edgeOrigin = "http://127.0.0.1:8090"

func request(t *testing.T, target string) *http.Response {
	t.Helper()
	h, err := sandbox.Page(edgeOrigin)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody))
	resp := rec.Result()
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func TestPageServesItsFiles(t *testing.T) {
	for path, contentType := range map[string]string{
		"/play":            "text/html; charset=utf-8",
		"/play/player.css": "text/css; charset=utf-8",
		"/play/player.js":  "text/javascript; charset=utf-8",
	} {
		resp := request(t, "http://127.0.0.1:8080"+path+"?playback=x")
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != contentType {
			t.Errorf("%s: %d %q, want 200 %q", path, resp.StatusCode, resp.Header.Get("Content-Type"), contentType)
		}
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'self';") || !strings.Contains(policy, "connect-src 'self' "+edgeOrigin+";") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: sniffing is allowed", path)
		}
	}
	for _, path := range []string{"/play/", "/play/vendor.md", "/play/package.json", "/play/vendor/", "/play/../page.go", "/"} {
		if resp := request(t, "http://127.0.0.1:8080"+path); resp.StatusCode == http.StatusOK {
			t.Errorf("%s is served", path)
		}
	}
}

// The library is embedded when web/vendor holds it, and not found otherwise; the page works either way.
func TestPageServesTheLibraryWhenItIsThere(t *testing.T) {
	want := http.StatusOK
	if _, err := os.Stat(filepath.Join("web", "vendor", "hls.light.min.mjs")); err != nil {
		want = http.StatusNotFound
	}
	if resp := request(t, "http://127.0.0.1:8080/play/vendor/hls.light.min.mjs"); resp.StatusCode != want {
		t.Errorf("%d, want %d", resp.StatusCode, want)
	}
}

// Browsers take localhost and 127.0.0.1 for two sites, and would not send the edge's cookie.
func TestPageRedirectsToTheNameOfTheEdge(t *testing.T) {
	resp := request(t, "http://localhost:8080/play?playback=big-event&viewer=alice")
	if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusTemporaryRedirect || got != "http://127.0.0.1:8080/play?playback=big-event&viewer=alice" {
		t.Errorf("%d to %q", resp.StatusCode, got)
	}
	for _, host := range []string{"127.0.0.1:8080", "127.0.0.1", "video.example:8080"} {
		if resp := request(t, "http://"+host+"/play"); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", host, resp.StatusCode)
		}
	}
}

func TestPageRefusesOriginsThatWouldWidenThePolicy(t *testing.T) {
	for _, origin := range []string{
		"", "127.0.0.1:8090", "*", "http://", "http://127.0.0.1:8090/", "http://127.0.0.1:8090; script-src *",
		"http://a b", "javascript:x", "http://user@127.0.0.1:8090", "HTTP://127.0.0.1:8090",
	} {
		if _, err := sandbox.Page(origin); err == nil {
			t.Errorf("%q accepted", origin)
		}
	}
}

// The policy has no place for inline code, so the page must have none.
func TestPageHoldsNoInlineCode(t *testing.T) {
	html, err := os.ReadFile(filepath.Join("web", "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>\s*[^<\s]|<style|\sstyle=|\son[a-z]+=|javascript:`).Find(html); m != nil {
		t.Errorf("inline code: %s", m)
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := fs.ReadFile(os.DirFS("web"), name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "://") {
			t.Errorf("%s names a host", name)
		}
	}
}
