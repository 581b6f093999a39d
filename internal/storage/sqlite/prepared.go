package sqlite

import (
	"context"
	"database/sql"
	"sync"
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

// quickReaders answer short questions that come by the thousand, on connections that keep their statements.
type quickReaders struct {
	db    *sql.DB
	idle  chan *prepared // nil for one that has no connection yet
	ended chan struct{}
	// close waits for what runs.
	close func()
}

func newQuickReaders(db *sql.DB, conns int) *quickReaders {
	r := &quickReaders{db: db, idle: make(chan *prepared, conns), ended: make(chan struct{})}
	r.close = sync.OnceFunc(r.end)
	for range conns {
		r.idle <- nil
	}
	return r
}

// ask runs fn, which reads a few rows by an index. It waits for its turn until ctx ends; what has begun runs to
// its end, since to watch ctx meanwhile costs as much as the answer.
func (r *quickReaders) ask(ctx context.Context, fn func(context.Context, querier) error) error {
	var p *prepared
	select {
	case p = <-r.idle:
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ended:
		return errClosed
	}
	defer func() { r.idle <- p }()
	if p == nil {
		conn, err := r.db.Conn(ctx)
		if err != nil {
			return err
		}
		p = newPrepared(conn)
	}
	err := fn(context.WithoutCancel(ctx), p)
	if breaks(err) {
		p.close()
		p = nil
	}
	return err
}

func (r *quickReaders) end() {
	close(r.ended)
	for range cap(r.idle) {
		if p := <-r.idle; p != nil {
			p.close()
		}
	}
}
