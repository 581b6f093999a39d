package agora

import (
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Effective returns the authKey that the edges hold for a domain at now. isProtected is false while they know
// the domain and no authKey for it: then they ask for no sign. When it is true and the key is empty, no sign
// is good: the edges do not know the domain, or stand in a Config.Gap.
func (s *Server) Effective(name string, now time.Time) (authKey tokens.Secret, isProtected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[name]
	if d == nil || !d.isThere() && !now.Before(d.deleted.Add(s.cfg.Propagation)) {
		return tokens.Secret{}, true
	}
	for _, k := range d.keys {
		switch {
		case !now.Before(k.at.Add(s.cfg.Propagation)):
			authKey, isProtected = k.key, true
		case s.cfg.Gap && !now.Before(k.at):
			return tokens.Secret{}, true
		}
	}
	return authKey, isProtected
}

// AuthKey returns what stands in the account, as a person sees it in the vendor's console; empty for none.
func (s *Server) AuthKey(name string) tokens.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.domains[name]; d.isThere() {
		return d.authKey()
	}
	return tokens.Secret{}
}

// PersonAddsPlayDomain adds a play domain beside us. An authKey that is not empty is known to the edges at once.
func (s *Server) PersonAddsPlayDomain(name string, authKey tokens.Secret) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !domainName().MatchString(name) || s.domains[name].isThere() {
		return fmt.Errorf("sandbox agora: domain %q: it is there already, or no domain name in lower case", name)
	}
	d := &domain{kind: "play"}
	if authKey.Len() > 0 {
		d.keys = []keyChange{{at: s.cfg.Now().Add(-s.cfg.Propagation), key: authKey}}
	}
	s.domains[name] = d
	return nil
}

// PersonSetsAuthKey changes an authKey beside us. The edges learn it like any other change.
func (s *Server) PersonSetsAuthKey(name string, authKey tokens.Secret) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[name]
	if !d.isThere() || authKey.Len() == 0 || authKey.Len() > maxAuthKey {
		return fmt.Errorf("sandbox agora: domain %q: not there, or no authKey of 1 to %d bytes", name, maxAuthKey)
	}
	d.set(authKey, s.cfg.Now(), s.cfg.Propagation)
	return nil
}
