package sqlite

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

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
	err := s.groupWrite(t.Context(), func(ctx context.Context, tx *groupTx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO grants (id, viewer, playback, start_at, order_id, created_at) VALUES (?, ?, 'film', 0, ?, 0)`,
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

// BenchmarkOpenSession opens sessions as 64 callers do, each under a grant with limits.
func BenchmarkOpenSession(b *testing.B) {
	s := openAt(b, filepath.Join(b.TempDir(), "store.db"), time.Now)
	grant := addGrant(b, s, "ada", "")
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id, err := session.NewID(rand.Reader)
			if err != nil {
				b.Error(err)
				return
			}
			one := session.Session{ID: id, Viewer: "ada", PlaybackID: "film", GrantID: grant, TokenExpiresAt: time.Now().Add(time.Hour)}
			if _, err := s.Open(b.Context(), one, session.Bounds{Rule: "evict_oldest", PerPlayback: 3, Plays: 1 << 40}, time.Now()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
