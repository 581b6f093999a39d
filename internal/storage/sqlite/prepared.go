package sqlite

import (
	"context"
	"database/sql"
)

// prepared is a connection that prepares each statement once: to prepare one costs several times what it does.
// It has one user at a time.
type prepared struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt // by their texts, all of which are constants
}

var _ querier = (*prepared)(nil)

func newPrepared(conn *sql.Conn) *prepared {
	return &prepared{conn: conn, statements: map[string]*sql.Stmt{}}
}

func (p *prepared) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if s, ok := p.statements[text]; ok {
		return s, nil
	}
	s, err := p.conn.PrepareContext(ctx, text)
	if err == nil {
		p.statements[text] = s
	}
	return s, err
}

// ExecContext runs a statement.
func (p *prepared) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	s, err := p.statement(ctx, text) //nolint:sqlclosecheck // close closes it
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext implements querier.
func (p *prepared) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, text) //nolint:sqlclosecheck // close closes it
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext implements querier.
func (p *prepared) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	s, err := p.statement(ctx, text) //nolint:sqlclosecheck // close closes it
	if err != nil {
		return p.conn.QueryRowContext(ctx, text, args...) // says the same again
	}
	return s.QueryRowContext(ctx, args...)
}

// close gives the connection back to the pool, which drops a broken one.
func (p *prepared) close() {
	for _, s := range p.statements {
		_ = s.Close() // nothing depends on it
	}
	_ = p.conn.Close()
}
