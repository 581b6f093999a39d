package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
)

const checkLine = "grants-check-p99-1m-vs-1k"

// checked is a store in a file, and the policies that read it.
type checked struct {
	dir      string
	store    *sqlite.Store
	policies *entitle.Policies
	playback playback.Playback
	grants   int
}

// check holds the p99 of a decision among a million grants against that among a thousand: what CheckEntitlement
// does behind the wire, for random viewers.
func (b *bench) check(ctx context.Context) (err error) {
	began := time.Now()
	few, err := newChecked(ctx, fewGrants)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, few.close()) }()
	many, err := newChecked(ctx, b.effort.manyGrants)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, many.close()) }()
	made := time.Since(began)
	heap, peak := heapInUse(), peakMemory()
	var p50s, p99s [2]figures
	for round := range b.effort.checkRounds + 1 {
		for i, c := range [...]*checked{few, many} {
			took, err := c.decide(ctx, b.effort.checks)
			if err != nil {
				return err
			}
			if round == 0 { // warm up
				continue
			}
			p50s[i] = append(p50s[i], float64(took[len(took)/2]))
			p99s[i] = append(p99s[i], float64(took[len(took)*99/100]))
		}
	}
	return b.report(checkLine, p99s[1].over(p99s[0]), atMost(2),
		"%d grants: p99 %.1f us, p50 %.1f us; %d: %.1f us, %.1f us; checks grow the heap by %d KiB, resident memory by %d MiB of %d (made in %.0f s)",
		many.grants, p99s[1].median()/1e3, p50s[1].median()/1e3, few.grants, p99s[0].median()/1e3, p50s[0].median()/1e3,
		(heapInUse()-heap)>>10, (peakMemory()-peak)>>20, peakMemory()>>20, made.Seconds())
}

// heapInUse returns what the heap holds after a collection, in bytes.
func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // far below 2^63
}

// newChecked makes a store of its own folder with as many grants, one a viewer; a third are of a product.
func newChecked(ctx context.Context, grants int) (_ *checked, err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	c := &checked{dir: dir, grants: grants}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.store, err = sqlite.Open(ctx, filepath.Join(dir, "store.db"), sqlite.Options{}); err != nil {
		return nil, err
	}
	if c.policies, err = entitle.NewPolicies(c.store, nil); err != nil {
		return nil, err
	}
	if _, err := c.store.Create(ctx, keystore.Target{ID: "wowza", Provider: "wowza", Scheme: "wowza-hdnts", MaxTokenLifetime: time.Hour}); err != nil {
		return nil, err
	}
	c.playback, err = c.store.CreatePlayback(ctx, playback.Playback{
		ID: grantPlayback, TargetID: "wowza", URL: "https://edge.example/1/" + streamID + "/final/hls/live/playlist.m3u8", TTL: time.Hour,
		Hdnts: &playback.Hdnts{StreamID: streamID}, Access: &playback.Access{Grant: true},
	})
	if err != nil {
		return nil, err
	}
	if _, err := c.store.CreateProduct(ctx, entitle.Product{ID: "season", PlaybackIDs: []string{grantPlayback}}); err != nil {
		return nil, err
	}
	for from := 0; from < grants; from += grantBatch {
		if err := c.sell(ctx, from); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *checked) sell(ctx context.Context, from int) error {
	now := time.Now()
	ids, err := entitle.NewIDs(rand.Reader, now, grantBatch)
	if err != nil {
		return err
	}
	batch := make([]entitle.Grant, grantBatch)
	for i := range batch {
		n := from + i
		batch[i] = entitle.Grant{
			ID: ids[i], Viewer: viewerName(n), PlaybackID: grantPlayback, Start: now, End: now.Add(24 * time.Hour), CreatedAt: now,
			OrderID: fmt.Sprintf("order-%010d", n), Limits: entitle.Limits{MaxSessions: 3},
		}
		if n%3 == 0 {
			batch[i].PlaybackID, batch[i].ProductID = "", "season"
		}
	}
	created, err := c.store.CreateGrants(ctx, batch)
	for i := range created {
		err = errors.Join(err, created[i].Err)
	}
	return err
}

// decide returns how long each of n decisions took, the shortest first.
func (c *checked) decide(ctx context.Context, n int) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	for i := range took {
		r := entitle.Request{Playback: &c.playback, Viewer: viewerName(mrand.IntN(c.grants)), Now: time.Now()} //nolint:gosec // any viewer will do
		began := time.Now()
		d, err := c.policies.Check(ctx, r)
		took[i] = time.Since(began)
		if err != nil {
			return nil, err
		}
		if !d.Allowed {
			return nil, errors.New(d.Detail)
		}
	}
	slices.Sort(took)
	return took, nil
}

func (c *checked) close() error {
	var err error
	if c.store != nil {
		err = c.store.Close()
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}
