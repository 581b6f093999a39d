package qencode

import (
	"crypto/rsa"
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// KeyState is what stands in the account, as a person sees it in the vendor's console.
type KeyState struct {
	ID, Resource string
	// Name is empty for a key without one.
	Name    string
	Created time.Time
}

// Keys returns the keys of a resource, or of all with "", that were not deleted, oldest first.
func (s *Server) Keys(resource string) []KeyState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []KeyState
	for _, k := range s.standing(resource) {
		state := KeyState{ID: k.id, Resource: k.resource, Created: k.created}
		if k.name != nil {
			state.Name = *k.name
		}
		all = append(all, state)
	}
	return all
}

// PersonCreatesKey makes a key for a resource beside us, as a person does in the vendor's console, and
// returns its id. An empty name leaves it without one.
func (s *Server) PersonCreatesKey(resource, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayMint(resource); err != nil {
		return "", err
	}
	k, err := s.mint(resource)
	if err != nil {
		return "", err
	}
	if name != "" {
		k.name = &name
	}
	return k.id, nil
}

// PutKey has a key of a resource stand here as it stood before the stand-in was started, by its id and its
// private half. The edges know it at once.
func (s *Server) PutKey(resource, kid string, secret tokens.Secret) error {
	prepared, err := qencode.Scheme{}.Prepare(tokens.Material{ID: kid, Secret: secret})
	if err != nil {
		return fmt.Errorf("sandbox qencode: key %q: %w", kid, err)
	}
	public, ok := prepared.Public().(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("sandbox qencode: key %q is no RSA key", kid)
	}
	verifying, err := verifyKey(kid, public)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayMint(resource); err != nil {
		return err
	}
	if s.keys[kid] != nil {
		return fmt.Errorf("sandbox qencode: key %q is there already", kid)
	}
	s.made++
	s.keys[kid] = &signingKey{
		id: kid, resource: resource, private: secret.Reveal(), public: verifying, created: s.cfg.clock(),
		made: s.cfg.Now().Add(-s.cfg.Propagation), order: s.made,
	}
	return nil
}

// PlaybackIDs returns the names under which a live stream is played, oldest first.
func (s *Server) PlaybackIDs(stream string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, p := range s.streams[stream] {
		ids = append(ids, p.id)
	}
	return ids
}

// PersonDeletesKey deletes a key beside us.
func (s *Server) PersonDeletesKey(kid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(kid)
	if err != nil {
		return err
	}
	k.deleted = s.cfg.Now()
	return nil
}
