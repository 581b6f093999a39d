package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
)

// managedLease bounds one change of a target at start.
const managedLease = 10 * time.Second

// applyManaged brings the store in line with the targets and playbacks of the config file. A target
// that has left the file stays, with its keys, and can be changed through the API from then on; a
// playback that has left the file is removed.
func (a *App) applyManaged(ctx context.Context) error {
	inFile := map[string]bool{}
	for i := range a.cfg.Targets {
		t := a.cfg.Targets[i].ToKeystore()
		inFile[t.ID] = true
		if err := a.applyTarget(ctx, t); err != nil {
			return fmt.Errorf("target %q of the config file: %w", t.ID, err)
		}
	}
	records, err := a.store.List(ctx, keystore.Page{})
	if err != nil {
		return err
	}
	for i := range records {
		if t := records[i].Target; t.Managed && !inFile[t.ID] {
			t.Managed = false
			if err := a.applyTarget(ctx, t); err != nil {
				return fmt.Errorf("target %q, no longer in the config file: %w", t.ID, err)
			}
		}
	}
	return a.applyPlaybacks(ctx)
}

// applyTarget creates or changes a target; an unchanged one is left alone. One with an open operation stays
// where it is rotated: its slot may be in doubt there.
func (a *App) applyTarget(ctx context.Context, t keystore.Target) error {
	_, err := a.store.Create(ctx, t)
	if !errors.Is(err, keystore.ErrConflict) {
		return err
	}
	record, err := a.store.Get(ctx, t.ID)
	if err != nil || t.Equal(record.Target) {
		return err
	}
	fence, err := a.lease(ctx, t.ID)
	if err != nil {
		return err
	}
	_, err = a.store.Update(ctx, t.ID, fence, func(r *keystore.Record) error {
		next := t
		if op := r.Operation; op != nil && r.Target.Moves(t) {
			a.log.Warn("an operation is under way; account, resources and mode of the config file count from the next start on", "target", t.ID, "operation", op.ID)
			next.Account, next.Resources, next.Policy.Mode = r.Target.Account, r.Target.Resources, r.Target.Policy.Mode
		}
		r.Target = next
		return nil
	})
	return errors.Join(err, a.store.Release(ctx, t.ID, fence))
}

// lease waits shortly for another process that starts at the same time. Every App is a holder of its own.
func (a *App) lease(ctx context.Context, target string) (keystore.Fence, error) {
	return keystore.AwaitLease(ctx, a.store, target, a.holder, managedLease, 5*time.Second)
}

func (a *App) applyPlaybacks(ctx context.Context) error {
	inFile := map[string]bool{}
	for i := range a.cfg.Playbacks {
		p := a.cfg.Playbacks[i].ToPlayback()
		inFile[p.ID] = true
		if err := a.applyPlayback(ctx, p); err != nil {
			return fmt.Errorf("playback %q of the config file: %w", p.ID, err)
		}
	}
	all, err := a.store.ListPlaybacks(ctx, keystore.Page{})
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].Managed && !inFile[all[i].ID] {
			if err := a.store.DeletePlayback(ctx, all[i].ID); err != nil && !errors.Is(err, keystore.ErrNotFound) {
				return fmt.Errorf("playback %q, no longer in the config file: %w", all[i].ID, err)
			}
		}
	}
	return nil
}

func (a *App) applyPlayback(ctx context.Context, p playback.Playback) error {
	record, err := a.store.Get(ctx, p.TargetID)
	if err != nil {
		return err
	}
	now := a.now()
	if err := playback.Check(p, record.Target, now); err != nil {
		return err
	}
	stored, err := a.store.GetPlayback(ctx, p.ID)
	if err == nil && stored.TargetID != p.TargetID {
		// A stored playback keeps its target; one of another target takes its place.
		if err := a.store.DeletePlayback(ctx, p.ID); err != nil {
			return err
		}
		err = keystore.ErrNotFound
	}
	if errors.Is(err, keystore.ErrNotFound) {
		p.CreatedAt, p.UpdatedAt = now, now
		if _, err = a.store.CreatePlayback(ctx, p); !errors.Is(err, keystore.ErrConflict) {
			return err
		}
		stored, err = a.store.GetPlayback(ctx, p.ID) // another process was first
	}
	if err != nil {
		return err
	}
	p.CreatedAt, p.UpdatedAt, p.Revision = stored.CreatedAt, stored.UpdatedAt, stored.Revision
	if reflect.DeepEqual(p, stored) {
		return nil
	}
	_, err = a.store.UpdatePlayback(ctx, p.ID, func(stored *playback.Playback) error {
		p.CreatedAt, p.UpdatedAt, p.Revision = stored.CreatedAt, now, stored.Revision
		*stored = p
		return nil
	})
	return err
}
