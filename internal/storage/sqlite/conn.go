package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
)

// conn is a connection for statements that run by the thousand: database/sql would cost several times what they
// do. It keeps each statement prepared. It has one user at a time.
type conn struct{ *sqlite.Conn }

// connect opens a connection by the file's URI.
func connect(uri string, pragmas []string) (*conn, error) {
	raw, err := sqlite.OpenConn(uri, sqlite.OpenReadWrite, sqlite.OpenURI)
	if err != nil {
		return nil, fault(err)
	}
	c := &conn{raw}
	raw.SetBusyTimeout(0) // the pragma sets it
	if err := raw.SetDefensive(true); err != nil {
		return nil, errors.Join(fault(err), c.Close())
	}
	for _, p := range pragmas {
		if err := c.run(`PRAGMA ` + p); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// run runs a statement that changes no row.
func (c *conn) run(text string) error { return c.each(nil, text) }

// exec runs an INSERT, UPDATE or DELETE and returns how many rows it changed.
func (c *conn) exec(text string, args ...any) (changed int, err error) {
	if err := c.each(nil, text, args...); err != nil {
		return 0, err
	}
	return c.Changes(), nil
}

// row returns the first row of an answer. Its Scan runs the statement and returns sql.ErrNoRows where there is none.
func (c *conn) row(text string, args ...any) row { return single{c: c, text: text, args: args} }

type single struct {
	c    *conn
	text string
	args []any
}

// Scan implements row.
func (s single) Scan(dest ...any) error {
	found := false
	err := s.c.each(func(r row) error {
		if found {
			return nil
		}
		found = true
		return r.Scan(dest...)
	}, s.text, s.args...)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// list reads all rows of an answer.
func list[T any](c *conn, scan func(row) (T, error), text string, args ...any) (rows []T, err error) {
	err = c.each(func(r row) error {
		one, err := scan(r)
		rows = append(rows, one)
		return err
	}, text, args...)
	return rows, err
}

// each runs a statement to its end and shows each row of its answer to show, unless that is nil.
func (c *conn) each(show func(row) error, text string, args ...any) (err error) {
	s, err := c.Prepare(text)
	if err != nil {
		return fault(err)
	}
	defer func() {
		if reset := s.Reset(); err == nil { // it says again what Step has said
			err = fault(reset)
		}
	}()
	if err := bind(s, args); err != nil {
		return err
	}
	for {
		more, err := s.Step()
		if err != nil || !more {
			return fault(err)
		}
		if show == nil {
			continue
		}
		if err := show(answer{s}); err != nil {
			return err
		}
	}
}

// bind gives a statement its arguments, all of which it has to be given.
func bind(s *sqlite.Stmt, args []any) error {
	if s.BindParamCount() != len(args) {
		return fmt.Errorf("a statement takes %d arguments, not %d", s.BindParamCount(), len(args))
	}
	for i, arg := range args {
		n := i + 1
		switch v := arg.(type) {
		case string:
			s.BindText(n, v)
		case []byte:
			bindBytes(s, n, v)
		case int:
			s.BindInt64(n, int64(v))
		case int64:
			s.BindInt64(n, v)
		case bool:
			s.BindBool(n, v)
		case sql.Null[string]:
			bindNull(s, n, v, s.BindText)
		case sql.Null[int64]:
			bindNull(s, n, v, s.BindInt64)
		default:
			return fmt.Errorf("argument %d of a statement is a %T", n, arg)
		}
	}
	return nil
}

func bindBytes(s *sqlite.Stmt, n int, v []byte) {
	if v == nil {
		s.BindNull(n)
	} else {
		s.BindBytes(n, v)
	}
}

func bindNull[T any](s *sqlite.Stmt, n int, v sql.Null[T], bind func(int, T)) {
	if v.Valid {
		bind(n, v.V)
	} else {
		s.BindNull(n)
	}
}

// answer is a row of an answer.
type answer struct{ *sqlite.Stmt }

// Scan reads the row's columns as database/sql would, into the types that rows here are made of.
func (a answer) Scan(dest ...any) error {
	if a.ColumnCount() != len(dest) {
		return fmt.Errorf("a row has %d columns, not %d", a.ColumnCount(), len(dest))
	}
	for i, d := range dest {
		null := a.ColumnIsNull(i)
		switch v := d.(type) {
		case *sql.Null[string]:
			*v = sql.Null[string]{V: a.ColumnText(i), Valid: !null}
			continue
		case *sql.Null[int64]:
			*v = sql.Null[int64]{V: a.ColumnInt64(i), Valid: !null}
			continue
		case *[]byte:
			*v = nil
			if !null {
				*v = make([]byte, a.ColumnLen(i))
				a.ColumnBytes(i, *v)
			}
			continue
		}
		if null {
			return fmt.Errorf("column %d of a row is NULL", i+1)
		}
		switch v := d.(type) {
		case *string:
			*v = a.ColumnText(i)
		case *int64:
			*v = a.ColumnInt64(i)
		case *int:
			*v = a.ColumnInt(i)
		case *bool:
			*v = a.ColumnBool(i)
		default:
			return fmt.Errorf("column %d of a row is read into a %T", i+1, d)
		}
	}
	return nil
}

// connError is what SQLite said to a conn.
type connError struct {
	code int // extended result code
	err  error
}

func (e *connError) Error() string { return e.err.Error() }

func (e *connError) Unwrap() error { return e.err }

// fault tells errors of the database from all others.
func fault(err error) error {
	if err == nil {
		return nil
	}
	return &connError{code: int(sqlite.ErrCode(err)), err: err}
}
