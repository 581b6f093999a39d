package session_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// errBroken makes a feed panic where it reads a session.
var errBroken = errors.New("broken")

// feed is a store that counts the reads of single sessions, and fails when it is told to.
type feed struct {
	session.Store

	mu    sync.Mutex
	reads int
	err   error
}

func (f *feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *feed) Session(ctx context.Context, id string) (session.Session, error) {
	f.mu.Lock()
	f.reads++
	err := f.err
	f.mu.Unlock()
	if errors.Is(err, errBroken) {
		panic(err)
	}
	if err != nil {
		return session.Session{}, err
	}
	return f.Store.Session(ctx, id)
}

func (f *feed) Changed(ctx context.Context, since int64, limit int) (session.Changes, error) {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return session.Changes{}, err
	}
	return f.Store.Changed(ctx, since, limit)
}

type world struct {
	*feed

	keeper *session.Keeper
	mu     sync.Mutex
	t      time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.t
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = w.t.Add(d)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	store, err := sqlite.Open(t.Context(), sqlite.Memory, sqlite.Options{Now: w.now})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	w.feed = &feed{Store: store}
	w.keeper = session.NewKeeper(w.feed, session.DefaultKeeperConfig(30*time.Second), w.now, slog.New(slog.DiscardHandler))
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) opened(t *testing.T) session.Session {
	t.Helper()
	id, err := session.NewID(rand.Reader)
	check(t, err)
	one, _, err := w.Open(t.Context(), session.Session{ID: id, Viewer: "ada", PlaybackID: "film", TokenExpiresAt: w.now().Add(time.Hour)}, session.Bounds{}, w.now())
	check(t, err)
	return one
}

func (w *world) open(t *testing.T) string {
	t.Helper()
	return w.opened(t).ID
}

func (w *world) alive(t *testing.T, id string) bool {
	t.Helper()
	_, alive, err := w.keeper.Look(t.Context(), id)
	check(t, err)
	return alive
}

// A session is read once at the most, whoever asks for it how often, and ends when the store says so.
func TestKeeperAnswersFromMemory(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.keeper.Look(t.Context(), "00112233445566778899aabbccddeeff")
	if !errors.Is(err, session.ErrStale) {
		t.Fatalf("before the first refresh: %v", err)
	}
	before := w.open(t)
	check(t, w.keeper.Refresh(t.Context()))
	for range 3 {
		if !w.alive(t, before) {
			t.Error("a session from before the start does not live")
		}
	}
	after := w.open(t)
	check(t, w.keeper.Refresh(t.Context()))
	if !w.alive(t, after) || w.reads != 1 {
		t.Errorf("alive: %t, after %d reads of the store, want 1", w.alive(t, after), w.reads)
	}
	late := w.open(t) // by another process, some milliseconds ago
	if !w.alive(t, late) || w.reads != 2 {
		t.Errorf("after %d reads", w.reads)
	}
	_, err = w.Stop(t.Context(), after, session.Stopped, w.now())
	check(t, err)
	check(t, w.keeper.Refresh(t.Context()))
	if w.alive(t, after) {
		t.Error("a stopped session lives on")
	}
	for range 3 {
		if w.alive(t, "00112233445566778899aabbccddeeff") || w.alive(t, "not an id") {
			t.Error("a session that nobody opened lives")
		}
	}
	if w.reads != 3 {
		t.Errorf("%d reads, want one for the unknown id and none for what is none", w.reads)
	}
	w.advance(20 * time.Second)
	check(t, w.keeper.Refresh(t.Context()))
	w.advance(59 * time.Minute)
	w.advance(time.Minute)
	check(t, w.keeper.Refresh(t.Context()))
	if w.alive(t, late) {
		t.Error("an expired session lives")
	}
}

// Memory that has not been compared for longer than C answers nothing, and a store that fails is no answer.
func TestKeeperFailsClosed(t *testing.T) {
	w := newWorld(t)
	check(t, w.keeper.Refresh(t.Context()))
	id := w.open(t)
	down := errors.New("store is down")
	w.fail(down)
	if _, alive, err := w.keeper.Look(t.Context(), id); !errors.Is(err, down) || alive {
		t.Errorf("alive: %t, %v", alive, err)
	}
	if err := w.keeper.Refresh(t.Context()); !errors.Is(err, down) {
		t.Error(err)
	}
	w.advance(31 * time.Second)
	if err := w.keeper.Fresh(w.now()); !errors.Is(err, session.ErrStale) {
		t.Errorf("after 31 s: %v", err)
	}
	w.fail(nil)
	check(t, w.keeper.Refresh(t.Context()))
	if !w.alive(t, id) {
		t.Error("a failure was remembered as an answer")
	}
}

func TestKeeperHolds(t *testing.T) {
	w := newWorld(t)
	r := session.Revoker{Store: w.Store, Keeper: w.keeper, Random: rand.Reader, Now: w.now}
	ctx := t.Context()
	early, err := r.Revoke(ctx, session.Command{Kind: session.OfPlayback, Subject: "film", Holds: true, Hold: time.Minute})
	check(t, err)
	held, err := r.Revoke(ctx, session.Command{Kind: session.OfViewer, Subject: "ada", Holds: true})
	check(t, err)
	for _, c := range []struct{ viewer, playback, want string }{
		{"ada", "other", held.ID}, {"bob", "film", early.ID}, {"film", "ada", ""}, {"bob", "other", ""},
	} {
		got := ""
		if r := w.keeper.Held(c.viewer, c.playback, w.now()); r != nil {
			got = r.ID
		}
		if got != c.want {
			t.Errorf("%s of %s is held by %q, want %q", c.playback, c.viewer, got, c.want)
		}
	}
	second, err := r.Revoke(ctx, session.Command{Kind: session.OfViewer, Subject: "ada", Holds: true})
	check(t, err)
	_, err = r.Lift(ctx, held.ID)
	check(t, err)
	if got := w.keeper.Held("ada", "other", w.now()); got == nil || got.ID != second.ID {
		t.Errorf("one lifted of two: held by %+v", got)
	}
	_, err = r.Lift(ctx, second.ID)
	check(t, err)
	w.advance(time.Minute)
	if w.keeper.Held("ada", "film", w.now()) != nil {
		t.Error("held after the last was lifted and the other had ended")
	}
	fresh := session.NewKeeper(w.feed, session.DefaultKeeperConfig(time.Minute), w.now, slog.New(slog.DiscardHandler))
	_, err = r.Revoke(ctx, session.Command{Kind: session.OfViewer, Subject: "eve", Holds: true})
	check(t, err)
	check(t, fresh.Refresh(ctx))
	if fresh.Held("eve", "film", w.now()) == nil || fresh.Held("ada", "film", w.now()) != nil {
		t.Error("a new memory does not begin with what holds")
	}
}

// Run hears of changes by hint.
func TestKeeperFollows(t *testing.T) {
	w := newWorld(t)
	check(t, w.keeper.Refresh(t.Context()))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.keeper.Run(ctx, time.Hour) }()
	id := w.open(t)
	if !w.alive(t, id) {
		t.Error("just opened, and does not live")
	}
	_, err := w.Stop(t.Context(), id, session.Stopped, w.now())
	check(t, err)
	for deadline := time.Now().Add(30 * time.Second); w.alive(t, id); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody told the keeper of the stop")
		}
	}
	stop()
	check(t, <-done)
}

// What this process has committed comes to memory late, when memory has heard of newer and forgotten it again: the
// end of a session is not undone.
func TestKeeperTakesNoLateNoteForNews(t *testing.T) {
	const others = 200
	for name, commit := range map[string]func(*testing.T, *world) session.Session{
		"opened": func(t *testing.T, w *world) session.Session {
			t.Helper()
			return w.opened(t)
		},
		"extended": func(t *testing.T, w *world) session.Session {
			t.Helper()
			one, err := w.Extend(t.Context(), w.open(t), session.Extension{}, w.now())
			check(t, err)
			return one
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cfg := session.DefaultKeeperConfig(30 * time.Second)
			cfg.Sessions = 10
			w.keeper = session.NewKeeper(w.feed, cfg, w.now, slog.New(slog.DiscardHandler))
			check(t, w.keeper.Refresh(t.Context()))
			late := commit(t, w)
			_, err := w.Stop(t.Context(), late.ID, session.Ended, w.now())
			check(t, err)
			for range others {
				w.open(t)
			}
			check(t, w.keeper.Refresh(t.Context()))
			w.keeper.Note(late)
			if w.alive(t, late.ID) {
				t.Error("a session that has ended lives again")
			}
			fresh := commit(t, w)
			w.keeper.Note(fresh)
			reads := w.reads
			if !w.alive(t, fresh.ID) || w.reads != reads {
				t.Errorf("noted in time: alive %t, after %d reads", w.alive(t, fresh.ID), w.reads-reads)
			}
			_, err = w.Stop(t.Context(), fresh.ID, session.Stopped, w.now())
			check(t, err)
			check(t, w.keeper.Refresh(t.Context()))
			if w.alive(t, fresh.ID) {
				t.Error("what was noted stands in the way of what the store tells")
			}
		})
	}
}

// A read that panics leaves nobody waiting for it, and the next one reads anew.
func TestKeeperOutlivesAReadThatPanics(t *testing.T) {
	w := newWorld(t)
	check(t, w.keeper.Refresh(t.Context()))
	id := w.open(t)
	w.fail(errBroken)
	func() {
		defer func() {
			if r := recover(); r == nil {
				t.Error("no panic")
			}
		}()
		_, _, _ = w.keeper.Look(t.Context(), id)
	}()
	w.fail(nil)
	if !w.alive(t, id) {
		t.Error("a session that lives is not found")
	}
}
