package rotate

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// Protection is how token checking stands at one resource of a target.
type Protection struct {
	Resource string
	// On means that tokens are checked already, by what the provider shows, or by what this store remembers
	// where it shows nothing.
	On bool
	// Change says what Protect does, or has done; empty for nothing. Where On is set it repeats what was said to
	// a provider that does not show how it stands.
	Change string
	// Breaks says which viewers the change can break; empty if none.
	Breaks string
	// Open says what goes on to play without a token; empty if nothing does.
	Open string
	// PlaybackID is the name under which the resource wants tokens, where its provider makes one.
	PlaybackID string
}

// Provider returns the adapter for a target.
func (e *Executor) Provider(t keystore.Target) (provider.Provider, error) {
	if t.Account == "" {
		return nil, fmt.Errorf("%w: target %s names no account; its keys are imported by hand", keystore.ErrIllegal, t.ID)
	}
	return e.providers(t)
}

// Protection says for each resource of a target how token checking stands, and what Protect would change.
// It changes nothing. Errors are as with Protect.
func (e *Executor) Protection(ctx context.Context, target string) ([]Protection, error) {
	r, p, err := e.protectable(ctx, target)
	if err != nil {
		return nil, err
	}
	return e.protections(ctx, p, r)
}

// Protect switches token checking on at the resources of a target where it is off, and says what it found and
// did. Where one secret does it, the active key's is written with it, to the slot that holds it.
//
// Errors are those of the provider, or wrap keystore.ErrConflict (another process is at work on the target)
// or keystore.ErrIllegal (no key is active, the slot is in doubt, or it holds a stranger's secret).
func (e *Executor) Protect(ctx context.Context, target string) ([]Protection, error) {
	r, p, err := e.protectable(ctx, target)
	if err != nil {
		return nil, err
	}
	m := e.memory(target)
	m.Lock()
	defer m.Unlock()
	fence, err := e.store.Lease(ctx, target, e.holder, e.timing.lease(p.Traits()))
	if err != nil {
		return nil, err
	}
	done, err := e.protect(ctx, p, r.Target.ID, fence)
	return done, errors.Join(err, e.store.Release(context.WithoutCancel(ctx), target, fence))
}

// protectable returns a target with its adapter, if there is anything to protect.
func (e *Executor) protectable(ctx context.Context, target string) (keystore.Record, provider.Provider, error) {
	r, err := e.store.Get(ctx, target)
	if err != nil {
		return r, nil, err
	}
	p, err := e.Provider(r.Target)
	if err != nil {
		return r, nil, err
	}
	if len(r.Target.Resources) == 0 {
		return r, nil, fmt.Errorf("%w: target %s names no resource at its provider", keystore.ErrIllegal, target)
	}
	return r, p, nil
}

// protect does it under the lease.
func (e *Executor) protect(ctx context.Context, p provider.Provider, target string, fence keystore.Fence) ([]Protection, error) {
	r, err := e.store.Get(ctx, target)
	if err != nil {
		return nil, err
	}
	all, err := e.protections(ctx, p, r)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Change == "" {
			continue
		}
		if err := e.switchOn(ctx, p, r, &all[i], fence); err != nil {
			return all[:i], err
		}
	}
	return all, nil
}

func (e *Executor) switchOn(ctx context.Context, p provider.Provider, r keystore.Record, at *Protection, fence keystore.Fence) error {
	calling, cancel := context.WithTimeout(ctx, e.timing.maxCall(p.Traits()))
	defer cancel()
	if setter, ok := p.(provider.Setter); ok {
		active := r.Active()
		secret, err := e.sealer.Open(keystore.Binding{Target: r.Target.ID, Version: active.Version}, active.Sealed)
		if err != nil {
			return err
		}
		return setter.Set(calling, at.Resource, secret)
	}
	protector, ok := p.(provider.Protector)
	if !ok {
		return errCannotProtect(r)
	}
	done, err := protector.Protect(calling, at.Resource)
	if err != nil {
		return err
	}
	at.PlaybackID, at.Open = done.PlaybackID, done.Open
	// What the provider has done is remembered, whatever became of the caller.
	_, err = e.store.Update(context.WithoutCancel(ctx), r.Target.ID, fence, func(r *keystore.Record) error {
		r.Protect(keystore.Protection{Resource: at.Resource, PlaybackID: done.PlaybackID, At: e.clock()})
		return nil
	})
	if err != nil && done.PlaybackID != "" {
		return fmt.Errorf("playback id %s of %s wants tokens now, and could not be noted down: %w", done.PlaybackID, at.Resource, err)
	}
	return err
}

func errCannotProtect(r keystore.Record) error {
	return fmt.Errorf("%w: provider %s has no switch for token checking", keystore.ErrIllegal, r.Target.Provider)
}

// protections looks at each resource of a record.
func (e *Executor) protections(ctx context.Context, p provider.Provider, r keystore.Record) ([]Protection, error) {
	switch p := p.(type) {
	case provider.Setter:
		return e.slotProtections(ctx, p, r)
	case provider.Protector:
		return switchProtections(p, r)
	default:
		return nil, errCannotProtect(r)
	}
}

// switchProtections goes by what this store remembers.
func switchProtections(p provider.Protector, r keystore.Record) ([]Protection, error) {
	all := make([]Protection, 0, len(r.Target.Resources))
	for _, resource := range r.Target.Resources {
		f, err := p.Foresee(resource)
		if err != nil {
			return nil, err
		}
		one := Protection{Resource: resource, Change: f.Change, Breaks: f.Breaks, Open: f.Open}
		if known, ok := r.Protection(resource); ok {
			one.On, one.PlaybackID, one.Breaks = true, known.PlaybackID, ""
			if !f.Repeats {
				one.Change = ""
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// slotProtections asks the provider what the slots hold. The idle slot of a pair is left to rotation.
func (e *Executor) slotProtections(ctx context.Context, p provider.Setter, r keystore.Record) ([]Protection, error) {
	active := r.Active()
	target := r.Target.ID
	switch op := r.Operation; {
	case active == nil:
		return nil, fmt.Errorf("%w: target %s has no active key; rotate it first", keystore.ErrIllegal, target)
	case active.Slot >= len(r.Target.Resources):
		return nil, fmt.Errorf("%w: key %d of target %s stands in a slot that the target has not", keystore.ErrIllegal, active.Version, target)
	case op != nil && op.Mode == keystore.Cut && op.Step != keystore.Scheduled:
		return nil, fmt.Errorf("%w: operation %s is changing the slot of target %s", keystore.ErrIllegal, op.ID, target)
	}
	inspector, ok := p.(provider.Inspector)
	if !ok {
		return nil, errCannotProtect(r)
	}
	all := make([]Protection, 0, len(r.Target.Resources))
	for slot, resource := range r.Target.Resources {
		calling, cancel := context.WithTimeout(ctx, e.timing.maxCall(p.Traits()))
		current, err := inspector.Current(calling, resource)
		cancel()
		if err != nil {
			return nil, err
		}
		one := Protection{Resource: resource, On: current.Len() > 0}
		if slot != active.Slot {
			if !one.On {
				one.Open = fmt.Sprintf("all of it, until a rotation has used this slot; `tokensvc keys rotate %s` does", target)
			}
			all = append(all, one)
			continue
		}
		switch compare(&r, current, active) {
		case Foreign:
			return nil, fmt.Errorf("%w: %s holds a secret that is not of target %s; writing over it would break its signer's tokens. "+
				"Take it over with `tokensvc keys rotate %s --foreign-max-lifetime DURATION`, or replace it with --immediate", keystore.ErrIllegal, resource, target, target)
		case Missing:
			one.Change = fmt.Sprintf("token checking is switched on, with the secret of key %d", active.Version)
			one.Breaks = "who plays without a token is refused"
		case Older:
			one.Change = fmt.Sprintf("the secret of key %d replaces that of an older key", active.Version)
			one.Breaks = "tokens of the older key are refused"
		default: // it holds what it should
		}
		all = append(all, one)
	}
	return all, nil
}
