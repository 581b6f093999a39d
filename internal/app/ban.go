package app

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/keystore"
)

// banTime is how long a ban lasts: as long as Agora's own, which is longer than any token lives.
const banTime = 7 * 24 * time.Hour

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
	return func(ctx context.Context, t keystore.Target, p *playback.Playback) (until time.Time, err error) {
		adapter, err := a.adapters.of(t)
		if err != nil {
			return time.Time{}, err
		}
		b, ok := adapter.(banner)
		if !ok {
			return time.Time{}, fmt.Errorf("%w: provider %s bans no streams", provider.ErrRejected, t.Provider)
		}
		entryPoint, stream, err := streamOf(p.URL)
		if err != nil {
			return time.Time{}, err
		}
		until = a.now().Add(banTime).Truncate(time.Second)
		return until, b.Ban(ctx, entryPoint, stream, until)
	}
}

// streamOf reads entry point and stream from a playback URL of Agora's: /{entry}/{stream} over RTMP, with .flv or
// /playlist.m3u8 behind it over HTTP.
func streamOf(rawURL string) (entryPoint, stream string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", "", fmt.Errorf("%w: the playback's address cannot be read", provider.ErrRejected)
	}
	entryPoint, stream, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if name, isHLS := strings.CutSuffix(stream, "/playlist.m3u8"); isHLS {
		stream = name
	} else {
		stream = strings.TrimSuffix(stream, ".flv")
	}
	if !ok || entryPoint == "" || stream == "" || strings.Contains(stream, "/") {
		return "", "", fmt.Errorf("%w: the playback's address has not the form /entry/stream", provider.ErrRejected)
	}
	return entryPoint, stream, nil
}
