package keystore

import (
	"context"
	"errors"
	"time"
)

// leaseRetry is how often AwaitLease asks.
const leaseRetry = 20 * time.Millisecond

// AwaitLease leases a target as Store.Lease does, and waits for another holder to finish, for about
// wait. After that the error wraps ErrConflict. A wait longer than ttl outlasts a holder that has died.
func AwaitLease(ctx context.Context, s Store, target, holder string, ttl, wait time.Duration) (Fence, error) {
	retry := time.NewTicker(leaseRetry)
	defer retry.Stop()
	for tries := wait / leaseRetry; ; tries-- {
		fence, err := s.Lease(ctx, target, holder, ttl)
		if !errors.Is(err, ErrConflict) || tries <= 1 {
			return fence, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-retry.C:
		}
	}
}
