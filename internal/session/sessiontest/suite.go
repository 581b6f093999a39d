// Package sessiontest is the suite that every session.Store passes.
package sessiontest

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/keystore"
)

// Config says how to make the store under test.
type Config struct {
	// Open returns an empty store whose clock is now. The test's cleanup closes it.
	Open func(t *testing.T, now func() time.Time) session.Store
	// Grant adds a grant of the viewer, of an order, and returns its id.
	Grant func(t *testing.T, s session.Store, viewer, order string) string
}

// Run runs the suite.
func Run(t *testing.T, cfg Config) {
	t.Helper()
	for _, test := range []struct {
		name string
		fn   func(*testing.T, *harness)
	}{
		{"life", testLife},
		{"heartbeats", testHeartbeats},
		{"rules", testRules},
		{"limits of grants", testGrantLimits},
		{"moves between grants", testMoves},
		{"lists", testLists},
		{"revocations", testRevocations},
		{"effective", testEffective},
		{"holds", testHolds},
		{"changes", testChanges},
		{"hints", testHints},
		{"sweep", testSweep},
		{"unknown", testUnknown},
		{"parallel opens", testParallel},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &testClock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
			test.fn(t, &harness{Store: cfg.Open(t, c.now), testClock: c, cfg: cfg})
		})
	}
}

// testClock stands still until a test moves it.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

type harness struct {
	session.Store
	*testClock

	cfg Config
}

// want is a session to open; empty fields get a default.
type want struct {
	viewer, playback, grant, device string
	token, beat                     time.Duration
}

func (h *harness) session(t *testing.T, w want) session.Session {
	t.Helper()
	id, err := session.NewID(rand.Reader)
	check(t, err)
	s := session.Session{
		ID: id, Viewer: w.viewer, PlaybackID: w.playback, GrantID: w.grant, Device: w.device, HeartbeatTimeout: w.beat,
		TokenExpiresAt: h.now().Add(w.token),
	}
	if s.Viewer == "" {
		s.Viewer = "ada"
	}
	if s.PlaybackID == "" {
		s.PlaybackID = "film"
	}
	if w.token == 0 {
		s.TokenExpiresAt = h.now().Add(time.Hour)
	}
	return s
}

// open opens a session, which has to work, and returns it as stored.
func (h *harness) open(t *testing.T, w want, b session.Bounds) session.Session {
	t.Helper()
	s := h.session(t, w)
	opened, _, err := h.Open(t.Context(), s, b, h.now())
	check(t, err)
	if kept := h.get(t, s.ID); opened != kept {
		t.Errorf("opened %+v, kept %+v", opened, kept)
	}
	return opened
}

func (h *harness) get(t *testing.T, id string) session.Session {
	t.Helper()
	s, err := h.Session(t.Context(), id)
	check(t, err)
	return s
}

func (h *harness) grant(t *testing.T, viewer string) string {
	t.Helper()
	return h.cfg.Grant(t, h.Store, viewer, "")
}

func (h *harness) live(t *testing.T, f session.Filter) []session.Session {
	t.Helper()
	all, err := h.Sessions(t.Context(), f, h.now(), keystore.Page{})
	check(t, err)
	return all
}

func (h *harness) revoke(t *testing.T, r session.Revocation) session.Revocation {
	t.Helper()
	id, err := session.NewRevocationID(rand.Reader, h.now())
	check(t, err)
	r.ID, r.At = id, h.now()
	if r.EffectiveAt.IsZero() {
		r.EffectiveAt = h.now()
	}
	done, err := h.Revoke(t.Context(), r, h.now())
	check(t, err)
	return done
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got %v, want %v", err, target)
	}
}

func ids(all []session.Session) string {
	var b strings.Builder
	for i := range all {
		b.WriteString(all[i].ID[:6] + " ")
	}
	return b.String()
}

func testUnknown(t *testing.T, h *harness) {
	ctx := t.Context()
	for _, id := range []string{"", "x", "00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeeff"} {
		_, err := h.Session(ctx, id)
		wantIs(t, err, keystore.ErrNotFound)
		_, err = h.Extend(ctx, id, session.Extension{}, h.now())
		wantIs(t, err, keystore.ErrNotFound)
		_, err = h.Stop(ctx, id, session.Stopped, h.now())
		wantIs(t, err, keystore.ErrNotFound)
		_, err = h.Lift(ctx, id, h.now())
		wantIs(t, err, keystore.ErrNotFound)
	}
	for _, kind := range []session.Kind{session.OfSession, session.OfGrant, session.OfOrder} {
		_, err := h.Revoke(ctx, session.Revocation{ID: "019cb1a0-0000-7000-8000-000000000001", Kind: kind, Subject: "none", At: h.now()}, h.now())
		wantIs(t, err, keystore.ErrNotFound)
	}
	if all, err := h.Revocations(ctx, keystore.Page{}); err != nil || len(all) != 0 {
		t.Errorf("what was refused was kept: %v, %v", all, err)
	}
}

// testHints: whoever follows hears of an open, a stop and a revocation.
func testHints(t *testing.T, h *harness) {
	ctx, cancel := context.WithCancel(t.Context())
	hints := h.WatchSessions(ctx)
	wait := func(what string) {
		t.Helper()
		select {
		case <-hints:
		case <-time.After(30 * time.Second):
			t.Fatalf("no hint after %s", what)
		}
	}
	s := h.open(t, want{}, session.Bounds{})
	wait("an open")
	_, err := h.Stop(ctx, s.ID, session.Stopped, h.now())
	check(t, err)
	wait("a stop")
	h.revoke(t, session.Revocation{Kind: session.OfViewer, Subject: "ada"})
	wait("a revocation")
	cancel()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case _, open := <-hints:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("the channel stays open after its context")
		}
	}
}

// testParallel: no interleaving of opens, stops and expiries lets one session too many live, by the times
// that the store has written.
func testParallel(t *testing.T, h *harness) {
	const limit, workers, rounds = 3, 16, 20
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range rounds {
				s := h.session(t, want{device: strconv.Itoa(w), token: time.Duration(1+n%3) * time.Minute})
				_, _, err := h.Open(t.Context(), s, session.Bounds{PerPlayback: limit}, h.now())
				switch {
				case err == nil && n%2 == 0:
					h.advance(time.Second)
					if _, err := h.Stop(t.Context(), s.ID, session.Stopped, h.now()); err != nil {
						t.Error(err)
					}
				case err != nil && !errors.Is(err, session.ErrLimit):
					t.Error(err)
				case err != nil:
					h.advance(7 * time.Second)
				}
			}
		})
	}
	wg.Wait()
	all, err := h.Sessions(t.Context(), session.Filter{Ended: true}, h.now(), keystore.Page{})
	check(t, err)
	if len(all) <= limit {
		t.Fatalf("only %d sessions were opened", len(all))
	}
	if most := session.MostAtOnce(all); most != limit {
		t.Errorf("%d sessions lived at once, want %d", most, limit)
	}
}
