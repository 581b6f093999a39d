package edge

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/hls"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
)

// ReasonHeader carries the tokens.Reason of a refusal.
const ReasonHeader = "X-Tokensvc-Reason"

// Edge is an http.Handler that verifies tokens and serves the test stream. Make it with New. It is safe for
// concurrent use.
type Edge struct {
	cfg      Config
	byFirst  map[string]*mount // by path of the first playlist
	byDir    map[string]*mount
	sessions *sessions
}

// New returns an edge for cfg, or says what is wrong with it. The edge starts no goroutines and needs no
// closing; its sessions end with it.
func New(cfg Config) (*Edge, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("sandbox edge: %w", err)
	}
	if cfg.MaxSessions == 0 {
		cfg.MaxSessions = DefaultMaxSessions
	}
	cfg.PageOrigins = slices.Clone(cfg.PageOrigins)
	e := &Edge{
		cfg:      cfg,
		byFirst:  make(map[string]*mount, len(cfg.Streams)),
		byDir:    make(map[string]*mount, len(cfg.Streams)),
		sessions: newSessions(cfg.MaxSessions),
	}
	start := cfg.Now()
	for _, s := range cfg.Streams {
		m, err := newMount(s, start)
		if err != nil {
			return nil, fmt.Errorf("sandbox edge: %w", err)
		}
		if e.byDir[m.dir] != nil {
			return nil, fmt.Errorf("sandbox edge: stream %q: another stream is mounted in %s", s.Playlist, m.dir)
		}
		e.byFirst[s.Playlist], e.byDir[m.dir] = m, m
	}
	return e, nil
}

// Server returns a server for h with limits on times and sizes that suit an edge. Its owner serves and shuts
// it down.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}

// kind is what a file of a stream is.
type kind int

const (
	first   kind = iota + 1 // the playlist that is signed
	media                   // the playlist that lists the segments
	segment                 // one segment
)

type file struct {
	kind   kind
	number int64 // of a segment
}

func (f file) isPlaylist() bool { return f.kind == first || f.kind == media }

// ServeHTTP implements http.Handler.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	fromPage := e.allowOrigin(h, r)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		preflight(w, r, fromPage)
		return
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "an edge answers GET and HEAD only", http.StatusMethodNotAllowed)
		return
	}
	if !isPlainPath(r.URL.EscapedPath()) {
		h.Set(ReasonHeader, string(tokens.Malformed))
		http.Error(w, string(tokens.Malformed)+": the path holds a dot segment, an empty segment, a backslash or a percent-escape; request it as it was signed", http.StatusBadRequest)
		return
	}
	m, f, ok := e.route(r.URL.Path)
	if !ok {
		http.Error(w, "no stream has this file", http.StatusNotFound)
		return
	}
	adm, err := e.admit(r, m, f)
	if err != nil {
		refuse(w, err)
		return
	}
	e.serve(w, r, m, f, adm)
}

// isPlainPath refuses paths with more than one spelling. Mounted paths need no percent-escape.
func isPlainPath(escaped string) bool {
	if !strings.HasPrefix(escaped, "/") || strings.ContainsAny(escaped, `%\`) {
		return false
	}
	segments := strings.Split(escaped[1:], "/")
	for i, s := range segments {
		if s == "." || s == ".." || s == "" && i < len(segments)-1 {
			return false
		}
	}
	return true
}

// route finds the stream and the file that path names. Paths are looked up, never joined or cleaned.
func (e *Edge) route(path string) (*mount, file, bool) {
	if m := e.byFirst[path]; m != nil {
		return m, file{kind: first}, true
	}
	dir := directory(path)
	m, name := e.byDir[dir], path[len(dir):]
	if m == nil {
		return nil, file{}, false
	}
	if name == hls.MediaPlaylist && m.Scheme != agora.Name {
		return m, file{kind: media}, true
	}
	n, ok := hls.SegmentNumber(name)
	return m, file{kind: segment, number: n}, ok
}

// serve answers an admitted request.
func (e *Edge) serve(w http.ResponseWriter, r *http.Request, m *mount, f file, adm admission) {
	body, contentType, ok := e.content(m, f, adm.query)
	if !ok {
		http.Error(w, "no such segment, or not at this time", http.StatusNotFound)
		return
	}
	if adm.session != nil {
		// The sandbox is on loopback without TLS, where a Secure cookie would not come back.
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: not Secure, see above.
			Name:     CookieName,
			Value:    e.sessions.open(*adm.session),
			Path:     adm.session.cookiePath(),
			HttpOnly: true,
			SameSite: http.SameSiteLaxMode,
		})
	}
	w.Header().Set("Content-Type", contentType)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func (e *Edge) content(m *mount, f file, query string) (body []byte, contentType string, ok bool) {
	now := e.cfg.Now()
	switch {
	case f.kind == segment:
		body, ok = m.origin.Segment(f.number, now)
		return body, hls.ContentTypeSegment, ok
	case f.kind == first && m.Scheme != agora.Name:
		child := strings.TrimPrefix(m.dir, directory(m.Playlist)) + hls.MediaPlaylist
		body = hls.Master(child)
	default:
		var err error
		if body, err = m.origin.Media(now); err != nil {
			return nil, "", false
		}
	}
	return hls.WithQuery(body, query), hls.ContentTypePlaylist, true
}

// refuse answers 403 with the reason. The text comes from package tokens, or from this one, and holds no
// token.
func refuse(w http.ResponseWriter, err error) {
	reason := tokens.ReasonOf(err)
	if reason == "" {
		reason = tokens.Malformed
	}
	w.Header().Set(ReasonHeader, string(reason))
	http.Error(w, string(reason)+": "+err.Error(), http.StatusForbidden)
}
