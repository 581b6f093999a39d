package qencode

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Accepted returns the keys whose tokens the edges accept for a resource ("stream:…", "domain:…" or
// "bucket:…") at now, oldest first. An edge learns of a key Propagation after it was made, and forgets it
// as long after it was deleted, or at once with Quirks.ForgetsAtOnce. The keys verify and do not sign.
//
// A stream that is played through a custom domain may be opened by the keys of the domain too; the caller
// asks for both.
func (s *Server) Accepted(resource string, now time.Time) []tokens.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	var known []tokens.Key
	for _, k := range s.inOrder() {
		if k.resource == resource && s.isKnown(k, now) {
			known = append(known, k.public)
		}
	}
	return known
}

// isKnown reports whether edges know a key. The caller holds the lock.
func (s *Server) isKnown(k *signingKey, now time.Time) bool {
	if now.Before(k.made.Add(s.cfg.Propagation)) {
		return false
	}
	return k.deleted.IsZero() || !s.quirks.ForgetsAtOnce && now.Before(k.deleted.Add(s.cfg.Propagation))
}

// Protected reports whether the edges ask for tokens: a bucket by its policy, a live stream when it has a
// playback id and each of them is authenticated. The vendor has no such setting for a domain.
func (s *Server) Protected(resource string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch kind, id := splitResource(resource); kind {
	case kindBucket:
		b := s.buckets[id]
		return b != nil && b.authenticated
	case kindStream:
		ids := s.streams[id]
		for _, p := range ids {
			if p.policy != policyAuthenticated {
				return false
			}
		}
		return len(ids) > 0
	}
	return false
}
