package rotatetest

import (
	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// Backend is the provider of a world: an adapter, and what its edges accept.
type Backend interface {
	// Target has the provider, scheme and resources of the target.
	Target() keystore.Target
	// Provider returns the adapter of one life of the process, with the traits that it is to claim.
	Provider(t provider.Traits) (provider.Provider, error)
	// Accepts reports whether edges accept tokens of the key with a fingerprint now.
	Accepts(fingerprint string) bool
	// KIDs lists the keys that were made and not revoked; none where the provider makes no keys.
	KIDs() []string
	// Calls is how many calls have arrived.
	Calls() int
}

// inMemory is a Vendor as a backend.
type inMemory struct {
	*Vendor
	kind Kind
}

func (m inMemory) Target() keystore.Target {
	t := keystore.Target{Provider: "wowza", Scheme: m.scheme, Resources: []string{"first"}}
	switch m.kind {
	case Minter:
		t.Provider = "qencode"
	case Pair:
		t.Resources = append(t.Resources, "second")
	default:
	}
	return t
}

func (m inMemory) Calls() int { return m.calls }

func (m inMemory) Provider(t provider.Traits) (provider.Provider, error) {
	switch m.kind {
	case Minter:
		return m.Minter(t), nil
	case BlindSetter:
		return m.BlindSetter(t), nil
	default:
		return m.Setter(t), nil
	}
}
