package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
)

// Rewrapped is what Rewrap has done.
type Rewrapped struct {
	MasterKey string `json:"master_key"`
	Moved     int    `json:"secrets_moved"`
}

// Rewrap moves every sealed secret of the store to the current master key, after adding a new one to
// the key file when addKey is set. A service may run on the same store meanwhile.
func Rewrap(ctx context.Context, cfg config.Config, in Inputs, addKey bool, progress func(done, total int)) (_ Rewrapped, err error) {
	store, err := sqlite.Open(ctx, cfg.Store.Path, sqlite.Options{Now: in.Now, MustExist: true})
	if err != nil {
		return Rewrapped{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	sealer, err := openSealer(ctx, cfg, store, in.Stdin, in.Log)
	if err != nil {
		return Rewrapped{}, err
	}
	if err := sealer.Check(ctx, store); err != nil {
		return Rewrapped{}, err
	}
	if addKey {
		if cfg.MasterKey.Source() != config.FromFile {
			return Rewrapped{}, errors.New("the master keys come from the environment or stdin: put the new key in front of the old one there, restart the service, and rewrap with --no-new-key")
		}
		if _, err := envelope.AddKey(cfg.MasterKey.File); err != nil {
			return Rewrapped{}, err
		}
	}
	moved, err := rewrapAll(ctx, store, sealer, progress)
	if err != nil {
		return Rewrapped{}, fmt.Errorf("%d secrets moved, then: %w", moved, err)
	}
	id, err := sealer.CurrentID()
	return Rewrapped{MasterKey: id, Moved: moved}, err
}

// rewrapAll runs until nothing is left to move: a service may have sealed a secret under the old key
// just when the new one was added.
func rewrapAll(ctx context.Context, store keystore.Store, sealer keystore.Sealer, progress func(done, total int)) (moved int, err error) {
	holder := "rewrap/" + rand.Text()
	for {
		n, err := keystore.RewrapAll(ctx, store, sealer, holder, progress)
		moved += n
		if err != nil || n == 0 {
			return moved, err
		}
	}
}
