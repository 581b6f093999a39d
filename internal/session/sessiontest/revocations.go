package sessiontest

import (
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/keystore"
)

func testRevocations(t *testing.T, h *harness) {
	ctx := t.Context()
	grant, bought := h.grant(t, "ada"), h.cfg.Grant(t, h.Store, "ada", "order-1")
	again := h.cfg.Grant(t, h.Store, "bob", "order-1")
	open := func(w want) session.Session { return h.open(t, w, session.Bounds{}) }
	one := open(want{viewer: "eve"})
	byGrant, byOrder, byOrder2 := open(want{grant: grant}), open(want{grant: bought}), open(want{viewer: "bob", grant: again})
	byPlayback, byViewer := open(want{viewer: "bob", playback: "live"}), open(want{viewer: "joe"})
	stays := open(want{viewer: "ann"})
	for _, c := range []struct {
		kind    session.Kind
		subject string
		ends    []session.Session
		grants  int
	}{
		{session.OfSession, one.ID, []session.Session{one}, 0},
		{session.OfGrant, grant, []session.Session{byGrant}, 1},
		{session.OfGrant, grant, nil, 0},
		{session.OfOrder, "order-1", []session.Session{byOrder, byOrder2}, 2},
		{session.OfPlayback, "live", []session.Session{byPlayback}, 0},
		{session.OfViewer, "joe", []session.Session{byViewer}, 0},
		{session.OfViewer, "nobody", nil, 0},
	} {
		r := h.revoke(t, session.Revocation{Kind: c.kind, Subject: c.subject, Reason: "refund"})
		if r.SessionsEnded != len(c.ends) || r.GrantsRevoked != c.grants || r.Revision == 0 {
			t.Errorf("%s %s: %+v, want %d sessions and %d grants", c.kind, c.subject, r, len(c.ends), c.grants)
		}
		for _, s := range c.ends {
			got := h.get(t, s.ID)
			if got.End != session.Ended || got.Alive(h.now()) || !got.EndedAt.Equal(h.now()) {
				t.Errorf("%s %s left %+v", c.kind, c.subject, got)
			}
		}
		h.advance(time.Second)
	}
	if got := h.get(t, stays.ID); got != stays {
		t.Errorf("a session of nobody's revocation: %+v", got)
	}
	for viewer, grant := range map[string]string{"ada": bought, "bob": again} {
		_, _, err := h.Open(ctx, h.session(t, want{viewer: viewer, grant: grant}), session.Bounds{}, h.now())
		wantIs(t, err, session.ErrRevoked)
	}
	all, err := h.Revocations(ctx, keystore.Page{})
	check(t, err)
	if len(all) != 7 || all[0].Subject != "nobody" || all[6].Subject != one.ID || all[6].Reason != "refund" || all[6].SessionsEnded != 1 {
		t.Errorf("kept %+v", all)
	}
	page, err := h.Revocations(ctx, keystore.Page{After: all[2].ID, Limit: 2})
	check(t, err)
	if len(page) != 2 || page[0] != all[3] || page[1] != all[4] {
		t.Errorf("a page of %+v", page)
	}
}

// testEffective: also the tokens of sessions that have ended are out.
func testEffective(t *testing.T, h *harness) {
	short := h.open(t, want{token: time.Hour}, session.Bounds{})
	long := h.open(t, want{token: 3 * time.Hour}, session.Bounds{})
	_, err := h.Stop(t.Context(), long.ID, session.Stopped, h.now())
	check(t, err)
	r := h.revoke(t, session.Revocation{Kind: session.OfViewer, Subject: "ada"})
	if !r.EffectiveAt.Equal(long.TokenExpiresAt) || r.SessionsEnded != 1 {
		t.Errorf("%+v, want the last token's expiry %s", r, long.TokenExpiresAt)
	}
	given := h.now().Add(9 * time.Hour)
	if r := h.revoke(t, session.Revocation{Kind: session.OfSession, Subject: short.ID, EffectiveAt: given}); !r.EffectiveAt.Equal(given) {
		t.Errorf("%+v, want the later time that was given", r)
	}
	if r := h.revoke(t, session.Revocation{Kind: session.OfViewer, Subject: "nobody"}); !r.EffectiveAt.Equal(h.now()) {
		t.Errorf("%+v, want now", r)
	}
}

func testHolds(t *testing.T, h *harness) {
	ctx := t.Context()
	refused := func(w want) {
		t.Helper()
		_, _, err := h.Open(ctx, h.session(t, w), session.Bounds{}, h.now())
		wantIs(t, err, session.ErrRevoked)
	}
	viewer := h.revoke(t, session.Revocation{Kind: session.OfViewer, Subject: "ada", Holds: true})
	playback := h.revoke(t, session.Revocation{Kind: session.OfPlayback, Subject: "live", Holds: true, HoldUntil: h.now().Add(time.Minute)})
	plain := h.revoke(t, session.Revocation{Kind: session.OfViewer, Subject: "bob"})
	refused(want{viewer: "ada"})
	refused(want{viewer: "bob", playback: "live"})
	h.open(t, want{viewer: "live", playback: "ada"}, session.Bounds{}) // a subject is one of its kind
	h.open(t, want{viewer: "bob"}, session.Bounds{})
	holds, revision, err := h.Holding(ctx, h.now())
	check(t, err)
	if len(holds) != 2 || revision == 0 {
		t.Errorf("holding at %d: %+v", revision, holds)
	}
	_, err = h.Lift(ctx, plain.ID, h.now())
	wantIs(t, err, keystore.ErrIllegal)
	h.advance(time.Minute)
	h.open(t, want{viewer: "bob", playback: "live"}, session.Bounds{})
	lifted, err := h.Lift(ctx, viewer.ID, h.now())
	check(t, err)
	if !lifted.LiftedAt.Equal(h.now()) || lifted.Holding(h.now()) || lifted.Revision <= playback.Revision {
		t.Errorf("lifted as %+v", lifted)
	}
	h.advance(time.Second)
	if again, err := h.Lift(ctx, viewer.ID, h.now()); err != nil || again != lifted {
		t.Errorf("lifted again as %+v, %v", again, err)
	}
	h.open(t, want{viewer: "ada"}, session.Bounds{})
	if holds, _, err := h.Holding(ctx, h.now()); err != nil || len(holds) != 0 {
		t.Errorf("still holding: %+v, %v", holds, err)
	}
}

// testChanges: pages of any size tell every change once, in order, however many one call has made.
func testChanges(t *testing.T, h *harness) {
	ctx := t.Context()
	empty, err := h.Changed(ctx, 0, 10)
	check(t, err)
	if len(empty.Sessions)+len(empty.Revocations) != 0 || empty.More {
		t.Errorf("an empty store changed: %+v", empty)
	}
	for range 5 {
		h.open(t, want{}, session.Bounds{})
	}
	_, before, err := h.Holding(ctx, h.now())
	check(t, err)
	h.revoke(t, session.Revocation{Kind: session.OfViewer, Subject: "ada", Holds: true})
	last := h.open(t, want{viewer: "bob"}, session.Bounds{})
	for _, limit := range []int{1, 2, 3, 7, 100} {
		sessions, revocations, since := 0, 0, before
		for more := true; more; {
			page, err := h.Changed(ctx, since, limit)
			check(t, err)
			if n := len(page.Sessions) + len(page.Revocations); n > limit || page.More && n == 0 {
				t.Fatalf("%d changes in a page of %d, more: %t", n, limit, page.More)
			}
			for i := range page.Sessions {
				if r := page.Sessions[i].Revision; r <= since || r > page.Revision {
					t.Errorf("revision %d in a page from %d to %d", r, since, page.Revision)
				}
			}
			sessions, revocations = sessions+len(page.Sessions), revocations+len(page.Revocations)
			since, more = page.Revision, page.More
		}
		if sessions != 6 || revocations != 1 || since < last.Revision {
			t.Errorf("in pages of %d: %d sessions and %d revocations up to %d, want 6 and 1 up to %d", limit, sessions, revocations, since, last.Revision)
		}
		if rest, err := h.Changed(ctx, since, limit); err != nil || len(rest.Sessions)+len(rest.Revocations) != 0 || rest.Revision != since {
			t.Errorf("and then %+v, %v", rest, err)
		}
	}
}
