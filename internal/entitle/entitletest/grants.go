package entitletest

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/keystore"
)

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// full has every field that a caller sets.
func full(g *entitle.Grant) {
	g.Start, g.End = g.CreatedAt.Add(-time.Hour), g.CreatedAt.Add(time.Hour+time.Microsecond)
	g.OrderID, g.IdempotencyKey = "order é", "key-1"
	g.Limits = entitle.Limits{
		MaxPlays: 3, MaxSessions: 2, MaxDevices: 1, Countries: []string{"DE", "AT"},
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
	}
}

func testCreate(t *testing.T, h *harness) {
	_, err := h.CreateProduct(t.Context(), entitle.Product{ID: "season"})
	check(t, err)
	ofProduct := func(g *entitle.Grant) { g.PlaybackID, g.ProductID = "", "season" }
	for name, g := range map[string]entitle.Grant{"plain": h.grant(), "full": h.grant(full), "of a product": h.grant(ofProduct)} {
		asked := g
		asked.State, asked.Plays, asked.RevokedAt, asked.RevokeReason = entitle.Revoked, 7, h.time, "not yours to say"
		asked.Start = asked.Start.In(time.FixedZone("elsewhere", 3600))
		stored := h.create(t, asked)[0]
		same(t, name+" as created", g, stored)
		read, err := h.Grant(t.Context(), g.ID)
		check(t, err)
		same(t, name+" as read", g, read)
	}
	long := h.grant(func(g *entitle.Grant) {
		g.Viewer, g.End = strings.Repeat("é", 128), time.Unix(9_999_999_999, 999_999_999)
	})
	want := long
	want.End = want.End.UTC().Truncate(time.Microsecond)
	same(t, "to the microsecond", want, h.create(t, long)[0])
}

// A batch has an outcome for each grant, in order, and the good ones are there whatever the others are.
func testOutcomes(t *testing.T, h *harness) {
	batch := []entitle.Grant{
		h.grant(),
		h.grant(func(g *entitle.Grant) { g.PlaybackID = "nothing" }),
		h.grant(func(g *entitle.Grant) { g.PlaybackID, g.ProductID = "", "final" }),
		h.grant(func(g *entitle.Grant) { g.Start, g.End = g.CreatedAt.Add(-time.Hour), g.CreatedAt }),
		h.grant(func(g *entitle.Grant) { g.End = g.CreatedAt.Add(time.Microsecond) }),
		h.grant(func(g *entitle.Grant) { g.PlaybackID = "nothing" }),
		h.grant(func(g *entitle.Grant) { g.Viewer = "bob" }),
	}
	batch = append(batch, batch[0]) // the same id
	created, err := h.CreateGrants(t.Context(), batch)
	check(t, err)
	want := []error{nil, keystore.ErrNotFound, keystore.ErrNotFound, entitle.ErrEnded, nil, keystore.ErrNotFound, nil, keystore.ErrConflict}
	if len(created) != len(want) {
		t.Fatalf("%d outcomes", len(created))
	}
	for i, c := range created {
		wantIs(t, c.Err, want[i])
		if (c.Err == nil) != (c.Grant.ID == batch[i].ID) || c.Repeated {
			t.Errorf("outcome %d: %+v", i, c)
		}
		_, err := h.Grant(t.Context(), batch[i].ID)
		if i < 7 && (err == nil) != (want[i] == nil) {
			t.Errorf("grant %d: %v", i, err)
		}
	}
	none, err := h.CreateGrants(t.Context(), nil)
	if err != nil || len(none) != 0 {
		t.Errorf("no grants: %v, %v", none, err)
	}
}

// A key names one grant for ever, whatever becomes of it.
func testIdempotency(t *testing.T, h *harness) {
	first := h.create(t, h.grant(full))[0]
	repeat := func(change ...func(*entitle.Grant)) entitle.Created {
		t.Helper()
		created, err := h.CreateGrants(t.Context(), []entitle.Grant{h.grant(append([]func(*entitle.Grant){full, func(g *entitle.Grant) {
			g.Start, g.End = first.Start, first.End
		}}, change...)...)})
		check(t, err)
		return created[0]
	}
	again := func(what string, got entitle.Created, want entitle.Grant) {
		t.Helper()
		if got.Err != nil || !got.Repeated {
			t.Errorf("%s: %+v", what, got)
		}
		same(t, what, want, got.Grant)
	}
	again("the same", repeat(), first)
	h.time = h.time.Add(48 * time.Hour)
	again("after its end", repeat(), first)
	again("in another order", repeat(func(g *entitle.Grant) { g.Limits.Countries = []string{"AT", "DE"} }), first)
	for what, change := range map[string]func(*entitle.Grant){
		"viewer":   func(g *entitle.Grant) { g.Viewer = "bob" },
		"playback": func(g *entitle.Grant) { g.PlaybackID = "replay" },
		"absent":   func(g *entitle.Grant) { g.PlaybackID = "nothing" },
		"start":    func(g *entitle.Grant) { g.Start = g.Start.Add(time.Microsecond) },
		"no start": func(g *entitle.Grant) { g.Start = g.CreatedAt },
		"end":      func(g *entitle.Grant) { g.End = time.Time{} },
		"order":    func(g *entitle.Grant) { g.OrderID = "" },
		"plays":    func(g *entitle.Grant) { g.Limits.MaxPlays++ },
		"networks": func(g *entitle.Grant) { g.Limits.Networks = g.Limits.Networks[:1] },
		"country":  func(g *entitle.Grant) { g.Limits.Countries = []string{"DE", "DE"} },
	} {
		got := repeat(change)
		wantIs(t, got.Err, entitle.ErrMismatch)
		if got.Err == nil || !strings.Contains(got.Err.Error(), first.ID) {
			t.Errorf("another %s: %+v", what, got)
		}
	}
	h.cfg.DeletePlayback(t, h.Store, "final")
	again("without its playback", repeat(), first)
	h.cfg.Revoke(t, h.Store, first.ID, "refund", h.time)
	revoked, err := h.Grant(t.Context(), first.ID)
	check(t, err)
	again("revoked", repeat(), revoked)

	noStart := func(g *entitle.Grant) { g.PlaybackID, g.IdempotencyKey = "replay", "key-2" }
	second := h.create(t, h.grant(noStart))[0]
	h.time = h.time.Add(time.Minute)
	created, err := h.CreateGrants(t.Context(), []entitle.Grant{h.grant(noStart), h.grant(noStart, func(g *entitle.Grant) { g.Viewer = "bob" })})
	check(t, err)
	again("without a start", created[0], second)
	wantIs(t, created[1].Err, entitle.ErrMismatch)
	twice := func(g *entitle.Grant) { g.PlaybackID, g.IdempotencyKey = "replay", "key-3" }
	created, err = h.CreateGrants(t.Context(), []entitle.Grant{h.grant(twice), h.grant(twice)})
	check(t, err)
	if created[0].Err != nil || created[0].Repeated {
		t.Errorf("first of two in one batch: %+v", created[0])
	}
	again("second of two in one batch", created[1], created[0].Grant)
}

// However many call at once, one key makes one grant.
func testIdempotencyUnderLoad(t *testing.T, h *harness) {
	const callers, keys = 16, 20
	batches := make([][]entitle.Grant, callers)
	for c := range batches {
		for k := range keys {
			batches[c] = append(batches[c], h.grant(func(g *entitle.Grant) { g.IdempotencyKey = fmt.Sprint("key-", k) }))
		}
	}
	outcomes := make([][]entitle.Created, callers)
	var all sync.WaitGroup
	for c := range batches {
		all.Go(func() {
			var err error
			if outcomes[c], err = h.CreateGrants(t.Context(), batches[c]); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	made := map[string]string{}
	first := 0
	for _, o := range outcomes {
		for _, c := range o {
			if c.Err != nil {
				t.Fatal(c.Err)
			}
			if !c.Repeated {
				first++
			}
			key := c.Grant.IdempotencyKey
			if id, ok := made[key]; ok && id != c.Grant.ID {
				t.Errorf("key %s made %s and %s", key, id, c.Grant.ID)
			}
			made[key] = c.Grant.ID
		}
	}
	stored, err := h.Grants(t.Context(), entitle.Filter{}, keystore.Page{})
	check(t, err)
	if first != keys || len(stored) != keys {
		t.Errorf("%d calls made one, %d are stored; want %d", first, len(stored), keys)
	}
}

func testFilters(t *testing.T, h *harness) {
	_, err := h.CreateProduct(t.Context(), entitle.Product{ID: "season", PlaybackIDs: []string{"final"}})
	check(t, err)
	h.time = h.time.Add(time.Second)
	add := func(change func(*entitle.Grant)) string {
		h.time = h.time.Add(time.Millisecond)
		return h.create(t, h.grant(change))[0].ID
	}
	a := add(func(*entitle.Grant) {})
	b := add(func(g *entitle.Grant) { g.PlaybackID, g.OrderID = "replay", "o1" })
	c := add(func(g *entitle.Grant) { g.Viewer, g.OrderID = "bob", "o1" })
	d := add(func(g *entitle.Grant) { g.PlaybackID, g.ProductID = "", "season" })
	h.cfg.Revoke(t, h.Store, b, "", h.time)
	for _, f := range []struct {
		filter entitle.Filter
		want   []string
	}{
		{entitle.Filter{}, []string{a, b, c, d}},
		{entitle.Filter{Viewer: "ada"}, []string{a, b, d}},
		{entitle.Filter{Viewer: "AD_"}, nil},
		{entitle.Filter{PlaybackID: "final"}, []string{a, c}},
		{entitle.Filter{ProductID: "season"}, []string{d}},
		{entitle.Filter{OrderID: "o1"}, []string{b, c}},
		{entitle.Filter{OrderID: "o1", Viewer: "bob"}, []string{c}},
		{entitle.Filter{State: entitle.Active}, []string{a, c, d}},
		{entitle.Filter{State: entitle.Revoked}, []string{b}},
		{entitle.Filter{State: entitle.Revoked, Viewer: "bob"}, nil},
	} {
		got, err := h.Grants(t.Context(), f.filter, keystore.Page{})
		check(t, err)
		same(t, fmt.Sprintf("%+v", f.filter), f.want, idsOf(got))
	}
}

func testPages(t *testing.T, h *harness) {
	var want []string
	for n := range 7 {
		viewer := []string{"ada", "bob"}[n%2]
		h.time = h.time.Add(time.Millisecond)
		id := h.create(t, h.grant(func(g *entitle.Grant) { g.Viewer = viewer }))[0].ID
		if viewer == "ada" {
			want = append(want, id)
		}
	}
	var got []string
	for after := ""; ; {
		page, err := h.Grants(t.Context(), entitle.Filter{Viewer: "ada"}, keystore.Page{After: after, Limit: 3})
		check(t, err)
		got = append(got, idsOf(page)...)
		if len(page) < 3 {
			break
		}
		after = page[2].ID
	}
	same(t, "pages", want, got)
	_, err := h.Grants(t.Context(), entitle.Filter{}, keystore.Page{After: "no id"})
	wantIs(t, err, keystore.ErrIllegal)
}

func testAbsent(t *testing.T, h *harness) {
	g := h.create(t, h.grant())[0]
	for _, id := range []string{"", "nobody", h.grant().ID, strings.ToUpper(g.ID), "{" + g.ID + "}", strings.ReplaceAll(g.ID, "-", "")} {
		_, err := h.Grant(t.Context(), id)
		wantIs(t, err, keystore.ErrNotFound)
	}
}

func testRevoked(t *testing.T, h *harness) {
	g := h.create(t, h.grant())[0]
	h.time = h.time.Add(time.Minute)
	h.cfg.Revoke(t, h.Store, g.ID, "refund", h.time)
	got, err := h.Grant(t.Context(), g.ID)
	check(t, err)
	g.State, g.RevokedAt, g.RevokeReason = entitle.Revoked, h.time, "refund"
	same(t, "revoked", g, got)
}

func testSubjectGone(t *testing.T, h *harness) {
	_, err := h.CreateProduct(t.Context(), entitle.Product{ID: "season", PlaybackIDs: []string{"final", "replay"}})
	check(t, err)
	direct := h.create(t, h.grant())[0]
	h.time = h.time.Add(time.Millisecond)
	through := h.create(t, h.grant(func(g *entitle.Grant) { g.PlaybackID, g.ProductID = "", "season" }))[0]
	h.cfg.DeletePlayback(t, h.Store, "final")
	got, err := h.GrantsFor(t.Context(), "ada", "final", h.time, 10)
	check(t, err)
	same(t, "for a playback that is gone", []string{direct.ID}, idsOf(got))
	p, err := h.Product(t.Context(), "season")
	check(t, err)
	same(t, "the product without it", []string{"replay"}, p.PlaybackIDs)
	check(t, h.DeleteProduct(t.Context(), "season"))
	got, err = h.GrantsFor(t.Context(), "ada", "replay", h.time, 10)
	check(t, err)
	same(t, "for a product that is gone", []string(nil), idsOf(got))
	kept, err := h.Grants(t.Context(), entitle.Filter{Viewer: "ada"}, keystore.Page{})
	check(t, err)
	same(t, "kept", []string{direct.ID, through.ID}, idsOf(kept))
}

func testCopies(t *testing.T, h *harness) {
	g := h.grant(full)
	stored := h.create(t, g)[0]
	want := stored
	want.Limits.Countries = []string{"DE", "AT"}
	g.Limits.Countries[0], stored.Limits.Countries[1] = "XX", "YY"
	read, err := h.Grant(t.Context(), g.ID)
	check(t, err)
	same(t, "after changes of what went in and came out", want, read)
}
