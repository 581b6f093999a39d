package keystore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// rewrapLease bounds the change of one target, which is one read and one write.
const rewrapLease = 30 * time.Second

// RewrapAll moves every sealed secret of the store to the sealer's current master key, target by
// target, each in one change under a lease of holder. It is safe while others use the store and can be
// run again at any time: what is under the current master key already is left alone.
//
// A target that fails does not stop the others. The error joins all failures; ErrConflict among them
// means that a target was leased by another holder and that another run is needed. Progress may be nil.
// Changed counts the secrets that were moved.
func RewrapAll(ctx context.Context, s Store, sealer Sealer, holder string, progress func(done, total int)) (changed int, err error) {
	records, err := s.List(ctx, Page{})
	if err != nil {
		return 0, fmt.Errorf("read targets: %w", err)
	}
	var failures []error
	for i := range records {
		if err := ctx.Err(); err != nil {
			return changed, errors.Join(append(failures, err)...)
		}
		n, err := rewrapTarget(ctx, s, sealer, holder, records[i])
		changed += n
		if err != nil {
			failures = append(failures, fmt.Errorf("target %s: %w", records[i].Target.ID, err))
		}
		if progress != nil {
			progress(i+1, len(records))
		}
	}
	return changed, errors.Join(failures...)
}

func rewrapTarget(ctx context.Context, s Store, sealer Sealer, holder string, r Record) (int, error) {
	n, err := rewrapRecord(sealer, &r)
	if err != nil || n == 0 {
		return 0, err
	}
	fence, err := s.Lease(ctx, r.Target.ID, holder, rewrapLease)
	if errors.Is(err, ErrNotFound) {
		return 0, nil // deleted since it was listed
	}
	if err != nil {
		return 0, err
	}
	_, err = s.Update(ctx, r.Target.ID, fence, func(r *Record) error {
		var err error
		n, err = rewrapRecord(sealer, r)
		return err
	})
	if err != nil {
		n = 0
	}
	return n, errors.Join(err, s.Release(ctx, r.Target.ID, fence))
}

// rewrapRecord rewraps in place and returns how many secrets it moved.
func rewrapRecord(sealer Sealer, r *Record) (int, error) {
	moved := 0
	for binding, bytes := range r.Secrets {
		sealed, changed, err := sealer.Rewrap(binding, *bytes)
		if err != nil {
			return 0, err
		}
		if changed {
			*bytes = sealed
			moved++
		}
	}
	return moved, nil
}
