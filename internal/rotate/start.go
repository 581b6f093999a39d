package rotate

import (
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Request asks for an operation.
type Request struct {
	// Kind is keystore.Rotate or keystore.Rollback; "" means Rotate.
	Kind keystore.Kind
	// Immediate waits for nothing: tokens break on purpose. It takes the place of an open operation.
	Immediate bool
	// Replace deletes the active key before a new one is made, since the provider takes no two: tokens shorten
	// towards the cut, then signing pauses. It takes the place of a rotation that the provider refuses.
	Replace bool
	// Version is the key that a rollback goes back to; 0 means the last one before the active key.
	Version int

	facts Facts // of who asks, if it knows any
}

// Starter opens operations in records. It touches no provider: whoever runs the Executor does.
type Starter struct {
	Sealer keystore.Sealer
	Timing Timing
}

// Start opens an operation in r, to be called within keystore.Store.Update. Errors wrap
// keystore.ErrIllegal, or are those of the sealer.
func (s Starter) Start(r *keystore.Record, q Request, now time.Time) error {
	op := keystore.Operation{ID: operationID(now), Kind: q.Kind, Mode: r.Target.Mode(), Immediate: q.Immediate}
	if op.Kind == "" {
		op.Kind = keystore.Rotate
	}
	switch {
	case !q.Replace:
	case op.Kind != keystore.Rotate || !op.Mode.Mints():
		return fmt.Errorf("%w: only a key that its provider makes can be replaced by deleting it first, in a rotation", keystore.ErrIllegal)
	default:
		op.Mode = keystore.Replace
	}
	switch op.Kind {
	case keystore.Rotate:
		return s.rotate(r, op, q.facts, now)
	case keystore.Rollback:
		return s.rollback(r, op, q, now)
	default:
		return fmt.Errorf("%w: an operation of kind %q cannot be asked for; use %s or %s", keystore.ErrIllegal, op.Kind, keystore.Rotate, keystore.Rollback)
	}
}

func (s Starter) rotate(r *keystore.Record, op keystore.Operation, f Facts, now time.Time) error {
	open := r.Operation
	if open != nil && open.Mode == keystore.Replace {
		op.Mode = keystore.Replace // only hastened: the old key may be deleted already
	}
	refused := op.Mode == keystore.Replace && open != nil && open.Mode == keystore.Overlap && open.Step == keystore.Intent
	if open != nil && !op.Immediate && !refused {
		return fmt.Errorf("%w: operation %s is open at %s; wait for it, or rotate immediately", keystore.ErrIllegal, open.ID, open.Step)
	}
	if open != nil && open.Kind == op.Kind && open.Mode == op.Mode && beforeUse(open.Step) && !restored(r) {
		op.To = open.To
		return r.Supersede(op, now, s.Timing.Timing)
	}
	key := keystore.Key{Origin: keystore.OriginRotation, Slot: idleSlot(r)}
	if !op.Mode.Mints() {
		secret, err := generate(r.Target.Scheme)
		if err != nil {
			return err
		}
		if key, err = s.sealed(r, key, secret); err != nil {
			return err
		}
	}
	op.To = r.Add(key, now).Version
	return s.begin(r, op, f, now)
}

// rollback goes back to an earlier key: by letting it sign again where the provider still accepts it,
// else by a new version with a copy of its secret.
func (s Starter) rollback(r *keystore.Record, op keystore.Operation, q Request, now time.Time) error {
	old, err := rollbackTo(r, q.Version)
	if err != nil {
		return err
	}
	if open := r.Operation; open != nil && beforeUse(open.Step) {
		return fmt.Errorf("%w: operation %s is open at %s and its key not in use; there is nothing to roll back", keystore.ErrIllegal, open.ID, open.Step)
	}
	if old.State == keystore.Retiring {
		op.To, op.Step = old.Version, keystore.Draining
		if err := s.begin(r, op, q.facts, now); err != nil {
			return err
		}
		return r.ActivateTo(now, s.Timing.Timing)
	}
	if op.Mode == keystore.Overlap {
		return fmt.Errorf("%w: key %d has been revoked at the provider; rotate instead", keystore.ErrIllegal, old.Version)
	}
	secret, err := s.Sealer.Open(keystore.Binding{Target: r.Target.ID, Version: old.Version}, old.Sealed)
	if err != nil {
		return err
	}
	key, err := s.sealed(r, keystore.Key{Origin: keystore.OriginRotation, Slot: idleSlot(r)}, secret)
	if err != nil {
		return err
	}
	op.To = r.Add(key, now).Version
	return s.begin(r, op, q.facts, now)
}

// rollbackTo finds the key to go back to.
func rollbackTo(r *keystore.Record, version int) (*keystore.Key, error) {
	if version != 0 {
		k, err := r.Key(version)
		if err != nil {
			return nil, err
		}
		if k.State != keystore.Retiring && k.State != keystore.Retired {
			return nil, fmt.Errorf("%w: key %d is %s; only a retiring or retired key can be gone back to", keystore.ErrIllegal, version, k.State)
		}
		return k, nil
	}
	for i := len(r.Keys) - 1; i >= 0; i-- {
		if k := &r.Keys[i]; k.State == keystore.Retiring || k.State == keystore.Retired {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w: target %s has no earlier key that holds its secret", keystore.ErrIllegal, r.Target.ID)
}

// begin opens op, in place of the open one if there is one. A cut is scheduled as early as it breaks no
// token.
func (s Starter) begin(r *keystore.Record, op keystore.Operation, f Facts, now time.Time) error {
	if op.Mode.Cuts() && !op.Immediate {
		p := planner{r: r, f: f, t: s.Timing, now: now}
		op.CutAt = p.nextCut()
		op.CutUntil = op.CutAt.Add(s.Timing.cutWindow())
	}
	if r.Operation != nil {
		return r.Supersede(op, now, s.Timing.Timing)
	}
	return r.Begin(op, now, s.Timing.Timing)
}

// Adopt takes over a secret that stands at the provider already, in one change: it becomes the active
// key. Tokens that its former owner has signed may live for foreignMaxLifetime, and no cut or retirement
// comes earlier. It wraps keystore.ErrIllegal where the key is ours already or an operation is open.
func (s Starter) Adopt(r *keystore.Record, secret tokens.Secret, foreignMaxLifetime time.Duration, now time.Time) error {
	key, err := s.sealed(r, keystore.Key{Origin: keystore.OriginImport, Slot: activeSlot(r)}, secret)
	if err != nil {
		return err
	}
	for i := range r.Keys {
		if r.Keys[i].Fingerprint == key.Fingerprint {
			return fmt.Errorf("%w: the provider holds key %d of target %s; there is nothing to adopt", keystore.ErrIllegal, r.Keys[i].Version, r.Target.ID)
		}
	}
	if until := now.Add(foreignMaxLifetime); until.After(r.Target.LongLivedUntil) {
		r.Target.LongLivedUntil = until
	}
	op := keystore.Operation{
		ID: operationID(now), Kind: keystore.Adopt, Mode: r.Target.Mode(), Step: keystore.Applied, To: r.Add(key, now).Version,
	}
	if err := r.Begin(op, now, s.Timing.Timing); err != nil {
		return err
	}
	if err := r.ActivateTo(now, s.Timing.Timing); err != nil {
		return err
	}
	if r.Operation != nil { // a pair has nothing to drain
		return r.Close(keystore.OutcomeDone, now)
	}
	return nil
}

// sealed completes a key that will be the record's next version.
func (s Starter) sealed(r *keystore.Record, k keystore.Key, secret tokens.Secret) (keystore.Key, error) {
	prepared, err := prepare(r.Target, "", secret)
	if err != nil {
		return k, err
	}
	k.Fingerprint = prepared.Fingerprint()
	k.Sealed, err = s.Sealer.Seal(keystore.Binding{Target: r.Target.ID, Version: r.NextVersion()}, secret)
	return k, err
}

// activeSlot is the slot of the key that signs; the first one where none does.
func activeSlot(r *keystore.Record) int {
	if active := r.Active(); active != nil {
		return active.Slot
	}
	return 0
}

// idleSlot is the slot of a pair that no key signs for.
func idleSlot(r *keystore.Record) int {
	if active := r.Active(); active != nil && r.Target.Mode() == keystore.Pair {
		return 1 - active.Slot
	}
	return 0
}

// beforeUse reports whether a step comes before the new key signs.
func beforeUse(s keystore.Step) bool { return s != keystore.Draining && s != keystore.Voiding }
