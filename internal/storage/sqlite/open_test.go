package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
)

func TestModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{Now: time.Now})
	if _, err := s.Create(t.Context(), target("event")); err != nil {
		t.Fatal(err)
	}
	checkModes(t, path)
}

func TestOpenRefuses(t *testing.T) {
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o666} {
		path := filepath.Join(t.TempDir(), "store.db")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %v: %v; want an error that names the chmod", mode, err)
		}
	}
	if _, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{Now: time.Now}); err == nil {
		t.Error("opened a directory")
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "no", "such", "store.db"), sqlite.Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), "does not exist; make it") {
		t.Errorf("no directory: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "store.db")
	if _, err := sqlite.Open(t.Context(), missing, sqlite.Options{Now: time.Now, MustExist: true}); err == nil {
		t.Error("opened a store that is not there")
	}
	if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking for a store made one: %v", err)
	}

	rubbish := filepath.Join(t.TempDir(), "store.db")
	text := []byte(strings.Repeat("not a database ", 1000))
	if err := os.WriteFile(rubbish, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), rubbish, sqlite.Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), rubbish) {
		t.Errorf("rubbish: %v", err)
	}
	if got, err := os.ReadFile(rubbish); err != nil || !bytes.Equal(got, text) {
		t.Errorf("rubbish was changed: %v", err)
	}

	foreign := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	raw(t, foreign, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), `CREATE TABLE theirs (x)`)
		return err
	})
	if _, err := sqlite.Open(t.Context(), foreign, sqlite.Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a database of another program: %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := open(t, path, sqlite.Options{Now: time.Now}).Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), `INSERT INTO schema_versions (version_id, is_applied) VALUES (99, 1)`)
		return err
	})
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: time.Now})
	if !errors.Is(err, sqlite.ErrNewerSchema) || !strings.Contains(err.Error(), "version 99") {
		t.Fatalf("got %v, want ErrNewerSchema that names the version", err)
	}
}

func TestStatusBeforeMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{Now: time.Now, NoMigrate: true})
	status, err := s.Status(t.Context())
	if err != nil || status.Current != 0 || status.Latest < 1 {
		t.Fatalf("status %+v, %v", status, err)
	}
	before, err := s.Migrate(t.Context())
	if err != nil || before != status {
		t.Fatalf("Migrate: %+v, %v", before, err)
	}
	after, err := s.Status(t.Context())
	if err != nil || after.Current != after.Latest {
		t.Fatalf("status %+v, %v", after, err)
	}
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || int64(len(files)) != after.Latest {
		t.Fatalf("%d migrations, version %d, %v", len(files), after.Latest, err)
	}
	if again, err := s.Migrate(t.Context()); err != nil || again != after {
		t.Fatalf("Migrate of what is current: %+v, %v", again, err)
	}
	if _, err := s.Create(t.Context(), target("event")); err != nil {
		t.Fatal(err)
	}
}

// TestMigrateIsAllOrNothing: a migration that fails half way leaves no table behind, so that it can run
// again.
func TestMigrateIsAllOrNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{Now: time.Now, NoMigrate: true})
	raw(t, path, func(db *sql.DB) error { // the migration will trip over this late in its course
		_, err := db.ExecContext(t.Context(), `CREATE VIEW playbacks AS SELECT 1`)
		return err
	})
	if _, err := s.Migrate(t.Context()); err == nil {
		t.Fatal("the migration did not trip")
	}
	raw(t, path, func(db *sql.DB) error {
		var tables int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM sqlite_schema WHERE type = 'table'`).Scan(&tables); err != nil {
			return err
		}
		if tables != 0 {
			t.Errorf("%d tables are left of a migration that failed", tables)
		}
		_, err := db.ExecContext(t.Context(), `DROP VIEW playbacks`)
		return err
	})
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestOldSchema: a file of the first schema keeps what it holds.
func TestOldSchema(t *testing.T) {
	initial, err := os.ReadFile("migrations/00001_initial.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	raw(t, path, func(db *sql.DB) error {
		for _, text := range []string{
			string(initial),
			`CREATE TABLE schema_versions (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`,
			`INSERT INTO schema_versions (version_id, is_applied) VALUES (0, 1), (1, 1)`,
			`INSERT INTO targets VALUES ('event', 'qencode', 'qencode-jwt', '', '', '{}', 3600000000000, 0, 1, 1, 1)`,
			`UPDATE counters SET value = 1`,
			`INSERT INTO keys (target, version, state, kid, fingerprint, sealed, origin, horizon) VALUES ('event', 1, 'active', 'kid', 'f', x'01', 'import', 5000000)`,
		} {
			if _, err := db.ExecContext(t.Context(), text); err != nil {
				return err
			}
		}
		return nil
	})
	s := open(t, path, sqlite.Options{Now: time.Now})
	got, err := s.Get(t.Context(), "event")
	if err != nil {
		t.Fatal(err)
	}
	want := keystore.Record{
		Target: target("event"), Revision: 1,
		Keys: []keystore.Key{{Version: 1, State: keystore.Active, KID: "kid", Fingerprint: "f", Sealed: []byte{1}, Origin: "import", Horizon: time.Unix(5, 0).UTC()}},
	}
	want.Target.CreatedAt, want.Target.UpdatedAt = time.UnixMicro(1).UTC(), time.UnixMicro(1).UTC()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if err := importKeys(t.Context(), io.Discard, s, 1); err != nil {
		t.Fatal(err)
	}
}

// TestDurable: what keeps an acknowledged change through a power cut.
func TestDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open(t, path, sqlite.Options{Now: time.Now})
	raw(t, path, func(db *sql.DB) error {
		var mode string
		if err := db.QueryRowContext(t.Context(), `PRAGMA journal_mode`).Scan(&mode); err != nil {
			return err
		}
		if mode != "wal" {
			t.Errorf("journal mode %s", mode)
		}
		return nil
	})
}

// TestUnsynced: what was committed is there for whoever opens the file next.
func TestUnsynced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{Now: time.Now, Unsynced: true})
	if _, err := s.Create(t.Context(), keystore.Target{ID: "event", Provider: "wowza", Scheme: "wowza-hdnts"}); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, path, sqlite.Options{Now: time.Now}).Get(t.Context(), "event"); err != nil {
		t.Error(err)
	}
}

func TestMemoryStoresAreApart(t *testing.T) {
	one, two := open(t, sqlite.Memory, sqlite.Options{Now: time.Now}), open(t, sqlite.Memory, sqlite.Options{Now: time.Now})
	if _, err := one.Create(t.Context(), target("event")); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Get(t.Context(), "event"); !errors.Is(err, keystore.ErrNotFound) {
		t.Fatalf("the other store: %v", err)
	}
	if _, err := os.Stat(sqlite.Memory); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a file: %v", err)
	}
}

// TestCancelled: calls whose ctx ends fail and leave the store whole, in memory too, where the
// connection is the store.
func TestCancelled(t *testing.T) {
	for _, path := range []string{sqlite.Memory, filepath.Join(t.TempDir(), "store.db")} {
		s := open(t, path, sqlite.Options{Now: time.Now})
		if _, err := s.Create(t.Context(), target("event")); err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Get(ended, "event"); !errors.Is(err, context.Canceled) {
			t.Fatalf("Get: %v", err)
		}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Microsecond)
				defer cancel()
				for {
					if _, err := s.List(ctx, keystore.Page{}); err != nil {
						break
					}
					if _, err := s.Lease(ctx, "event", "me", time.Minute); err != nil {
						break
					}
				}
			})
		}
		wg.Wait()
		if _, err := s.Get(t.Context(), "event"); err != nil {
			t.Fatalf("%s: the target is gone: %v", path, err)
		}
		if _, err := s.Create(t.Context(), target("other")); err != nil {
			t.Fatalf("%s: the writer is stuck: %v", path, err)
		}
	}
}

// TestBusy: a writer that waits for another process in vain says so, in time.
func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{Now: time.Now, BusyTimeout: 50 * time.Millisecond})
	raw(t, path, func(db *sql.DB) error {
		conn, err := db.Conn(t.Context())
		if err != nil {
			return err
		}
		if _, err := conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
			return err
		}
		if _, err := s.Create(t.Context(), target("event")); err == nil || !strings.Contains(err.Error(), "another process writes") {
			t.Errorf("got %v, want an error that says who is in the way", err)
		}
		if _, err := s.List(t.Context(), keystore.Page{}); err != nil {
			t.Errorf("a reader was held up: %v", err)
		}
		if _, err := conn.ExecContext(t.Context(), `ROLLBACK`); err != nil {
			return err
		}
		return conn.Close()
	})
	if _, err := s.Create(t.Context(), target("event")); err != nil {
		t.Fatal(err)
	}
}

func TestClosed(t *testing.T) {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), sqlite.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	hints := s.Watch(t.Context())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range hints { // ends, since Close closes it
		continue
	}
	if _, open := <-s.Watch(t.Context()); open {
		t.Fatal("a closed store sends hints")
	}
	if _, err := s.Get(t.Context(), "event"); err == nil || errors.Is(err, keystore.ErrNotFound) {
		t.Fatalf("a closed store answers: %v", err)
	}
}

// TestDestroyedSecretLeavesTheFile: the bytes of a destroyed key are in no page of the file.
func TestDestroyedSecretLeavesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	const marker = "bytes-that-must-not-stay"
	sealed := []byte(strings.Repeat(marker, 300)) // more than a page, as an RSA key may be
	if _, err := s.Create(t.Context(), target("event")); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*keystore.Record) error{
		func(r *keystore.Record) error { r.Add(keystore.Key{Sealed: sealed}, time.Now()); return nil },
		func(r *keystore.Record) error { return r.Destroy(1, true, time.Now()) },
	} {
		fence, err := s.Lease(t.Context(), "event", "me", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(t.Context(), "event", fence, change); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), marker) {
			t.Errorf("%s holds the bytes of a destroyed key", filepath.Base(file))
		}
	}
}
