package entitletest

import (
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/keystore"
)

func testProducts(t *testing.T, h *harness) {
	made := h.time
	p, err := h.CreateProduct(t.Context(), entitle.Product{ID: "season", Description: "2031 é", PlaybackIDs: []string{"replay", "final"}, CreatedAt: made.AddDate(9, 0, 0)})
	check(t, err)
	want := entitle.Product{ID: "season", Description: "2031 é", PlaybackIDs: []string{"final", "replay"}, CreatedAt: made, UpdatedAt: made}
	same(t, "as created", want, p)
	read, err := h.Product(t.Context(), "season")
	check(t, err)
	same(t, "as read", want, read)
	h.time = h.time.Add(time.Hour)
	p, err = h.UpdateProduct(t.Context(), entitle.Product{ID: "season", PlaybackIDs: []string{"replay"}})
	check(t, err)
	want = entitle.Product{ID: "season", PlaybackIDs: []string{"replay"}, CreatedAt: made, UpdatedAt: h.time}
	same(t, "as updated", want, p)
	check(t, h.DeleteProduct(t.Context(), "season"))
	_, err = h.Product(t.Context(), "season")
	wantIs(t, err, keystore.ErrNotFound)
	again, err := h.CreateProduct(t.Context(), entitle.Product{ID: "season"})
	check(t, err)
	same(t, "made again", entitle.Product{ID: "season", CreatedAt: h.time, UpdatedAt: h.time}, again)
}

func testProductPages(t *testing.T, h *harness) {
	for _, id := range []string{"c", "a", "B", "d"} {
		_, err := h.CreateProduct(t.Context(), entitle.Product{ID: id, PlaybackIDs: []string{"final"}})
		check(t, err)
	}
	for _, c := range []struct {
		page keystore.Page
		want []string
	}{
		{keystore.Page{}, []string{"B", "a", "c", "d"}},
		{keystore.Page{Limit: 2}, []string{"B", "a"}},
		{keystore.Page{After: "a", Limit: 2}, []string{"c", "d"}},
		{keystore.Page{After: "d"}, nil},
	} {
		all, err := h.Products(t.Context(), c.page)
		check(t, err)
		var got []string
		for _, p := range all {
			got = append(got, p.ID)
			same(t, "playbacks of "+p.ID, []string{"final"}, p.PlaybackIDs)
		}
		same(t, "page", c.want, got)
	}
}

func testProductRefusals(t *testing.T, h *harness) {
	sound := entitle.Product{ID: "season", PlaybackIDs: []string{"final"}}
	first, err := h.CreateProduct(t.Context(), sound)
	check(t, err)
	_, err = h.CreateProduct(t.Context(), entitle.Product{ID: "season", Description: "second"})
	wantIs(t, err, keystore.ErrConflict)
	bad := entitle.Product{ID: "other", PlaybackIDs: []string{"final", "nothing"}}
	_, err = h.CreateProduct(t.Context(), bad)
	wantIs(t, err, keystore.ErrNotFound)
	_, err = h.Product(t.Context(), "other")
	wantIs(t, err, keystore.ErrNotFound)
	bad.ID, bad.Description = "season", "changed"
	_, err = h.UpdateProduct(t.Context(), bad)
	wantIs(t, err, keystore.ErrNotFound)
	read, err := h.Product(t.Context(), "season")
	check(t, err)
	same(t, "after refusals", first, read)
	_, err = h.UpdateProduct(t.Context(), entitle.Product{ID: "nobody"})
	wantIs(t, err, keystore.ErrNotFound)
	wantIs(t, h.DeleteProduct(t.Context(), "nobody"), keystore.ErrNotFound)
}
