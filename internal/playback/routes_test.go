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
	if err := catalogue.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := func(path string) []string {
		var ids []string
		for e := range catalogue.At(path) {
			ids = append(ids, e.ID)
			if !e.Covers(path) {
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
		"/live/show/extra/seg.ts":      {"nested", "show"},
		"/other/show/seg.ts":           {"show"},
		"/vod/film/seg/1.ts":           {"film"},
		"/vod/film/hls/a.m3u8":         {"film"},
		"/live/showcase/playlist.m3u8": nil,
		"/live/show":                   nil,
		"/cam1.m3u8":                   {"concert"},
		"/cam1/seg.ts":                 {"concert"},
		"/cam2.m3u8":                   nil,
		"/vod":                         nil,
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
		"/live/show/extra/seg.ts": nil,
		"/other/show/seg.ts":      nil,
		"/moved/seg.ts":           {"show"},
	})
}
