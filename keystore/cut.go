package keystore

import (
	"fmt"
	"time"
)

// Schedule sets or moves the cut of the open operation: the old key's tokens end at, and no token is
// signed from then on, until the new key signs or, if the operation has not moved on, until the given
// moment. A cut that breaks no token leaves C and the longest token life before it; only Immediate
// operations may cut earlier. Without an old key any at is legal that is not before now.
func (r *Record) Schedule(at, until, now time.Time, t Timing) error {
	op := r.Operation
	if op == nil {
		return r.noOperation()
	}
	if !op.Mode.Cuts() || op.Step != Scheduled {
		return fmt.Errorf("%w: a %s operation at step %s has no cut to schedule", ErrIllegal, op.Mode, op.Step)
	}
	earliest := now
	old := r.fromActive()
	if old != nil && !op.Immediate {
		earliest = now.Add(t.SnapshotMaxAge + r.Target.LongestLife(now))
	}
	if at.Before(earliest) {
		return fmt.Errorf("%w: a cut at %s breaks tokens that live until %s", ErrIllegal, at.UTC().Format(time.RFC3339), earliest.UTC().Format(time.RFC3339))
	}
	if least := at.Add(t.SnapshotMaxAge + 2*t.ClockSkew); !until.After(least) {
		return fmt.Errorf("%w: a cut at %s that ends at %s leaves no time to carry it out; end it after %s",
			ErrIllegal, at.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339), least.UTC().Format(time.RFC3339))
	}
	op.CutAt, op.CutUntil, op.UpdatedAt = at, until, now
	if old != nil {
		old.Horizon, old.HorizonEnds = at, until
	}
	return nil
}

// CancelCut takes the cut of the open operation back. It stays at Scheduled, until another cut is
// scheduled or it is abandoned.
func (r *Record) CancelCut(now time.Time) error {
	op := r.Operation
	if op == nil {
		return r.noOperation()
	}
	if !op.Mode.Cuts() || op.Step != Scheduled {
		return fmt.Errorf("%w: a %s operation at step %s has no cut to take back", ErrIllegal, op.Mode, op.Step)
	}
	op.CutAt, op.CutUntil, op.UpdatedAt = time.Time{}, time.Time{}, now
	r.reopen(op)
	return nil
}

// Restored goes from Applying to Applied after the provider has confirmed that its slot holds the old
// secret again. The new key is destroyed; the operation is abandoned when the edges know the old one.
func (r *Record) Restored(useAfter, now time.Time) error {
	op := r.Operation
	if op == nil {
		return r.noOperation()
	}
	if op.Mode != Cut || op.Step != Applying || r.fromActive() == nil {
		return fmt.Errorf("%w: a %s operation at step %s from key %d has nothing to restore", ErrIllegal, op.Mode, op.Step, op.From)
	}
	if err := r.Destroy(op.To, true, now); err != nil {
		return err
	}
	op.UseAfter = useAfter
	return r.advance(Applied, now)
}

// checkCut refuses to apply a cut too early or too late.
func (op *Operation) checkCut(now time.Time, t Timing) error {
	if op.Immediate {
		return nil
	}
	if op.CutAt.IsZero() || now.Before(op.CutAt.Add(t.ClockSkew)) {
		return fmt.Errorf("%w: the cut of operation %s has not come", ErrIllegal, op.ID)
	}
	if !now.Before(op.CutUntil.Add(-t.SnapshotMaxAge - t.ClockSkew)) {
		return fmt.Errorf("%w: replicas may sign with key %d again soon; schedule a new cut", ErrIllegal, op.From)
	}
	return nil
}

// fromActive returns the open operation's old key while it is the active one, or nil.
func (r *Record) fromActive() *Key {
	if k := r.Active(); k != nil && k.Version == r.Operation.From {
		return k
	}
	return nil
}

// closeSigning lets nobody sign with the old key until its operation says so.
func (r *Record) closeSigning(now time.Time) {
	k := r.fromActive()
	if k == nil {
		return
	}
	if k.Horizon.IsZero() || k.Horizon.After(now) {
		k.Horizon = now
	}
	k.HorizonEnds = time.Time{}
}

// reopen lets the old key of a cut sign again.
func (r *Record) reopen(op *Operation) {
	if k := r.fromActive(); k != nil && op.Mode.Cuts() {
		k.Horizon, k.HorizonEnds = time.Time{}, time.Time{}
	}
}
