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

// A minted secret is tried to be stored this often, with this pause.
const (
	saveTries = 50
	saveEvery = 200 * time.Millisecond
)

// minter returns the adapter as one that makes keys. Plan has seen to it.
func (s *session) minter() (provider.Minter, error) {
	m, ok := s.provider.(provider.Minter)
	if !ok {
		return nil, fmt.Errorf("the adapter of %s does not make keys", s.target.Provider)
	}
	return m, nil
}

func (s *session) list(ctx context.Context) ([]string, error) {
	minter, err := s.minter()
	if err != nil {
		return nil, err
	}
	var listed []provider.Listed
	err = s.call(ctx, func(ctx context.Context) (err error) {
		listed, err = minter.List(ctx, s.target.Resources[0])
		return err
	})
	kids := make([]string, len(listed))
	for i, l := range listed {
		kids[i] = l.KID
	}
	return kids, err
}

// mint asks for a key, once. Before it, the journal holds what keys there were and that one may be made;
// the first thing after it is to store the secret.
func (s *session) mint(ctx context.Context) error {
	op := s.record.Operation
	binding := keystore.Binding{Target: s.target.ID, Version: op.To}
	// A secret that is shown once must not meet a sealer that cannot seal.
	if _, err := s.sealer.Seal(binding, tokens.NewSecret([]byte("rehearsal"))); err != nil {
		return err
	}
	minter, err := s.minter()
	if err != nil {
		return err
	}
	kids, err := s.list(ctx)
	if err != nil {
		return err
	}
	err = s.commit(ctx, "inventory", func(r *keystore.Record, now time.Time) error {
		r.Operation.Seen, r.Operation.UpdatedAt = kids, now
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.commit(ctx, "minting", func(r *keystore.Record, now time.Time) error {
		tries := r.Operation.Tries
		err := r.Advance(keystore.Minting, now, s.timing.Timing)
		r.Operation.Tries = tries // of one try to the next
		return err
	}); err != nil {
		return err
	}
	var minted provider.Minted
	err = s.effect(ctx, "mint", func(ctx context.Context) (err error) {
		minted, err = minter.Mint(ctx, s.target.Resources[0])
		return err
	})
	switch {
	case err == nil:
		return s.keepMinted(ctx, binding, minted)
	case errors.Is(err, errLate) || errors.Is(err, provider.ErrRejected) || errors.Is(err, provider.ErrThrottled) || errors.Is(err, provider.ErrDenied):
		back := s.commit(ctx, "nothing minted", func(r *keystore.Record, now time.Time) error {
			return r.Advance(keystore.Intent, now, s.timing.Timing)
		})
		if errors.Is(err, provider.ErrRejected) && !errors.Is(err, provider.ErrGone) && op.From != 0 {
			err = fmt.Errorf("%w: %w", errNoSecondKey, err)
		}
		return errors.Join(err, back)
	default:
		return err // in doubt: the journal says so already
	}
}

// keepMinted stores a secret that exists nowhere else, and does not give up at the first failure of the
// store. A key that we cannot use goes into quarantine.
func (s *session) keepMinted(ctx context.Context, b keystore.Binding, minted provider.Minted) error {
	prepared, err := prepare(s.target, minted.KID, minted.Secret)
	if err != nil {
		return errors.Join(fmt.Errorf("the provider made a key that cannot be used: %w", err), s.commit(ctx, "unusable", func(r *keystore.Record, now time.Time) error {
			if err := r.Quarantine(minted.KID, now); err != nil {
				return err
			}
			return r.Advance(keystore.Intent, now, s.timing.Timing)
		}))
	}
	sealed, err := s.sealer.Seal(b, minted.Secret)
	if err != nil {
		return err
	}
	settled := s.clock().Add(s.timing.propagation(s.m.Traits))
	operation := s.record.Operation.ID
	store := func(r *keystore.Record, now time.Time) error {
		if op := r.Operation; op == nil || op.ID != operation || op.Step != keystore.Minting {
			return fmt.Errorf("%w: operation %s has moved on without its key", keystore.ErrIllegal, operation)
		}
		if err := r.SetSecret(b.Version, minted.KID, prepared.Fingerprint(), sealed, settled); err != nil {
			return err
		}
		if err := r.Advance(keystore.Minted, now, s.timing.Timing); err != nil {
			return err
		}
		r.Operation.Alarm = ""
		if !s.m.Abilities.Label || r.Operation.Immediate {
			r.Operation.UseAfter = settled
		}
		return nil
	}
	for try := 1; ; try++ {
		err := s.commit(ctx, "minted", store)
		if err == nil || errors.Is(err, keystore.ErrIllegal) || errors.Is(err, keystore.ErrNotFound) || try == saveTries {
			return err
		}
		s.log.Warn("minted secret not stored; trying again", "target", s.target.ID, "error", err)
		time.Sleep(saveEvery) //nolint:forbidigo // nothing may end this early
		s.regain(ctx)
	}
}

// regain takes the lease and the record anew, as far as that is possible.
func (s *session) regain(ctx context.Context) {
	if fence, err := s.store.Lease(ctx, s.target.ID, s.holder, s.timing.lease(s.m.Traits)); err == nil {
		s.fence = fence
	}
	if r, err := s.store.Get(ctx, s.target.ID); err == nil {
		s.record = r
	}
}

// sweep puts keys that have appeared since the intent, and that nobody here holds, into quarantine. One
// of them may be a person's, so that none is deleted on that difference alone.
func (s *session) sweep(ctx context.Context) error {
	kids, err := s.list(ctx)
	if err != nil {
		return err
	}
	return s.commit(ctx, "swept", func(r *keystore.Record, now time.Time) error {
		for _, kid := range kids {
			ours := slices.ContainsFunc(r.Keys, func(k keystore.Key) bool { return k.KID == kid })
			if ours || slices.Contains(r.Operation.Seen, kid) {
				continue
			}
			if err := r.Quarantine(kid, now); err != nil {
				return err
			}
		}
		r.Operation.Seen = kids
		return r.Advance(keystore.Intent, now, s.timing.Timing)
	})
}

// label names the new key after its operation, as well as it can: the name only helps people.
func (s *session) label(ctx context.Context) error {
	op := s.record.Operation
	to, err := s.record.Key(op.To)
	if err != nil {
		return err
	}
	useAfter := to.UseAfter
	if labeller, ok := s.provider.(provider.Labeller); ok {
		err := s.effect(ctx, "label", func(ctx context.Context) error {
			return labeller.Label(ctx, s.target.Resources[0], to.KID, op.ID)
		})
		if err != nil {
			s.log.Info("key not labelled", "target", s.target.ID, "operation", op.ID, "error", err)
		}
	}
	return s.commit(ctx, "labelled", func(r *keystore.Record, now time.Time) error {
		r.Operation.UseAfter, r.Operation.UpdatedAt = useAfter, now
		return nil
	})
}

// revoke deletes a key at the provider, then retires it. One that makes room for its successor leaves with that.
func (s *session) revoke(ctx context.Context, version int) error {
	k, err := s.record.Key(version)
	if err != nil {
		return err
	}
	minter, err := s.minter()
	if err != nil {
		return err
	}
	if kid := k.KID; kid != "" {
		if err := s.effect(ctx, "revoke", func(ctx context.Context) error { return minter.Revoke(ctx, s.target.Resources[0], kid) }); err != nil {
			return err
		}
	}
	return s.commit(ctx, "revoked", func(r *keystore.Record, now time.Time) error {
		op := r.Operation
		if op != nil && op.Mode == keystore.Replace && op.Step == keystore.Applying && op.From == version {
			return r.Advance(keystore.Intent, now, s.timing.Timing)
		}
		ends := op != nil && op.Step == keystore.Draining && op.From == version
		if err := r.Retire(version, ends && op.Immediate, now, s.timing.Timing); err != nil {
			return err
		}
		if ends {
			return r.Close(keystore.OutcomeDone, now)
		}
		return nil
	})
}

func (s *session) revokeOrphan(ctx context.Context, kid string) error {
	minter, err := s.minter()
	if err != nil {
		return err
	}
	if err := s.effect(ctx, "revoke orphan", func(ctx context.Context) error { return minter.Revoke(ctx, s.target.Resources[0], kid) }); err != nil {
		return err
	}
	return s.commit(ctx, "orphan revoked", func(r *keystore.Record, _ time.Time) error { return r.DropOrphan(kid) })
}
