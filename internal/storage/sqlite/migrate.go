package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaLatest is the version of the newest migration; a test compares it with the files.
const schemaLatest = 6

const versionTable = "schema_versions"

// ErrNewerSchema means that the file was written by a newer build.
var ErrNewerSchema = errors.New("the store has a newer schema")

// SchemaStatus says which version of the schema a store has and which one this build uses.
type SchemaStatus struct {
	Current int64 `json:"current"` // 0: none yet
	Latest  int64 `json:"latest"`
}

// Status returns the version of the schema without changing anything.
func (s *Store) Status(ctx context.Context) (SchemaStatus, error) {
	current, err := s.schemaVersion(ctx)
	return SchemaStatus{Current: current, Latest: schemaLatest}, err
}

// Migrate brings the schema up to date, all of it or nothing, and returns what it was before. Processes
// that migrate at once wait for each other. A newer schema is ErrNewerSchema.
func (s *Store) Migrate(ctx context.Context) (before SchemaStatus, err error) {
	if before, err = s.Status(ctx); err != nil {
		return before, err
	}
	if err := checkVersion(before.Current); err != nil {
		return before, err
	}
	if before.Current == schemaLatest {
		return before, nil
	}
	if err := s.migrate(ctx); err != nil {
		return before, fmt.Errorf("migrate: %w", err)
	}
	after, err := s.Status(ctx) // another process may have migrated further
	if err != nil {
		return before, err
	}
	return before, checkVersion(after.Current)
}

// migrate puts all that goose does, its own table included, into one transaction that holds the write
// lock: goose gets a pool of one connection on which the transaction is open. The lock and what was
// half done fall with the process, or with the connection.
func (s *Store) migrate(ctx context.Context) (err error) {
	db, err := openPool(s.writeDSN, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, dir,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true),
		goose.WithIsolateDDL(true)) // without transactions of its own
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// schemaVersion reads the version without making the table that holds it.
func (s *Store) schemaVersion(ctx context.Context) (int64, error) {
	var tables int
	var versioned bool
	err := s.reader.QueryRowContext(ctx, `SELECT count(*), coalesce(max(name = ?), 0) FROM sqlite_schema WHERE type = 'table'`, versionTable).
		Scan(&tables, &versioned)
	if err != nil {
		return 0, fmt.Errorf("read schema: %w", err)
	}
	if !versioned {
		if tables > 0 {
			return 0, errors.New("the file is the database of another program")
		}
		return 0, nil
	}
	return latestApplied(ctx, s.reader)
}

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func latestApplied(ctx context.Context, q rowQuerier) (int64, error) {
	var version int64
	if err := q.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable).Scan(&version); err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version, nil
}

func checkVersion(version int64) error {
	if version > schemaLatest {
		return fmt.Errorf("%w: it has version %d and this build knows up to %d; use the build that wrote it, or a newer one", ErrNewerSchema, version, schemaLatest)
	}
	return nil
}
