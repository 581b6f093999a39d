package playback_test

import (
	"slices"
	"testing"

	"github.com/tokensvc/tokensvc/internal/playback"
)

func TestAPathLeadsToItsPlaybacks(t *testing.T) {
	store, catalogue := newCatalogue()
	add := func(p playback.Playback) {
		t.Helper()
		p.TargetID = "live"
		if _, err := store.CreatePlayback(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	add(playback.Playback{ID: "show", URL: "https://h/live/show/playlist.m3u8", Alternate: &playback.Alternate{URL: "https://b/other/show/playlist.m3u8"}, Agora: &playback.Agora{}})
	add(playback.Playback{ID: "nested", URL: "https://h/live/show/extra/playlist.m3u8", Agora: &playback.Agora{}})
	add(playback.Playback{ID: "film", URL: "https://h/vod/film/hls/a.m3u8", EdgeAuth: &playback.EdgeAuth{ACL: []string{"/vod/film/*", "/poster.jpg"}}})
	add(playback.Playback{ID: "concert", URL: "https://h/cam1.m3u8", Qencode: &playback.Qencode{URI: "cam1"}})
	add(playback.Playback{ID: "all", URL: "https://h/vod/all.m3u8", EdgeAuth: &playback.EdgeAuth{ACL: []string{"/vod/*"}}})
	add(playback.Playback{ID: "derby", URL: "https://h/live/derby.flv", Agora: &playback.Agora{}})
	add(playback.Playback{ID: "cup", URL: "https://h/live/cup.m3u8", Agora: &playback.Agora{}})
	add(playback.Playback{ID: "spaced", URL: "https://h/a%20b/x%2Cy.m3u8", Agora: &playback.Agora{}})
	if err := catalogue.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := func(path string) []string {
		var ids []string
		for e := range catalogue.At(path) {
			ids = append(ids, e.ID)
			if !catalogue.Covers(e, path) {
				t.Errorf("%s is at %s, which it does not cover", e.ID, path)
			}
		}
		return ids
	}
	wants := func(when string, want map[string][]string) {
		t.Helper()
		for path, ids := range want {
			if got := at(path); !slices.Equal(got, ids) {
				t.Errorf("%s: %s leads to %v, want %v", when, path, got, ids)
			}
		}
	}
	wants("at first", map[string][]string{
		"/live/show/playlist.m3u8":     {"show"},
		"/live/show/v1/seg_1.ts":       {"show"},
		"/live/show/extra/seg.ts":      {"nested"},
		"/live/show/%65xtra/seg.ts":    {"nested"},
		"/live/derby.flv":              {"derby"},
		"/live/%64erby.flv":            {"derby"},
		"/live/cup_1.ts":               {"cup"},
		"/live/cup.m3u8":               {"cup"},
		"/a%20b/x,y.m3u8":              {"spaced"},
		"/a%20b/seg.ts":                {"spaced"},
		"/other/show/seg.ts":           {"show"},
		"/vod/film/seg/1.ts":           {"film", "all"},
		"/vod/film/hls/a.m3u8":         {"film", "all"},
		"/live/showcase/playlist.m3u8": {"cup"},
		"/live/show":                   {"cup"},
		"/cam1.m3u8":                   {"concert"},
		"/cam1/seg.ts":                 {"concert"},
		"/cam2.m3u8":                   nil,
		"/vod":                         nil,
		"/vod/%":                       {"all"},
		"/poster.jpg":                  {"film"},
		"/poster.jpg/more":             nil,
		"/below/poster.jpg":            nil,
		"":                             nil,
	})
	moved, err := store.UpdatePlayback(t.Context(), "show", func(p *playback.Playback) error {
		p.URL, p.Alternate = "https://h/moved/playlist.m3u8", nil
		return nil
	})
	if err != nil || moved.ID != "show" {
		t.Fatal(moved, err)
	}
	if err := store.DeletePlayback(t.Context(), "nested"); err != nil {
		t.Fatal(err)
	}
	if err := catalogue.RefreshOne(t.Context(), "show"); err != nil {
		t.Fatal(err)
	}
	if err := catalogue.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants("after changes", map[string][]string{
		"/live/show/extra/seg.ts": {"cup"},
		"/other/show/seg.ts":      nil,
		"/moved/seg.ts":           {"show"},
	})
}
