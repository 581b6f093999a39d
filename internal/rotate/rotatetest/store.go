package rotatetest

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// maxTries bounds how often Update runs its function.
const maxTries = 100

// Store is a keystore.Store in memory, for many short lives in a row. It passes keystoretest.Run.
type Store struct {
	now func() time.Time

	mu         sync.Mutex
	records    map[string]keystore.Record
	leases     map[string]lease
	operations map[string]keystore.Operation
	revision   int64
	fence      keystore.Fence
	watchers   map[chan struct{}]struct{}
}

type lease struct {
	holder  string
	fence   keystore.Fence
	expires time.Time
}

var _ keystore.Store = (*Store)(nil)

// NewStore returns an empty store.
func NewStore(now func() time.Time) *Store {
	return &Store{
		now: now, records: map[string]keystore.Record{}, leases: map[string]lease{},
		operations: map[string]keystore.Operation{}, watchers: map[chan struct{}]struct{}{},
	}
}

// stamp is a time as stores keep it.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// Create implements keystore.Store.
func (s *Store) Create(_ context.Context, t keystore.Target) (keystore.Record, error) {
	if err := keystore.CheckTarget(t); err != nil {
		return keystore.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.records[t.ID]; taken {
		return keystore.Record{}, fmt.Errorf("%w: there is a target %s already", keystore.ErrConflict, t.ID)
	}
	t.CreatedAt = stamp(s.now())
	t.UpdatedAt, t.LongLivedUntil = t.CreatedAt, stamp(t.LongLivedUntil)
	s.revision++
	r := keystore.Record{Target: t, Revision: s.revision}.Clone()
	s.records[t.ID] = r
	s.hint()
	return r.Clone(), nil
}

// Get implements keystore.Store.
func (s *Store) Get(_ context.Context, target string) (keystore.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[target]
	if !ok {
		return keystore.Record{}, fmt.Errorf("target %s: %w", target, keystore.ErrNotFound)
	}
	return r.Clone(), nil
}

// List implements keystore.Store.
func (s *Store) List(_ context.Context, p keystore.Page) ([]keystore.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []keystore.Record
	for id, r := range s.records {
		if id > p.After {
			out = append(out, r.Clone())
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Target.ID < out[j].Target.ID })
	if p.Limit > 0 && len(out) > p.Limit {
		out = out[:p.Limit]
	}
	return out, nil
}

// Update implements keystore.Store.
func (s *Store) Update(ctx context.Context, target string, fence keystore.Fence, fn func(*keystore.Record) error) (keystore.Record, error) {
	for range maxTries {
		before, err := s.Get(ctx, target)
		if err != nil {
			return keystore.Record{}, err
		}
		after := before.Clone()
		if err := fn(&after); err != nil {
			return keystore.Record{}, err
		}
		committed, stale, err := s.commit(before, after, fence)
		if !stale {
			return committed, err
		}
	}
	return keystore.Record{}, fmt.Errorf("update target %s: %w: it changed again and again", target, keystore.ErrConflict)
}

func (s *Store) commit(before, after keystore.Record, fence keystore.Fence) (r keystore.Record, stale bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := before.Target.ID
	now, ok := s.records[id]
	if !ok {
		return r, false, fmt.Errorf("target %s: %w", id, keystore.ErrNotFound)
	}
	if err := s.checkFence(id, fence); err != nil {
		return r, false, err
	}
	if now.Revision != before.Revision {
		return r, true, nil
	}
	if err := keystore.CheckUpdate(before, after); err != nil {
		return r, false, err
	}
	after = after.Clone()
	changed := after.Closed
	if after.Operation != nil {
		changed = append(slices.Clone(changed), *after.Operation)
	}
	for i := range changed {
		old, known := s.operations[changed[i].ID]
		if known && (old.Outcome != "" || old.Target != id) {
			return r, false, fmt.Errorf("%w: operation %s was closed before, or is one of another target", keystore.ErrIllegal, old.ID)
		}
	}
	for i := range changed {
		stampOperation(&changed[i])
		s.operations[changed[i].ID] = changed[i]
	}
	if after.Operation != nil {
		stampOperation(after.Operation)
	}
	s.revision++
	after.Closed, after.Revision = nil, s.revision
	after.Target = keystore.Succeed(before.Target, after.Target, s.now())
	stampRecord(&after)
	s.records[id] = after
	s.hint()
	return after.Clone(), false, nil
}

func stampRecord(r *keystore.Record) {
	t := &r.Target
	t.CreatedAt, t.UpdatedAt, t.LongLivedUntil = stamp(t.CreatedAt), stamp(t.UpdatedAt), stamp(t.LongLivedUntil)
	r.NextRotation = stamp(r.NextRotation)
	for i := range r.Keys {
		k := &r.Keys[i]
		for _, at := range []*time.Time{
			&k.UseAfter, &k.Horizon, &k.HorizonEnds, &k.RetireAfter, &k.DestroyAfter, &k.CreatedAt, &k.ActivatedAt, &k.RetiredAt, &k.DestroyedAt,
		} {
			*at = stamp(*at)
		}
	}
	for i := range r.Orphans {
		r.Orphans[i].FoundAt = stamp(r.Orphans[i].FoundAt)
	}
}

func stampOperation(op *keystore.Operation) {
	for _, at := range []*time.Time{&op.CutAt, &op.CutUntil, &op.UseAfter, &op.NotBefore, &op.StartedAt, &op.UpdatedAt, &op.ClosedAt} {
		*at = stamp(*at)
	}
}

// Delete implements keystore.Store.
func (s *Store) Delete(_ context.Context, target string, fence keystore.Fence) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[target]
	if !ok {
		return fmt.Errorf("target %s: %w", target, keystore.ErrNotFound)
	}
	if err := s.checkFence(target, fence); err != nil {
		return err
	}
	if r.Operation != nil || len(r.Orphans) > 0 || slices.ContainsFunc(r.Keys, func(k keystore.Key) bool { return k.State != keystore.Destroyed }) {
		return fmt.Errorf("%w: target %s has keys, an operation or orphans", keystore.ErrIllegal, target)
	}
	delete(s.records, target)
	delete(s.leases, target)
	s.hint()
	return nil
}

// Lease implements keystore.Store.
func (s *Store) Lease(_ context.Context, target, holder string, ttl time.Duration) (keystore.Fence, error) {
	if holder == "" || ttl <= 0 {
		return 0, fmt.Errorf("%w: a lease needs a holder and a time above 0", keystore.ErrIllegal)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.records[target]; !ok {
		return 0, fmt.Errorf("target %s: %w", target, keystore.ErrNotFound)
	}
	now := s.now()
	if old, held := s.leases[target]; held && old.holder != holder && now.Before(old.expires) {
		return 0, fmt.Errorf("%w: %s has the lease", keystore.ErrConflict, old.holder)
	}
	s.fence++
	s.leases[target] = lease{holder: holder, fence: s.fence, expires: now.Add(ttl)}
	return s.fence, nil
}

// Release implements keystore.Store.
func (s *Store) Release(_ context.Context, target string, fence keystore.Fence) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leases[target].fence == fence {
		delete(s.leases, target)
	}
	return nil
}

func (s *Store) checkFence(target string, fence keystore.Fence) error {
	l, held := s.leases[target]
	if !held || l.fence != fence || !s.now().Before(l.expires) {
		return fmt.Errorf("target %s: %w", target, keystore.ErrFenced)
	}
	return nil
}

// Operation implements keystore.Store.
func (s *Store) Operation(_ context.Context, id string) (keystore.Operation, error) {
	all, err := s.Operations(context.Background(), "", keystore.Page{})
	for i := range all {
		if all[i].ID == id {
			return all[i], err
		}
	}
	return keystore.Operation{}, fmt.Errorf("operation %s: %w", id, keystore.ErrNotFound)
}

// Operations implements keystore.Store.
func (s *Store) Operations(_ context.Context, target string, p keystore.Page) ([]keystore.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []keystore.Operation
	for id := range s.operations {
		op := s.operations[id]
		if (target == "" || op.Target == target) && (p.After == "" || id < p.After) {
			op.Seen, op.Void = slices.Clone(op.Seen), slices.Clone(op.Void)
			out = append(out, op)
		}
	}
	slices.SortFunc(out, func(a, b keystore.Operation) int { return strings.Compare(b.ID, a.ID) })
	if p.Limit > 0 && len(out) > p.Limit {
		out = out[:p.Limit]
	}
	return out, nil
}

// PruneOperations implements keystore.Store.
func (s *Store) PruneOperations(_ context.Context, before time.Time, limit int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var old []string
	for id := range s.operations {
		if op := s.operations[id]; op.Outcome != "" && op.ClosedAt.Before(before) {
			old = append(old, id)
		}
	}
	slices.SortFunc(old, func(a, b string) int { return s.operations[a].ClosedAt.Compare(s.operations[b].ClosedAt) })
	if limit > 0 && len(old) > limit {
		old = old[:limit]
	}
	for _, id := range old {
		delete(s.operations, id)
	}
	return len(old), nil
}

// Watch implements keystore.Store.
func (s *Store) Watch(ctx context.Context) <-chan struct{} {
	hints := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[hints] = struct{}{}
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, hints)
		close(hints)
	})
	return hints
}

// hint is called with the lock held.
func (s *Store) hint() {
	for w := range s.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}
