package rotatetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tokensvc/tokensvc/keystore"
)

// check holds what must be true after every tick.
func (w *World) check() error {
	r := w.Record()
	accepts := w.acceptance()
	active, last := 0, 0
	for i := range r.Keys {
		k := &r.Keys[i]
		if k.Version <= last {
			return fmt.Errorf("version %d is used again", k.Version)
		}
		last = k.Version
		switch k.State {
		case keystore.Active:
			active++
			if len(k.Sealed) == 0 {
				return fmt.Errorf("active key %d has no secret", k.Version)
			}
		case keystore.Retired, keystore.Destroyed:
			if !w.scenario.Breaks && accepts(k.Fingerprint) && !inUse(r, k.Fingerprint) {
				return fmt.Errorf("key %d is %s and still accepted", k.Version, k.State)
			}
			if k.State == keystore.Destroyed && len(k.Sealed) > 0 {
				return fmt.Errorf("destroyed key %d keeps its bytes", k.Version)
			}
		default:
		}
	}
	if active > 1 {
		return fmt.Errorf("%d keys are active", active)
	}
	live := w.tokens[:0]
	for _, t := range w.tokens {
		if !w.Now().Before(t.exp) {
			continue
		}
		if !w.scenario.Breaks && !accepts(t.fingerprint) {
			return fmt.Errorf("a token of key %d from tick %d is broken %s before its time", t.version, int(t.iat.Sub(w.begin)/Tick), t.exp.Sub(w.Now()))
		}
		live = append(live, t)
	}
	w.tokens = live
	return nil
}

// acceptance returns Accepts of the backend, asking once for each key: edges do not change during a check.
func (w *World) acceptance() func(fingerprint string) bool {
	asked := map[string]bool{}
	return func(fingerprint string) bool {
		accepted, ok := asked[fingerprint]
		if !ok {
			accepted = w.backend.Accepts(fingerprint)
			asked[fingerprint] = accepted
		}
		return accepted
	}
}

// inUse reports whether another version has the same secret and may be accepted: a rollback in a single slot
// takes a copy.
func inUse(r keystore.Record, fingerprint string) bool {
	return slices.ContainsFunc(r.Keys, func(k keystore.Key) bool {
		return k.Fingerprint == fingerprint && k.State != keystore.Retired && k.State != keystore.Destroyed
	})
}

// checkEnd holds what must be true when nothing is left to do.
func (w *World) checkEnd() error {
	r := w.Record()
	if w.outcome.Tokens == 0 {
		return errors.New("nothing was signed")
	}
	active := r.Active()
	if active == nil || !active.Horizon.IsZero() {
		return errors.New("nothing can be signed at the end")
	}
	for _, kid := range w.backend.KIDs() {
		known := slices.ContainsFunc(r.Keys, func(own keystore.Key) bool {
			return own.KID == kid && (own.State == keystore.Active || own.State == keystore.Retiring)
		})
		quarantined := slices.ContainsFunc(r.Orphans, func(o keystore.Orphan) bool { return o.KID == kid })
		if !known && !quarantined {
			return fmt.Errorf("a key that nobody knows is left at the provider (%s)", kid)
		}
	}
	return nil
}
