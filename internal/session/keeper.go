package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/tokensvc/tokensvc/keystore"
)

// KeeperConfig bounds a Keeper.
type KeeperConfig struct {
	// MaxAge is C: the longest that memory may go without being compared with the store.
	MaxAge time.Duration
	// Sessions is how many sessions memory holds; one takes about 500 bytes. The least asked for leave
	// first, and are read from the store when they are asked for again.
	Sessions int
	// Unknown is how many ids that name no session memory holds.
	Unknown int
	// Reads is how many unknown ids the store may be asked for at once.
	Reads int
	// ReadTime bounds one such read.
	ReadTime time.Duration
}

// DefaultKeeperConfig returns the defaults, with C as given.
func DefaultKeeperConfig(maxAge time.Duration) KeeperConfig {
	return KeeperConfig{MaxAge: maxAge, Sessions: 200_000, Unknown: 20_000, Reads: 64, ReadTime: time.Second}
}

const (
	// changesPage is how many changes are read at once.
	changesPage = 1000
	// restBetween is the shortest time between two refreshes, so that a busy store is not read for each
	// commit.
	restBetween = 25 * time.Millisecond
	pruneEvery  = time.Minute
)

// Keeper keeps in memory what signing and edges have to know of sessions and revocations, and follows the
// store. It is safe for concurrent use.
type Keeper struct {
	store Feed
	cfg   KeeperConfig
	now   func() time.Time
	log   *slog.Logger

	compared atomic.Int64 // when memory last equalled the store, in Unix nanoseconds; 0 means never
	holds    holds
	sessions *otter.Cache[string, *Session]
	unknown  *otter.Cache[string, struct{}]

	refreshing sync.Mutex // one refresh at a time; guards the next
	pruned     time.Time

	mu      sync.Mutex // orders what goes into sessions and unknown; guards the next
	flights map[string]*flight

	revision int64 // of the store, up to which memory has heard of everything; read under either mutex, written under both
}

var errNoRead = errors.New("the read of a session was cut off")

// flight is a read of one session that memory does not know.
type flight struct {
	done chan struct{}
	// latest is the newest that anybody has seen of the session; nil means that there is none.
	latest *Session
	err    error
}

// NewKeeper returns an empty keeper; call Refresh before use.
func NewKeeper(store Feed, cfg KeeperConfig, now func() time.Time, log *slog.Logger) *Keeper {
	return &Keeper{
		store: store, cfg: cfg, now: now, log: log, flights: make(map[string]*flight),
		sessions: otter.Must(&otter.Options[string, *Session]{MaximumSize: cfg.Sessions}),
		unknown:  otter.Must(&otter.Options[string, struct{}]{MaximumSize: cfg.Unknown}),
	}
}

// Held returns a revocation that holds the viewer or the playback at now, or nil. It answers from memory
// and takes no lock while nothing is held. It does not say that memory is fresh; Fresh does.
func (k *Keeper) Held(viewer, playback string, now time.Time) *Revocation {
	return k.holds.find(viewer, playback, now)
}

// Fresh returns ErrStale when memory has not been compared with the store for longer than MaxAge at now.
func (k *Keeper) Fresh(now time.Time) error {
	compared := k.compared.Load()
	if compared == 0 || now.Sub(time.Unix(0, compared)) > k.cfg.MaxAge {
		return fmt.Errorf("%w: they have not been compared with the store for more than %s; the store may be unreachable", ErrStale, k.cfg.MaxAge)
	}
	return nil
}

// Look returns a session and whether it lives now. The zero Session, which does not live, means that no
// session has the id. It answers from memory, but for one read of the store for an id that memory does not
// know. With an error nobody knows: ErrStale, ErrBusy, that of the store or that of ctx.
func (k *Keeper) Look(ctx context.Context, id string) (s Session, alive bool, err error) {
	now := k.now()
	if err := k.Fresh(now); err != nil {
		return Session{}, false, err
	}
	if known, ok := k.sessions.GetIfPresent(id); ok {
		return *known, known.Alive(now), nil
	}
	if !validID(id) {
		return Session{}, false, nil
	}
	if _, ok := k.unknown.GetIfPresent(id); ok {
		return Session{}, false, nil
	}
	f, err := k.join(ctx, id)
	if err != nil {
		return Session{}, false, err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return Session{}, false, ctx.Err()
	}
	if f.err != nil || f.latest == nil {
		return Session{}, false, f.err
	}
	return *f.latest, f.latest.Alive(now), nil
}

// join returns the read of id that is under way, or makes it. The caller who begins it reads; who leaves
// does not take the others with him.
func (k *Keeper) join(ctx context.Context, id string) (*flight, error) {
	k.mu.Lock()
	if f := k.flights[id]; f != nil {
		k.mu.Unlock()
		return f, nil
	}
	if len(k.flights) >= k.cfg.Reads {
		k.mu.Unlock()
		return nil, fmt.Errorf("%w: %d are being read", ErrBusy, k.cfg.Reads)
	}
	f := &flight{done: make(chan struct{})}
	k.flights[id] = f
	k.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.cfg.ReadTime)
	defer cancel()
	s, err := Session{}, errNoRead // as long as a panic passes by
	defer func() { k.land(id, f, &s, err) }()
	s, err = k.store.Session(ctx, id)
	return f, nil
}

// land ends a read. What came by the feed meanwhile is as new or newer than what was read.
func (k *Keeper) land(id string, f *flight, read *Session, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.flights, id)
	switch {
	case err == nil:
		f.take(read)
		k.sessions.Set(id, f.latest)
	case f.latest != nil: // it has just been opened
	case errors.Is(err, keystore.ErrNotFound):
		k.unknown.Set(id, struct{}{})
	default:
		f.err = fmt.Errorf("read a session: %w", err)
	}
	close(f.done)
}

func (f *flight) take(s *Session) {
	if f.latest == nil || f.latest.Revision < s.Revision {
		f.latest = s
	}
}

// Note takes over what this process has just committed, so that its next look sees it at once.
//
// What memory has heard since and forgotten again, for want of room, may have been newer. So a session that it
// does not know and that is older than what it has heard is left to be read.
func (k *Keeper) Note(all ...Session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range all {
		k.note(&all[i])
	}
}

// hear takes over what the store tells.
func (k *Keeper) hear(c *Changes) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range c.Sessions {
		k.note(&c.Sessions[i])
	}
	k.revision = c.Revision
}

// note takes over a session, unless memory has heard newer of it or may have.
func (k *Keeper) note(s *Session) {
	if f := k.flights[s.ID]; f != nil {
		f.take(s)
	}
	k.unknown.Invalidate(s.ID)
	known, ok := k.sessions.GetIfPresent(s.ID)
	if ok && known.Revision < s.Revision || !ok && k.revision <= s.Revision {
		k.sessions.Set(s.ID, s)
	}
}

// Refresh brings memory up to date with the store. With an error memory stays as it was and grows old.
func (k *Keeper) Refresh(ctx context.Context) error {
	k.refreshing.Lock()
	defer k.refreshing.Unlock()
	seen := k.now()
	if k.compared.Load() == 0 {
		if err := k.begin(ctx, seen); err != nil {
			return err
		}
	}
	for more := true; more; {
		changes, err := k.store.Changed(ctx, k.revision, changesPage)
		if err != nil {
			return fmt.Errorf("read changes of sessions: %w", err)
		}
		for i := range changes.Revocations {
			k.holds.apply(&changes.Revocations[i], seen)
		}
		k.hear(&changes)
		more = changes.More
	}
	if seen.Sub(k.pruned) >= pruneEvery {
		k.holds.prune(seen)
		k.pruned = seen
	}
	k.compared.Store(seen.UnixNano())
	return nil
}

// begin reads what holds. Sessions are read when they are asked for.
func (k *Keeper) begin(ctx context.Context, now time.Time) error {
	holds, revision, err := k.store.Holding(ctx, now)
	if err != nil {
		return fmt.Errorf("read what is revoked: %w", err)
	}
	for i := range holds {
		k.holds.apply(&holds[i], now)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.revision = revision
	return nil
}

// Run refreshes on every hint of the store, and at least every poll, until ctx ends.
func (k *Keeper) Run(ctx context.Context, poll time.Duration) error {
	refresh := func(ctx context.Context) error {
		err := k.Refresh(ctx)
		rest := time.NewTimer(restBetween)
		defer rest.Stop()
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		return err
	}
	keystore.Follow(ctx, k.store.WatchSessions(ctx), poll, refresh, func(err error) {
		k.log.Warn("sessions not refreshed; memory grows old", "error", err)
	})
	return nil
}
