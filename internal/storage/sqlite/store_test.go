package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/keystoretest"
)

func open(t *testing.T, path string, o sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, o)
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

func TestStoreInFile(t *testing.T) {
	paths := map[keystore.Store]string{} // the suite opens one store after the other
	keystoretest.Run(t, keystoretest.Config{
		Open: func(t *testing.T, now func() time.Time) keystore.Store {
			path := filepath.Join(t.TempDir(), "odd name?&#%41 +.db")
			s := open(t, path, sqlite.Options{Now: now})
			paths[s] = path
			return s
		},
		Reopen: func(t *testing.T, s keystore.Store, now func() time.Time) keystore.Store {
			return open(t, paths[s], sqlite.Options{Now: now})
		},
	})
}

func TestStoreInMemory(t *testing.T) {
	keystoretest.Run(t, keystoretest.Config{
		Open: func(t *testing.T, now func() time.Time) keystore.Store {
			return open(t, sqlite.Memory, sqlite.Options{Now: now})
		},
	})
}
