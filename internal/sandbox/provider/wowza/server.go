package wowza

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
)

// Server is one account at Wowza. It is safe for concurrent use.
type Server struct {
	cfg Config

	mu       sync.Mutex
	quirks   Quirks
	targets  []*target // oldest first, deleted ones too
	attached map[string][]attachment
	made     []time.Time
	cache    map[string]cached
}

type cached struct {
	at     time.Time
	status int
	body   any
}

// New returns an account without targets.
func New(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("wowza stand-in: %w", err)
	}
	if cfg.PlaybackBase == "" {
		cfg.PlaybackBase = defaultBase
	}
	cfg.Transcoders = maps.Clone(cfg.Transcoders)
	return &Server{cfg: cfg, attached: map[string][]attachment{}, cache: map[string]cached{}}, nil
}

// SetQuirks changes what is not documented.
func (s *Server) SetQuirks(q Quirks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quirks = q
}

func (s *Server) quirksNow() Quirks {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quirks
}

// Handler returns the API, behind the plan. Its calls are named: get versions, list targets, create target, get
// target, patch target, delete target, list outputs, attach target, list attached targets, detach target; what is
// none of them is "unknown".
func (s *Server) Handler() http.Handler {
	api := http.HandlerFunc(s.serve)
	if s.cfg.Plan == nil {
		return api
	}
	return s.cfg.Plan.Handler(func(r *http.Request) string { return match(r).name }, api)
}

// version is a version in a path; empty for /api/versions.
type version struct{ major, minor int }

func parseVersion(s string) (version, bool) {
	for minor := 4; minor <= 11; minor++ {
		if s == fmt.Sprintf("v1.%d", minor) {
			return version{1, minor}, true
		}
	}
	return version{2, 0}, s == "v2.0"
}

func (v version) takesKeys() bool { return v.major == 0 || v.major == 1 && v.minor <= 8 }
func (v version) takesJWT() bool  { return v.major != 1 || v.minor >= 8 }

func (v version) kind() string {
	if v.major == 2 {
		return "wowza_cdn"
	}
	return "fastly"
}

// request is a matched call.
type request struct {
	*http.Request

	name    string
	version version
	args    []string
	body    []byte
}

// match finds the call of a request by its method and path.
func match(r *http.Request) request {
	unknown := request{Request: r, name: "unknown"}
	path, found := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/"), "/api/")
	if !found {
		return unknown
	}
	if path == "versions" && r.Method == http.MethodGet {
		return request{Request: r, name: "get versions"}
	}
	parts := strings.Split(path, "/")
	v, known := parseVersion(parts[0])
	if !known {
		return unknown
	}
	for _, route := range routes() {
		method, pattern, _ := strings.Cut(route.pattern, " ")
		if args, fits := fit(pattern, v, parts[1:]); fits && method == r.Method {
			return request{Request: r, name: route.name, version: v, args: args}
		}
	}
	return unknown
}

// fit compares path segments with a pattern, in which KIND is what the version calls targets and * an id.
func fit(pattern string, v version, parts []string) (args []string, ok bool) {
	want := strings.Split(pattern, "/")
	if len(want) != len(parts) {
		return nil, false
	}
	for i, w := range want {
		switch {
		case w == "*" && parts[i] != "":
			args = append(args, parts[i])
		case w == "KIND" && parts[i] == v.kind():
		case w != parts[i]:
			return nil, false
		}
	}
	return args, true
}

type route struct {
	pattern, name string
	serve         func(*Server, request) (int, any, *refusal)
}

func routes() []route {
	const outputs, attached = "transcoders/*/outputs", "transcoders/*/outputs/*/output_stream_targets"
	return []route{
		{"GET stream_targets/KIND", "list targets", (*Server).list},
		{"POST stream_targets/KIND", "create target", (*Server).create},
		{"GET stream_targets/KIND/*", "get target", (*Server).get},
		{"PATCH stream_targets/KIND/*", "patch target", (*Server).patch},
		{"DELETE stream_targets/KIND/*", "delete target", (*Server).remove},
		{"GET " + outputs, "list outputs", (*Server).outputs},
		{"POST " + attached, "attach target", (*Server).attach},
		{"GET " + attached, "list attached targets", (*Server).listAttached},
		{"DELETE " + attached + "/*", "detach target", (*Server).detach},
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	req := match(r)
	if refused := s.admit(r, req.version); refused != nil {
		s.sendRefusal(w, refused)
		return
	}
	status, body, refused := s.answer(req)
	if refused != nil {
		s.sendRefusal(w, refused)
		return
	}
	send(w, status, body)
}

func (s *Server) answer(req request) (int, any, *refusal) {
	if req.name == "get versions" {
		return http.StatusOK, versions(), nil
	}
	for _, route := range routes() {
		if route.name != req.name {
			continue
		}
		if req.Method == http.MethodGet {
			return s.cachedGET(req, route)
		}
		body, err := io.ReadAll(http.MaxBytesReader(nil, req.Body, maxBody))
		if err != nil {
			return 0, nil, invalid("The body is too long.")
		}
		if len(body) > 0 && !strings.HasPrefix(req.Header.Get("Content-Type"), "application/json") {
			return 0, nil, refuse(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "Send application/json.")
		}
		req.body = bytes.TrimSpace(body)
		return route.serve(s, req)
	}
	return 0, nil, notFound()
}

// cachedGET answers from memory for a second, where the quirk is on.
func (s *Server) cachedGET(req request, route route) (int, any, *refusal) {
	if !s.quirksNow().CacheGETs {
		return route.serve(s, req)
	}
	now := s.cfg.clock()
	s.mu.Lock()
	held, ok := s.cache[req.URL.Path]
	s.mu.Unlock()
	if ok && now.Sub(held.at) < cacheAge {
		return held.status, held.body, nil
	}
	status, body, refused := route.serve(s, req)
	if refused == nil {
		s.mu.Lock()
		s.cache[req.URL.Path] = cached{at: now, status: status, body: body}
		s.mu.Unlock()
	}
	return status, body, refused
}

func versions() object {
	all := object{"2.0": object{"status": "current", "base_uri": "/api/v2.0"}}
	for minor := 4; minor <= 11; minor++ {
		status := "deprecated"
		if minor >= 10 {
			status = "supported"
		}
		all[fmt.Sprintf("1.%d", minor)] = object{"status": status, "base_uri": fmt.Sprintf("/api/v1.%d", minor)}
	}
	return all
}

// change makes an effect that observers of the plan see. It must be called without the lock.
func (s *Server) change(req request, what string, apply func()) {
	fault.Effect(req.Context(), what, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		apply()
	})
}
