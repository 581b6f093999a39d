package entitletest

import (
	"slices"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/entitle"
)

func testGrantsFor(t *testing.T, h *harness) {
	for _, p := range []entitle.Product{
		{ID: "season", PlaybackIDs: []string{"final", "replay"}}, {ID: "finals", PlaybackIDs: []string{"final"}}, {ID: "empty"}, {ID: "final"},
	} {
		_, err := h.CreateProduct(t.Context(), p)
		check(t, err)
	}
	names := map[string]string{}
	add := func(name string, change func(*entitle.Grant)) string {
		h.time = h.time.Add(time.Millisecond)
		g := h.grant(change)
		names[g.ID] = name
		return h.create(t, g)[0].ID
	}
	product := func(id string) func(*entitle.Grant) {
		return func(g *entitle.Grant) { g.PlaybackID, g.ProductID = "", id }
	}
	until := func(d time.Duration) func(*entitle.Grant) {
		return func(g *entitle.Grant) { g.End = g.CreatedAt.Add(d) }
	}
	add("endless", func(*entitle.Grant) {})
	add("short", until(time.Second))
	add("season", product("season"))
	add("another playback", func(g *entitle.Grant) { g.PlaybackID = "replay" })
	add("another viewer", func(g *entitle.Grant) { g.Viewer = "Ada" })
	add("an empty product", product("empty"))
	add("a product named like the playback", product("final"))
	h.cfg.Revoke(t, h.Store, add("revoked", func(*entitle.Grant) {}), "", h.time)
	add("finals", product("finals"))
	add("not yet", func(g *entitle.Grant) { g.Start = g.CreatedAt.Add(time.Hour) })
	add("hour", until(time.Hour))
	expect := func(what, viewer, playback string, limit int, want ...string) {
		t.Helper()
		got, err := h.GrantsFor(t.Context(), viewer, playback, h.time, limit)
		check(t, err)
		var found []string
		for _, id := range idsOf(got) {
			found = append(found, names[id])
		}
		same(t, what, want, found)
	}
	expect("at once", "ada", "final", 20, "hour", "not yet", "finals", "season", "short", "endless", "revoked")
	h.time = h.time.Add(time.Second)
	expect("a second on", "ada", "final", 20, "hour", "not yet", "finals", "season", "endless", "revoked", "short")
	h.time = h.time.Add(time.Hour)
	expect("an hour on", "ada", "final", 20, "not yet", "finals", "season", "endless", "hour", "revoked", "short")
	expect("through a product alone", "ada", "replay", 20, "another playback", "season")
	expect("letters count", "Ada", "final", 20, "another viewer")
	expect("nobody", "nobody", "final", 20)
	expect("nothing", "ada", "nothing", 20)
	_, err := h.UpdateProduct(t.Context(), entitle.Product{ID: "season", PlaybackIDs: []string{"final"}})
	check(t, err)
	expect("out of the product", "ada", "replay", 20, "another playback")
}

// What counts is found behind any number of grants that no longer do.
func testGrantsForBounded(t *testing.T, h *harness) {
	_, err := h.CreateProduct(t.Context(), entitle.Product{ID: "season", PlaybackIDs: []string{"final"}})
	check(t, err)
	start := h.time
	oldest := []entitle.Grant{
		h.grant(func(g *entitle.Grant) { g.End = start.AddDate(1, 0, 0) }),
		h.grant(func(g *entitle.Grant) { g.PlaybackID, g.ProductID = "", "season" }),
	}
	h.create(t, oldest...)
	const days = 300
	for range days {
		h.time = h.time.AddDate(0, 0, 1)
		ended := func(g *entitle.Grant) { g.End = h.time.Add(time.Minute) }
		h.create(t, h.grant(ended), h.grant(ended, func(g *entitle.Grant) { g.PlaybackID, g.ProductID = "", "season" }))
	}
	h.time = h.time.Add(time.Hour)
	got, err := h.GrantsFor(t.Context(), "ada", "final", h.time, 5)
	check(t, err)
	ids := idsOf(got)
	if len(ids) != 5 || !slices.Contains(ids[:2], oldest[0].ID) || !slices.Contains(ids[:2], oldest[1].ID) {
		t.Errorf("of %d grants, two of which count, %v; want %v first", 2*days+2, ids, idsOf(oldest))
	}
}
