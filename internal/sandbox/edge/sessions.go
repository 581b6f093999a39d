package edge

import (
	"crypto/rand"
	"strings"
	"sync"
)

// CookieName is the name of the session cookie.
const CookieName = "tokensvc_edge"

// scope is what a session opens: the paths of one target that start with prefix.
type scope struct {
	target string
	prefix string
	key    string // fingerprint of the one that opened it
}

func (s scope) opens(target, path string) bool {
	return s.target == target && strings.HasPrefix(path, s.prefix)
}

// cookiePath is the directory of the prefix: cookies know whole path segments only.
func (s scope) cookiePath() string { return directory(s.prefix) }

// sessions holds what was opened, in a ring: when it is full, the oldest session goes.
type sessions struct {
	mu   sync.Mutex
	byID map[string]scope
	ring []string
	next int
}

func newSessions(limit int) *sessions {
	return &sessions{byID: make(map[string]scope), ring: make([]string, limit)}
}

// open starts a session and returns its id, which holds at least 128 random bits.
func (s *sessions) open(sc scope) string {
	id := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, s.ring[s.next])
	s.ring[s.next] = id
	s.next = (s.next + 1) % len(s.ring)
	s.byID[id] = sc
	return id
}

func (s *sessions) lookup(id string) (scope, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc, ok := s.byID[id]
	return sc, ok
}

// directory returns path up to and with its last slash.
func directory(path string) string { return path[:strings.LastIndexByte(path, '/')+1] }
