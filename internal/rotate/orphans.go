package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// RevokeOrphan deletes a key in quarantine at its provider, since a person has decided that nobody uses it,
// and takes it out of quarantine. Errors are those of the provider, or wrap keystore.ErrNotFound (no such
// orphan), keystore.ErrConflict (another process is at work on the target) or keystore.ErrIllegal.
func (e *Executor) RevokeOrphan(ctx context.Context, target, kid string) error {
	r, err := e.store.Get(ctx, target)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(r.Orphans, func(o keystore.Orphan) bool { return o.KID == kid }) {
		return fmt.Errorf("%w: target %s has no such key in quarantine", keystore.ErrNotFound, target)
	}
	p, err := e.Provider(r.Target)
	if err != nil {
		return err
	}
	minter, ok := p.(provider.Minter)
	if !ok || len(r.Target.Resources) == 0 {
		return fmt.Errorf("%w: provider %s has no keys to delete", keystore.ErrIllegal, r.Target.Provider)
	}
	m := e.memory(target)
	m.Lock()
	defer m.Unlock()
	fence, err := e.store.Lease(ctx, target, e.holder, e.timing.lease(p.Traits()))
	if err != nil {
		return err
	}
	revoke := func() error {
		calling, cancel := context.WithTimeout(ctx, e.timing.maxCall(p.Traits()))
		defer cancel()
		if err := minter.Revoke(calling, r.Target.Resources[0], kid); err != nil {
			return err
		}
		_, err := e.store.Update(ctx, target, fence, func(r *keystore.Record) error { return r.DropOrphan(kid) })
		return err
	}
	err = revoke()
	return errors.Join(err, e.store.Release(context.WithoutCancel(ctx), target, fence))
}
