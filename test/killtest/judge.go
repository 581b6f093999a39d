package killtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/tokensvc/tokensvc/internal/sandbox/standins"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// judge compares, when all is over, the store, the provider and its edges. Last is the key that signed last.
func (r *run) judge(ctx context.Context, last string) error {
	var record keystore.Record
	var history []keystore.Operation
	err := r.world.Store(ctx, func(s *sqlite.Store) (err error) {
		if err := s.CheckIntegrity(ctx); err != nil {
			return err
		}
		if record, err = s.Get(ctx, Target); err != nil {
			return err
		}
		history, err = s.Operations(ctx, Target, keystore.Page{})
		return err
	})
	if err != nil {
		return err
	}
	if record.Operation != nil {
		r.violation("operation %s is open at %s", record.Operation.ID, record.Operation.Step)
	}
	if len(history) != 1 || history[0].Outcome != keystore.OutcomeDone && history[0].Outcome != keystore.OutcomeAbandoned {
		r.violation("there are %d operations in the history, want one that is done or abandoned: %+v", len(history), history)
	}
	for i := range record.Keys {
		r.judgeKey(&record.Keys[i])
	}
	active := record.Active()
	if active == nil {
		r.violation("no key is active")
		return nil
	}
	if want := fmt.Sprintf("%s/%d", Target, active.Version); last != want {
		r.violation("the last token was signed with %q, and the active key is %s", last, want)
	}
	for _, o := range record.Orphans {
		r.log("judge", "in quarantine: "+o.KID)
	}
	r.Orphans = len(record.Orphans)
	r.judgeEdges(record, active)
	if r.Kind == Minter {
		r.judgeMinted(record, active)
	} else {
		r.judgeSlots(record, active)
	}
	return nil
}

// judgeKey: when nothing is under way, a key signs, or has had its time and keeps its bytes, or has none.
func (r *run) judgeKey(k *keystore.Key) {
	switch hasBytes := len(k.Sealed) > 0; k.State {
	case keystore.Active, keystore.Retired:
		if !hasBytes {
			r.violation("key %d is %s and has no bytes", k.Version, k.State)
		}
	case keystore.Destroyed:
		if hasBytes {
			r.violation("key %d is destroyed and has bytes", k.Version)
		}
	default:
		r.violation("key %d is %s, and no operation is open", k.Version, k.State)
	}
}

// judgeEdges: the edges accept the active key, and none that is retired.
func (r *run) judgeEdges(record keystore.Record, active *keystore.Key) {
	for slot, resource := range record.Target.Resources {
		accepted := r.world.standins.Keys(r.Provider, resource)
		is := func(fingerprint string) func(tokens.Key) bool {
			return func(k tokens.Key) bool { return k.Fingerprint() == fingerprint }
		}
		if slot == active.Slot && !slices.ContainsFunc(accepted, is(active.Fingerprint)) {
			r.violation("the edges do not accept the active key %d", active.Version)
		}
		for i := range record.Keys {
			k := &record.Keys[i]
			if ended := k.State == keystore.Retired || k.State == keystore.Destroyed; ended && k.Fingerprint != "" && slices.ContainsFunc(accepted, is(k.Fingerprint)) {
				r.violation("the edges of %s accept key %d, which is %s", resource, k.Version, k.State)
			}
		}
	}
}

// judgeMinted: the provider has the active key, and besides it only what is in quarantine.
func (r *run) judgeMinted(record keystore.Record, active *keystore.Key) {
	hasActive := false
	for _, k := range r.world.standins.Qencode.Keys(record.Target.Resources[0]) {
		switch {
		case k.ID == active.KID:
			hasActive = true
		case slices.ContainsFunc(record.Orphans, func(o keystore.Orphan) bool { return o.KID == k.ID }):
		default:
			r.violation("the provider has key %s (named %q), which nobody knows of", k.ID, k.Name)
		}
	}
	if !hasActive {
		r.violation("the provider does not have the active key %d", active.Version)
	}
}

// judgeSlots: the active key's slot holds it, and another slot nothing that a token was ever signed with.
func (r *run) judgeSlots(record keystore.Record, active *keystore.Key) {
	for slot, resource := range record.Target.Resources {
		held, err := r.held(resource)
		if err != nil {
			r.violation("%v", err)
			continue
		}
		fingerprint := ""
		if held.Len() > 0 {
			fingerprint = tokens.SecretFingerprint(record.Target.Scheme, held.Reveal())
		}
		isOurs := slices.ContainsFunc(record.Keys, func(k keystore.Key) bool {
			return slot != active.Slot && k.VoidFingerprint == fingerprint && fingerprint != "" || slot == active.Slot && k.Version == active.Version && k.Fingerprint == fingerprint
		})
		neverUsed := slot != active.Slot && fingerprint == ""
		if !isOurs && !neverUsed {
			r.violation("%s holds a secret that does not belong there", resource)
		}
	}
}

// held returns what stands in a slot.
func (r *run) held(resource string) (tokens.Secret, error) {
	if r.Provider == standins.Wowza {
		return r.world.standins.Wowza.Secret(resource)
	}
	return r.world.standins.Agora.AuthKey(resource[len("domain:"):]), nil
}
