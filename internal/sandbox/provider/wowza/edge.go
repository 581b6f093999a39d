package wowza

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// change is what the API said from a moment on. The first of a target is what it was made with: edges know
// nothing older, and learn it at once.
type change struct {
	at      time.Time
	enabled bool
	secret  *string
}

// Effective returns the secrets whose tokens edges accept for a target at now, oldest first. A change counts
// Propagation after it was made; until then Quirks.Edges decides. Where edges check no tokens it is empty, and
// Protected is false.
func (s *Server) Effective(id string, now time.Time) []tokens.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, fault := s.find(id)
	if fault != nil {
		return nil
	}
	known, coming := s.split(t, now)
	states := []change{known}
	if len(coming) > 0 {
		switch s.quirks.Edges {
		case EdgesOld:
		case EdgesEither:
			states = append(states, coming...)
		case EdgesNeither:
			states = nil
		}
	}
	var secrets []tokens.Secret
	for _, c := range states {
		if c.enabled {
			secrets = append(secrets, tokens.NewSecret([]byte(deref(c.secret))))
		}
	}
	return secrets
}

// Protected reports whether edges ask for tokens of a target at now.
func (s *Server) Protected(id string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, fault := s.find(id)
	if fault != nil {
		return false
	}
	known, _ := s.split(t, now)
	return known.enabled
}

// split returns what all edges know at now, and the changes that are on their way. The caller holds the lock.
func (s *Server) split(t *target, now time.Time) (known change, coming []change) {
	known = t.history[0]
	for _, c := range t.history[1:] {
		if now.Before(c.at.Add(s.cfg.Propagation)) {
			coming = append(coming, c)
		} else {
			known = c
		}
	}
	return known, coming
}
