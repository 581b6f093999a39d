package sqlite

import (
	"crypto/rand"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/session/sessiontest"
)

func sessionSuite(path func(t *testing.T) string) sessiontest.Config {
	return sessiontest.Config{
		Open: func(t *testing.T, now func() time.Time) session.Store {
			t.Helper()
			return openAt(t, path(t), now)
		},
		Grant: func(t *testing.T, s session.Store, viewer, order string) string {
			t.Helper()
			return addGrant(t, s.(*Store), viewer, order) //nolint:errcheck // the suite got it from Open
		},
	}
}

func openAt(t testing.TB, path string, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// addGrant adds a grant with nothing but what sessions look at.
func addGrant(t testing.TB, s *Store, viewer, order string) string {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	err := s.groupWrite(t.Context(), func(tx *groupTx) error {
		_, err := tx.exec(`INSERT INTO grants (id, viewer, playback, start_at, order_id, created_at) VALUES (?, ?, 'film', 0, ?, 0)`,
			id[:], viewer, optionalText(order))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

func TestSessionsInFile(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, sessionSuite(func(t *testing.T) string { t.Helper(); return filepath.Join(t.TempDir(), "store.db") }))
}

func TestSessionsInMemory(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, sessionSuite(func(*testing.T) string { return Memory }))
}

// BenchmarkOpenSession has 64 callers read the grants of a viewer each and open a session under one.
func BenchmarkOpenSession(b *testing.B) {
	const viewers = 100_000
	s := benchStore(b, viewers)
	var last atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id, err := session.NewID(rand.Reader)
			if err != nil {
				b.Error(err)
				return
			}
			const stride = 7919 // prime: they come in another order than they bought in
			one := session.Session{ID: id, Viewer: viewer(int(last.Add(1) * stride % viewers)), PlaybackID: "final", TokenExpiresAt: time.Now().Add(time.Hour)}
			grants, err := s.GrantsFor(b.Context(), one.Viewer, one.PlaybackID, time.Now(), 1)
			if err != nil || len(grants) != 1 {
				b.Errorf("%d grants, %v", len(grants), err)
				return
			}
			one.GrantID = grants[0].ID
			if _, _, err := s.Open(b.Context(), one, session.Bounds{Rule: playback.EvictOldest, PerPlayback: 3, PerGrant: 3}, time.Now()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
