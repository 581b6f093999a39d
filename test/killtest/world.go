package killtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/internal/sandbox/standins"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

const (
	storeFile = "tokensvc.db"
	// patience is how long anything may take that takes a moment on an idle machine.
	patience = 30 * time.Second
)

// Options say what a world is made of.
type Options struct {
	// Binary is the path of tokensvc.
	Binary string
	// Dir is an empty folder for the store and the config file.
	Dir  string
	Kind Kind
	// AtAgora has Agora rather than Wowza be the provider of a Setter or a Pair.
	AtAgora bool
	// SoleOwner is the target's policy on keys that were made and lost.
	SoleOwner bool
	// Log is told what the processes print, and what happens to them. It must not block.
	Log func(who, line string)
}

// World is one store with the two processes on it, the stand-ins of the providers and an edge. It has one Target
// with one Playback, whose first key stood at the provider before.
type World struct {
	// Plan is what goes wrong at the stand-ins, and sees what they change.
	Plan *fault.Plan

	o        Options
	exhibit  exhibit
	standins *standins.Standins
	origin   string // of the edge
	edge     *http.Server
	config   string
	environ  []string
	serving  sync.WaitGroup

	serve, sync part
	client      client
	mu          sync.Mutex
	accidents   []string // what nobody did to the processes
	restarting  sync.WaitGroup
	edgeFailure error
}

// Start opens a world: both processes run, and the first key signs.
func Start(ctx context.Context, o Options) (*World, error) {
	w := &World{o: o, exhibit: exhibitOf(o.Kind, o.AtAgora), Plan: fault.New(time.Now)}
	w.serve.name, w.sync.name = "serve", "sync"
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) open(ctx context.Context) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.origin = "http://" + listener.Addr().String()
	w.standins, err = standins.Start(ctx, standins.Config{
		Now: time.Now, Propagation: propagation, PlaybackBase: w.origin, Streams: []string{streamUUID}, Plan: w.Plan,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	handler, err := edge.New(edge.Config{
		Keys: func(resource string) []tokens.Key { return w.standins.Keys(w.exhibit.provider, resource) },
		Now:  time.Now, Streams: w.exhibit.streams,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	w.edge = edge.Server(handler)
	w.serving.Go(func() {
		if err := w.edge.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			w.edgeFailure = err
		}
	})
	if w.config, w.environ, err = writeSettings(w.o.Dir, w.origin, &w.exhibit, w.standins.Credentials(), w.o.SoleOwner); err != nil {
		return err
	}
	if err := w.StartServe(ctx); err != nil {
		return err
	}
	if err := w.StartSync(ctx); err != nil {
		return err
	}
	return w.firstKey(ctx)
}

// firstKey has a key stand at the provider and signs with it from now on.
func (w *World) firstKey(ctx context.Context) error {
	material, err := freshMaterial(w.o.Kind)
	if err != nil {
		return err
	}
	for slot := range w.exhibit.resources {
		st := w.exhibit.standing(slot)
		if slot == 0 {
			st.KID, st.Secret = material.ID, material.Secret
		}
		if err := w.standins.Put(st); err != nil {
			return err
		}
	}
	api, err := w.client.api()
	if err != nil {
		return err
	}
	_, err = api.keys.ImportKey(ctx, &tokensvcv1.ImportKeyRequest{TargetId: Target, Material: material.Secret.Reveal(), Kid: material.ID, Activate: true})
	return err
}

// StartServe starts `tokensvc serve` and waits until it serves.
func (w *World) StartServe(ctx context.Context) error {
	serving := make(chan string, 1)
	line := func(text string) {
		var said struct{ Msg, GRPC string }
		if json.Unmarshal([]byte(text), &said) == nil && said.Msg == "serving" {
			serving <- said.GRPC
		}
	}
	p, err := w.start(ctx, &w.serve, line, "serve")
	if err != nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case address := <-serving:
		return w.client.dial(address)
	case <-p.ended:
		if p.killed.Load() {
			return errKilled
		}
		return fmt.Errorf("serve ended at its start: %w", p.err)
	case <-timer.C:
		return fmt.Errorf("serve does not serve after %s", patience)
	}
}

// StartSync starts `tokensvc sync --watch`.
func (w *World) StartSync(ctx context.Context) error {
	_, err := w.start(ctx, &w.sync, func(string) {}, "sync", "--watch")
	return err
}

// Close ends everything that runs.
func (w *World) Close() error {
	w.restarting.Wait()
	err := errors.Join(w.StopProcesses(), w.client.close())
	if w.edge != nil {
		err = errors.Join(err, w.edge.Close())
	}
	if w.standins != nil {
		err = errors.Join(err, w.standins.Close())
	}
	w.serving.Wait()
	return errors.Join(err, w.edgeFailure)
}

// Record reads the target from the store, as a third process beside the two.
func (w *World) Record(ctx context.Context) (r keystore.Record, err error) {
	err = w.Store(ctx, func(s *sqlite.Store) error {
		r, err = s.Get(ctx, Target)
		return err
	})
	return r, err
}

// Store opens the store for fn, as a third process beside the two.
func (w *World) Store(ctx context.Context, fn func(*sqlite.Store) error) error {
	s, err := sqlite.Open(ctx, filepath.Join(w.o.Dir, storeFile), sqlite.Options{MustExist: true, NoMigrate: true})
	if err != nil {
		return err
	}
	return errors.Join(fn(s), s.Close())
}

// Accidents are what happened to the processes that nobody did to them.
func (w *World) Accidents() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.accidents...)
}

func (w *World) accident(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.o.Log("world", "ACCIDENT "+text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accidents = append(w.accidents, text)
}
