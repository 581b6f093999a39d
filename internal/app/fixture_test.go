package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is a log that goroutines may write to.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func inputs(log io.Writer) app.Inputs {
	return app.Inputs{Stdin: strings.NewReader(""), CPUs: 2, Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil))}
}

// configIn keeps the store and the master key in dir and listens on free ports.
func configIn(dir string) config.Config {
	cfg := config.Defaults()
	cfg.Listen = config.Listen{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0"}
	cfg.Store.Path = filepath.Join(dir, "tokensvc.db")
	cfg.MasterKey.File = filepath.Join(dir, "master.key")
	cfg.ShutdownTimeout = 10 * time.Second
	return cfg
}

// running is a service under way.
type running struct {
	base   string
	client *http.Client
	stop   func()
}

// run starts fn, which serves base until its context ends.
func run(t *testing.T, base string, fn func(context.Context) error) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	transport := &http.Transport{}
	var once sync.Once
	r := &running{base: base, client: &http.Client{Transport: transport}, stop: func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run: %v", err)
			}
			transport.CloseIdleConnections()
		})
	}}
	t.Cleanup(r.stop)
	return r
}

// serve makes an App of a config and runs it.
func serve(t *testing.T, cfg config.Config) *running {
	t.Helper()
	a, err := app.New(t.Context(), cfg, inputs(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	return run(t, "http://"+a.HTTPAddr(), a.Run)
}

// call makes an HTTP call with a JSON body, or none when it is "", and reads a JSON answer.
func (r *running) call(t *testing.T, method, path, body string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, text)
	}
	return resp.StatusCode, out
}

// must is call for what has to work.
func (r *running) must(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	code, out := r.call(t, method, path, body)
	if code != 200 {
		t.Fatalf("%s %s: %d %v", method, path, code, out)
	}
	return out
}

// field reaches into an answer.
func field(t *testing.T, m map[string]any, path ...string) any {
	t.Helper()
	var v any = m
	for _, name := range path {
		inner, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("no %v in %v", path, m)
		}
		v = inner[name]
	}
	return v
}
