package keystore

import (
	"fmt"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// The functions of this file change the open operation of a record together with what must change with
// it in the same commit. All wrap ErrIllegal where the change is not allowed; a refused change leaves
// the record as it was.

// Begin opens an operation, at its first step unless another is given. It fills in the target, the mode
// where none is given, From, and the times. Op.To is a pending key, or a retiring one for a rollback that
// has only to drain. A CutAt schedules the cut as Schedule does.
func (r *Record) Begin(op Operation, now time.Time, t Timing) error {
	if r.Operation != nil {
		return fmt.Errorf("%w: operation %s of target %s is open (%s)", ErrIllegal, r.Operation.ID, r.Target.ID, r.Operation.Step)
	}
	return r.atomically(func() error { return r.open(op, nil, now, t) })
}

// Supersede closes the open operation as superseded and opens op in its place.
//
// With the same To, op takes the operation over where it stands, with its inventory and times; that is
// how one is made Immediate. With another To, the pending key of the old operation is destroyed. That is
// refused while the provider may hold a key of the old operation that nobody else would revoke. Where a
// single slot is in doubt, op begins at Applying.
func (r *Record) Supersede(op Operation, now time.Time, t Timing) error {
	old := r.Operation
	if old == nil {
		return r.noOperation()
	}
	return r.atomically(func() error {
		if op.Mode == "" {
			op.Mode = r.Target.Mode()
		}
		if op.To == old.To && !old.Step.activated() {
			if op.Mode != old.Mode || op.Kind != old.Kind {
				return fmt.Errorf("%w: an operation that takes key %d over keeps the kind %s and the mode %s", ErrIllegal, op.To, old.Kind, old.Mode)
			}
			op.Step, op.Seen, op.UseAfter = old.Step, slices.Clone(old.Seen), old.UseAfter
			op.CutAt, op.CutUntil = time.Time{}, time.Time{}
			cutAt, cutUntil := old.CutAt, old.CutUntil
			r.finish(OutcomeSuperseded, now)
			if err := r.open(op, []Step{op.Step}, now, t); err != nil {
				return err
			}
			r.Operation.CutAt, r.Operation.CutUntil = cutAt, cutUntil
			return nil
		}
		steps, err := r.dropOld(old, &op, now)
		if err != nil {
			return err
		}
		r.finish(OutcomeSuperseded, now)
		return r.open(op, steps, now, t)
	})
}

// dropOld destroys the pending key of an operation that another one supersedes, and returns the steps
// at which that one may begin; nil means its usual ones.
func (r *Record) dropOld(old, op *Operation, now time.Time) ([]Step, error) {
	switch {
	case old.Step == Minting:
		return nil, fmt.Errorf("%w: operation %s may have made a key at the provider; take key %d over, or sweep first", ErrIllegal, old.ID, old.To)
	case old.Step == Voiding && op.Kind == Rollback:
		return nil, fmt.Errorf("%w: the slot of key %d is being overwritten; rotate instead", ErrIllegal, old.From)
	case old.inDoubt() && op.Mode != Cut:
		return nil, fmt.Errorf("%w: the slot is in doubt until a set is confirmed", ErrIllegal)
	}
	var steps []Step
	if old.inDoubt() {
		steps = []Step{Applying}
	}
	k, err := r.Key(old.To)
	if err != nil {
		return nil, err
	}
	if k.State != Pending {
		return steps, nil
	}
	if k.KID != "" {
		return nil, fmt.Errorf("%w: the provider holds key %d of operation %s; take it over, or revoke it and abandon the operation", ErrIllegal, old.To, old.ID)
	}
	if !old.inDoubt() {
		r.reopen(old)
	}
	return steps, r.Destroy(old.To, true, now)
}

// open checks op and puts it in place. Steps are those at which it may begin; nil means its usual ones.
func (r *Record) open(op Operation, steps []Step, now time.Time, t Timing) error {
	if op.Mode == "" {
		op.Mode = r.Target.Mode()
	}
	if err := r.Target.checkMode(op.Mode); err != nil {
		return err
	}
	from := 0
	if active := r.Active(); active != nil {
		from = active.Version
	}
	if op.Mode == Replace && from == 0 {
		return fmt.Errorf("%w: target %s has no active key that could make room; rotate it", ErrIllegal, r.Target.ID)
	}
	if op.From != 0 && op.From != from {
		return fmt.Errorf("%w: an operation begins from the active key, which is %d, not %d", ErrIllegal, from, op.From)
	}
	if steps == nil {
		steps = firstSteps(&op)
	}
	if op.Step == "" {
		op.Step = steps[0]
		if to, err := r.Key(op.To); err == nil && to.State == Retiring && slices.Contains(steps, Draining) {
			op.Step = Draining
		}
	}
	if !slices.Contains(steps, op.Step) {
		return fmt.Errorf("%w: this %s operation of mode %s begins at one of %v, not %q", ErrIllegal, op.Kind, op.Mode, steps, op.Step)
	}
	op.Target, op.From = r.Target.ID, from
	op.StartedAt, op.UpdatedAt, op.ClosedAt, op.Outcome = now, now, time.Time{}, ""
	if err := r.checkTo(&op); err != nil {
		return err
	}
	at, until := op.CutAt, op.CutUntil
	op.CutAt, op.CutUntil = time.Time{}, time.Time{}
	r.Operation = &op
	if op.Closed() {
		r.closeSigning(now)
	} else if !at.IsZero() {
		return r.Schedule(at, until, now, t)
	}
	return nil
}

// checkTo refuses an operation whose new key cannot be used at its first step.
func (r *Record) checkTo(op *Operation) error {
	to, err := r.Key(op.To)
	if err != nil {
		return err
	}
	want := Pending
	if op.Step.activated() {
		want = Retiring
	}
	if to.State != want {
		return fmt.Errorf("%w: key %d is %s; an operation that begins at %s needs one that is %s", ErrIllegal, op.To, to.State, op.Step, want)
	}
	if !op.Mode.Mints() && len(to.Sealed) == 0 {
		return fmt.Errorf("%w: key %d must hold its secret before the provider gets it", ErrIllegal, op.To)
	}
	if active := r.Active(); op.Mode == Pair && op.Kind != Adopt && active != nil && active.Slot == to.Slot {
		return fmt.Errorf("%w: key %d must go to the idle slot; slot %d is in use", ErrIllegal, op.To, active.Slot)
	}
	return nil
}

// Advance moves the open operation to a step, and forgets the failures of the last one unless it goes
// back. A cut may be applied from CutAt + S on, while every replica is sure to learn of it before it
// would sign again: until C + S before CutUntil; later a new cut has to be scheduled. Immediate operations
// do not wait. Draining and Voiding are reached by ActivateTo and Void.
func (r *Record) Advance(step Step, now time.Time, t Timing) error {
	op := r.Operation
	if op == nil {
		return r.noOperation()
	}
	if step.activated() {
		return fmt.Errorf("%w: a key has to be activated or voided with the step to %s", ErrIllegal, step)
	}
	if op.Mode.Cuts() && step == Applying {
		if err := op.checkCut(now, t); err != nil {
			return err
		}
	}
	return r.advance(step, now)
}

func (r *Record) advance(step Step, now time.Time) error {
	op := r.Operation
	if err := CheckStep(op.Mode, op.Step, step); err != nil {
		return err
	}
	if op.Mode.Cuts() && step == Applying {
		r.closeSigning(now)
	}
	if back := op.Step == Minting && step == Intent; !back {
		op.Tries, op.NotBefore, op.LastError = 0, time.Time{}, ""
	}
	op.Step, op.UpdatedAt = step, now
	return nil
}

// ActivateTo makes the operation's new key the active one. The operation goes on to Draining where the
// old key's tokens live on, and is done in a single slot. That the edges know the key, by UseAfter or by
// a probe, is for the caller to say.
func (r *Record) ActivateTo(now time.Time, t Timing) error {
	op := r.Operation
	if op == nil {
		return r.noOperation()
	}
	return r.atomically(func() error {
		if op.Mode.Cuts() {
			if !slices.Contains(lastSteps(op), op.Step) {
				return fmt.Errorf("%w: key %d is used when its set is confirmed, or it was made, not at step %s", ErrIllegal, op.To, op.Step)
			}
		} else if op.Step != Draining {
			if err := r.advance(Draining, now); err != nil {
				return err
			}
		}
		if err := r.Activate(op.To, now, t); err != nil {
			return err
		}
		if op.Mode.Cuts() {
			return r.Close(OutcomeDone, now)
		}
		return nil
	})
}

// Void goes from Draining to Voiding: sealed, under VoidBinding and with the fingerprint of what it
// holds, is about to overwrite the slot of the old key. The old key's tokens must have died, unless the
// operation is Immediate.
func (r *Record) Void(sealed []byte, fingerprint string, now time.Time) error {
	op := r.Operation
	if op == nil {
		return r.noOperation()
	}
	old, err := r.Key(op.From)
	if err != nil {
		return err
	}
	if len(sealed) == 0 || fingerprint == "" {
		return fmt.Errorf("%w: the value that ends a slot must be sealed first", ErrIllegal)
	}
	if old.State == Retiring && !op.Immediate && now.Before(old.RetireAfter) {
		return fmt.Errorf("%w: tokens of key %d live until %s", ErrIllegal, op.From, old.RetireAfter.UTC().Format(time.RFC3339))
	}
	if err := r.advance(Voiding, now); err != nil {
		return err
	}
	op.Void, old.VoidFingerprint = sealed, fingerprint
	return nil
}

// Close ends the open operation as done or abandoned. Done wants the last step of its mode, the old key
// retired, and the new one to have been active. Abandoning destroys the new key if it is still pending
// and lets the old key sign again; the caller has revoked what the provider held of the new key. It is
// refused at Minting, which has to be swept, and in a cut whose slot may hold the new secret: see
// Restored.
func (r *Record) Close(outcome string, now time.Time) error {
	op := r.Operation
	if op == nil {
		return r.noOperation()
	}
	if err := checkClose(op, *r, outcome); err != nil {
		return err
	}
	switch outcome {
	case OutcomeDone:
		if old, err := r.Key(op.From); err == nil && (old.State == Active || old.State == Retiring) {
			return fmt.Errorf("%w: key %d is %s; retire it before operation %s is done", ErrIllegal, op.From, old.State, op.ID)
		}
		if to, err := r.Key(op.To); err != nil || to.ActivatedAt.IsZero() {
			return fmt.Errorf("%w: operation %s is done when key %d has been activated", ErrIllegal, op.ID, op.To)
		}
	case OutcomeAbandoned:
		if to, err := r.Key(op.To); err == nil && to.State == Pending {
			if err := r.Destroy(op.To, true, now); err != nil {
				return err
			}
		}
		r.reopen(op)
	default:
		return fmt.Errorf("%w: an operation is superseded by another one", ErrIllegal)
	}
	r.finish(outcome, now)
	return nil
}

// checkClose refuses an outcome that the operation's step, or the slot as r has it before the change,
// does not allow.
func checkClose(op *Operation, r Record, outcome string) error {
	legal := false
	switch outcome {
	case OutcomeDone:
		legal = slices.Contains(lastSteps(op), op.Step)
	case OutcomeAbandoned:
		legal = !op.inDoubt()
		if op.Mode == Cut && op.inDoubt() {
			to, err := r.Key(op.To)
			legal = op.From == 0 || op.Step == Applied && err == nil && to.State == Destroyed
		}
	case OutcomeSuperseded:
		legal = true
	}
	if !legal {
		return fmt.Errorf("%w: operation %s of mode %s cannot be %q at step %s", ErrIllegal, op.ID, op.Mode, tokens.Clip(outcome), op.Step)
	}
	return nil
}

// finish moves the open operation to the closed ones.
func (r *Record) finish(outcome string, now time.Time) {
	op := *r.Operation
	op.Outcome, op.ClosedAt, op.UpdatedAt, op.Void = outcome, now, now, nil
	r.Closed = append(r.Closed, op)
	r.Operation = nil
}

// SetSecret gives a pending key without bytes its secret, once: that which the provider has made.
func (r *Record) SetSecret(version int, kid, fingerprint string, sealed []byte, useAfter time.Time) error {
	k, err := r.Key(version)
	if err != nil {
		return err
	}
	if k.State != Pending || len(k.Sealed) > 0 {
		return fmt.Errorf("%w: only a pending key without a secret can be given one", ErrIllegal)
	}
	if len(sealed) == 0 || fingerprint == "" {
		return fmt.Errorf("%w: key %d needs sealed bytes and a fingerprint", ErrIllegal, version)
	}
	k.KID, k.Fingerprint, k.Sealed, k.UseAfter = kid, fingerprint, sealed, useAfter
	return nil
}

// Quarantine notes a key at the provider that the open operation may have caused. One that is there
// already stays as it is.
func (r *Record) Quarantine(kid string, now time.Time) error {
	if r.Operation == nil {
		return r.noOperation()
	}
	if slices.ContainsFunc(r.Orphans, func(o Orphan) bool { return o.KID == kid }) {
		return nil
	}
	if len(r.Orphans) >= orphansKept {
		return fmt.Errorf("%w: target %s has %d orphans already; decide on them first", ErrIllegal, r.Target.ID, orphansKept)
	}
	r.Orphans = append(r.Orphans, Orphan{KID: kid, FoundAt: now, Operation: r.Operation.ID})
	return nil
}

// DropOrphan takes a key out of quarantine: it is gone at the provider, or a person has said that it is
// theirs. ErrNotFound.
func (r *Record) DropOrphan(kid string) error {
	i := slices.IndexFunc(r.Orphans, func(o Orphan) bool { return o.KID == kid })
	if i < 0 {
		return fmt.Errorf("orphan %q of target %s: %w", tokens.Clip(kid), r.Target.ID, ErrNotFound)
	}
	r.Orphans = slices.Delete(r.Orphans, i, i+1)
	return nil
}

func (r *Record) noOperation() error {
	return fmt.Errorf("%w: no operation of target %s is open", ErrIllegal, r.Target.ID)
}

// atomically runs fn and takes back what it did if it fails.
func (r *Record) atomically(fn func() error) error {
	before := r.Clone()
	err := fn()
	if err != nil {
		*r = before
	}
	return err
}
