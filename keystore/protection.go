package keystore

import (
	"fmt"
	"slices"
	"time"
)

// Protection says that token checking was switched on for a resource whose provider does not show whether
// it is.
type Protection struct {
	// Resource is one of the target's.
	Resource string `json:"resource"`
	// PlaybackID is the name under which the resource wants tokens, where the provider made one for it.
	PlaybackID string `json:"playback_id,omitempty"`
	// At is when it was switched on.
	At time.Time `json:"at"`
}

// Protection returns what is known of a resource's token checking.
func (r *Record) Protection(resource string) (Protection, bool) {
	i := slices.IndexFunc(r.Protections, func(p Protection) bool { return p.Resource == resource })
	if i < 0 {
		return Protection{}, false
	}
	return r.Protections[i], true
}

// Protect notes that token checking was switched on for a resource, in place of what was known of it. What is
// known of resources that the target has no longer is dropped.
func (r *Record) Protect(p Protection) {
	r.Protections = slices.DeleteFunc(r.Protections, func(old Protection) bool {
		return old.Resource == p.Resource || !slices.Contains(r.Target.Resources, old.Resource)
	})
	r.Protections = append(r.Protections, p)
}

func checkProtections(r Record) error {
	if len(r.Protections) > maxResources {
		return fmt.Errorf("%w: target %s has %d protected resources; at most %d are kept", ErrIllegal, r.Target.ID, len(r.Protections), maxResources)
	}
	for i, p := range r.Protections {
		if p.Resource == "" || slices.ContainsFunc(r.Protections[:i], func(other Protection) bool { return other.Resource == p.Resource }) {
			return fmt.Errorf("%w: a protected resource of target %s has no name, or is there twice", ErrIllegal, r.Target.ID)
		}
	}
	return nil
}
