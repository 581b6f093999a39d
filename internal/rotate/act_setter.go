package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// apply closes signing and writes the new secret into the only slot. It first looks whether the slot
// holds what we think, while nothing is lost yet. In mode Replace it deletes the old key instead.
func (s *session) apply(ctx context.Context) error {
	op := s.record.Operation
	to, err := s.record.Key(op.To)
	if err != nil {
		return err
	}
	if op.Mode == keystore.Cut {
		if _, err := s.look(ctx, to); err != nil {
			return err
		}
	}
	err = s.commit(ctx, "applying", func(r *keystore.Record, now time.Time) error {
		return r.Advance(keystore.Applying, now, s.timing.Timing)
	})
	if err != nil {
		return err
	}
	if op.Mode == keystore.Replace {
		return s.revoke(ctx, op.From)
	}
	return s.write(ctx, to)
}

// set writes the new secret into a slot that is in doubt, or idle.
func (s *session) set(ctx context.Context) error {
	to, err := s.record.Key(s.record.Operation.To)
	if err != nil {
		return err
	}
	there, err := s.look(ctx, to)
	if err != nil {
		return err
	}
	if there {
		return s.applied(ctx)
	}
	return s.write(ctx, to)
}

// look reports whether the slot of a key holds it already. It errs with errForeign when a stranger's
// secret stands there that the policy protects.
func (s *session) look(ctx context.Context, to *keystore.Key) (bool, error) {
	if !s.m.Abilities.Inspect {
		return false, nil
	}
	current, err := s.current(ctx, to.Slot)
	if err != nil {
		return false, err
	}
	prepared, err := prepare(s.target, "", current)
	if err == nil && prepared.Fingerprint() == to.Fingerprint {
		return true, nil
	}
	foreign := compare(&s.record, current, nil) == Foreign
	if foreign && !s.record.Operation.Immediate && s.target.Policy.OnDrift != keystore.DriftReassert {
		s.m.found(Foreign, &s.record, s.clock())
		return false, errForeign
	}
	return false, nil
}

// write sets a key's secret and notes that the provider has confirmed it.
func (s *session) write(ctx context.Context, k *keystore.Key) error {
	if err := s.setKey(ctx, "set", k); err != nil {
		return err
	}
	return s.applied(ctx)
}

func (s *session) applied(ctx context.Context) error {
	return s.commit(ctx, "applied", func(r *keystore.Record, now time.Time) error {
		if err := r.Advance(keystore.Applied, now, s.timing.Timing); err != nil {
			return err
		}
		r.Operation.UseAfter, r.Operation.Alarm = now.Add(s.timing.propagation(s.m.Traits)), ""
		return nil
	})
}

// restore writes the old secret back and gives the new key up. The operation is abandoned when the edges
// know the old one again.
func (s *session) restore(ctx context.Context) error {
	op := s.record.Operation
	old, err := s.record.Key(op.From)
	if err != nil {
		return err
	}
	if err := s.setKey(ctx, "restore", old); err != nil {
		return err
	}
	cause := op.LastError
	return s.commit(ctx, "restored", func(r *keystore.Record, now time.Time) error {
		if err := r.Restored(now.Add(s.timing.propagation(s.m.Traits)), now); err != nil {
			return err
		}
		r.Operation.Alarm = fmt.Sprintf("the provider rejects key %d (%s); key %d goes on", op.To, cause, op.From)
		return nil
	})
}

// void ends the old key's slot with a value that is sealed in the journal first, so that a later look
// tells it from a stranger's.
func (s *session) void(ctx context.Context) error {
	op := s.record.Operation
	old, err := s.record.Key(op.From)
	if err != nil {
		return err
	}
	secret, err := s.voidValue(ctx)
	if err != nil {
		return err
	}
	slot := old.Slot
	if err := s.setSecret(ctx, "void", slot, secret); err != nil {
		return err
	}
	return s.commit(ctx, "voided", func(r *keystore.Record, now time.Time) error {
		old, err := r.Key(op.From)
		if err != nil {
			return err
		}
		if old.State == keystore.Retiring {
			if err := r.Retire(op.From, op.Immediate, now, s.timing.Timing); err != nil {
				return err
			}
		}
		return r.Close(keystore.OutcomeDone, now)
	})
}

// voidValue returns the value of the journal, or makes one and commits it.
func (s *session) voidValue(ctx context.Context) (tokens.Secret, error) {
	op := s.record.Operation
	if op.Step == keystore.Voiding {
		return s.sealer.Open(op.VoidBinding(), op.Void)
	}
	secret, err := generate(s.target.Scheme)
	if err != nil {
		return secret, err
	}
	prepared, err := prepare(s.target, "", secret)
	if err != nil {
		return secret, err
	}
	sealed, err := s.sealer.Seal(op.VoidBinding(), secret)
	if err != nil {
		return secret, err
	}
	return secret, s.commit(ctx, "voiding", func(r *keystore.Record, now time.Time) error {
		return r.Void(sealed, prepared.Fingerprint(), now)
	})
}

// setKey writes a stored secret into its slot.
func (s *session) setKey(ctx context.Context, point string, k *keystore.Key) error {
	secret, err := s.sealer.Open(keystore.Binding{Target: s.target.ID, Version: k.Version}, k.Sealed)
	if err != nil {
		return err
	}
	return s.setSecret(ctx, point, k.Slot, secret)
}

func (s *session) setSecret(ctx context.Context, point string, slot int, secret tokens.Secret) error {
	setter, ok := s.provider.(provider.Setter)
	if !ok {
		return fmt.Errorf("the adapter of %s cannot set secrets", s.target.Provider)
	}
	resource, err := s.resource(slot)
	if err != nil {
		return err
	}
	return s.effect(ctx, point, func(ctx context.Context) error { return setter.Set(ctx, resource, secret) })
}

func (s *session) current(ctx context.Context, slot int) (tokens.Secret, error) {
	inspector, ok := s.provider.(provider.Inspector)
	if !ok {
		return tokens.Secret{}, fmt.Errorf("the adapter of %s cannot read secrets", s.target.Provider)
	}
	resource, err := s.resource(slot)
	if err != nil {
		return tokens.Secret{}, err
	}
	var current tokens.Secret
	err = s.call(ctx, func(ctx context.Context) (err error) {
		current, err = inspector.Current(ctx, resource)
		return err
	})
	return current, err
}

func (s *session) resource(slot int) (string, error) {
	if slot < 0 || slot >= len(s.target.Resources) {
		return "", fmt.Errorf("%w: target %s has no resource for slot %d", keystore.ErrIllegal, s.target.ID, slot)
	}
	return s.target.Resources[slot], nil
}

// compare tells whose secret a slot holds. Every fingerprint of the target counts as ours, also that of a
// destroyed key and of a value that ended a slot.
func compare(r *keystore.Record, current tokens.Secret, active *keystore.Key) Finding {
	if current.Len() == 0 {
		return Missing
	}
	prepared, err := prepare(r.Target, "", current)
	if err != nil {
		return Foreign
	}
	fingerprint := prepared.Fingerprint()
	if active != nil && active.Fingerprint == fingerprint {
		return Agrees
	}
	if slices.ContainsFunc(r.Keys, func(k keystore.Key) bool {
		return k.Fingerprint == fingerprint || k.VoidFingerprint == fingerprint
	}) {
		return Older
	}
	return Foreign
}

// check compares the provider with the record. It changes nothing.
func (s *session) check(ctx context.Context) error {
	finding, err := s.find(ctx)
	s.m.found(finding, &s.record, s.clock())
	return err
}

func (s *session) find(ctx context.Context) (Finding, error) {
	active := s.record.Active()
	if s.m.Abilities.Mint {
		kids, err := s.list(ctx)
		switch {
		case err != nil:
			return Unreachable, err
		case active != nil && active.KID != "" && !slices.Contains(kids, active.KID):
			return Missing, nil
		default:
			return Agrees, nil
		}
	}
	current, err := s.current(ctx, activeSlot(&s.record))
	if err != nil {
		return Unreachable, err
	}
	return compare(&s.record, current, active), nil
}

// reassert writes the active secret again.
func (s *session) reassert(ctx context.Context) error {
	active := s.record.Active()
	if active == nil {
		return errors.New("no key is active")
	}
	if err := s.setKey(ctx, "re-assert", active); err != nil {
		return err
	}
	s.m.found(Agrees, &s.record, s.clock())
	return nil
}

func (s *session) adoptForeign(ctx context.Context) error {
	current, err := s.current(ctx, activeSlot(&s.record))
	if err != nil {
		return err
	}
	err = s.commit(ctx, "adopt", func(r *keystore.Record, now time.Time) error {
		return s.starter.Adopt(r, current, s.timing.ForeignLifetime, now)
	})
	if err == nil {
		s.m.found(Agrees, &s.record, s.clock())
	}
	return err
}
