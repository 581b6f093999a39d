// Package overhttp runs the world of package rotatetest over what is real: the adapters of the providers speak
// HTTP on loopback with the sandbox's stand-ins, whose edges learn late, and the store is an SQLite file. The
// clock alone is the world's, and all of them go by it.
package overhttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
)

// Rig runs one world after the other, with one listener and one store for all of them: each world has an
// account, and a target, of its own. Make it with Open, or several with OpenAll.
type Rig struct {
	pool    *qencode.Pool
	dir     string
	store   *sqlite.Store
	server  *http.Server
	url     string
	serving sync.WaitGroup
	failed  error // of the server, when serving has ended
	worlds  int

	mu  sync.Mutex
	now func() time.Time
	api http.Handler
}

// Open starts a rig.
func Open(ctx context.Context) (*Rig, error) { return open(ctx, qencode.NewPool()) }

func open(ctx context.Context, pool *qencode.Pool) (*Rig, error) {
	r := &Rig{pool: pool, now: func() time.Time { return time.Time{} }, api: http.NotFoundHandler()}
	var err error
	if r.dir, err = os.MkdirTemp("", "overhttp-"); err != nil {
		return nil, err
	}
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Rigs run worlds side by side.
type Rigs []*Rig

// OpenAll starts n rigs.
func OpenAll(ctx context.Context, n int) (Rigs, error) {
	pool := qencode.NewPool()
	var all Rigs
	for range n {
		r, err := open(ctx, pool)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all = append(all, r)
	}
	return all, nil
}

// Runners returns one of each rig.
func (all Rigs) Runners() []rotatetest.Runner {
	runners := make([]rotatetest.Runner, len(all))
	for i, r := range all {
		runners[i] = r.Run
	}
	return runners
}

// Close ends the rigs.
func (all Rigs) Close() error {
	var err error
	for _, r := range all {
		err = errors.Join(err, r.Close())
	}
	return err
}

func (r *Rig) start(ctx context.Context) (err error) {
	if err := r.newStore(ctx); err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("stand-in: %w", err)
	}
	r.url = "http://" + listener.Addr().String()
	r.server = &http.Server{Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: time.Minute}
	r.serving.Go(func() {
		if err := r.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			r.failed = err
		}
	})
	return nil
}

// worldsPerStore is how many worlds share a store: a step looks at every target there is, so a full one is slow.
const worldsPerStore = 25

// newStore takes an empty store in place of the one at hand.
func (r *Rig) newStore(ctx context.Context) error {
	if r.store != nil {
		if err := r.store.Close(); err != nil {
			return err
		}
	}
	var err error
	path := filepath.Join(r.dir, "store-"+strconv.Itoa(r.worlds)+".db")
	r.store, err = sqlite.Open(ctx, path, sqlite.Options{Now: r.clock, Unsynced: true})
	return err
}

// Close ends the rig and removes its files.
func (r *Rig) Close() error {
	var err error
	if r.server != nil {
		err = r.server.Close()
		r.serving.Wait()
		err = errors.Join(err, r.failed)
	}
	if r.store != nil {
		err = errors.Join(err, r.store.Close())
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// Run is a rotatetest.Runner.
func (r *Rig) Run(ctx context.Context, s rotatetest.Scenario) rotatetest.Outcome {
	return rotatetest.Run(ctx, r.prepare(s, nil))
}

// World returns a world at its first tick, and the account at its stand-in. The world before has to be closed.
func (r *Rig) World(ctx context.Context, s rotatetest.Scenario) (*rotatetest.World, *Account, error) {
	var account *Account
	w, err := rotatetest.New(ctx, r.prepare(s, func(a *Account) { account = a }))
	return w, account, err
}

// prepare gives a scenario a target, the store and a new account, which made is told of unless it is nil.
func (r *Rig) prepare(s rotatetest.Scenario, made func(*Account)) rotatetest.Scenario {
	r.worlds++
	s.Target = "event-" + strconv.Itoa(r.worlds)
	full := r.worlds%worldsPerStore == 0
	s.Open = func(ctx context.Context, now func() time.Time) (keystore.Store, func() error, error) {
		if full {
			full = false
			if err := r.newStore(ctx); err != nil {
				return nil, nil, err
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.now = now
		return &unread{Store: r.store, held: map[string]keystore.Record{}}, func() error { return nil }, nil
	}
	s.Backend = func(s rotatetest.Scenario, now func() time.Time, propagation time.Duration) (rotatetest.Backend, error) {
		a, err := newAccount(s, r.url, r.pool, now, propagation)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.api = a.api
		r.mu.Unlock()
		if made != nil {
			made(a)
		}
		return a, nil
	}
	return s
}

func (r *Rig) clock() time.Time {
	r.mu.Lock()
	now := r.now
	r.mu.Unlock()
	return now()
}

func (r *Rig) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	api := r.api
	r.mu.Unlock()
	api.ServeHTTP(w, req)
}
