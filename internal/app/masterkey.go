package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore/envelope"
)

// MasterKeyFile returns the path of the master key file in effect: the one named, or master.key beside
// the store.
func MasterKeyFile(cfg config.Config) string {
	if cfg.MasterKey.File != "" {
		return cfg.MasterKey.File
	}
	return filepath.Join(filepath.Dir(cfg.Store.Path), "master.key")
}

// openSealer takes the master keys from the environment, stdin or the file, and makes the file when the
// store holds no sealed secret yet.
func openSealer(ctx context.Context, cfg config.Config, store envelope.Lister, stdin io.Reader, log *slog.Logger) (*envelope.Envelope, error) {
	switch {
	case cfg.MasterKey.Environment.Len() > 0:
		text := string(cfg.MasterKey.Environment.Reveal())
		keys, err := envelope.ReadMasterKeys(strings.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("TOKENSVC_MASTER_KEY: %w", err)
		}
		return envelope.New(keys)
	case cfg.MasterKey.Stdin:
		keys, err := envelope.ReadMasterKeys(stdin)
		if err != nil {
			return nil, fmt.Errorf("master key on stdin: %w", err)
		}
		return envelope.New(keys)
	case cfg.Store.Path == sqlite.Memory && cfg.MasterKey.File == "":
		return envelope.New(envelope.GenerateMasterKeys())
	}
	wanted, err := envelope.Wanted(ctx, store)
	if err != nil {
		return nil, err
	}
	path := MasterKeyFile(cfg)
	file, created, err := envelope.OpenKeyFile(path, wanted)
	if err != nil {
		return nil, err
	}
	if created {
		log.Warn("made a new master key; keep a copy in a safe place, nothing opens without it", "file", path)
	}
	return envelope.New(file)
}
