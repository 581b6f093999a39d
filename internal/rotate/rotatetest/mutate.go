package rotatetest

import (
	"context"
	"sync"

	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/keystore"
)

// Mutation drops one rule of rotation, to show that the world can tell. None changes the executor: each
// gives it a world in which the rule has no effect.
type Mutation int

// Mutations.
const (
	None Mutation = iota
	// NoCacheAge leaves C out of how long old tokens may live: replicas sign from snapshots, the executor
	// believes that they read the store.
	NoCacheAge
	// NoLifetime leaves out T: the executor believes that tokens live for a tick.
	NoLifetime
	// NoSettle uses a key as soon as the provider's API has it, not its edges.
	NoSettle
	// NoClamp signs past the horizon.
	NoClamp
	// NoJournal writes the step before a call down only together with its result.
	NoJournal
	// Mutations is their number, None included.
	Mutations
)

// timing returns the executor's timing under the mutation.
func (m Mutation) timing() rotate.Timing {
	t := timing()
	switch m {
	case NoCacheAge:
		t.SnapshotMaxAge = 1
	case NoSettle:
		t.Propagation = 1
	default:
	}
	return t
}

// shortStore shows the executor a target whose tokens live for a tick.
type shortStore struct{ keystore.Store }

func (s shortStore) Get(ctx context.Context, target string) (keystore.Record, error) {
	r, err := s.Store.Get(ctx, target)
	r.Target.MaxTokenLifetime = Tick
	return r, err
}

func (s shortStore) Update(ctx context.Context, target string, fence keystore.Fence, fn func(*keystore.Record) error) (keystore.Record, error) {
	r, err := s.Store.Update(ctx, target, fence, func(r *keystore.Record) error {
		r.Target.MaxTokenLifetime = Tick
		err := fn(r)
		r.Target.MaxTokenLifetime = lifetime
		return err
	})
	r.Target.MaxTokenLifetime = Tick
	return r, err
}

// lazyStore keeps commits of steps that come before an effect in memory until the next commit, as a
// journal that is written after the effect would.
type lazyStore struct {
	keystore.Store
	mu     sync.Mutex
	staged *keystore.Record
}

func (l *lazyStore) Get(ctx context.Context, target string) (keystore.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.staged != nil {
		return l.staged.Clone(), nil
	}
	return l.Store.Get(ctx, target)
}

func (l *lazyStore) Update(ctx context.Context, target string, fence keystore.Fence, fn func(*keystore.Record) error) (keystore.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var changed keystore.Record
	over := func(r *keystore.Record) error {
		if l.staged != nil {
			revision := r.Revision
			*r = l.staged.Clone()
			r.Revision = revision
		}
		err := fn(r)
		changed = r.Clone()
		return err
	}
	current, err := l.Store.Get(ctx, target)
	if err != nil {
		return current, err
	}
	if err := over(&current); err != nil {
		return keystore.Record{}, err
	}
	if op := changed.Operation; op != nil && early(op) {
		l.staged = &changed
		return changed.Clone(), nil
	}
	if l.staged != nil {
		// Two steps in one commit are more than a store takes: it would refuse to skip one.
		if _, err := l.Store.Update(ctx, target, fence, func(r *keystore.Record) error {
			revision := r.Revision
			*r = l.staged.Clone()
			r.Revision = revision
			return nil
		}); err != nil {
			return keystore.Record{}, err
		}
		l.staged = nil
		return l.Store.Update(ctx, target, fence, func(r *keystore.Record) error {
			revision := r.Revision
			*r = changed.Clone()
			r.Revision = revision
			return nil
		})
	}
	return l.Store.Update(ctx, target, fence, fn)
}

// early reports whether an operation stands at a step that is written down before a call, which has not
// failed yet.
func early(op *keystore.Operation) bool {
	doubtful := op.Step == keystore.Minting || op.Mode == keystore.Cut && op.Step == keystore.Applying
	return doubtful && op.Tries == 0 && op.NotBefore.IsZero()
}

// crash loses what was not written.
func (l *lazyStore) crash() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.staged = nil
}
