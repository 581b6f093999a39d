package sessiontest

import (
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/keystore"
)

func testLife(t *testing.T, h *harness) {
	ctx := t.Context()
	s := h.open(t, want{device: "tv"}, session.Bounds{})
	if !s.Alive(h.now()) || !s.OpenedAt.Equal(h.now()) || !s.SeenAt.Equal(h.now()) || !s.ExpiresAt.Equal(h.now().Add(time.Hour)) || s.Device != "tv" || s.Revision == 0 {
		t.Fatalf("opened as %+v", s)
	}
	h.advance(time.Minute)
	longer, err := h.Extend(ctx, s.ID, session.Extension{TokenExpiresAt: h.now().Add(2 * time.Hour)}, h.now())
	check(t, err)
	if !longer.ExpiresAt.Equal(h.now().Add(2*time.Hour)) || !longer.SeenAt.Equal(h.now()) || longer.Revision <= s.Revision || !longer.OpenedAt.Equal(s.OpenedAt) {
		t.Errorf("extended to %+v", longer)
	}
	shorter, err := h.Extend(ctx, s.ID, session.Extension{TokenExpiresAt: h.now().Add(time.Minute)}, h.now().Add(-time.Hour))
	check(t, err)
	if !shorter.ExpiresAt.Equal(longer.ExpiresAt) || !shorter.TokenExpiresAt.Equal(longer.TokenExpiresAt) || shorter.SeenAt.Before(longer.SeenAt) {
		t.Errorf("moved back to %+v from %+v", shorter, longer)
	}
	stopped, err := h.Stop(ctx, s.ID, session.Stopped, h.now())
	check(t, err)
	if stopped.Alive(h.now()) || stopped.End != session.Stopped || !stopped.EndedAt.Equal(h.now()) || stopped.Revision <= shorter.Revision {
		t.Errorf("stopped as %+v", stopped)
	}
	h.advance(time.Second)
	again, err := h.Stop(ctx, s.ID, session.Ended, h.now())
	check(t, err)
	if again != stopped || h.get(t, s.ID) != stopped {
		t.Errorf("stopped again as %+v", again)
	}
	_, err = h.Extend(ctx, s.ID, session.Extension{TokenExpiresAt: h.now().Add(time.Hour)}, h.now())
	wantIs(t, err, session.ErrEnded)
	one := h.open(t, want{token: time.Minute}, session.Bounds{})
	h.advance(time.Minute)
	_, err = h.Extend(ctx, one.ID, session.Extension{TokenExpiresAt: h.now().Add(time.Hour)}, h.now())
	wantIs(t, err, session.ErrEnded)
}

func testHeartbeats(t *testing.T, h *harness) {
	s := h.open(t, want{beat: 30 * time.Second, token: 2 * time.Minute}, session.Bounds{})
	if !s.ExpiresAt.Equal(h.now().Add(30 * time.Second)) {
		t.Fatalf("lives until %s without heartbeats", s.ExpiresAt)
	}
	for range 4 { // until the token expires
		h.advance(29 * time.Second)
		beat, err := h.Extend(t.Context(), s.ID, session.Extension{}, h.now())
		check(t, err)
		want := h.now().Add(30 * time.Second)
		if want.After(s.TokenExpiresAt) {
			want = s.TokenExpiresAt
		}
		if !beat.ExpiresAt.Equal(want) || !beat.TokenExpiresAt.Equal(s.TokenExpiresAt) || beat.HeartbeatTimeout != s.HeartbeatTimeout {
			t.Errorf("after a beat: %+v, want to live until %s", beat, want)
		}
	}
	h.advance(4 * time.Second)
	_, err := h.Extend(t.Context(), s.ID, session.Extension{}, h.now())
	wantIs(t, err, session.ErrEnded)
}

func testRules(t *testing.T, h *harness) {
	for _, c := range []struct {
		name    string
		rule    playback.SessionRule
		devices [3]string // of the two that live and the one too many
		evicts  int       // which of the two, or -1: refused
	}{
		{"deny new", playback.DenyNew, [3]string{"tv", "phone", "tv"}, -1},
		{"no rule", "", [3]string{"tv", "phone", "tv"}, -1},
		{"evict oldest", playback.EvictOldest, [3]string{"tv", "phone", "tablet"}, 0},
		{"evict oldest, same device", playback.EvictOldest, [3]string{"tv", "phone", "phone"}, 0},
		{"same device", playback.AllowSameDevice, [3]string{"tv", "phone", "phone"}, 1},
		{"same device, the first", playback.AllowSameDevice, [3]string{"tv", "phone", "tv"}, 0},
		{"another device", playback.AllowSameDevice, [3]string{"tv", "phone", "tablet"}, -1},
		{"no device", playback.AllowSameDevice, [3]string{"", "phone", ""}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			viewer := strings.ReplaceAll(c.name, " ", "-")
			b := session.Bounds{Rule: c.rule, PerPlayback: 2}
			var two [2]session.Session
			for i := range two {
				two[i] = h.open(t, want{viewer: viewer, device: c.devices[i]}, b)
				h.advance(time.Second)
			}
			h.open(t, want{viewer: viewer, playback: "another"}, b)
			h.open(t, want{viewer: viewer + "2"}, b)
			third := h.session(t, want{viewer: viewer, device: c.devices[2]})
			_, ended, err := h.Open(t.Context(), third, b, h.now())
			if c.evicts < 0 {
				wantIs(t, err, session.ErrLimit)
				if !strings.Contains(err.Error(), "at most 2") || strings.Contains(err.Error(), two[0].ID) {
					t.Errorf("%v; want the limit, and no id of a session", err)
				}
				if _, err := h.Session(t.Context(), third.ID); err == nil {
					t.Error("it was kept all the same")
				}
				return
			}
			check(t, err)
			if len(ended) != 1 || ended[0].ID != two[c.evicts].ID || ended[0].End != session.Evicted {
				t.Fatalf("ended %+v, want %s", ended, two[c.evicts].ID)
			}
			if got := h.get(t, ended[0].ID); got != ended[0] {
				t.Errorf("stored %+v, told %+v", got, ended[0])
			}
			if all := h.live(t, session.Filter{Viewer: viewer, PlaybackID: "film"}); len(all) != 2 {
				t.Errorf("%d live: %s", len(all), ids(all))
			}
		})
	}
}

func testGrantLimits(t *testing.T, h *harness) {
	ctx := t.Context()
	refused := func(what string, w want, b session.Bounds) {
		t.Helper()
		_, _, err := h.Open(ctx, h.session(t, w), b, h.now())
		wantIs(t, err, session.ErrLimit)
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%v; want it to name %s", err, what)
		}
	}
	grant := h.grant(t, "ada")
	first := h.open(t, want{grant: grant, playback: "a"}, session.Bounds{PerGrant: 2})
	h.open(t, want{grant: grant, playback: "b"}, session.Bounds{PerGrant: 2})
	refused("sessions of the grant", want{grant: grant, playback: "c"}, session.Bounds{PerGrant: 2})
	_, ended, err := h.Open(ctx, h.session(t, want{grant: grant, playback: "c"}), session.Bounds{PerGrant: 2, PerPlayback: 1, Rule: playback.EvictOldest}, h.now())
	check(t, err)
	if len(ended) != 1 {
		t.Errorf("ended %s for %s", ids(ended), first.ID)
	}

	grant = h.grant(t, "ada")
	for range 2 {
		h.open(t, want{grant: grant}, session.Bounds{Plays: 2})
	}
	refused("plays of the grant", want{grant: grant}, session.Bounds{Plays: 2})
	h.open(t, want{grant: grant}, session.Bounds{}) // counts where plays are limited
	h.open(t, want{grant: grant}, session.Bounds{Plays: 3})

	grant = h.grant(t, "ada")
	for _, device := range []string{"tv", "tv", "phone"} {
		h.open(t, want{grant: grant, device: device}, session.Bounds{Devices: 2})
	}
	refused("devices of the grant", want{grant: grant, device: "tablet"}, session.Bounds{Devices: 2})
	h.open(t, want{grant: grant, device: "phone"}, session.Bounds{Devices: 2})
	h.open(t, want{grant: grant, device: "radio"}, session.Bounds{}) // counts where devices are limited
	for _, c := range []struct {
		grant, device string
		count         int
		known         bool
	}{{grant, "tv", 2, true}, {grant, "phone", 2, true}, {grant, "tablet", 2, false}, {grant, "", 2, false}, {h.grant(t, "ada"), "tv", 0, false}, {"no such", "tv", 0, false}} {
		if count, known, err := h.Devices(ctx, c.grant, c.device); err != nil || count != c.count || known != c.known {
			t.Errorf("%q of grant %s: %d devices, among them: %t, %v; want %d and %t", c.device, c.grant, count, known, err, c.count, c.known)
		}
	}

	// What is refused at the last limit has counted nothing and ended nobody.
	grant = h.grant(t, "bob")
	one := h.open(t, want{viewer: "bob", grant: grant, device: "tv"}, session.Bounds{Plays: 1, Devices: 2})
	refused("plays", want{viewer: "bob", grant: grant, device: "phone"}, session.Bounds{Plays: 1, Devices: 2, PerGrant: 1, Rule: playback.EvictOldest})
	if s := h.get(t, one.ID); !s.Alive(h.now()) {
		t.Errorf("a refused open ended %+v", s)
	}
	h.open(t, want{viewer: "bob", grant: grant, device: "tablet"}, session.Bounds{Devices: 2})

	_, _, err = h.Open(ctx, h.session(t, want{viewer: "eve", grant: grant}), session.Bounds{}, h.now())
	wantIs(t, err, keystore.ErrNotFound)
}

// testMoves: a refresh under another grant counts as a play of it, and stays where it is when there is no
// room.
func testMoves(t *testing.T, h *harness) {
	ctx := t.Context()
	old, other := h.grant(t, "ada"), h.grant(t, "ada")
	s := h.open(t, want{grant: old}, session.Bounds{})
	h.open(t, want{grant: other}, session.Bounds{Plays: 2})
	e := session.Extension{TokenExpiresAt: h.now().Add(2 * time.Hour), GrantID: other, Bounds: session.Bounds{PerGrant: 1}}
	_, err := h.Extend(ctx, s.ID, e, h.now())
	wantIs(t, err, session.ErrLimit)
	if got := h.get(t, s.ID); got != s {
		t.Errorf("a refused move left %+v, want %+v", got, s)
	}
	e.Bounds = session.Bounds{PerGrant: 2, Plays: 2}
	moved, err := h.Extend(ctx, s.ID, e, h.now())
	check(t, err)
	if moved.GrantID != other || moved != h.get(t, s.ID) {
		t.Errorf("moved to %+v", moved)
	}
	_, err = h.Extend(ctx, s.ID, e, h.now()) // it stays, which counts nothing
	check(t, err)
	_, _, err = h.Open(ctx, h.session(t, want{grant: other}), session.Bounds{Plays: 2}, h.now())
	wantIs(t, err, session.ErrLimit)
	e.GrantID = ""
	moved, err = h.Extend(ctx, s.ID, e, h.now())
	check(t, err)
	if moved.GrantID != "" {
		t.Errorf("stays under %q where the policy asks for no grant", moved.GrantID)
	}
}

func testLists(t *testing.T, h *harness) {
	grant := h.grant(t, "ada")
	var all []session.Session
	for i := range 6 {
		w := want{viewer: []string{"ada", "bob"}[i%2], playback: []string{"a", "b", "c"}[i%3]}
		if i == 4 {
			w.grant = grant
		}
		all = append(all, h.open(t, w, session.Bounds{}))
	}
	_, err := h.Stop(t.Context(), all[0].ID, session.Stopped, h.now())
	check(t, err)
	for _, c := range []struct {
		f    session.Filter
		want int
	}{
		{session.Filter{}, 5},
		{session.Filter{Ended: true}, 6},
		{session.Filter{Viewer: "ada"}, 2},
		{session.Filter{Viewer: "ada", Ended: true}, 3},
		{session.Filter{PlaybackID: "b"}, 2},
		{session.Filter{Viewer: "bob", PlaybackID: "b"}, 1},
		{session.Filter{GrantID: grant}, 1},
		{session.Filter{GrantID: "no such"}, 0},
		{session.Filter{Viewer: "nobody"}, 0},
	} {
		got := h.live(t, c.f)
		if len(got) != c.want {
			t.Errorf("%+v: %d sessions, want %d", c.f, len(got), c.want)
		}
		var paged []session.Session
		for after := ""; ; after = paged[len(paged)-1].ID {
			page, err := h.Sessions(t.Context(), c.f, h.now(), keystore.Page{After: after, Limit: 2})
			check(t, err)
			if paged = append(paged, page...); len(page) < 2 {
				break
			}
		}
		if ids(paged) != ids(got) {
			t.Errorf("%+v: in pages %s, at once %s", c.f, ids(paged), ids(got))
		}
	}
	h.advance(time.Hour)
	if got := h.live(t, session.Filter{}); len(got) != 0 {
		t.Errorf("expired sessions are listed as live: %s", ids(got))
	}
}

func testSweep(t *testing.T, h *harness) {
	old := h.open(t, want{token: time.Minute}, session.Bounds{})
	stopped := h.open(t, want{token: time.Hour}, session.Bounds{})
	_, err := h.Stop(t.Context(), stopped.ID, session.Stopped, h.now())
	check(t, err)
	live := h.open(t, want{token: 2 * time.Hour}, session.Bounds{})
	for range 3 {
		h.open(t, want{token: time.Second}, session.Bounds{})
	}
	h.advance(time.Minute + time.Second)
	for _, c := range []struct{ most, want int }{{3, 3}, {3, 1}, {3, 0}} {
		n, err := h.Sweep(t.Context(), h.now(), c.most)
		check(t, err)
		if n != c.want {
			t.Errorf("swept %d of at most %d, want %d", n, c.most, c.want)
		}
	}
	_, err = h.Session(t.Context(), old.ID)
	wantIs(t, err, keystore.ErrNotFound)
	h.get(t, stopped.ID) // its tokens live
	h.get(t, live.ID)
	h.advance(time.Hour)
	if n, err := h.Sweep(t.Context(), h.now().Add(-30*time.Minute), 10); err != nil || n != 0 {
		t.Errorf("swept %d before their time, %v", n, err)
	}
	if n, err := h.Sweep(t.Context(), h.now(), 10); err != nil || n != 1 {
		t.Errorf("swept %d, %v, want the stopped one", n, err)
	}
}
