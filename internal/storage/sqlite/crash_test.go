package sqlite_test

import (
	"database/sql"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
)

const kills = 25

// TestKilledWhileImporting: after kill -9 the store opens, is whole and has every version that was
// acknowledged, each in the state that its change left.
func TestKilledWhileImporting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{Now: time.Now})
	if _, err := s.Create(t.Context(), target(crashTarget)); err != nil {
		t.Fatal(err)
	}
	acknowledged, busy := 0, 0
	for range kills {
		p := startHelper(t, "import", path)
		lines := p.killAfter(t, 20*time.Millisecond+rand.N(150*time.Millisecond))
		if len(lines) > 0 {
			busy++
			last, err := strconv.Atoi(lines[len(lines)-1])
			if err != nil {
				t.Fatal(err)
			}
			acknowledged = last
		}
		checkIntegrity(t, path)
		again, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: time.Now})
		if err != nil {
			t.Fatalf("the store does not open after a kill: %v", err)
		}
		r, err := again.Get(t.Context(), crashTarget)
		if err != nil {
			t.Fatal(err)
		}
		checkImported(t, r, acknowledged)
		acknowledged = len(r.Keys)
		// The dead holder's lease must not stand in the way of its successor for the whole of its time.
		releaseAll(t, path)
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d keys were acknowledged in %d of %d lives", acknowledged, busy, kills)
	if busy == 0 {
		t.Fatal("no helper lived long enough to import a key")
	}
}

// checkImported: the keys are those of importKeys, and none is half done.
func checkImported(t *testing.T, r keystore.Record, acknowledged int) {
	t.Helper()
	if len(r.Keys) < acknowledged || len(r.Keys) > acknowledged+1000 {
		t.Fatalf("%d keys; %d were acknowledged", len(r.Keys), acknowledged)
	}
	last := len(r.Keys)
	for i, k := range r.Keys {
		want := keystore.Destroyed
		switch {
		case i+1 == last:
			want = keystore.Active
		case i >= last-3:
			want = keystore.Retiring
		case i+1 == last-3:
			want = keystore.Retired
		}
		if k.Version != i+1 || k.State != want || (len(k.Sealed) == 0) != (want == keystore.Destroyed) {
			t.Fatalf("key %d of %d is %s with %d bytes, want %s", k.Version, last, k.State, len(k.Sealed), want)
		}
	}
}

// TestKilledWhileOpening: a store whose first start was cut short is empty or whole.
func TestKilledWhileOpening(t *testing.T) {
	whole := 0
	for i := range kills {
		path := filepath.Join(t.TempDir(), "store.db")
		if lines := startHelper(t, "open", path).killAfter(t, time.Duration(i)*4*time.Millisecond); len(lines) > 0 {
			whole++
		}
		s := open(t, path, sqlite.Options{Now: time.Now})
		if _, err := s.Create(t.Context(), target("event")); err != nil {
			t.Fatal(err)
		}
		checkIntegrity(t, path)
		checkModes(t, path)
	}
	t.Logf("%d of %d first starts came through", whole, kills)
}

// TestFirstStartsTogether: processes that make the same store at once all get it.
func TestFirstStartsTogether(t *testing.T) {
	for range 5 {
		path := filepath.Join(t.TempDir(), "store.db")
		processes := make([]*process, 4)
		for i := range processes {
			processes[i] = startHelper(t, "open", path)
		}
		open(t, path, sqlite.Options{Now: time.Now})
		for _, p := range processes {
			p.finish(t)
		}
		checkIntegrity(t, path)
		checkModes(t, path)
	}
}

// TestTwoProcessesLoseNothing: both add to one record under one lease, and neither overwrites the other.
func TestTwoProcessesLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{Now: time.Now})
	if _, err := s.Create(t.Context(), target(crashTarget)); err != nil {
		t.Fatal(err)
	}
	fence, err := s.Lease(t.Context(), crashTarget, "both", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other := startHelper(t, "append", path, fenceEnv+"="+strconv.FormatInt(int64(fence), 10))
	if err := appendKeys(t.Context(), s, fence); err != nil {
		t.Fatal(err)
	}
	other.finish(t)
	r, err := s.Get(t.Context(), crashTarget)
	if err != nil || len(r.Keys) != 2*appends || r.NextVersion() != 2*appends+1 {
		t.Fatalf("%d keys, next version %d, %v; want %d", len(r.Keys), r.NextVersion(), err, 2*appends)
	}
}

// TestWatchSeesAnotherProcess: the hint comes within a second, and what it hints at can be read.
func TestWatchSeesAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{Now: time.Now})
	if _, err := s.Create(t.Context(), target(crashTarget)); err != nil {
		t.Fatal(err)
	}
	other := startHelper(t, "once", path)
	hints := s.Watch(t.Context())
	for quiet := false; !quiet; {
		select {
		case <-hints:
		case <-time.After(500 * time.Millisecond):
			quiet = true
		}
	}
	if _, err := other.in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	if !other.lines.Scan() || other.lines.Text() != "1" {
		t.Fatalf("the other process did not import: %q", other.lines.Text())
	}
	committed := time.Now()
	for {
		select {
		case <-hints:
		case <-time.After(time.Second - time.Since(committed)):
			t.Fatal("no hint within a second")
		}
		r, err := s.Get(t.Context(), crashTarget)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Keys) == 1 { // an earlier hint may have been of the lease
			break
		}
	}
	t.Logf("seen after %v", time.Since(committed))
	other.finish(t)
}

func target(id string) keystore.Target {
	return keystore.Target{ID: id, Provider: "qencode", Scheme: "qencode-jwt", MaxTokenLifetime: time.Hour}
}

// TestCheckIntegrity: a file is whole until somebody writes past the store, or past SQLite.
func TestCheckIntegrity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{Now: time.Now})
	for i := range 20 {
		if _, err := s.Create(t.Context(), target("event-"+strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CheckIntegrity(t.Context()); err != nil {
		t.Errorf("a whole store: %v", err)
	}
	raw(t, path, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), `PRAGMA foreign_keys = off;
			INSERT INTO keys (target, version, state, kid, fingerprint, sealed, origin) VALUES ('nobody', 1, 'active', '', '', x'00', '')`)
		return err
	})
	if err := s.CheckIntegrity(t.Context()); !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), "a row of keys refers to nothing") {
		t.Errorf("a key of no target: %v", err)
	}
	raw(t, path, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), `DELETE FROM keys; PRAGMA ignore_check_constraints = on;
			INSERT INTO keys (target, version, state, kid, fingerprint, sealed, origin) VALUES ('event-1', 1, 'odd', '', '', x'00', '')`)
		return err
	})
	if err := s.CheckIntegrity(t.Context()); !errors.Is(err, sqlite.ErrDamaged) || strings.Contains(err.Error(), "refers to nothing") {
		t.Errorf("a state that there is not: %v", err)
	}
}

// TestOneActive: the table itself refuses a second active key, whatever the code above it does.
func TestOneActive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{Now: time.Now})
	if _, err := s.Create(t.Context(), target("event")); err != nil {
		t.Fatal(err)
	}
	raw(t, path, func(db *sql.DB) error {
		insert := `INSERT INTO keys (target, version, state, kid, fingerprint, sealed, origin) VALUES ('event', ?, 'active', '', '', x'00', '')`
		if _, err := db.ExecContext(t.Context(), insert, 1); err != nil {
			return err
		}
		if _, err := db.ExecContext(t.Context(), insert, 2); err == nil {
			t.Error("two active keys")
		}
		return nil
	})
}

// TestOneOpenOperation: the table itself refuses a second open operation, and an outcome without an end.
func TestOneOpenOperation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open(t, path, sqlite.Options{Now: time.Now})
	raw(t, path, func(db *sql.DB) error {
		insert := `INSERT INTO operations (id, target, kind, mode, immediate, from_version, to_version, step, seen, tries, last_error, alarm, outcome, started_at, closed_at)
			VALUES (?, 'event', 'rotate', 'overlap', 0, 1, 2, 'intent', '[]', 0, '', '', ?, 1, ?)`
		for _, c := range []struct {
			id, outcome string
			closed      any
			legal       bool
		}{{"1", "", nil, true}, {"2", "done", 5, true}, {"3", "", nil, false}, {"4", "done", nil, false}, {"5", "", 5, false}} {
			if _, err := db.ExecContext(t.Context(), insert, c.id, c.outcome, c.closed); c.legal != (err == nil) {
				t.Errorf("operation %s: %v", c.id, err)
			}
		}
		return nil
	})
}

// raw runs fn on the file, past the store.
func raw(t *testing.T, path string, fn func(*sql.DB) error) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := fn(db); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	raw(t, path, func(db *sql.DB) error {
		var answer string
		if err := db.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&answer); err != nil {
			return err
		}
		if answer != "ok" {
			t.Errorf("integrity_check: %s", answer)
		}
		var orphans int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pragma_foreign_key_check`).Scan(&orphans); err != nil {
			return err
		}
		if orphans != 0 {
			t.Errorf("foreign_key_check found %d rows", orphans)
		}
		return nil
	})
}

func releaseAll(t *testing.T, path string) {
	t.Helper()
	raw(t, path, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), `DELETE FROM leases`)
		return err
	})
}

func checkModes(t *testing.T, path string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; want 0600", suffix, info, err)
		}
	}
}
