package playback_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
)

// memory is a Store of playbacks that can fail.
type memory struct {
	mu  sync.Mutex
	all map[string]playback.Playback
	err error
}

func (m *memory) set(p playback.Playback) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.Revision = m.all[p.ID].Revision + 1
	m.all[p.ID] = p
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *memory) ListPlaybacks(context.Context, keystore.Page) ([]playback.Playback, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.all)), m.err
}

func (m *memory) GetPlayback(_ context.Context, id string) (playback.Playback, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.all[id]
	if !ok && m.err == nil {
		return p, keystore.ErrNotFound
	}
	return p, m.err
}

func (m *memory) CreatePlayback(_ context.Context, p playback.Playback) (playback.Playback, error) {
	m.set(p)
	return p, nil
}

func (m *memory) UpdatePlayback(ctx context.Context, id string, fn func(*playback.Playback) error) (playback.Playback, error) {
	p, err := m.GetPlayback(ctx, id)
	if err == nil {
		err = fn(&p)
	}
	if err == nil {
		m.set(p)
	}
	return p, err
}

func (m *memory) DeletePlayback(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, id)
	return m.err
}

func newCatalogue() (*memory, *playback.Catalogue) {
	m := &memory{all: map[string]playback.Playback{}}
	return m, playback.NewCatalogue(m, slog.New(slog.DiscardHandler))
}

func TestCatalogueFollowsTheStore(t *testing.T) {
	m, c := newCatalogue()
	refresh := func() {
		t.Helper()
		if err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	m.set(playback.Playback{ID: "a", URL: "one"})
	m.set(playback.Playback{ID: "b"})
	if c.Get("a") != nil {
		t.Error("a playback before the first refresh")
	}
	refresh()
	a, b := c.Get("a"), c.Get("b")
	if a == nil || b == nil || c.Get("c") != nil {
		t.Fatal(a, b)
	}
	m.set(playback.Playback{ID: "a", URL: "two"})
	if c.Get("a") != a {
		t.Error("a change before its refresh")
	}
	refresh()
	if got := c.Get("a"); got.URL != "two" || a.URL != "one" || c.Get("b") != b {
		t.Errorf("%+v; want the change, the old entry as it was, and the other one untouched", got)
	}
	if err := m.DeletePlayback(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := c.RefreshOne(t.Context(), "b"); err != nil || c.Get("b") != nil {
		t.Errorf("after its end: %v, %v", c.Get("b"), err)
	}
	m.set(playback.Playback{ID: "b"})
	refresh()
	if err := m.DeletePlayback(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	refresh()
	if c.Get("b") != nil {
		t.Error("a refresh keeps a playback that is gone")
	}
	down := errors.New("store is down")
	m.fail(down)
	if err := c.Refresh(t.Context()); !errors.Is(err, down) || c.Get("a") == nil {
		t.Errorf("%v; what is known stays while the store is down", err)
	}
	if err := c.RefreshOne(t.Context(), "a"); !errors.Is(err, down) || c.Get("a") == nil {
		t.Errorf("%v; what is known stays while the store is down", err)
	}
}

func TestRunRefreshesOnHintsAndByPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := newCatalogue()
		ctx, stop := context.WithCancel(t.Context())
		hints := make(chan struct{}, 1)
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx, hints, time.Minute) }()
		m.set(playback.Playback{ID: "a"})
		hints <- struct{}{}
		synctest.Wait()
		if c.Get("a") == nil {
			t.Error("the hint was missed")
		}
		close(hints) // the store's watch may end before the service does
		m.set(playback.Playback{ID: "b"})
		synctest.Wait()
		if c.Get("b") != nil {
			t.Error("refreshed without hint or poll")
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if c.Get("b") == nil {
			t.Error("the poll was missed")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Entries share a token only when what it is bound to is the same.
func TestClaimsTellBindingsApart(t *testing.T) {
	text := rapid.SampledFrom([]string{"", "a", "b", `"`, `a"b`, `\`, "true", "false", `false"a"`, "a/b"})
	binding := rapid.Custom(func(t *rapid.T) *playback.Qencode {
		return &playback.Qencode{URI: text.Draw(t, "uri"), WholeBucket: rapid.Bool().Draw(t, "bucket"), Claims: rapid.MapOfN(text, text, 0, 2).Draw(t, "claims")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := binding.Draw(t, "a"), binding.Draw(t, "b")
		equal := a.URI == b.URI && a.WholeBucket == b.WholeBucket && maps.Equal(a.Claims, b.Claims)
		one, other := playback.NewEntry(playback.Playback{Qencode: a}), playback.NewEntry(playback.Playback{Qencode: b})
		if (one.Claims == other.Claims) != equal {
			t.Fatalf("%+v and %+v read %q and %q", a, b, one.Claims, other.Claims)
		}
	})
	// A uri that is written like claims is not taken for them.
	for _, claims := range []map[string]string{{"k": "v"}, {"": "a"}} {
		meant := playback.NewEntry(playback.Playback{Qencode: &playback.Qencode{Claims: claims}})
		uri := strings.TrimPrefix(strings.TrimPrefix(meant.Claims, "false"), `""`)
		if got := playback.NewEntry(playback.Playback{Qencode: &playback.Qencode{URI: uri}}); got.Claims == meant.Claims {
			t.Errorf("a uri of %s reads like claims", uri)
		}
		if got := playback.NewEntry(playback.Playback{Qencode: &playback.Qencode{URI: `""` + uri}}); got.Claims == meant.Claims {
			t.Errorf("a uri of %s reads like claims", uri)
		}
	}
	for _, p := range []playback.Playback{{BindIP: true}, {Qencode: &playback.Qencode{ViewerClaim: "v"}}} {
		if !playback.NewEntry(p).PerViewer {
			t.Errorf("%+v shares tokens between viewers", p)
		}
	}
	if playback.NewEntry(playback.Playback{Qencode: &playback.Qencode{URI: "a"}}).PerViewer {
		t.Error("a token without a viewer is not shared")
	}
}
