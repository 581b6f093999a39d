package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	sqlitelib "modernc.org/sqlite/lib"

	"github.com/tokensvc/tokensvc/keystore"
)

const (
	// maxWrites bounds how many callers wait for one commit.
	maxWrites = 128
	// maxReads bounds how many callers share one state of the store.
	maxReads = 64
)

var errClosed = fmt.Errorf("%w: the store is closed", keystore.ErrUnavailable)

// group runs the work of many callers in one transaction, on a connection of its own.
type group struct {
	connect func() (*conn, error)
	begin   string        // the statement
	most    int           // callers in a transaction
	turn    chan struct{} // held meanwhile; nil for those who only read
	jobs    chan *job
	ended   chan struct{}
	tx      *groupTx // nil until there is a connection
}

// job is the work of one caller.
type job struct {
	fn    func(*groupTx) error
	taken atomic.Bool // by the writer, or by a caller who has given up
	done  chan error
	// panicked is what fn panicked with.
	panicked any
}

// newWriter returns a group that commits with synchronous=NORMAL: for records that come by the thousand and of
// which a power cut may take the last. What it has acknowledged outlives the process. The machine may lose what
// the log had not reached the disk with, at most back to the last checkpoint or change of a key; never a part of
// a transaction.
func newWriter(connect func() (*conn, error), turn chan struct{}) *group {
	return &group{connect: connect, begin: `BEGIN IMMEDIATE`, most: maxWrites, turn: turn, jobs: make(chan *job), ended: make(chan struct{})}
}

// newReaders returns groups that answer short questions and share their callers. What they have in memory of the
// file ends with every commit of others, so that each answer alone would read it anew.
func newReaders(connect func() (*conn, error), conns int) []*group {
	all, jobs := make([]*group, conns), make(chan *job)
	for i := range all {
		all[i] = &group{connect: connect, begin: `BEGIN`, most: maxReads, jobs: jobs, ended: make(chan struct{})}
	}
	return all
}

// groupWrite runs fn in a transaction that it shares with other callers. What fn did is committed when
// groupWrite returns nil, and undone otherwise; what others did does not depend on it. fn does not end with ctx;
// it must be short, and may run twice.
func (s *Store) groupWrite(ctx context.Context, fn func(*groupTx) error) error {
	return s.group.do(ctx, fn)
}

// quickRead runs fn, which reads a few rows by an index, on a state of the store that is no older than the call.
// What has begun runs to its end: to watch ctx meanwhile costs as much as the answer. fn may run twice.
func (s *Store) quickRead(ctx context.Context, fn func(*groupTx) error) error {
	return s.quick[0].do(ctx, fn)
}

func (g *group) do(ctx context.Context, fn func(*groupTx) error) error {
	j := &job{fn: fn, done: make(chan error, 1)}
	select {
	case g.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.ended:
		return errClosed
	}
	var err error
	select {
	case err = <-j.done:
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		err = <-j.done // it is being written: what the caller hears has to be true
	}
	if j.panicked != nil {
		panic(j.panicked)
	}
	return err
}

// run serves callers until ctx ends.
func (g *group) run(ctx context.Context) {
	defer close(g.ended)
	for {
		select {
		case <-ctx.Done():
			g.drop()
			return
		case j := <-g.jobs:
			g.serve(g.gather(j))
		}
	}
}

// gather adds to the first job those that wait behind it, and those of callers who are about to ask: it lets
// everybody run who can, as long as that brings more.
func (g *group) gather(first *job) []*job {
	jobs, before := []*job{first}, 0
	for len(jobs) < g.most {
		select {
		case j := <-g.jobs:
			jobs = append(jobs, j)
		default:
			if len(jobs) == before {
				return jobs
			}
			before = len(jobs)
			runtime.Gosched()
		}
	}
	return jobs
}

// serve runs jobs in one transaction. A job that breaks the transaction is left out of the next try.
func (g *group) serve(jobs []*job) {
	if g.turn != nil {
		g.turn <- struct{}{}
		defer func() { <-g.turn }()
	}
	err := g.open() // which may have to wait for another process: longer than some callers do
	if jobs = take(jobs); len(jobs) == 0 {
		g.undo()
		return
	}
	if err != nil {
		for _, j := range jobs {
			j.done <- err
		}
		return
	}
	for len(jobs) > 0 {
		results := make([]error, len(jobs))
		broken, err := g.attempt(jobs, results)
		if err != nil && broken < 0 {
			for i := range results {
				results[i] = errors.Join(results[i], err)
			}
		}
		if broken < 0 {
			for i, j := range jobs {
				j.done <- results[i]
			}
			return
		}
		jobs[broken].done <- err
		jobs = append(jobs[:broken], jobs[broken+1:]...)
	}
}

// take keeps the jobs whose callers have not given up.
func take(jobs []*job) []*job {
	kept := jobs[:0]
	for _, j := range jobs {
		if j.taken.CompareAndSwap(false, true) {
			kept = append(kept, j)
		}
	}
	return kept
}

// attempt runs the jobs in one transaction and commits it. Each job's own error is in results. An error
// of one that cost the others their work comes with its index, and nothing is committed; with the index
// -1, the error is everybody's. A job is hardly ever refused after it has written: only then does all begin
// anew with a savepoint for each, which would cost every time what two of its statements do.
func (g *group) attempt(jobs []*job, results []error) (broken int, err error) {
	broken, err = g.try(jobs, results, (*groupTx).straight)
	if !errors.Is(err, errHalfWritten) {
		return broken, err
	}
	g.undo()
	return g.try(jobs, results, (*groupTx).guarded)
}

func (g *group) try(jobs []*job, results []error, run func(*groupTx, *job) error) (broken int, err error) {
	if err := g.open(); err != nil {
		return -1, err
	}
	for i, j := range jobs {
		err := run(g.tx, j)
		if errors.Is(err, errHalfWritten) {
			return -1, err
		}
		if breaks(err) {
			g.drop() // it takes what is open with it
			return i, err
		}
		results[i] = err
	}
	if err := g.tx.keepRevision(); err != nil {
		g.drop()
		return -1, err
	}
	if err := g.tx.run(`COMMIT`); err != nil {
		g.drop()
		return -1, fmt.Errorf("commit: %w", err)
	}
	g.tx.begun = false
	return -1, nil
}

// open begins a transaction, unless one has begun; a writer's holds the write lock.
func (g *group) open() error {
	if g.tx != nil && g.tx.begun {
		return nil
	}
	if g.tx == nil {
		c, err := g.connect()
		if err != nil {
			return err
		}
		g.tx = &groupTx{conn: c}
	}
	if err := g.tx.run(g.begin); err != nil {
		g.drop()
		if isBusy(err) {
			return fmt.Errorf("%w: another process writes to it and does not finish (%w)", keystore.ErrUnavailable, err)
		}
		return fmt.Errorf("begin: %w", err)
	}
	g.tx.begun, g.tx.following = true, nil
	return nil
}

// undo ends a transaction, if one has begun, and what it did.
func (g *group) undo() {
	if g.tx == nil || !g.tx.begun {
		return
	}
	g.tx.begun = false
	if err := g.tx.run(`ROLLBACK`); err != nil {
		g.drop()
	}
}

// drop ends the connection, and with it what was not committed; the next transaction gets a new one.
func (g *group) drop() {
	if g.tx == nil {
		return
	}
	_ = g.tx.Close() // it rolls back; nothing depends on more
	g.tx = nil
}

// breaks reports whether an error may have cost a transaction more than one statement: anything that the
// database says, but for a constraint that does not hold.
func breaks(err error) bool {
	return isDriver(err) && !hasCode(err, sqlitelib.SQLITE_CONSTRAINT)
}

// groupTx is a transaction of a group.
type groupTx struct {
	*conn

	begun     bool
	following *following // nil until the transaction asks
	wrote     bool       // since it was last set to false
}

// exec shadows that of conn to notice what changes.
func (t *groupTx) exec(text string, args ...any) (changed int, err error) {
	changed, err = t.conn.exec(text, args...)
	t.wrote = t.wrote || changed > 0
	return changed, err
}

// errHalfWritten: a job was refused after it had written.
var errHalfWritten = errors.New("refused half-way")

// straight runs a job whose error leaves nothing to undo; with errHalfWritten, it does.
func (t *groupTx) straight(j *job) error {
	t.wrote = false
	err := j.run(t)
	if err != nil && t.wrote && !breaks(err) {
		return errHalfWritten
	}
	return err
}

// guarded runs a job so that its error undoes its own work alone.
func (t *groupTx) guarded(j *job) error {
	if err := t.run(`SAVEPOINT one`); err != nil {
		return err
	}
	err := j.run(t)
	if err != nil {
		if breaks(err) {
			return err
		}
		if undo := t.run(`ROLLBACK TO one`); undo != nil {
			return errors.Join(err, undo)
		}
	}
	if release := t.run(`RELEASE one`); release != nil {
		return errors.Join(err, release)
	}
	return err
}

func (j *job) run(tx *groupTx) (err error) {
	j.panicked = nil
	defer func() {
		if r := recover(); r != nil {
			j.panicked, err = r, errPanicked
		}
	}()
	return j.fn(tx)
}

var errPanicked = errors.New("panic in a transaction")
