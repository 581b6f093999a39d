package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/entitle/webhook"
	"github.com/tokensvc/tokensvc/internal/obs"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
)

// keepEnded is how long sessions that have ended, and whose tokens have expired, are still listed.
const keepEnded = 24 * time.Hour

// Inputs are what an App takes from its process.
type Inputs struct {
	// Stdin is where master keys are read from when the config says so.
	Stdin io.Reader
	// CPUs is how many CPUs there are for RSA signatures.
	CPUs int
	Now  func() time.Time
	Log  *slog.Logger
	// Extra are further HTTP handlers by pattern.
	Extra map[string]http.Handler
	// Sync rotates keys in this process too, as `tokensvc sync --watch` does in one of its own.
	Sync bool
	// Services are served beside the API, behind the same interceptors.
	Services []server.Service
}

// App is a service ready to run.
type App struct {
	cfg       config.Config
	log       *slog.Logger
	now       func() time.Time
	holder    string // of leases
	store     *sqlite.Store
	sealer    *envelope.Envelope
	keyring   *signer.Keyring
	catalogue *playback.Catalogue
	keeper    *session.Keeper
	signer    *signer.Signer
	hooks     *webhook.Hooks
	policies  *entitle.Policies
	server    *server.Server
	executor  *rotate.Executor // nil in a service without Inputs.Sync
	adapters  providers        // nil unless Inputs.Sync
	counters
	stopTrace func(context.Context) error
	grpc      net.Listener
	http      net.Listener
}

// New opens the store, proves the master key, loads the snapshots and binds the listeners. Close or
// Run must follow.
func New(ctx context.Context, cfg config.Config, in Inputs) (*App, error) {
	a := &App{cfg: cfg, log: in.Log, now: in.Now, holder: "start/" + rand.Text(), counters: newCounters()}
	in.Extra = a.withMetrics(in.Extra)
	if err := a.open(ctx, in); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) open(ctx context.Context, in Inputs) error {
	if err := a.openStore(ctx, in); err != nil {
		return err
	}
	if err := a.openPolicies(); err != nil {
		return err
	}
	if err := a.applyManaged(ctx); err != nil {
		return err
	}
	a.keyring = signer.NewKeyring(a.store, a.sealer, a.now, a.log)
	a.keyring.LimitLifetime(a.cfg.MaxLifetime)
	a.catalogue = playback.NewCatalogue(a.store, a.log)
	a.keeper = session.NewKeeper(a.store, session.DefaultKeeperConfig(a.cfg.SnapshotMaxAge), a.now, a.log)
	if err := a.Refresh(ctx); err != nil {
		return err
	}
	if in.Sync {
		if err := a.openExecutor(); err != nil {
			return err
		}
	}
	a.signer = signer.New(a.keyring, a.signerConfig(in.CPUs), a.now)
	return a.listen(ctx, in)
}

func (a *App) openStore(ctx context.Context, in Inputs) error {
	var err error
	if a.store, err = sqlite.Open(ctx, a.cfg.Store.Path, sqlite.Options{Now: a.now}); err != nil {
		return err
	}
	if a.sealer, err = openSealer(ctx, a.cfg, a.store, in.Stdin, a.log); err != nil {
		return err
	}
	return a.sealer.Check(ctx, a.store)
}

func (a *App) signerConfig(cpus int) signer.Config {
	s := signer.DefaultConfig(cpus)
	s.Timing = a.timing()
	s.Propagation, s.MaxCall = a.cfg.Propagation, a.cfg.MaxCall
	s.MaxWait, s.SharedTokens = a.cfg.Signing.MaxWait, a.cfg.Signing.SharedTokens
	bounds := a.cfg.Signing.Resolve(cpus)
	s.Workers, s.Queue = bounds.Workers, bounds.Queue
	return s
}

func (a *App) timing() keystore.Timing { return a.cfg.Timing() }

func (a *App) listen(ctx context.Context, in Inputs) error {
	tracer, stop, err := obs.NewTracer(ctx, obs.TracerConfig{
		Endpoint: a.cfg.Tracing.OTLPEndpoint, Insecure: a.cfg.Tracing.Insecure, SampleRatio: a.cfg.Tracing.SampleRatio, Log: a.log,
	})
	if err != nil {
		return err
	}
	a.stopTrace = stop
	a.checks = &entitle.Counted{Checker: a.policies}
	a.sessions = &session.Counted{Store: a.store}
	accounts := make(map[string]string, len(a.cfg.Accounts))
	for _, account := range a.cfg.Accounts {
		accounts[account.ID] = account.Provider
	}
	edges, envoy, err := a.edges()
	if err != nil {
		return err
	}
	a.server, err = server.New(server.Options{
		Keys: a.store, Sealer: a.sealer, Playbacks: a.store, Catalogue: a.catalogue, Grants: a.store, Keyring: a.keyring, Signer: a.signer,
		Checker: a.checks, Policies: a.policies,
		Sessions: a.sessions, Keeper: a.keeper, Ban: a.ban(),
		Timing: a.timing(), Rotation: a.rotation(), Accounts: accounts, Mint: a.cfg.API.Mint, MaxBody: int(a.cfg.Limits.MaxBody),
		RequestTimeout: a.cfg.Limits.RequestTimeout, Extra: in.Extra, Edge: edges, Services: append(in.Services, envoy), Tracer: tracer, Log: a.log, Now: a.now,
	})
	if err != nil {
		return err
	}
	if a.grpc, err = Listen(ctx, a.cfg.Listen.GRPC, "listen.grpc"); err != nil {
		return err
	}
	a.http, err = Listen(ctx, a.cfg.Listen.HTTP, "listen.http")
	return err
}

// Listen binds a TCP address and says which setting to change when it cannot.
func Listen(ctx context.Context, address, setting string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; choose another address, or port 0 for a free one", setting, err)
	}
	return l, nil
}

// GRPCAddr returns the address of the gRPC listener.
func (a *App) GRPCAddr() string { return a.grpc.Addr().String() }

// HTTPAddr returns the address of the HTTP listener.
func (a *App) HTTPAddr() string { return a.http.Addr().String() }

// Refresh brings the snapshots up to date with the store.
func (a *App) Refresh(ctx context.Context) error {
	return errors.Join(a.keyring.Refresh(ctx), a.catalogue.Refresh(ctx), a.keeper.Refresh(ctx))
}

// Run serves until ctx ends, then shuts down: readiness first, then the calls in flight, then the
// background work, then the store. It closes the App.
func (a *App) Run(ctx context.Context) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	serving, group := errgroup.WithContext(ctx)
	poll := a.cfg.SnapshotMaxAge / 6
	loops := errgroup.Group{}
	loops.Go(func() error { return a.keyring.Run(background, poll) })
	loops.Go(func() error { return a.catalogue.Run(background, a.store.Watch(background), poll) })
	loops.Go(func() error { return a.keeper.Run(background, poll) })
	loops.Go(func() error { return session.Sweep(background, a.store, keepEnded, a.now, a.log) })
	if a.executor != nil {
		loops.Go(func() error { return a.executor.Loop(background) })
	}
	serving.Go(func() error { return a.server.ServeGRPC(a.grpc) })
	serving.Go(func() error { return a.server.ServeHTTP(a.http) })
	serving.Go(func() error {
		<-group.Done()
		a.log.Info("shutting down", "grace", a.cfg.ShutdownTimeout.String())
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.ShutdownTimeout)
		defer cancel()
		return a.server.Shutdown(grace)
	})
	err := serving.Wait()
	stopBackground()
	return errors.Join(err, loops.Wait(), a.Close())
}

// Close frees what New has opened.
func (a *App) Close() error {
	var errs []error
	for _, l := range []net.Listener{a.grpc, a.http} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if a.signer != nil {
		a.signer.Close()
	}
	if a.hooks != nil {
		a.hooks.Close()
	}
	if a.stopTrace != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = append(errs, a.stopTrace(ctx))
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}
