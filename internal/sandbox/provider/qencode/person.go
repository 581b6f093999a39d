package qencode

import "time"

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
