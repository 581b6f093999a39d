package rotatetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
)

// SQLite opens the real store in a file of its own, which its closing removes: for Scenario.Open.
func SQLite(ctx context.Context, now func() time.Time) (keystore.Store, func() error, error) {
	dir, err := os.MkdirTemp("", "rotatetest-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	s, err := sqlite.Open(ctx, filepath.Join(dir, "store.db"), sqlite.Options{Now: now})
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return s, func() error { return errors.Join(s.Close(), remove()) }, nil
}
