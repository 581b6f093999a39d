package standins

import (
	"fmt"
	"strings"

	"github.com/tokensvc/tokensvc/internal/sandbox/provider/wowza"
	"github.com/tokensvc/tokensvc/tokens"
	agorascheme "github.com/tokensvc/tokensvc/tokens/agora"
	wowzascheme "github.com/tokensvc/tokensvc/tokens/wowza"
)

// Names of the providers, as targets have them.
const (
	Wowza   = "wowza"
	Qencode = "qencode"
	Agora   = "agora"
)

// agoraDomain may stand in front of a domain's name in a resource.
const agoraDomain = "domain:"

// Keys returns the keys whose tokens the edges of a provider accept now for one of its resources: the id of a
// Wowza target, Qencode's "stream:ID", the name of an Agora domain. Edges that do not protect the resource, or
// do not know it, have none.
func (s *Standins) Keys(provider, resource string) []tokens.Key {
	switch provider {
	case Wowza:
		return prepare(wowzascheme.Scheme{}, s.Wowza.Effective(resource, s.now())...)
	case Qencode:
		return s.Qencode.Accepted(resource, s.now())
	case Agora:
		authKey, _ := s.Agora.Effective(strings.TrimPrefix(resource, agoraDomain), s.now())
		return prepare(agorascheme.Scheme{}, authKey)
	default:
		return nil
	}
}

// prepare leaves out what cannot be a key: an edge accepts no token then.
func prepare(scheme tokens.Scheme, secrets ...tokens.Secret) []tokens.Key {
	var keys []tokens.Key
	for _, secret := range secrets {
		if key, err := scheme.Prepare(tokens.Material{Secret: secret, AllowShort: true}); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// Standing is a resource, or one more key of a Qencode stream, that stood at its provider before the stand-ins
// were started.
type Standing struct {
	Provider, Resource string
	// KID is Qencode's id of the key.
	KID string
	// Secret is what the edges know; empty for a slot without one.
	Secret tokens.Secret
	// StreamID and Name are parts of the path of a Wowza target's playback URL.
	StreamID, Name string
}

// Put has something stand at its provider, and its edges know it, as if it had been there for long.
func (s *Standins) Put(st Standing) error {
	switch st.Provider {
	case Wowza:
		return s.Wowza.PutTarget(wowza.Standing{ID: st.Resource, StreamID: st.StreamID, Name: st.Name, Secret: st.Secret})
	case Qencode:
		return s.Qencode.PutKey(st.Resource, st.KID, st.Secret)
	case Agora:
		return s.Agora.PersonAddsPlayDomain(strings.TrimPrefix(st.Resource, agoraDomain), st.Secret)
	default:
		return fmt.Errorf("no stand-in for provider %q", st.Provider)
	}
}
