package wowza

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tokensvc/tokensvc/tokens"
)

// ErrNoTarget means that there is no such target, or none any more.
var ErrNoTarget = errors.New("no such stream target")

// AddTarget makes a target as a person does in Wowza's console, and returns its id. With an empty secret it does
// not check tokens. The edges know it at once.
func (s *Server) AddTarget(name string, secret tokens.Secret) (id string) {
	now := s.cfg.clock()
	with := settings{Name: &name, DeliveryProtocols: []string{"hls"}}
	if secret.Len() > 0 {
		text := string(secret.Reveal())
		with.TokenAuthEnabled, with.Secret = true, &text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := newTarget(with, now, s.cfg.Now())
	s.targets = append(s.targets, t)
	return t.id
}

// Standing is a target whose ids somebody else keeps.
type Standing struct {
	// ID is the target's, StreamID and Name are the second and third part of its playback URL's path.
	ID, StreamID, Name string
	// Secret may be empty: then it does not check tokens.
	Secret tokens.Secret
}

// PutTarget has a target stand here as it stood before the stand-in was started. The edges know it at once.
func (s *Server) PutTarget(st Standing) error {
	now := s.cfg.clock()
	with := settings{Name: &st.Name, DeliveryProtocols: []string{"hls"}}
	if st.Secret.Len() > 0 {
		text := string(st.Secret.Reveal())
		with.TokenAuthEnabled, with.Secret = true, &text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.ID == "" || st.StreamID == "" || st.Name == "" || slices.ContainsFunc(s.targets, func(t *target) bool { return t.id == st.ID }) {
		return fmt.Errorf("sandbox wowza: target %q: it is there already, or an id or the name is missing", st.ID)
	}
	t := newTarget(with, now, s.cfg.Now())
	t.id, t.streamID, t.streamName = st.ID, st.StreamID, st.Name
	s.targets = append(s.targets, t)
	return nil
}

// SetSecret writes another secret beside the API's users, as a person does. An empty one switches token checking
// off.
func (s *Server) SetSecret(id string, secret tokens.Secret) error {
	return s.edit(id, func(t *target) {
		with := t.settings
		text := string(secret.Reveal())
		with.TokenAuthEnabled, with.Secret = secret.Len() > 0, &text
		if secret.Len() == 0 {
			with.Secret = nil
		}
		t.set(with, s.cfg.clock(), s.cfg.Now())
	})
}

// SetGeoblockIPs fills the field that shares its space with the secret.
func (s *Server) SetGeoblockIPs(id, addresses string) error {
	return s.edit(id, func(t *target) { t.GeoblockIPAddresses = &addresses })
}

// Archive makes a target unchangeable.
func (s *Server) Archive(id string) error {
	return s.edit(id, func(t *target) { t.state = stateArchived })
}

func (s *Server) edit(id string, do func(*target)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, fault := s.find(id)
	if fault != nil {
		return ErrNoTarget
	}
	do(t)
	return nil
}

// Secret returns the secret that the API holds for a target; empty where it checks no tokens.
func (s *Server) Secret(id string) (tokens.Secret, error) {
	var secret tokens.Secret
	err := s.edit(id, func(t *target) {
		if t.TokenAuthEnabled {
			secret = tokens.NewSecret([]byte(deref(t.Secret)))
		}
	})
	return secret, err
}

// Targets returns the ids of the targets that are there, oldest first.
func (s *Server) Targets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, t := range s.targets {
		if !t.deleted {
			ids = append(ids, t.id)
		}
	}
	return ids
}

// PlaybackURL returns the playlist of a target.
func (s *Server) PlaybackURL(id string) (string, error) {
	var url string
	err := s.edit(id, func(t *target) { url = s.playbackURL(t) })
	return url, err
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
