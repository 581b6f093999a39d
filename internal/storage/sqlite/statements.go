package sqlite

import (
	"context"
	"database/sql"
	"sync"
)

// statements asks a pool what it is asked by the thousand: each text, all of which are constants, is prepared
// once for each connection. To prepare costs several times what the answer does.
type statements struct {
	db  *sql.DB
	all sync.Map // text -> *sql.Stmt; the pool closes them
}

var _ querier = (*statements)(nil)

func (s *statements) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if one, ok := s.all.Load(text); ok {
		return one.(*sql.Stmt), nil //nolint:errcheck // only *sql.Stmt is ever stored
	}
	one, err := s.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	first, taken := s.all.LoadOrStore(text, one)
	if taken {
		defer one.Close() //nolint:errcheck // nothing depends on it
	}
	return first.(*sql.Stmt), nil //nolint:errcheck // as above
}

// QueryContext implements querier.
func (s *statements) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	one, err := s.prepared(ctx, text) //nolint:sqlclosecheck // the pool closes it
	if err != nil {
		return nil, err
	}
	return one.QueryContext(ctx, args...)
}

// QueryRowContext implements querier.
func (s *statements) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	one, err := s.prepared(ctx, text) //nolint:sqlclosecheck // the pool closes it
	if err != nil {
		return s.db.QueryRowContext(ctx, text, args...) // says the same again
	}
	return one.QueryRowContext(ctx, args...)
}
