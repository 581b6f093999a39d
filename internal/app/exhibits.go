package app

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
	"github.com/tokensvc/tokensvc/internal/sandbox/standins"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// devLifetime is T of the sandbox's targets at a stand-in: no cut and no retirement comes earlier, and nobody
// who tries a rotation wants to wait for long. devTTL leaves room for an expiry_granularity.
const (
	devLifetime = time.Minute
	devTTL      = 45 * time.Second
)

// Ids at the stand-ins.
const (
	devStream     = "5b1f0a52-6a53-4b8e-9d53-1f3f7a3b8f10"
	devPlaybackID = "b7f2c9e0a1d34e5f"
)

// exhibit is one playback of the sandbox with all that it needs.
type exhibit struct {
	target   keystore.Target
	playback playback.Playback
	// streams are what the edge serves: one for each of the target's resources.
	streams []edge.Stream
}

// exhibits returns one playback for each scheme, and one for each provider whose targets can form pairs.
// URLs lack the edge's origin. On loopback there are no domains: the two of an Agora pair differ in the path.
func exhibits() []exhibit {
	hdnts := func(id, streamID string) edge.Stream {
		return edge.Stream{Playlist: "/1/" + streamID + "/" + id + "/hls/live/playlist.m3u8", Live: true}
	}
	all := []exhibit{
		{
			target:   keystore.Target{ID: "wowza-live", Provider: standins.Wowza, Scheme: schemes.WowzaHdnts, Resources: []string{"sandboxEvent"}},
			playback: playback.Playback{ID: "big-event", Hdnts: &playback.Hdnts{StreamID: "NUtjdHdsc3g4Z21L"}},
			streams:  []edge.Stream{hdnts("big-event", "NUtjdHdsc3g4Z21L")},
		},
		{
			target:   keystore.Target{ID: "akamai-vod", Provider: "akamai", Scheme: schemes.AkamaiEdgeAuth, MaxTokenLifetime: 6 * time.Hour},
			playback: playback.Playback{ID: "film", EdgeAuth: &playback.EdgeAuth{ACL: []string{"/vod/film/*"}}, TTL: time.Hour},
			streams:  []edge.Stream{{Playlist: "/vod/film/playlist.m3u8"}},
		},
		{
			target:   keystore.Target{ID: "qencode-live", Provider: standins.Qencode, Scheme: schemes.QencodeJWT, Resources: []string{"stream:" + devStream}},
			playback: playback.Playback{ID: "concert", Qencode: &playback.Qencode{URI: devPlaybackID}, ExpiryGranularity: 10 * time.Second},
			streams:  []edge.Stream{{Playlist: "/" + devPlaybackID + ".m3u8", PlaybackID: devPlaybackID, Live: true}},
		},
		{
			target:   keystore.Target{ID: "agora-play", Provider: standins.Agora, Scheme: schemes.AgoraTimestamp, Resources: []string{"domain:play.sandbox.example"}},
			playback: playback.Playback{ID: "match", Agora: &playback.Agora{}},
			streams:  []edge.Stream{{Playlist: "/live/match/playlist.m3u8", Live: true}},
		},
		{
			target: keystore.Target{ID: "wowza-pair", Provider: standins.Wowza, Scheme: schemes.WowzaHdnts, Resources: []string{"sandboxFinalA", "sandboxFinalB"}},
			playback: playback.Playback{
				ID: "final", Hdnts: &playback.Hdnts{StreamID: "ZmluYWwtYWFhYWFh"}, Alternate: &playback.Alternate{StreamID: "ZmluYWwtYmJiYmJi"},
			},
			streams: []edge.Stream{hdnts("final", "ZmluYWwtYWFhYWFh"), hdnts("final", "ZmluYWwtYmJiYmJi")},
		},
		{
			target: keystore.Target{
				ID: "agora-pair", Provider: standins.Agora, Scheme: schemes.AgoraTimestamp,
				Resources: []string{"domain:derby-a.sandbox.example", "domain:derby-b.sandbox.example"},
			},
			playback: playback.Playback{ID: "derby", Agora: &playback.Agora{}, Alternate: &playback.Alternate{}},
			streams:  []edge.Stream{{Playlist: "/live-a/derby/playlist.m3u8", Live: true}, {Playlist: "/live-b/derby/playlist.m3u8", Live: true}},
		},
	}
	for i := range all {
		all[i].complete()
	}
	return all
}

// complete fills in what follows from the rest.
func (e *exhibit) complete() {
	e.playback.TargetID = e.target.ID
	for i := range e.streams {
		e.streams[i].Target, e.streams[i].Scheme = e.target.ID, e.target.Scheme
	}
	if len(e.target.Resources) == 0 {
		return
	}
	e.target.Account, e.target.MaxTokenLifetime, e.playback.TTL = account(e.target.Provider), devLifetime, devTTL
	for i, resource := range e.target.Resources {
		e.streams[i].Target = resource // the edge asks the stand-in about it
	}
}

// at returns the playback with its addresses at the edge.
func (e *exhibit) at(origin string) playback.Playback {
	p := e.playback
	p.URL = origin + e.streams[0].Playlist
	if p.Alternate != nil {
		p.Alternate = &playback.Alternate{URL: origin + e.streams[1].Playlist, StreamID: p.Alternate.StreamID}
	}
	return p
}

func streams() []edge.Stream {
	var all []edge.Stream
	for _, e := range exhibits() {
		all = append(all, e.streams...)
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
		if err := a.seedPlayback(ctx, e.at(origin)); err != nil {
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
	record, err := a.atStandIn(ctx, t)
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

// atStandIn returns the stored record of a target. One of a data folder that is older than the stand-ins gets
// its account and its resources.
func (a *App) atStandIn(ctx context.Context, t keystore.Target) (keystore.Record, error) {
	record, err := a.store.Get(ctx, t.ID)
	if err != nil || record.Target.Account == t.Account && slices.Equal(record.Target.Resources, t.Resources) {
		return record, err
	}
	stored := record.Target
	stored.Account, stored.Resources = t.Account, t.Resources
	if err := a.applyTarget(ctx, stored); err != nil {
		return record, err
	}
	return a.store.Get(ctx, t.ID)
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
		stored.URL, stored.Alternate = p.URL, p.Alternate
		return nil
	})
	return err
}
