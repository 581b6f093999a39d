// Package agora is a stand-in for the RESTful API of Agora Media Broadcast: domains and their authKey,
// the settings of origin authentication, entry points, bans, and the streams that are online. It follows the
// vendor's pages; where they say nothing, it is strict:
//
//   - Every call is signed with HTTP HMAC, checked as Kong's hmac-auth plugin does, whose dialect it is: over
//     the first line as it was received, with a date that may be 300 seconds off, and over a digest of the body.
//     A failure is 401, whatever is wrong.
//   - Errors have a status and no body that a client could rely on. Writes answer 200 without a body.
//   - The authKey stands in clear in the answers to GET, as with the vendor.
//   - A domain that is added twice is refused with 400: the pages know no 409.
//   - Beyond 50 calls in a second of the server's clock, calls are answered 429.
//
// A Server is a handler without state outside memory. Faults are put in front of it with package fault; the
// names of calls for that are those of Server.Call.
package agora

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
)

// maxBody bounds what a request may send, in bytes.
const maxBody = 64 << 10

// Server is the stand-in. Make it with New. It is safe for concurrent use.
type Server struct {
	cfg   Config
	mux   *http.ServeMux
	calls map[string]string // pattern of mux to name of call

	mu          sync.Mutex
	second      int64 // of the server's clock, and the calls in it
	inSecond    int
	domains     map[string]*domain
	webhook     webhook
	entryPoints map[string]*entryPoint
}

// New returns a server with the entry point "live" and no domains, or says what is wrong with cfg.
func New(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("sandbox agora: %w", err)
	}
	if cfg.CallsPerSecond == 0 {
		cfg.CallsPerSecond = DefaultCallsPerSecond
	}
	s := &Server{
		cfg: cfg, mux: http.NewServeMux(), calls: make(map[string]string),
		domains:     make(map[string]*domain),
		entryPoints: map[string]*entryPoint{defaultEntryPoint: newEntryPoint()},
	}
	for _, c := range s.routes() {
		pattern := c.method + " /v1/projects/{app}/fls" + c.path
		s.calls[pattern] = c.name
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, c) })
	}
	return s, nil
}

// Names of the calls.
const (
	CallCreateDomain     = "create domain"
	CallListDomains      = "list domains"
	CallGetDomain        = "get domain"
	CallSetAuthKey       = "set auth key"
	CallDeleteDomain     = "delete domain"
	CallGetOriginAuth    = "get origin authentication"
	CallSetOriginAuth    = "set origin authentication"
	CallCreateEntryPoint = "create entry point"
	CallListEntryPoints  = "list entry points"
	CallDeleteEntryPoint = "delete entry point"
	CallBan              = "ban stream"
	CallUnban            = "unban stream"
	CallListBans         = "list banned streams"
	CallListOnline       = "list online streams"
	CallGetOnline        = "get online stream"
)

// call is one call of the API. run returns the status, and what the body holds; nil for none.
type call struct {
	name, method, path string
	run                func(r *http.Request, body []byte) (status int, answer any)
}

func (s *Server) routes() []call {
	return []call{
		{CallCreateDomain, http.MethodPost, "/domains", s.createDomain},
		{CallListDomains, http.MethodGet, "/domains", s.listDomains},
		{CallGetDomain, http.MethodGet, "/domains/{domain}", s.getDomain},
		{CallSetAuthKey, http.MethodPatch, "/domains/{domain}", s.setAuthKey},
		{CallDeleteDomain, http.MethodDelete, "/domains/{domain}", s.deleteDomain},
		{CallGetOriginAuth, http.MethodGet, "/settings/streamauth/webhook", s.getWebhook},
		{CallSetOriginAuth, http.MethodPatch, "/settings/streamauth/webhook", s.setWebhook},
		{CallCreateEntryPoint, http.MethodPost, "/entry_points", s.createEntryPoint},
		{CallListEntryPoints, http.MethodGet, "/entry_points", s.listEntryPoints},
		{CallDeleteEntryPoint, http.MethodDelete, "/entry_points/{ep}", s.deleteEntryPoint},
		{CallBan, http.MethodPatch, "/entry_points/{ep}/admin/banned_streams/{stream}", s.ban},
		{CallUnban, http.MethodDelete, "/entry_points/{ep}/admin/banned_streams/{stream}", s.unban},
		{CallListBans, http.MethodGet, "/entry_points/{ep}/admin/banned_streams", s.listBans},
		{CallListOnline, http.MethodGet, "/entry_points/{ep}/reports/online_streams", s.listOnline},
		{CallGetOnline, http.MethodGet, "/entry_points/{ep}/reports/online_streams/{stream}", s.getOnline},
	}
}

// Call returns the name of the call that a request is, for a fault.Plan; "" for none.
func (s *Server) Call(r *http.Request) string {
	_, pattern := s.mux.Handler(r)
	return s.calls[pattern]
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request, c call) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		write(w, http.StatusBadRequest, nil)
		return
	}
	now := s.cfg.Now()
	if said := s.authenticate(r, body, now); said != "" {
		write(w, http.StatusUnauthorized, map[string]string{"message": said})
		return
	}
	switch {
	case s.isOverLimit(now):
		write(w, http.StatusTooManyRequests, nil)
	case r.PathValue("app") != s.cfg.AppID:
		write(w, http.StatusNotFound, nil)
	default:
		status, answer := c.run(r, body)
		write(w, status, answer)
	}
}

// isOverLimit counts a call and reports whether it is one too many in this second.
func (s *Server) isOverLimit(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Unix() != s.second {
		s.second, s.inSecond = now.Unix(), 0
	}
	s.inSecond++
	return s.inSecond > s.cfg.CallsPerSecond
}

func write(w http.ResponseWriter, status int, answer any) {
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The other end may be gone; there is nobody to tell.
	_, _ = w.Write(body)
}

// change makes a change under the server's lock, seen by the observers of a fault.Plan.
func (s *Server) change(ctx context.Context, what string, effect func()) {
	fault.Effect(ctx, what, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		effect()
	})
}
