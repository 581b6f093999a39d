package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/obs"
	"github.com/tokensvc/tokensvc/internal/server"
)

// served is what the service says of itself, at start and whenever it is asked.
type served struct {
	GRPC string        `json:"grpc"`
	HTTP string        `json:"http"`
	CPU  time.Duration `json:"cpu"`
	// Peak is the most memory that was resident, in bytes.
	Peak int64 `json:"peak"`
}

// serve runs the service as `tokensvc serve` does, with the empty call and the empty handler beside the API,
// until in ends. Its store and its master key stand in dir.
func serve(ctx context.Context, in io.Reader, out io.Writer, dir, profile string) (err error) {
	if profile != "" {
		file, err := os.Create(profile) //nolint:gosec // named by the user
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return errors.Join(err, file.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, file.Close())
		}()
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, null.Close()) }()
	cfg := config.Defaults()
	cfg.Listen = config.Listen{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0"}
	cfg.Store.Path = filepath.Join(dir, "store.db")
	cfg.MasterKey.File = filepath.Join(dir, "master.key")
	cfg.TrustedProxies = []string{"127.0.0.0/8"}
	service, err := app.New(ctx, cfg, app.Inputs{
		Stdin: eof{}, CPUs: app.TuneRuntime(os.Environ()), Now: time.Now,
		Log:      obs.NewLogger(null, cfg.Log.SlogLevel(), cfg.Log.Format),
		Services: []server.Service{newEcho()},
		Extra:    map[string]http.Handler{"GET " + emptyPath: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})},
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	answer := json.NewEncoder(out)
	questions := bufio.NewScanner(in)
	for {
		if err := answer.Encode(served{GRPC: service.GRPCAddr(), HTTP: service.HTTPAddr(), CPU: cpuTime(), Peak: peakMemory()}); err != nil {
			return err
		}
		if !questions.Scan() {
			stop()
			return errors.Join(questions.Err(), <-done)
		}
	}
}

// eof is an input with nothing in it.
type eof struct{}

// Read implements io.Reader.
func (eof) Read([]byte) (int, error) { return 0, io.EOF }
