package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore/envelope"
)

// openSealer takes the master keys from the environment, stdin or the file, and makes the file when the
// store holds no sealed secret yet.
func openSealer(ctx context.Context, cfg config.Config, store envelope.Lister, stdin io.Reader, log *slog.Logger) (*envelope.Envelope, error) {
	switch source := cfg.MasterKey.Source(); {
	case source == config.FromEnvironment:
		text := string(cfg.MasterKey.Environment.Reveal())
		keys, err := envelope.ReadMasterKeys(strings.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("TOKENSVC_MASTER_KEY: %w", err)
		}
		return envelope.New(keys)
	case source == config.FromStdin:
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
	file, created, err := envelope.OpenKeyFile(cfg.MasterKey.File, wanted)
	if err != nil {
		return nil, err
	}
	if created {
		log.Warn("made a new master key; keep a copy in a safe place, nothing opens without it", "file", cfg.MasterKey.File)
	}
	return envelope.New(file)
}
