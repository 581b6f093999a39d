package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/obs"
)

func newServe(c *common) *cobra.Command {
	var sync bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the service over gRPC and HTTP",
		Long: "Serve runs the service. It listens on loopback only: callers are not authenticated yet, and whoever can\n" +
			"reach the listener can sign and administer keys. Put your web app on the same machine, or a proxy that\n" +
			"authenticates in front.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.loadConfig(cmd)
			if err != nil {
				return err
			}
			in := c.inputs(cfg)
			in.Sync = sync
			service, err := app.New(cmd.Context(), cfg, in)
			if err != nil {
				return err
			}
			in.Log.Info("serving", "grpc", service.GRPCAddr(), "http", service.HTTPAddr(), "store", cfg.Store.Path, "callers", "not authenticated yet: loopback only", "version", obs.Version().Version)
			return service.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&sync, "sync", false, "rotate keys at their providers too, as `tokensvc sync --watch` does")
	bindConfig(cmd)
	return cmd
}

// bindConfig gives a command the flags of the config. A fault there is one of the program.
func bindConfig(cmd *cobra.Command) {
	if err := config.BindFlags(cmd.Flags()); err != nil {
		panic(err)
	}
}

// loadConfig reads flags, environment and file, prints the warnings and refuses faults.
func (c *common) loadConfig(cmd *cobra.Command) (config.Config, error) {
	cfg, warnings, err := config.Load(cmd.Flags(), c.sys.environ, os.ReadFile)
	for _, w := range warnings {
		if _, werr := fmt.Fprintf(c.sys.err, "warning: %s\n", w); werr != nil {
			return cfg, errors.Join(err, werr)
		}
	}
	return cfg, err
}

// inputs are what the service takes from this process.
func (c *common) inputs(cfg config.Config) app.Inputs {
	log := obs.NewLogger(c.sys.err, cfg.Log.SlogLevel(), cfg.Log.Format)
	app.RouteLibraryLogs(log)
	return app.Inputs{Stdin: c.sys.in, CPUs: app.TuneRuntime(c.sys.environ), Now: time.Now, Log: log}
}
