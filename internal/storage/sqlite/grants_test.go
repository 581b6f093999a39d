package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/entitle/entitletest"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
)

func TestGrantsInFile(t *testing.T) {
	runGrants(t, func(t *testing.T) string { return filepath.Join(t.TempDir(), "store.db") })
}

func TestGrantsInMemory(t *testing.T) { runGrants(t, func(*testing.T) string { return Memory }) }

func runGrants(t *testing.T, path func(*testing.T) string) {
	of := func(s entitle.Store) *Store {
		store, _ := s.(*Store)
		return store
	}
	entitletest.Run(t, entitletest.Config{
		Open: func(t *testing.T, clock func() time.Time) entitle.Store {
			s, err := Open(t.Context(), path(t), Options{Now: clock, Unsynced: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			addPlaybacks(t, s, "final", "replay")
			return s
		},
		DeletePlayback: func(t *testing.T, s entitle.Store, id string) {
			if err := of(s).DeletePlayback(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		},
		Revoke: func(t *testing.T, s entitle.Store, id, reason string, at time.Time) {
			key, err := uuidBytes(id)
			if err != nil {
				t.Fatal(err)
			}
			err = of(s).write(t.Context(), func(tx *sql.Tx) error {
				_, err := tx.ExecContext(t.Context(), `UPDATE grants SET revoked_at = ?, revoke_reason = ? WHERE id = ?`, at.UnixMicro(), optionalText(reason), key)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		},
	})
}

// addPlaybacks adds a target and playbacks of it.
func addPlaybacks(t testing.TB, s *Store, ids ...string) {
	t.Helper()
	if _, err := s.Create(t.Context(), keystore.Target{ID: "live", Provider: "wowza", Scheme: "wowza-hdnts", MaxTokenLifetime: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		_, err := s.CreatePlayback(t.Context(), playback.Playback{ID: id, TargetID: "live", URL: "https://cdn.example/1/S/n", TTL: time.Minute, Hdnts: &playback.Hdnts{StreamID: "S"}})
		if err != nil {
			t.Fatal(err)
		}
	}
}
