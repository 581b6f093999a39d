package qencode

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
)

// Names of the calls, for rules of a fault.Plan.
const (
	CallLogin            = "access token"
	CallCreateDomain     = "create domain"
	CallGetDomain        = "get domain" // also a list by type: both have one path
	CallListDomains      = "list domains"
	CallDeleteDomain     = "delete domain"
	CallCreateTLS        = "create tls subscription"
	CallGetTLS           = "get tls subscription"
	CallListTLS          = "list tls subscriptions"
	CallDeleteTLS        = "delete tls subscription"
	CallCreateKey        = "create signing key"
	CallGetKey           = "get signing key"
	CallListKeys         = "list signing keys"
	CallRenameKey        = "rename signing key"
	CallDeleteKey        = "delete signing key"
	CallSetPolicy        = "set bucket policy"
	CallSetCORS          = "set cors"
	CallGetCORS          = "get cors"
	CallDeleteCORS       = "delete cors"
	CallDeleteCORSHeader = "delete cors header"
	CallPurgeAll         = "purge all"
	CallPurge            = "purge path"
	CallCreatePlaybackID = "create playback id"
)

// Kinds of resources that keys belong to.
const (
	kindStream = "stream"
	kindDomain = "domain"
	kindBucket = "bucket"
)

// Server is an account at the stand-in. Make it with New. It is safe for concurrent use.
type Server struct {
	cfg Config

	mu      sync.Mutex
	quirks  Quirks
	bearers *bearers
	keys    map[string]*signingKey
	made    int // keys so far, for their order
	drawn   int // keys of the pool so far
	logins  int
	domains []*domain
	tls     []*subscription
	buckets map[string]*bucket
	streams map[string][]playbackID
}

// New returns a server, or says what is wrong with cfg. It starts no goroutines and needs no closing.
func New(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("sandbox qencode: %w", err)
	}
	if cfg.Pool == nil {
		cfg.Pool = NewPool()
	}
	s := &Server{
		cfg:     cfg,
		bearers: newBearers(),
		keys:    make(map[string]*signingKey),
		buckets: make(map[string]*bucket),
		streams: make(map[string][]playbackID),
	}
	for _, id := range cfg.Streams {
		// A new stream comes with one playback id, which everybody may use.
		s.streams[id] = []playbackID{{id: newID(), policy: policyPublic}}
	}
	for _, name := range cfg.Buckets {
		s.buckets[name] = &bucket{cors: map[string]string{}}
	}
	return s, nil
}

// SetQuirks changes how the server behaves where the vendor says nothing.
func (s *Server) SetQuirks(q Quirks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quirks = q
}

// CDN returns the handler of api-cdn.
func (s *Server) CDN() http.Handler { return s.handler(s.cdnRoutes()) }

// Live returns the handler of api-live: access tokens and playback ids.
func (s *Server) Live() http.Handler { return s.handler(s.liveRoutes()) }

// Handler returns a handler of both APIs, for where they share an address. No path is in both.
func (s *Server) Handler() http.Handler {
	return s.handler(slices.Concat(s.cdnRoutes(), s.liveRoutes()))
}

func (s *Server) cdnRoutes() []route {
	return []route{
		{"POST /v1/domains", CallCreateDomain, s.createDomain},
		{"GET /v1/domains", CallListDomains, s.listDomains},
		{"GET /v1/domains/{id}", CallGetDomain, s.getDomain},
		{"DELETE /v1/domains/{id}", CallDeleteDomain, s.deleteDomain},
		{"POST /v1/tls/subscriptions", CallCreateTLS, s.createTLS},
		{"GET /v1/tls/subscriptions", CallListTLS, s.listTLS},
		{"GET /v1/tls/subscriptions/{id}", CallGetTLS, s.getTLS},
		{"DELETE /v1/tls/subscriptions/{id}", CallDeleteTLS, s.deleteTLS},
		{"POST /v1/signing-keys", CallCreateKey, s.createKey},
		{"GET /v1/signing-keys", CallListKeys, s.listKeys},
		{"GET /v1/signing-keys/{id}", CallGetKey, s.getKey},
		{"PUT /v1/signing-keys/{id}", CallRenameKey, s.renameKey},
		{"DELETE /v1/signing-keys/{id}", CallDeleteKey, s.deleteKey},
		{"PUT /v1/buckets/{bucket}/policy/{policy}", CallSetPolicy, s.setPolicy},
		{"POST /v1/buckets/{bucket}/cors", CallSetCORS, s.setCORS},
		{"GET /v1/buckets/{bucket}/cors", CallGetCORS, s.getCORS},
		{"DELETE /v1/buckets/{bucket}/cors", CallDeleteCORS, s.deleteCORS},
		{"DELETE /v1/buckets/{bucket}/cors/{header}", CallDeleteCORSHeader, s.deleteCORSHeader},
		{"POST /v1/buckets/{bucket}/cache/purge_all", CallPurgeAll, s.purgeAll},
		{"POST /v1/buckets/{bucket}/cache/purge", CallPurge, s.purge},
	}
}

func (s *Server) liveRoutes() []route {
	return []route{
		{"POST /v1/access_token/{api_key}", CallLogin, s.login},
		{"POST /v1/live-streams/{id}/playback-ids", CallCreatePlaybackID, s.createPlaybackID},
	}
}

// route is one call of the API.
type route struct {
	pattern, call string
	serve         func(*http.Request) (any, error)
}

func (s *Server) handler(routes []route) http.Handler {
	mux := http.NewServeMux()
	calls := make(map[string]string, len(routes))
	for _, one := range routes {
		calls[one.pattern] = one.call
		mux.HandleFunc(one.pattern, func(w http.ResponseWriter, r *http.Request) {
			err := s.admit(one.call, r)
			var answer any
			if err == nil {
				answer, err = one.serve(r)
			}
			write(w, answer, err, s.quirksNow().Errors200)
		})
	}
	if s.cfg.Plan == nil {
		return mux
	}
	name := func(r *http.Request) string {
		_, pattern := mux.Handler(r)
		return cmp.Or(calls[pattern], "unknown")
	}
	return s.cfg.Plan.Handler(name, mux)
}

func (s *Server) admit(call string, r *http.Request) error {
	if call == CallLogin {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bearers.accept(r.Header.Values("Authorization"), s.cfg.clock())
}

func (s *Server) quirksNow() Quirks {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quirks
}

// change applies a change that check allows, and lets the plan's observers see both sides of it. Both
// functions are called with the lock held, check twice.
func (s *Server) change(ctx context.Context, what string, check func() error, apply func()) error {
	locked := func(apply func()) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := check(); err != nil {
			return err
		}
		apply()
		return nil
	}
	if err := locked(func() {}); err != nil {
		return err
	}
	var err error
	fault.Effect(ctx, what, func() { err = locked(apply) })
	return err
}

// ordered returns what a list shows, in the order that the quirks ask for. The caller holds the lock.
func (s *Server) ordered(shown []object) []object {
	if s.quirks.NewestFirst {
		slices.Reverse(shown)
	}
	return shown
}

// exists reports whether there is such a resource. The caller holds the lock.
func (s *Server) exists(resource string) error {
	kind, id := splitResource(resource)
	switch kind {
	case kindStream:
		if _, ok := s.streams[id]; ok {
			return nil
		}
	case kindDomain:
		if s.domain(id) != nil {
			return nil
		}
	case kindBucket:
		if s.buckets[id] != nil {
			return nil
		}
	}
	return notFound(cmp.Or(kind, "resource"))
}

func splitResource(resource string) (kind, id string) {
	kind, id, _ = strings.Cut(resource, ":")
	return kind, id
}

func newID() string { return uuid.New().String() }
