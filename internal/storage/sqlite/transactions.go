package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tokensvc/tokensvc/keystore"
)

// read runs fn on one state of the store.
func (s *Store) read(ctx context.Context, fn func(*sql.Tx) error) error {
	return within(ctx, s.reader, fn)
}

// write runs fn while it alone may write. What fn did is on disk when write returns nil, and undone
// otherwise. Watchers get a hint.
func (s *Store) write(ctx context.Context, fn func(*sql.Tx) error) error {
	if err := s.alone(ctx, func() error { return within(ctx, s.writer, fn) }); err != nil {
		return err
	}
	s.hints.send()
	return nil
}

// alone runs fn when it is the turn of ctx to write, among all writers of this process.
func (s *Store) alone(ctx context.Context, fn func() error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	return fn()
}

func within(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		if isBusy(err) {
			return fmt.Errorf("%w: another process writes to it and does not finish (%w)", keystore.ErrUnavailable, err)
		}
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(tx); err != nil {
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			return errors.Join(err, fmt.Errorf("roll back: %w", undo))
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
