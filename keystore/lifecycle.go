package keystore

import (
	"fmt"
	"time"
)

// Providers lists the values of Target.Provider.
func Providers() []string { return []string{"wowza", "akamai", "qencode", "agora"} }

// Overlaps reports whether a provider accepts the tokens of two keys of one target at once. Qencode
// tokens name their key; Akamai tries a transition key when the first fails. Wowza and Agora have one
// slot, so that a new secret ends the old one's tokens.
func Overlaps(provider string) bool { return provider == "qencode" || provider == "akamai" }

// Timing holds the terms of the life cycle that do not depend on the target. Any value above 0 is
// legal.
type Timing struct {
	SnapshotMaxAge time.Duration // C: the oldest snapshot a replica may sign from
	ClockSkew      time.Duration // S
	RollbackWindow time.Duration // how long a retired key keeps its bytes
}

// DefaultTiming returns C = 30 s, S = 15 s and a rollback window of 24 h.
func DefaultTiming() Timing {
	return Timing{SnapshotMaxAge: 30 * time.Second, ClockSkew: 15 * time.Second, RollbackWindow: 24 * time.Hour}
}

// Add appends k as the next pending version and returns a pointer to it.
func (r *Record) Add(k Key, now time.Time) *Key {
	k.Version = r.NextVersion()
	k.State = Pending
	k.CreatedAt = now
	r.Keys = append(r.Keys, k)
	return &r.Keys[len(r.Keys)-1]
}

// Activate makes a version the one that signs and moves its predecessor out, in one change: to
// retiring where the provider accepts both or they stand in the two slots of a pair, else straight to
// retired. A retiring key whose slot the version has taken is retired too. Activating a retiring key is
// a rollback. The next scheduled rotation is counted from now. It wraps ErrIllegal where the move is not
// allowed or the key has no bytes.
func (r *Record) Activate(version int, now time.Time, t Timing) error {
	k, err := r.Key(version)
	if err != nil {
		return err
	}
	if k.State == Active {
		return fmt.Errorf("%w: key %d is active already", ErrIllegal, version)
	}
	if err := CheckMove(k.State, Active); err != nil {
		return err
	}
	if len(k.Sealed) == 0 {
		return fmt.Errorf("%w: key %d holds no secret yet", ErrIllegal, version)
	}
	if old := r.Active(); old != nil {
		r.leave(old, now, t)
	}
	k.State = Active
	k.ActivatedAt = now
	k.RetireAfter, k.Horizon, k.HorizonEnds = time.Time{}, time.Time{}, time.Time{}
	if !Overlaps(r.Target.Provider) {
		for i := range r.Keys {
			if other := &r.Keys[i]; other.State == Retiring && other.Slot == k.Slot {
				other.retired(now, t)
			}
		}
	}
	r.NextRotation = time.Time{}
	if r.Target.Policy.Every > 0 {
		r.NextRotation = now.Add(r.Target.Policy.Every)
	}
	return nil
}

// leave moves the active key out of use.
func (r *Record) leave(k *Key, now time.Time, t Timing) {
	deleted := r.Operation != nil && r.Operation.Mode == Replace && r.Operation.From == k.Version
	if r.Target.Mode() == Cut || deleted {
		k.retired(now, t)
		return
	}
	k.State = Retiring
	k.RetireAfter = now.Add(t.SnapshotMaxAge + r.Target.LongestLife(now) + t.ClockSkew)
}

func (k *Key) retired(now time.Time, t Timing) {
	k.State = Retired
	k.RetiredAt = now
	k.DestroyAfter = now.Add(t.RollbackWindow)
}

// ScheduleCut sets or moves the horizon of the active key: no token of it outlives at, and none is
// signed from then on. A horizon that breaks no token lies beyond C and the longest token life; only
// force may set an earlier one. It wraps ErrIllegal for that, for a key that is not active, for an at that
// is not after now, and while an open operation decides on the key's horizon.
func (r *Record) ScheduleCut(version int, at time.Time, force bool, now time.Time, t Timing) error {
	k, err := r.ownHorizon(version)
	if err != nil {
		return err
	}
	if !at.After(now) {
		return fmt.Errorf("%w: the horizon must lie in the future", ErrIllegal)
	}
	if safe := now.Add(r.Target.LongestLife(now) + t.SnapshotMaxAge); !force && at.Before(safe) {
		return fmt.Errorf("%w: a horizon at %s breaks tokens that live until %s; set a later one, or force to break them",
			ErrIllegal, at.UTC().Format(time.RFC3339), safe.UTC().Format(time.RFC3339))
	}
	k.Horizon, k.HorizonEnds = at, time.Time{}
	return nil
}

// ClearHorizon takes the horizon of the active key back, so that it signs whole tokens again. It wraps
// ErrIllegal as ScheduleCut does.
func (r *Record) ClearHorizon(version int) error {
	k, err := r.ownHorizon(version)
	if err != nil {
		return err
	}
	k.Horizon, k.HorizonEnds = time.Time{}, time.Time{}
	return nil
}

// ownHorizon returns a key whose horizon is nobody's but the caller's.
func (r *Record) ownHorizon(version int) (*Key, error) {
	k, err := r.Key(version)
	if err != nil {
		return nil, err
	}
	if k.State != Active {
		return nil, fmt.Errorf("%w: only an active key can have a horizon; key %d is %s", ErrIllegal, version, k.State)
	}
	if op := r.Operation; op != nil && op.Mode.Cuts() && op.From == version {
		return nil, fmt.Errorf("%w: operation %s decides on the horizon of key %d", ErrIllegal, op.ID, version)
	}
	return k, nil
}

// Retire moves an active key out of use, or a retiring one to retired. A retiring key whose tokens may
// still live is refused unless force, which breaks those tokens on purpose.
func (r *Record) Retire(version int, force bool, now time.Time, t Timing) error {
	k, err := r.Key(version)
	if err != nil {
		return err
	}
	switch k.State {
	case Active:
		if force {
			k.retired(now, t)
			return nil
		}
		r.leave(k, now, t)
		return nil
	case Retiring:
		if !force && now.Before(k.RetireAfter) {
			return fmt.Errorf("%w: tokens of key %d live until %s; wait, or force to break them", ErrIllegal, version, k.RetireAfter.UTC().Format(time.RFC3339))
		}
		k.retired(now, t)
		return nil
	default:
		return CheckMove(k.State, Retired)
	}
}

// Destroy wipes the bytes of a pending or retired key for good. A retired key within its rollback
// window is refused unless force.
func (r *Record) Destroy(version int, force bool, now time.Time) error {
	k, err := r.Key(version)
	if err != nil {
		return err
	}
	if err := CheckMove(k.State, Destroyed); err != nil {
		return err
	}
	if k.State == Retired && !force && now.Before(k.DestroyAfter) {
		return fmt.Errorf("%w: key %d can be rolled back to until %s; wait, or force to destroy it now", ErrIllegal, version, k.DestroyAfter.UTC().Format(time.RFC3339))
	}
	k.State = Destroyed
	k.DestroyedAt = now
	k.Sealed = nil
	return nil
}
