package app

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/keystore"
)

// banner is a provider that can stop a stream for every viewer.
type banner interface {
	Ban(ctx context.Context, entryPoint, stream string, until time.Time) error
}

// ban returns how a stream is stopped at its provider, or nil where this process does not speak for the
// accounts: it has no credentials, or leaves what is done with them to the companion job.
func (a *App) ban() server.Ban {
	if a.adapters == nil {
		return nil
	}
	return func(ctx context.Context, t keystore.Target, p *playback.Playback) error {
		adapter, err := a.adapters.of(t)
		if err != nil {
			return err
		}
		b, ok := adapter.(banner)
		if !ok {
			return fmt.Errorf("%w: provider %s bans no streams", provider.ErrRejected, t.Provider)
		}
		entryPoint, stream, err := streamOf(p.URL)
		if err != nil {
			return err
		}
		return b.Ban(ctx, entryPoint, stream, time.Time{})
	}
}

// streamOf reads entry point and stream from a playback URL of Agora's: /{entry}/{stream}, with the
// extension of HLS or FLV.
func streamOf(rawURL string) (entryPoint, stream string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", "", fmt.Errorf("%w: the playback's address cannot be read", provider.ErrRejected)
	}
	entryPoint, stream, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if ext := path.Ext(stream); ext == ".m3u8" || ext == ".flv" {
		stream = strings.TrimSuffix(stream, ext)
	}
	if !ok || entryPoint == "" || stream == "" || strings.Contains(stream, "/") {
		return "", "", fmt.Errorf("%w: the playback's address has not the form /entry/stream", provider.ErrRejected)
	}
	return entryPoint, stream, nil
}
