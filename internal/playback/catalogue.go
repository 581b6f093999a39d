package playback

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// Entry is a playback as the hot path sees it.
type Entry struct {
	Playback
	// PerViewer means that every viewer's token differs, so that none can be shared.
	PerViewer bool
	// Claims names what a token of the playback is bound to, the same for equal bindings.
	Claims string
}

// NewEntry derives what signing needs.
func NewEntry(p Playback) *Entry {
	e := &Entry{Playback: p, PerViewer: p.BindIP}
	if q := p.Qencode; q != nil {
		e.PerViewer = e.PerViewer || q.ViewerClaim != ""
		e.Claims = q.claims()
	}
	return e
}

// claims writes the binding so that different bindings never read the same.
func (q *Qencode) claims() string {
	var b strings.Builder
	b.WriteString(strconv.FormatBool(q.WholeBucket))
	b.WriteString(strconv.Quote(q.URI))
	for _, name := range slices.Sorted(maps.Keys(q.Claims)) {
		b.WriteString(strconv.Quote(name))
		b.WriteString(strconv.Quote(q.Claims[name]))
	}
	return b.String()
}

// claimsFor returns the claims of one viewer's token, in ascending order of name.
func (q *Qencode) claimsFor(viewer string) (qencode.Claims, error) {
	claims := make([]qencode.Claim, 0, len(q.Claims)+1)
	for _, name := range slices.Sorted(maps.Keys(q.Claims)) {
		claims = append(claims, qencode.Claim{Name: name, Value: q.Claims[name]})
	}
	if q.ViewerClaim != "" {
		claims = append(claims, qencode.Claim{Name: q.ViewerClaim, Value: viewer})
	}
	if len(claims) == 0 {
		return qencode.Claims{}, nil
	}
	return qencode.NewClaims(claims...)
}

// Catalogue keeps all playbacks in memory. Reads take no lock.
type Catalogue struct {
	store   Store
	log     *slog.Logger
	entries sync.Map   // id -> *Entry
	routes  routes     // path -> entries
	mu      sync.Mutex // one writer at a time
}

// NewCatalogue returns an empty catalogue; call Refresh before use.
func NewCatalogue(store Store, log *slog.Logger) *Catalogue {
	return &Catalogue{store: store, log: log}
}

// Get returns a playback, or nil.
func (c *Catalogue) Get(id string) *Entry {
	if e, ok := c.entries.Load(id); ok {
		return e.(*Entry) //nolint:errcheck // only *Entry is ever stored
	}
	return nil
}

// Of yields the playbacks of a target, in no order.
func (c *Catalogue) Of(target string) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		c.entries.Range(func(_, e any) bool {
			entry := e.(*Entry) //nolint:errcheck // only *Entry is ever stored
			return entry.TargetID != target || yield(entry)
		})
	}
}

// Refresh reads all playbacks from the store.
func (c *Catalogue) Refresh(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, err := c.store.ListPlaybacks(ctx, keystore.Page{})
	if err != nil {
		return fmt.Errorf("read playbacks: %w", err)
	}
	present := make(map[string]struct{}, len(all))
	for _, p := range all {
		present[p.ID] = struct{}{}
		if old := c.Get(p.ID); old == nil || old.Revision != p.Revision {
			c.put(NewEntry(p))
		}
	}
	c.entries.Range(func(id, _ any) bool {
		if _, ok := present[id.(string)]; !ok { //nolint:errcheck // only strings are keys
			c.remove(id.(string)) //nolint:errcheck // only strings are keys
		}
		return true
	})
	return nil
}

// RefreshOne reads one playback from the store, so that a caller sees its own write at once.
func (c *Catalogue) RefreshOne(ctx context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.store.GetPlayback(ctx, id)
	switch {
	case err == nil:
		c.put(NewEntry(p))
		return nil
	case errors.Is(err, keystore.ErrNotFound):
		c.remove(id)
		return nil
	default:
		return fmt.Errorf("read playback %q: %w", id, err)
	}
}

func (c *Catalogue) put(e *Entry) {
	c.routes.replace(c.Get(e.ID), e)
	c.entries.Store(e.ID, e)
}

func (c *Catalogue) remove(id string) {
	c.routes.replace(c.Get(id), nil)
	c.entries.Delete(id)
}

// Run refreshes on every hint and at least every poll, until ctx ends. Bursts of hints share one
// refresh.
func (c *Catalogue) Run(ctx context.Context, hints <-chan struct{}, poll time.Duration) error {
	keystore.Follow(ctx, hints, poll, c.Refresh, func(err error) { c.log.Warn("playbacks not refreshed", "error", err) })
	return nil
}
