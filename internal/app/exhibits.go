package app

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// exhibit is one playback of the sandbox with all that it needs.
type exhibit struct {
	target   keystore.Target
	playback playback.Playback
	stream   edge.Stream
}

// exhibits returns one playback for each scheme. URLs lack the edge's origin.
func exhibits() []exhibit {
	const streamID, playbackID = "NUtjdHdsc3g4Z21L", "b7f2c9e0a1d34e5f"
	all := []exhibit{
		{
			target:   keystore.Target{ID: "wowza-live", Provider: "wowza", Scheme: schemes.WowzaHdnts, MaxTokenLifetime: 6 * time.Hour},
			playback: playback.Playback{ID: "big-event", Hdnts: &playback.Hdnts{StreamID: streamID}, TTL: time.Hour},
			stream:   edge.Stream{Playlist: "/1/" + streamID + "/big-event/hls/live/playlist.m3u8", Live: true},
		},
		{
			target:   keystore.Target{ID: "akamai-vod", Provider: "akamai", Scheme: schemes.AkamaiEdgeAuth, MaxTokenLifetime: 6 * time.Hour},
			playback: playback.Playback{ID: "film", EdgeAuth: &playback.EdgeAuth{ACL: []string{"/vod/film/*"}}, TTL: time.Hour},
			stream:   edge.Stream{Playlist: "/vod/film/playlist.m3u8"},
		},
		{
			target: keystore.Target{ID: "qencode-live", Provider: "qencode", Scheme: schemes.QencodeJWT, MaxTokenLifetime: 6 * time.Hour},
			playback: playback.Playback{
				ID: "concert", Qencode: &playback.Qencode{URI: playbackID}, TTL: time.Hour, ExpiryGranularity: time.Minute,
			},
			stream: edge.Stream{Playlist: "/" + playbackID + ".m3u8", PlaybackID: playbackID, Live: true},
		},
		{
			target:   keystore.Target{ID: "agora-play", Provider: "agora", Scheme: schemes.AgoraTimestamp, MaxTokenLifetime: 10 * time.Minute},
			playback: playback.Playback{ID: "match", Agora: &playback.Agora{}, TTL: 5 * time.Minute},
			stream:   edge.Stream{Playlist: "/live/match/playlist.m3u8", Live: true},
		},
	}
	for i := range all {
		e := &all[i]
		e.playback.TargetID, e.stream.Target, e.stream.Scheme = e.target.ID, e.target.ID, e.target.Scheme
	}
	return all
}

func streams() []edge.Stream {
	var all []edge.Stream
	for _, e := range exhibits() {
		all = append(all, e.stream)
	}
	return all
}

// seed puts the exhibits into the store, with fresh keys where there are none, and the edge's present
// origin into the URLs.
func (a *App) seed(ctx context.Context, origin string) error {
	for _, e := range exhibits() {
		if err := a.seedTarget(ctx, e.target); err != nil {
			return fmt.Errorf("sandbox target %s: %w", e.target.ID, err)
		}
		e.playback.URL = origin + e.stream.Playlist
		if err := a.seedPlayback(ctx, e.playback); err != nil {
			return fmt.Errorf("sandbox playback %s: %w", e.playback.ID, err)
		}
	}
	return a.Refresh(ctx)
}

func (a *App) seedTarget(ctx context.Context, t keystore.Target) error {
	t.CreatedAt, t.UpdatedAt = a.now(), a.now()
	if _, err := a.store.Create(ctx, t); err != nil && !errors.Is(err, keystore.ErrConflict) {
		return err
	}
	record, err := a.store.Get(ctx, t.ID)
	if err != nil || len(record.Keys) > 0 {
		return err
	}
	scheme, err := schemes.New(t.Scheme, t.Options)
	if err != nil {
		return err
	}
	material, err := freshMaterial(t.Scheme)
	if err != nil {
		return err
	}
	key, err := scheme.Prepare(material)
	if err != nil {
		return err
	}
	fence, err := a.lease(ctx, t.ID)
	if err != nil {
		return err
	}
	_, err = a.store.Update(ctx, t.ID, fence, func(r *keystore.Record) error {
		k := r.Add(keystore.Key{KID: key.ID(), Fingerprint: key.Fingerprint(), Origin: "dev"}, a.now())
		sealed, err := a.sealer.Seal(keystore.Binding{Target: t.ID, Version: k.Version}, material.Secret)
		if err != nil {
			return err
		}
		k.Sealed = sealed
		return r.Activate(k.Version, a.now(), a.timing())
	})
	return errors.Join(err, a.store.Release(ctx, t.ID, fence))
}

// freshMaterial makes a key as the provider of the scheme would.
func freshMaterial(scheme string) (tokens.Material, error) {
	if scheme == schemes.QencodeJWT {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return tokens.Material{}, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return tokens.Material{}, err
		}
		return tokens.Material{ID: uuid.NewString(), Secret: tokens.NewSecret(der)}, nil
	}
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // never fails, and fills secret
	return tokens.Material{Secret: tokens.NewSecret([]byte(hex.EncodeToString(secret)))}, nil
}

func (a *App) seedPlayback(ctx context.Context, p playback.Playback) error {
	p.CreatedAt, p.UpdatedAt = a.now(), a.now()
	_, err := a.store.CreatePlayback(ctx, p)
	if !errors.Is(err, keystore.ErrConflict) {
		return err
	}
	_, err = a.store.UpdatePlayback(ctx, p.ID, func(stored *playback.Playback) error {
		stored.URL = p.URL
		return nil
	})
	return err
}
