package sqlite_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/keystoretest"
)

func openPlaybacks(t *testing.T) (*sqlite.Store, *keystoretest.Clock) {
	t.Helper()
	clock := keystoretest.NewClock(time.Date(2031, 2, 3, 4, 5, 6, 789_000, time.UTC))
	s := open(t, sqlite.Memory, sqlite.Options{Now: clock.Now})
	if _, err := s.Create(t.Context(), target("event")); err != nil {
		t.Fatal(err)
	}
	return s, clock
}

func sample(id string) playback.Playback {
	return playback.Playback{
		ID: id, TargetID: "event", URL: "https://cdn.example.com/live/playlist.m3u8", Description: "Großes Spiel",
		Qencode: &playback.Qencode{URI: "/live", ViewerClaim: "sub", Claims: map[string]string{"plan": "gold"}},
		TTL:     time.Hour, ExpiryGranularity: time.Minute, BindIP: true, Managed: true,
	}
}

func TestPlaybackRoundTrip(t *testing.T) {
	s, clock := openPlaybacks(t)
	for name, set := range map[string]func(*playback.Playback){
		"hdnts": func(p *playback.Playback) { p.Hdnts = &playback.Hdnts{StreamID: "a", VODStreamID: "b"} },
		"pair": func(p *playback.Playback) {
			p.Hdnts = &playback.Hdnts{StreamID: "a"}
			p.Access = &playback.Access{AnyOf: []playback.Access{{Grant: true}, {Expression: `viewer.id == "x"`}}}
			p.Sessions = &playback.Sessions{Max: 3, Rule: playback.EvictOldest, HeartbeatTimeout: 30 * time.Second}
			p.Alternate = &playback.Alternate{URL: "https://cdn.example.com/1/b/playlist.m3u8", StreamID: "b"}
		},
		"edge-auth": func(p *playback.Playback) {
			p.EdgeAuth = &playback.EdgeAuth{ACL: []string{"/a/*", "/b/*"}, Payload: "x"}
		},
		"url-path": func(p *playback.Playback) { p.EdgeAuth = &playback.EdgeAuth{URLPath: "/a"} },
		"qencode":  func(p *playback.Playback) { p.Qencode = sample("").Qencode },
		"bucket":   func(p *playback.Playback) { p.Qencode = &playback.Qencode{WholeBucket: true} },
		"agora":    func(p *playback.Playback) { p.Agora = &playback.Agora{} },
	} {
		t.Run(name, func(t *testing.T) {
			want := sample(name)
			want.Qencode = nil
			set(&want)
			got, err := s.CreatePlayback(t.Context(), want)
			if err != nil {
				t.Fatal(err)
			}
			want.CreatedAt, want.UpdatedAt, want.Revision = clock.Now(), clock.Now(), got.Revision
			if got.Revision <= 0 {
				t.Fatalf("revision %d", got.Revision)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
			read, err := s.GetPlayback(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, read); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestCreatePlaybackRefuses(t *testing.T) {
	s, _ := openPlaybacks(t)
	if _, err := s.CreatePlayback(t.Context(), sample("taken")); err != nil {
		t.Fatal(err)
	}
	two := sample("two")
	two.Agora = &playback.Agora{}
	none := sample("none")
	none.Qencode = nil
	lost := sample("lost")
	lost.TargetID = "nowhere"
	for _, c := range []struct {
		playback playback.Playback
		want     error
		says     string
	}{
		{sample("taken"), keystore.ErrConflict, "taken"},
		{lost, keystore.ErrNotFound, `no target "nowhere"`},
		{two, keystore.ErrIllegal, "not 2"},
		{none, keystore.ErrIllegal, "not 0"},
	} {
		_, err := s.CreatePlayback(t.Context(), c.playback)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %v that says %q", c.playback.ID, err, c.want, c.says)
		}
	}
	if all, err := s.ListPlaybacks(t.Context(), keystore.Page{}); err != nil || len(all) != 1 {
		t.Fatalf("%d playbacks, %v", len(all), err)
	}
}

func TestListPlaybacks(t *testing.T) {
	s, _ := openPlaybacks(t)
	want := []string{"-a", "A", "B", "_", "a", "a-b", "aa", "b"} // ascending bytes
	for i := range want {
		if _, err := s.CreatePlayback(t.Context(), sample(want[(i*5+3)%len(want)])); err != nil {
			t.Fatal(err)
		}
	}
	for limit := range len(want) + 2 {
		var got []string
		page := keystore.Page{Limit: limit}
		for {
			part, err := s.ListPlaybacks(t.Context(), page)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range part {
				got = append(got, p.ID)
			}
			if limit == 0 || len(part) < limit {
				break
			}
			page.After = part[len(part)-1].ID
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("pages of %d: %s", limit, diff)
		}
	}
}

func TestUpdatePlayback(t *testing.T) {
	s, clock := openPlaybacks(t)
	first, err := s.CreatePlayback(t.Context(), sample("p"))
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Hour)
	got, err := s.UpdatePlayback(t.Context(), "p", func(p *playback.Playback) error {
		p.URL, p.Description, p.TTL, p.ExpiryGranularity, p.BindIP, p.Managed = "rtmp://x/y", "", time.Minute, 0, false, false
		p.Qencode, p.Agora = nil, &playback.Agora{}
		p.Revision, p.CreatedAt = 99_999, time.Time{} // do not count
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := playback.Playback{
		ID: "p", TargetID: "event", URL: "rtmp://x/y", Agora: &playback.Agora{}, TTL: time.Minute,
		CreatedAt: first.CreatedAt, UpdatedAt: clock.Now(), Revision: got.Revision,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if got.Revision <= first.Revision || got.Revision == 99_999 {
		t.Fatalf("revision %d after %d", got.Revision, first.Revision)
	}

	mine := errors.New("mine")
	for name, c := range map[string]struct {
		id   string
		fn   func(*playback.Playback) error
		want error
	}{
		"error of fn":    {"p", func(p *playback.Playback) error { p.URL = "x"; return mine }, mine},
		"other id":       {"p", func(p *playback.Playback) error { p.ID = "q"; return nil }, keystore.ErrIllegal},
		"other target":   {"p", func(p *playback.Playback) error { p.TargetID = "q"; return nil }, keystore.ErrIllegal},
		"no binding":     {"p", func(p *playback.Playback) error { p.Agora = nil; return nil }, keystore.ErrIllegal},
		"two bindings":   {"p", func(p *playback.Playback) error { p.Hdnts = &playback.Hdnts{}; return nil }, keystore.ErrIllegal},
		"absent":         {"q", func(*playback.Playback) error { return nil }, keystore.ErrNotFound},
		"always changes": {"p", func(*playback.Playback) error { return touch(t, s, "p") }, keystore.ErrConflict},
	} {
		if _, err := s.UpdatePlayback(t.Context(), c.id, c.fn); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	read, err := s.GetPlayback(t.Context(), "p")
	if err != nil || read.URL != "rtmp://x/y" || read.Agora == nil || read.Hdnts != nil {
		t.Fatalf("a refused change left %+v, %v", read, err)
	}
}

func touch(t *testing.T, s *sqlite.Store, id string) error {
	t.Helper()
	_, err := s.UpdatePlayback(t.Context(), id, func(p *playback.Playback) error { p.Description += "."; return nil })
	return err
}

func TestParallelPlaybackUpdates(t *testing.T) {
	s, _ := openPlaybacks(t)
	p := sample("p")
	p.Description = ""
	if _, err := s.CreatePlayback(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	const workers, rounds = 8, 5
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				if err := touch(t, s, "p"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := s.GetPlayback(t.Context(), "p")
	if err != nil || len(got.Description) != workers*rounds {
		t.Fatalf("%d updates are left, %v; want %d", len(got.Description), err, workers*rounds)
	}
}

func TestDeletePlayback(t *testing.T) {
	s, _ := openPlaybacks(t)
	for i := range 3 {
		if _, err := s.CreatePlayback(t.Context(), sample(fmt.Sprint("p", i))); err != nil {
			t.Fatal(err)
		}
	}
	fence, err := s.Lease(t.Context(), "event", "me", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "event", fence); !errors.Is(err, keystore.ErrIllegal) || !strings.Contains(err.Error(), "3 playbacks") {
		t.Fatalf("got %v, want ErrIllegal that says how many", err)
	}
	for i := range 3 {
		if err := s.DeletePlayback(t.Context(), fmt.Sprint("p", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeletePlayback(t.Context(), "p0"); !errors.Is(err, keystore.ErrNotFound) {
		t.Fatalf("deleted twice: %v", err)
	}
	if _, err := s.GetPlayback(t.Context(), "p0"); !errors.Is(err, keystore.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	if err := s.Delete(t.Context(), "event", fence); err != nil {
		t.Fatal(err)
	}
}

func TestPlaybackHints(t *testing.T) {
	s, _ := openPlaybacks(t)
	hints := s.Watch(t.Context())
	for _, change := range []func() error{
		func() error { _, err := s.CreatePlayback(t.Context(), sample("p")); return err },
		func() error { return touch(t, s, "p") },
		func() error { return s.DeletePlayback(t.Context(), "p") },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		select { // a store in memory sends the hint before it returns
		case <-hints:
		default:
			t.Fatal("no hint")
		}
	}
}
