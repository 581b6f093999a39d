package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/sandbox"
	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
	"github.com/tokensvc/tokensvc/internal/sandbox/standins"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/tokens"
)

// DevOptions say where a sandbox listens and what it keeps.
type DevOptions struct {
	// Config is the configuration of the service inside; its store and master key are replaced.
	Config config.Config
	// Edge is the address of the edge, on loopback.
	Edge string
	// Data is a folder to keep the store and the master key in; "" keeps everything in memory.
	Data string
	// Propagation is how long the edge takes to learn what has changed at a provider: above 0, at most ten
	// minutes.
	Propagation time.Duration
	// CookieBoundToSecret ends the edge's sessions when the secret changes that opened them.
	CookieBoundToSecret bool
}

// Dev is a service, stand-ins of the providers, a verifying edge and a small stream in one process.
type Dev struct {
	app         *App
	standins    *standins.Standins
	resources   map[string]string // the provider of each resource at a stand-in
	listener    net.Listener
	edge        *http.Server
	data        string
	propagation time.Duration
}

// DevInfo tells what runs where.
type DevInfo struct {
	HTTP      string        `json:"http"`
	GRPC      string        `json:"grpc"`
	Edge      string        `json:"edge"`
	Player    string        `json:"player"`
	Data      string        `json:"data,omitempty"`
	Playbacks []DevPlayback `json:"playbacks"`
	// Providers are the addresses of the stand-ins.
	Providers map[string]string `json:"providers"`
	Terms     DevTerms          `json:"terms"`
}

// DevTerms are the times of rotation, as Go durations.
type DevTerms struct {
	MaxTokenLifetime string `json:"max_token_lifetime"`
	SnapshotMaxAge   string `json:"snapshot_max_age"`
	ClockSkew        string `json:"clock_skew"`
	Propagation      string `json:"propagation"`
}

// DevPlayback is one of the sandbox's playbacks.
type DevPlayback struct {
	ID     string `json:"id"`
	Target string `json:"target"`
	Scheme string `json:"scheme"`
	URL    string `json:"url"`
	// Provider is the target's.
	Provider string `json:"provider"`
	// Mode is how the target's key rotates; empty where it does not.
	Mode string `json:"mode,omitempty"`
}

// NewDev assembles a sandbox with one playback for each scheme.
func NewDev(ctx context.Context, o DevOptions, in Inputs) (*Dev, error) {
	if err := config.CheckLoopback(o.Edge); err != nil {
		return nil, fmt.Errorf("--edge: %w", err)
	}
	if o.Propagation <= 0 || o.Propagation > maxDevPropagation {
		return nil, fmt.Errorf("--propagation: want more than 0s and at most %s, not %s", maxDevPropagation, o.Propagation)
	}
	d := &Dev{data: o.Data, propagation: o.Propagation, resources: map[string]string{}}
	if err := d.open(ctx, o, in); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Dev) open(ctx context.Context, o DevOptions, in Inputs) error {
	o.Config.Store.Path = sqlite.Memory
	o.Config.MasterKey = config.MasterKey{}
	if o.Data != "" {
		if err := os.MkdirAll(o.Data, 0o700); err != nil {
			return fmt.Errorf("--data: %w", err)
		}
		o.Config.Store.Path = filepath.Join(o.Data, "tokensvc.db")
		o.Config.MasterKey.File = filepath.Join(o.Data, "master.key")
	}
	var err error
	if d.listener, err = Listen(ctx, o.Edge, "--edge"); err != nil {
		return err
	}
	page, err := sandbox.Page(d.origin())
	if err != nil {
		return err
	}
	in.Extra = map[string]http.Handler{
		"GET " + sandbox.PagePath: page, "GET " + sandbox.PagePath + "/": page,
		"GET /{$}": http.RedirectHandler(sandbox.PagePath, http.StatusFound),
	}
	if err := d.startStandins(ctx, in.Now); err != nil {
		return err
	}
	in.Sync = true
	if d.app, err = New(ctx, sandboxed(o.Config, o, d.standins.Credentials()), in); err != nil {
		return err
	}
	if err := d.app.seed(ctx, d.origin()); err != nil {
		return err
	}
	if err := d.app.stand(ctx, d.standins); err != nil {
		return err
	}
	handler, err := edge.New(edge.Config{
		Keys: d.keys, Now: in.Now, PageOrigins: []string{"http://" + d.app.HTTPAddr()}, Streams: streams(),
		CookieBoundToSecret: o.CookieBoundToSecret,
	})
	if err != nil {
		return err
	}
	d.edge = edge.Server(handler)
	return nil
}

func (d *Dev) origin() string { return "http://" + d.listener.Addr().String() }

func (d *Dev) startStandins(ctx context.Context, now func() time.Time) error {
	for _, e := range exhibits() {
		for _, resource := range e.target.Resources {
			d.resources[resource] = e.target.Provider
		}
	}
	var err error
	d.standins, err = standins.Start(ctx, standins.Config{Now: now, Propagation: d.propagation, PlaybackBase: d.origin(), Streams: []string{devStream}})
	return err
}

// keys returns the keys that the edge of a provider knows now for a resource, or, where no stand-in has it, those
// that the provider of a target would accept.
func (d *Dev) keys(name string) []tokens.Key {
	if provider, ok := d.resources[name]; ok {
		return d.standins.Keys(provider, name)
	}
	return d.app.acceptedKeys(name)
}

// acceptedKeys returns the keys whose tokens the provider of a target would accept.
func (a *App) acceptedKeys(target string) []tokens.Key {
	t := a.keyring.Snapshot().Target(target)
	if t == nil {
		return nil
	}
	var keys []tokens.Key
	now := a.now()
	for _, k := range t.Keys {
		if k.Accepted(now) {
			keys = append(keys, k.Key)
		}
	}
	return keys
}

// Info tells what runs where.
func (d *Dev) Info() DevInfo {
	info := DevInfo{
		HTTP: "http://" + d.app.HTTPAddr(), GRPC: d.app.GRPCAddr(), Edge: d.origin(),
		Player: "http://" + d.app.HTTPAddr() + sandbox.PagePath, Data: d.data,
	}
	for _, e := range exhibits() {
		p := DevPlayback{
			ID: e.playback.ID, Target: e.target.ID, Provider: e.target.Provider, Scheme: e.target.Scheme, URL: d.origin() + e.streams[0].Playlist,
		}
		if e.target.Account != "" {
			p.Mode = string(e.target.Mode())
		}
		info.Playbacks = append(info.Playbacks, p)
	}
	c := d.standins.Credentials()
	info.Providers = map[string]string{standins.Wowza: c.WowzaURL, standins.Qencode: c.QencodeURL, standins.Agora: c.AgoraURL}
	info.Terms = DevTerms{
		MaxTokenLifetime: devLifetime.String(), SnapshotMaxAge: devSnapshotMaxAge.String(), ClockSkew: devClockSkew.String(),
		Propagation: d.propagation.String(),
	}
	return info
}

// Run serves until ctx ends. It closes the Dev.
func (d *Dev) Run(ctx context.Context) error {
	serving, group := errgroup.WithContext(ctx)
	serving.Go(func() error { return d.app.Run(group) })
	serving.Go(func() error {
		if err := d.edge.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	serving.Go(func() error {
		<-group.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := d.edge.Shutdown(grace); err != nil {
			return d.edge.Close() // a player may hold its connection for ever
		}
		return nil
	})
	return errors.Join(serving.Wait(), d.standins.Close())
}

// Close frees what NewDev has opened.
func (d *Dev) Close() error {
	var errs []error
	if d.listener != nil {
		if err := d.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if d.app != nil {
		errs = append(errs, d.app.Close())
	}
	if d.standins != nil {
		errs = append(errs, d.standins.Close())
	}
	return errors.Join(errs...)
}
