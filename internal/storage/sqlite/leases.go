package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// Lease gives holder the right to change a target for ttl.
func (s *Store) Lease(ctx context.Context, target, holder string, ttl time.Duration) (fence keystore.Fence, err error) {
	if holder == "" || ttl <= 0 {
		return 0, fmt.Errorf("lease target %s: %w: a lease needs a holder and a time above 0", target, keystore.ErrIllegal)
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		var other sql.Null[string]
		var expires sql.Null[int64]
		err := tx.QueryRowContext(ctx, `SELECT holder, expires FROM targets LEFT JOIN leases ON target = id WHERE id = ?`, target).Scan(&other, &expires)
		if errors.Is(err, sql.ErrNoRows) {
			return keystore.ErrNotFound
		}
		if err != nil {
			return err
		}
		now := s.now()
		if end := fromInstant(expires); other.V != holder && now.Before(end) {
			return fmt.Errorf("%w: %s has the lease until %s", keystore.ErrConflict, other.V, end.Format(time.RFC3339))
		}
		n, err := next(ctx, tx, "fence")
		if err != nil {
			return err
		}
		fence = keystore.Fence(n)
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO leases (target, holder, fence, expires) VALUES (?, ?, ?, ?)`,
			target, holder, n, instant(now.Add(ttl)))
		return err
	})
	return result(fence, err, "lease target %s", target)
}

// Release gives a lease back early.
func (s *Store) Release(ctx context.Context, target string, fence keystore.Fence) error {
	err := s.alone(ctx, func() error {
		_, err := s.writer.ExecContext(ctx, `DELETE FROM leases WHERE target = ? AND fence = ?`, target, int64(fence))
		return err
	})
	_, err = result(struct{}{}, err, "release target %s", target)
	return err
}

// checkFence refuses a fence that is not that of the current lease, or whose lease has run out.
func (s *Store) checkFence(ctx context.Context, tx *sql.Tx, target string, fence keystore.Fence) error {
	var holder string
	var current int64
	var expires sql.Null[int64]
	err := tx.QueryRowContext(ctx, `SELECT holder, fence, expires FROM leases WHERE target = ?`, target).Scan(&holder, &current, &expires)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: nobody has the lease", keystore.ErrFenced)
	case err != nil:
		return err
	case current != int64(fence):
		return fmt.Errorf("%w: %s took it", keystore.ErrFenced, holder)
	case !s.now().Before(fromInstant(expires)):
		return fmt.Errorf("%w: it ended at %s", keystore.ErrFenced, fromInstant(expires).Format(time.RFC3339))
	default:
		return nil
	}
}
