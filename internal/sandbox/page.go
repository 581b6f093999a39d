// Package sandbox is what `tokensvc dev` puts around the service: the page that plays a signed URL in a
// browser. Its sub-packages hold the test stream (hls) and the edge that verifies tokens (edge).
//
// The sandbox is for development, demonstrations and tests, on loopback. It does not protect anything.
package sandbox

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
)

// PagePath is where Page serves.
const PagePath = "/play"

// vendor.md stands for vendor/ in builds that do not have the directory.
//
//go:embed web/index.html web/player.css web/player.js web/vendor*
var web embed.FS

// Page returns a handler for PagePath and the paths below it: a page that signs a playback at the API of its
// own origin and plays it from the edge at edgeOrigin (scheme://host[:port]). Its content security policy
// admits these two and no inline script.
//
// The edge's cookie is of the site of the edge, and browsers take localhost and 127.0.0.1 for two sites. So a
// request under another name of the loopback host is redirected to the host name of the edge.
func Page(edgeOrigin string) (http.Handler, error) {
	u, err := edge.ParseOrigin(edgeOrigin)
	if err != nil {
		return nil, fmt.Errorf("player page: edge %w", err)
	}
	p := page{
		edgeHost: u.Hostname(),
		policy: "default-src 'self'; connect-src 'self' " + edgeOrigin + "; media-src 'self' blob: " + edgeOrigin +
			"; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+PagePath, p.index)
	for _, name := range []string{"player.css", "player.js", "vendor/hls.light.min.mjs"} {
		mux.HandleFunc("GET "+PagePath+"/"+name, p.file("web/"+name))
	}
	return p.guard(mux), nil
}

type page struct {
	edgeHost string
	policy   string
}

func (p page) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", p.policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

func (p page) index(w http.ResponseWriter, r *http.Request) {
	if to, ok := p.otherName(r.Host); ok {
		target := url.URL{Scheme: "http", Host: to, Path: PagePath, RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, target.String(), http.StatusTemporaryRedirect)
		return
	}
	p.file("web/index.html")(w, r)
}

// otherName returns host with the edge's name in place of its own, when both are names of the loopback host
// and differ.
func (p page) otherName(host string) (string, bool) {
	name, port, err := net.SplitHostPort(host)
	if err != nil || name == p.edgeHost || !isLoopback(name) || !isLoopback(p.edgeHost) {
		return "", false
	}
	return net.JoinHostPort(p.edgeHost, port), true
}

func isLoopback(name string) bool {
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// file serves one embedded file. What the build does not have is not found; the page says so itself.
func (p page) file(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, err := web.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			http.NotFound(w, r)
			return
		}
		if err != nil {
			http.Error(w, "the file cannot be read", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", contentType(name))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}
}

// contentType does not ask the system's table: it differs from machine to machine, and nosniff makes it count.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	default:
		return "text/html; charset=utf-8"
	}
}
