package app

import (
	"context"
	"errors"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
)

// Migrated tells which schema the store had, has and could have.
type Migrated struct {
	Store  string `json:"store"`
	Before int64  `json:"before"`
	Now    int64  `json:"now"`
	Latest int64  `json:"latest"`
}

// Migrate brings the schema of the store up to date, or with look only says where it stands.
func Migrate(ctx context.Context, cfg config.Config, look bool) (m Migrated, err error) {
	store, err := sqlite.Open(ctx, cfg.Store.Path, sqlite.Options{NoMigrate: true, MustExist: look})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	before, err := store.Status(ctx)
	if err != nil {
		return m, err
	}
	after := before
	if !look {
		if before, err = store.Migrate(ctx); err != nil {
			return m, err
		}
		if after, err = store.Status(ctx); err != nil {
			return m, err
		}
	}
	return Migrated{Store: cfg.Store.Path, Before: before.Current, Now: after.Current, Latest: after.Latest}, nil
}
