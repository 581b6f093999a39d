package sqlite

import (
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/entitle"
)

const benchBatch = 1000

// benchStore is a store in a file with as many grants, one for each viewer.
func benchStore(b *testing.B, grants int) *Store {
	b.Helper()
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "store.db"), Options{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	addPlaybacks(b, s, "final", "replay")
	if _, err := s.CreateProduct(b.Context(), entitle.Product{ID: "season", PlaybackIDs: []string{"final", "replay"}}); err != nil {
		b.Fatal(err)
	}
	for from := 0; from < grants; from += benchBatch {
		createBatch(b, s, from)
	}
	return s
}

// createBatch adds the grants of viewers from a number on, a third of them of a product.
func createBatch(b *testing.B, s *Store, from int) {
	b.Helper()
	now := time.Now()
	ids, err := entitle.NewIDs(rand.Reader, now, benchBatch)
	if err != nil {
		b.Fatal(err)
	}
	batch := make([]entitle.Grant, benchBatch)
	for i := range batch {
		n := from + i
		batch[i] = entitle.Grant{
			ID: ids[i], Viewer: viewer(n), PlaybackID: "final", Start: now, End: now.Add(24 * time.Hour), CreatedAt: now,
			OrderID: fmt.Sprint("order-", n), IdempotencyKey: fmt.Sprintf("%016x", uint64(n)*0x9e3779b97f4a7c15),
			Limits: entitle.Limits{MaxSessions: 1},
		}
		if n%3 == 0 {
			batch[i].PlaybackID, batch[i].ProductID = "", "season"
		}
	}
	created, err := s.CreateGrants(b.Context(), batch)
	if err != nil {
		b.Fatal(err)
	}
	for i := range created {
		if created[i].Err != nil || created[i].Repeated {
			b.Fatalf("%+v", created[i])
		}
	}
}

func viewer(n int) string { return fmt.Sprintf("viewer-%x", uint32(n)*2654435761) } // spread over the index

// BenchmarkCreateGrants adds grants in batches of 1,000 to a store that holds a million, or none.
func BenchmarkCreateGrants(b *testing.B) {
	for _, held := range []int{0, 200_000, 1_000_000} {
		b.Run(fmt.Sprint("held=", held), func(b *testing.B) {
			s := benchStore(b, held)
			n := held
			b.ResetTimer()
			for b.Loop() {
				createBatch(b, s, n)
				n += benchBatch
			}
			b.ReportMetric(float64(n-held)/b.Elapsed().Seconds(), "grants/s")
		})
	}
}

// BenchmarkGrantsFor looks up the grants of random viewers. Its p99 with a million grants is to stay within
// twice that with a thousand.
func BenchmarkGrantsFor(b *testing.B) {
	for _, held := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprint("held=", held), func(b *testing.B) {
			s := benchStore(b, held)
			took := make([]time.Duration, 0, 1<<20)
			b.ResetTimer()
			for b.Loop() {
				began := time.Now()
				grants, err := s.GrantsFor(b.Context(), viewer(mrand.IntN(held)), "final", began, 64)
				took = append(took, time.Since(began))
				if err != nil || len(grants) != 1 {
					b.Fatalf("%d grants, %v", len(grants), err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
		})
	}
}
