package rotate

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// Provider returns the adapter for a target.
func (e *Executor) Provider(t keystore.Target) (provider.Provider, error) {
	if t.Account == "" {
		return nil, fmt.Errorf("%w: target %s names no account; its keys are imported by hand", keystore.ErrIllegal, t.ID)
	}
	return e.providers(t)
}

// Assert writes the active key's secret to its slot again, which also switches token checking on, and
// returns the resource. Errors are those of the provider, or wrap keystore.ErrConflict (another process is
// at work on the target) or keystore.ErrIllegal (no key is active, or the slot is in doubt).
func (e *Executor) Assert(ctx context.Context, target string) (string, error) {
	r, err := e.store.Get(ctx, target)
	if err != nil {
		return "", err
	}
	p, err := e.Provider(r.Target)
	if err != nil {
		return "", err
	}
	setter, ok := p.(provider.Setter)
	if !ok || len(r.Target.Resources) == 0 {
		return "", fmt.Errorf("%w: target %s has no slot to write to", keystore.ErrIllegal, target)
	}
	m := e.memory(target)
	m.Lock()
	defer m.Unlock()
	fence, err := e.store.Lease(ctx, target, e.holder, e.timing.lease(p.Traits()))
	if err != nil {
		return "", err
	}
	resource, err := e.assert(ctx, setter, target)
	return resource, errors.Join(err, e.store.Release(context.WithoutCancel(ctx), target, fence))
}

// assert does it under the lease.
func (e *Executor) assert(ctx context.Context, setter provider.Setter, target string) (string, error) {
	r, err := e.store.Get(ctx, target)
	if err != nil {
		return "", err
	}
	active := r.Active()
	switch op := r.Operation; {
	case active == nil:
		return "", fmt.Errorf("%w: target %s has no active key; rotate it first", keystore.ErrIllegal, target)
	case active.Slot >= len(r.Target.Resources):
		return "", fmt.Errorf("%w: key %d of target %s stands in a slot that the target has not", keystore.ErrIllegal, active.Version, target)
	case op != nil && op.Mode == keystore.Cut && op.Step != keystore.Scheduled:
		return "", fmt.Errorf("%w: operation %s is changing the slot of target %s", keystore.ErrIllegal, op.ID, target)
	}
	secret, err := e.sealer.Open(keystore.Binding{Target: target, Version: active.Version}, active.Sealed)
	if err != nil {
		return "", err
	}
	calling, cancel := context.WithTimeout(ctx, e.timing.maxCall(setter.Traits()))
	defer cancel()
	resource := r.Target.Resources[active.Slot]
	return resource, setter.Set(calling, resource, secret)
}
