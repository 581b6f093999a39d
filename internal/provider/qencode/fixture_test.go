package qencode_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	sandbox "github.com/tokensvc/tokensvc/internal/sandbox/provider/qencode"
	"github.com/tokensvc/tokensvc/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	apiKey   = "5adb0584aad45-test"
	streamID = "1f1ab6a3-d867-4787-b882-7f2fb1203634"
	stream   = "stream:" + streamID
	bucket   = "my-bucket"
)

// account is a stand-in with a client of it.
type account struct {
	server *sandbox.Server
	plan   *fault.Plan
	client *qencode.Client
	clock  *clock
	log    *lines
	url    string
}

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// lines keeps what was logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{clock: &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 890_000_000, time.UTC)}, log: &lines{}}
	a.plan = fault.New(a.clock.Now)
	var err error
	a.server, err = sandbox.New(sandbox.Config{
		APIKey: tokens.NewSecret([]byte(apiKey)), Now: a.clock.Now, Propagation: time.Minute,
		Streams: []string{streamID}, Buckets: []string{bucket}, Plan: a.plan,
	})
	if err != nil {
		t.Fatal(err)
	}
	a.client = a.clientOf(t, serve(t, a.server.CDN()), serve(t, a.server.Live()))
	return a
}

// clientOf makes a client of other addresses.
func (a *account) clientOf(t *testing.T, cdn, live string) *qencode.Client {
	t.Helper()
	a.url = cdn
	client, err := qencode.New(qencode.Config{
		APIKey: tokens.NewSecret([]byte(apiKey)), CDN: cdn, Live: live,
		HTTP: rest.Config{
			Now: a.clock.Now, Log: slog.New(slog.NewTextHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// answering returns a client of servers that answer every call but the login with one body.
func answering(t *testing.T, a *account, status int, body string) *qencode.Client {
	t.Helper()
	fixed := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	return a.clientOf(t, fixed, serve(t, a.server.Live()))
}

// wantClass checks the class of a failed call and returns what it says.
func wantClass(t *testing.T, err, class error) provider.Error {
	t.Helper()
	failure, ok := errors.AsType[*provider.Error](err)
	if !ok || !errors.Is(err, class) {
		t.Fatalf("got %v, want %v", err, class)
	}
	return *failure
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
