package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// Adopt reads the secret that stands at the provider and takes it over as the target's active key. Tokens
// of its former owner may live for foreignMaxLifetime, which has to be said: no cut or retirement comes
// earlier. Errors are those of the provider, or wrap keystore.ErrConflict (another process is at work on
// the target) or keystore.ErrIllegal (nothing is set, it is ours already, or it cannot be read).
func (e *Executor) Adopt(ctx context.Context, target string, foreignMaxLifetime time.Duration) (keystore.Record, error) {
	if foreignMaxLifetime <= 0 {
		return keystore.Record{}, fmt.Errorf("%w: say how long tokens of the former signer may live; it must be above 0", keystore.ErrIllegal)
	}
	r, err := e.store.Get(ctx, target)
	if err != nil {
		return r, err
	}
	p, err := e.providers(r.Target)
	if err != nil {
		return r, fmt.Errorf("provider of target %s: %w", target, err)
	}
	inspector, ok := p.(provider.Inspector)
	if !ok || len(r.Target.Resources) == 0 {
		return r, fmt.Errorf("%w: the secret of target %s cannot be read at provider %s; import it instead", keystore.ErrIllegal, target, r.Target.Provider)
	}
	m := e.memory(target)
	m.Lock()
	defer m.Unlock()
	fence, err := e.store.Lease(ctx, target, e.holder, e.timing.lease(p.Traits()))
	if err != nil {
		return r, err
	}
	adopt := func() (keystore.Record, error) {
		reading, cancel := context.WithTimeout(ctx, e.timing.maxCall(p.Traits()))
		defer cancel()
		r, err := e.store.Get(ctx, target) // nobody changes it now
		if err != nil {
			return r, err
		}
		slot := activeSlot(&r)
		if slot >= len(r.Target.Resources) {
			return r, fmt.Errorf("%w: target %s has no resource for slot %d", keystore.ErrIllegal, target, slot)
		}
		secret, err := inspector.Current(reading, r.Target.Resources[slot])
		if err != nil {
			return r, err
		}
		if secret.Len() == 0 {
			return r, fmt.Errorf("%w: the provider has no secret set for target %s; rotate instead", keystore.ErrIllegal, target)
		}
		return e.store.Update(ctx, target, fence, func(r *keystore.Record) error {
			return e.starter.Adopt(r, secret, foreignMaxLifetime, e.clock())
		})
	}
	adopted, err := adopt()
	if err == nil {
		m.found(Agrees, &adopted, e.clock())
	}
	return adopted, errors.Join(err, e.store.Release(context.WithoutCancel(ctx), target, fence))
}
