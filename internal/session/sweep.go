package session

import (
	"context"
	"log/slog"
	"time"
)

const (
	sweepEvery = time.Minute
	// sweepMost bounds how many sessions one transaction removes, so that nobody waits for it long.
	sweepMost = 1000
)

// Sweep removes sessions that ended, and whose tokens expired, longer than keep ago, until ctx ends.
func Sweep(ctx context.Context, s Store, keep time.Duration, now func() time.Time, log *slog.Logger) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for swept := sweepMost; swept == sweepMost && ctx.Err() == nil; {
			var err error
			if swept, err = s.Sweep(ctx, now().Add(-keep), sweepMost); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "old sessions not removed", "error", err)
			}
		}
	}
}
