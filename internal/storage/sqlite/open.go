package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
)

// Memory as a path opens an empty store in memory, which ends with Close.
const Memory = ":memory:"

const (
	defaultBusyTimeout = 10 * time.Second
	readConns          = 4
	quickConns         = 2
	fileMode           = 0o600
	othersMask         = 0o077
)

// Options of Open. The zero Options are good for production.
type Options struct {
	// Now is the store's clock, for leases and time stamps; nil means the system's.
	Now func() time.Time
	// BusyTimeout is the longest wait for another process to finish its write; 0 means 10 s.
	BusyTimeout time.Duration
	// MustExist refuses a file that is not there instead of making one.
	MustExist bool
	// NoMigrate leaves the schema as it is, for looking at Status before Migrate. Until the schema is
	// current, other methods fail.
	NoMigrate bool
	// Unsynced leaves it to the operating system when a change reaches the disk. What was committed outlives
	// the process, but not the machine: for tests that end the one and not the other.
	Unsynced bool
}

// Store keeps its records in one SQLite file. Close ends it.
type Store struct {
	now          func() time.Time
	writer       *sql.DB // one connection, every transaction of which holds the write lock
	reader       *sql.DB
	quick        []*group // for short questions
	group        *group
	turn         chan struct{} // held by whoever writes in this process: SQLite's own waiting is not fair
	hints        hub
	sessionHints hub

	writeDSN string
	close    func()
	wait     sync.WaitGroup
}

var (
	_ keystore.Store = (*Store)(nil)
	_ playback.Store = (*Store)(nil)
)

// Open opens or makes the store at path and brings its schema up to date. New files have mode 0600; a
// file that others can read is refused. A file of a newer schema, ErrNewerSchema, or of another program
// is refused untouched.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // processes that share a file share the system's clock
	}
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = defaultBusyTimeout
	}
	inMemory := path == Memory
	if !inMemory {
		var err error
		if path, err = filepath.Abs(path); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
		if err := prepareFile(path, o.MustExist); err != nil {
			return nil, err
		}
	} else {
		path = "/" + rand.Text() // a memory file whose name begins with "/" is shared within the process
	}
	s, err := open(path, inMemory, o)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := s.start(ctx, inMemory, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), s.Close())
	}
	return s, nil
}

// prepareFile makes a missing file, so that SQLite, which gives -wal and -shm the mode of the database,
// never makes one that others can read.
func prepareFile(path string, mustExist bool) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if mustExist {
			return fmt.Errorf("open store: there is no %s; name the store of the service with store.path", path)
		}
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode) //nolint:gosec // the operator names the file
		switch {
		case err == nil:
			return errors.Join(file.Sync(), file.Close(), syncDir(filepath.Dir(path)))
		case errors.Is(err, fs.ErrExist): // another process was first
			return nil
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("make store: the folder %s does not exist; make it, or name another file with store.path", filepath.Dir(path))
		default:
			return fmt.Errorf("make store: %w", err)
		}
	}
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("open store: %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&othersMask != 0 {
		return fmt.Errorf("open store: %s is open to others (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator names the directory
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func open(path string, inMemory bool, o Options) (*Store, error) {
	writeDSN := dsn(path, inMemory, o, writeSynced)
	writer, err := openPool(writeDSN, 1)
	if err != nil {
		return nil, err
	}
	reader, err := openPool(dsn(path, inMemory, o, readOnly), readConns+1) // one for the watcher
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	uri := fileURI(path, inMemory, url.Values{})
	turn := make(chan struct{}, 1)
	return &Store{
		now: o.Now, writer: writer, reader: reader, turn: turn, writeDSN: writeDSN, close: func() {},
		quick: newReaders(func() (*conn, error) { return connect(uri, pragmas(o, readOnly)) }, quickConns),
		group: newWriter(func() (*conn, error) { return connect(uri, pragmas(o, writeMany)) }, turn),
	}, nil
}

// openPool returns a pool that keeps its connections: the last one of a store in memory is the store.
func openPool(dsn string, conns int) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// use is what a connection is for.
type use int

const (
	readOnly    use = iota
	writeSynced     // a commit is on disk
	writeMany       // a commit outlives the process
)

func dsn(path string, inMemory bool, o Options, u use) string {
	q := url.Values{"_defensive": {"1"}, "_dqs": {"0"}, "_pragma": pragmas(o, u)}
	if u == writeSynced {
		q.Set("_txlock", "immediate")
	}
	return fileURI(path, inMemory, q)
}

func fileURI(path string, inMemory bool, q url.Values) string {
	if inMemory {
		q.Set("vfs", "memdb")
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	return name.String()
}

// pragmas are the settings of a connection.
func pragmas(o Options, u use) []string {
	all := []string{
		fmt.Sprintf("busy_timeout(%d)", o.BusyTimeout.Milliseconds()), "foreign_keys(on)", "trusted_schema(off)", "temp_store(memory)",
	}
	synchronous := "synchronous(full)"
	switch u {
	case writeSynced:
		all = append(all, "secure_delete(on)") // destroyed secrets leave the file's pages
	case writeMany:
		synchronous = "synchronous(normal)"
		all = append(all,
			"cache_size(-65536)",        // KiB: rows come in the order of time, and go all over the indexes
			"wal_autocheckpoint(32768)") // pages: many of them are written again before that
	case readOnly:
		all = append(all, "query_only(on)",
			"cache_size(-16384)") // KiB: the inner pages of the indexes of a million grants
	}
	if o.Unsynced {
		synchronous = "synchronous(off)"
	}
	return append(all, synchronous)
}

// start readies the file and the schema, then begins to watch.
func (s *Store) start(ctx context.Context, inMemory bool, o Options) error {
	version, err := s.schemaVersion(ctx)
	if err != nil {
		return err
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	if !inMemory {
		if err := s.useWAL(ctx, o.BusyTimeout); err != nil {
			return err
		}
	}
	if !o.NoMigrate {
		if _, err := s.Migrate(ctx); err != nil {
			return err
		}
	}
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.close = stop
	for _, g := range append([]*group{s.group}, s.quick...) {
		s.wait.Go(func() { g.run(living) })
	}
	if inMemory {
		// The store lives as long as a connection to it, and the pool drops connections that break.
		anchor, err := s.reader.Conn(ctx)
		if err != nil {
			return err
		}
		s.close = func() { stop(); _ = anchor.Close() }
		return nil
	}
	s.wait.Go(func() { s.watchFile(living) })
	return nil
}

// useWAL turns on write-ahead logging, which lasts in the file. SQLite does not wait by itself for
// others who are opening the same new file.
func (s *Store) useWAL(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var mode string
		err := s.writer.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil && mode != "wal" {
			return fmt.Errorf("the file system does not allow write-ahead logging (journal mode %s)", mode)
		}
		if !isBusy(err) {
			return err
		}
		if err := pause(ctx, busyPause); err != nil {
			return err
		}
	}
}

// Close ends watchers, waits for what runs and closes the file.
func (s *Store) Close() error {
	s.close()
	s.wait.Wait()
	s.hints.close()
	s.sessionHints.close()
	return errors.Join(s.reader.Close(), s.writer.Close())
}
