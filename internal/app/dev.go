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
}

// Dev is a service, a verifying edge and a small stream in one process.
type Dev struct {
	app      *App
	listener net.Listener
	edge     *http.Server
	data     string
}

// DevInfo tells what runs where.
type DevInfo struct {
	HTTP      string        `json:"http"`
	GRPC      string        `json:"grpc"`
	Edge      string        `json:"edge"`
	Player    string        `json:"player"`
	Data      string        `json:"data,omitempty"`
	Playbacks []DevPlayback `json:"playbacks"`
}

// DevPlayback is one of the sandbox's playbacks.
type DevPlayback struct {
	ID     string `json:"id"`
	Target string `json:"target"`
	Scheme string `json:"scheme"`
	URL    string `json:"url"`
}

// NewDev assembles a sandbox with one playback for each scheme.
func NewDev(ctx context.Context, o DevOptions, in Inputs) (*Dev, error) {
	if err := config.CheckLoopback(o.Edge); err != nil {
		return nil, fmt.Errorf("--edge: %w", err)
	}
	d := &Dev{data: o.Data}
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
	if d.app, err = New(ctx, o.Config, in); err != nil {
		return err
	}
	if err := d.app.seed(ctx, d.origin()); err != nil {
		return err
	}
	handler, err := edge.New(edge.Config{
		Keys: d.app.acceptedKeys, Now: in.Now, PageOrigins: []string{"http://" + d.app.HTTPAddr()}, Streams: streams(),
	})
	if err != nil {
		return err
	}
	d.edge = edge.Server(handler)
	return nil
}

func (d *Dev) origin() string { return "http://" + d.listener.Addr().String() }

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
		info.Playbacks = append(info.Playbacks, DevPlayback{
			ID: e.playback.ID, Target: e.target.ID, Scheme: e.target.Scheme, URL: d.origin() + e.stream.Playlist,
		})
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
	return serving.Wait()
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
	return errors.Join(errs...)
}
