package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// pollInterval is how often the store looks for changes of other processes.
const pollInterval = 200 * time.Millisecond

// Watch sends a hint after changes of any record or playback. The channel closes when ctx ends, or the
// store.
func (s *Store) Watch(ctx context.Context) <-chan struct{} {
	return s.hints.subscribe(ctx)
}

// WatchSessions sends a hint after changes of any session or revocation. The channel closes when ctx ends,
// or the store.
func (s *Store) WatchSessions(ctx context.Context) <-chan struct{} {
	return s.sessionHints.subscribe(ctx)
}

// watchFile sends hints whenever another connection has committed, until ctx ends.
func (s *Store) watchFile(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		// Only on one and the same connection do two answers of data_version compare.
		conn, err := s.reader.Conn(ctx)
		if err == nil {
			err = s.watchConn(ctx, conn, ticker.C)
			_ = conn.Close() // it goes back to the pool, which drops broken ones
		}
		if err != nil && ctx.Err() == nil {
			s.hints.send() // whoever reads now sees the fault
			s.sessionHints.send()
			<-ticker.C
		}
	}
}

func (s *Store) watchConn(ctx context.Context, conn *sql.Conn, tick <-chan time.Time) error {
	lastVersion, last := int64(-1), counts{}
	for {
		var version int64
		if err := conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&version); err != nil {
			return err
		}
		if version != lastVersion {
			lastVersion = version
			now, err := readCounts(ctx, conn)
			if err != nil {
				return err
			}
			if now.records != last.records {
				s.hints.send()
			}
			if now.sessions != last.sessions {
				s.sessionHints.send()
			}
			last = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
	}
}

// counts differ after every change of a record or playback, and after every change of a session or
// revocation; each stays the same while the other changes.
type counts struct {
	records  string
	sessions int64
}

func readCounts(ctx context.Context, q rowQuerier) (c counts, err error) {
	err = q.QueryRowContext(ctx, `SELECT group_concat(name || value) FILTER (WHERE name <> 'session'), max(value) FILTER (WHERE name = 'session') FROM counters`).
		Scan(&c.records, &c.sessions)
	return c, err
}

// hub passes hints on. A watcher that has one waiting gets no second.
type hub struct {
	mu       sync.Mutex
	watchers map[chan struct{}]func() bool // to what takes the watcher's ctx off
	closed   bool
}

func (h *hub) subscribe(ctx context.Context) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	hints := make(chan struct{}, 1)
	if h.closed {
		close(hints)
		return hints
	}
	if h.watchers == nil {
		h.watchers = map[chan struct{}]func() bool{}
	}
	h.watchers[hints] = context.AfterFunc(ctx, func() { h.end(hints) })
	return hints
}

func (h *hub) end(hints chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.watchers[hints]; ok {
		delete(h.watchers, hints)
		close(hints)
	}
}

func (h *hub) send() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for hints := range h.watchers {
		select {
		case hints <- struct{}{}:
		default:
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for hints, stop := range h.watchers {
		stop()
		delete(h.watchers, hints)
		close(hints)
	}
}
