package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/obs"
	"github.com/tokensvc/tokensvc/internal/server"
)

// metricsGrace is how long a scrape may take that is under way when the job ends.
const metricsGrace = 5 * time.Second

// WatchAndShow rotates until ctx ends, and shows metrics at GET /metrics of a loopback address meanwhile: those of
// serve that are about keys, rotations and providers.
func (s *Sync) WatchAndShow(ctx context.Context, address string) error {
	if err := config.CheckLoopback(address); err != nil {
		return err
	}
	listener, err := Listen(ctx, address, "--metrics")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", obs.NewMetrics(s.app.state, func() []obs.Family { return []obs.Family{s.app.calls.family()} }, s.app.log))
	shown := &http.Server{
		Handler: server.OnLoopback(mux), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	s.app.log.Info("metrics", "http", listener.Addr().String())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Watch(ctx) })
	group.Go(func() error {
		if err := shown.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), metricsGrace)
		defer cancel()
		return errors.Join(shown.Shutdown(grace), shown.Close())
	})
	return group.Wait()
}
