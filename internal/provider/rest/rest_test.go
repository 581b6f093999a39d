package rest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
)

// proxied counts what reaches the proxy that the environment names. net/http reads the environment once, so it is
// set before any test.
var proxied atomic.Int32

func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		if err := os.Setenv(name, proxy.URL); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.Cleanup(func(code int) {
		proxy.Close()
		os.Exit(code)
	}))
}

// rig is a client, its server and a clock that only waiting moves.
type rig struct {
	plan *fault.Plan
	cfg  rest.Config
	log  bytes.Buffer

	mu     sync.Mutex
	now    time.Time
	slept  []time.Duration
	bodies []string
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) sleep(ctx context.Context, d time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slept = append(r.slept, d)
	r.now = r.now.Add(d)
	return ctx.Err()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	r.plan = fault.New(r.clock)
	api := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		fault.Effect(req.Context(), "noted", func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.bodies = append(r.bodies, req.URL.RequestURI()+" "+string(body))
		})
		w.Header().Set("X-Request-Id", "req-1")
		_, _ = w.Write([]byte(`{"ok":true}`))
	})
	server := httptest.NewServer(r.plan.Handler(func(*http.Request) string { return "call" }, api))
	t.Cleanup(server.Close)
	r.cfg = rest.Config{
		Provider: "vendor", Base: server.URL, Now: r.clock, Sleep: r.sleep, Jitter: func() float64 { return 0 },
		Log: slog.New(slog.NewJSONHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return r
}

func (r *rig) client(t *testing.T) *rest.Client {
	t.Helper()
	c, err := rest.New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func call(repeat rest.Repeat) rest.Request {
	return rest.Request{Call: "try", Method: http.MethodPost, Path: "/a/b", Body: []byte(`{}`), Repeat: repeat}
}

func TestRequestArrivesAsItIs(t *testing.T) {
	r := newRig(t)
	r.cfg.Base += "/base/"
	req := call(rest.Once)
	req.Path, req.Query = "/a%2Fb/c%20d", url.Values{"q": {"x y&z"}}
	resp, err := r.client(t).Do(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(r.bodies, ""), "/base/a%2Fb/c%20d?q=x+y%26z {}"; got != want {
		t.Errorf("arrived %q, want %q", got, want)
	}
	var body struct {
		OK bool `json:"ok"`
	}
	if err := rest.Decode(resp, &body); err != nil || !body.OK || resp.RequestID != "req-1" {
		t.Errorf("answer %+v, %v", resp, err)
	}
	for _, want := range []string{`"call":"try"`, `"status":200`, `"request_id":"req-1"`, `"duration":`} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("log %s lacks %s", r.log.String(), want)
		}
	}
	if strings.Contains(r.log.String(), "a%2Fb") || strings.Contains(r.log.String(), "127.0.0.1") {
		t.Errorf("log %s shows where the call went", r.log.String())
	}
}

func TestBadBasesAreRefused(t *testing.T) {
	r := newRig(t)
	for base, ok := range map[string]bool{
		"https://api.example.com": true, "https://api.example.com/v1": true, "http://127.0.0.1:8080": true,
		"http://[::1]:8080": true, "http://localhost": true,
		"": false, "api.example.com": false, "http://api.example.com": false, "ftp://127.0.0.1": false,
		"https://user:pass@api.example.com": false, "https://api.example.com?a=b": false, "https://": false,
		"http://127.0.0.1.example.com": false, "http://192.168.0.1": false,
	} {
		r.cfg.Base = base
		if _, err := rest.New(r.cfg); (err == nil) != ok {
			t.Errorf("base %q: %v, want ok = %v", base, err, ok)
		}
	}
	if _, err := rest.New(rest.Config{Base: "https://api.example.com"}); err == nil {
		t.Error("a client without name, log and clock was made")
	}
}

func TestBadRequestsAreNotSent(t *testing.T) {
	r := newRig(t)
	c := r.client(t)
	for _, path := range []string{"", "a", "/..", "/a/../b", "/a/%2e%2e/b", "/.", "/a?b", "/a#b", "/a%zz", `/a\b`} {
		req := call(rest.Idempotent)
		req.Path = path
		_, err := c.Do(t.Context(), req)
		if !errors.Is(err, provider.ErrRejected) {
			t.Errorf("path %q: %v, want it refused", path, err)
		}
	}
	long := call(rest.Idempotent)
	long.Body = make([]byte, rest.DefaultMaxBody+1)
	if _, err := c.Do(t.Context(), long); !errors.Is(err, provider.ErrRejected) {
		t.Errorf("a long body: %v, want it refused", err)
	}
	if n := r.plan.Count(""); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestWaitsGrowAndEnd(t *testing.T) {
	r := newRig(t)
	r.plan.Add(fault.Rule{Times: fault.Forever, Fault: fault.Status(503)})
	signed := 0
	req := call(rest.Idempotent)
	req.Sign = func(*http.Request, []byte) error { signed++; return nil }
	_, err := r.client(t).Do(t.Context(), req)
	if !errors.Is(err, provider.ErrAmbiguous) {
		t.Errorf("got %v, want doubt", err)
	}
	if n := r.plan.Count(""); n != rest.DefaultTries || signed != n {
		t.Errorf("%d tries, signed %d times; want %d of both", n, signed, rest.DefaultTries)
	}
	half := rest.DefaultBackoff / 2
	if want := []time.Duration{half, 2 * half, 4 * half}; len(r.slept) != 3 || r.slept[0] != want[0] || r.slept[1] != want[1] || r.slept[2] != want[2] {
		t.Errorf("waits %v, want %v", r.slept, want)
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	r := newRig(t)
	for text, want := range map[string]time.Duration{
		"3": 3 * time.Second, r.now.Add(5 * time.Second).Format(http.TimeFormat): 5 * time.Second,
		"99999999": 24 * time.Hour, "-1": 0, "soon": 0, "": 0, r.now.Add(-time.Hour).Format(http.TimeFormat): 0,
	} {
		r.plan.Add(fault.Rule{Fault: fault.Throttled(text)})
		_, err := r.client(t).Do(t.Context(), call(rest.Once))
		var failure *provider.Error
		if !errors.As(err, &failure) || failure.RetryAfter != want || !errors.Is(err, provider.ErrThrottled) {
			t.Errorf("Retry-After %q: %v, want %v", text, err, want)
		}
	}
}

func TestBudgetIsSharedAndHeld(t *testing.T) {
	r := newRig(t)
	r.cfg.Budget = rest.NewBudget(1, 1)
	one, two := r.client(t), r.client(t)
	for _, c := range []*rest.Client{one, two, one} {
		if _, err := c.Do(t.Context(), call(rest.Once)); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.slept) != 2 || r.slept[0] != time.Second || r.slept[1] != time.Second {
		t.Errorf("waits %v, want a second before the second and third call", r.slept)
	}
	r.plan.Add(fault.Rule{Fault: fault.Throttled("7")})
	if _, err := one.Do(t.Context(), call(rest.Once)); !errors.Is(err, provider.ErrThrottled) {
		t.Fatalf("got %v, want throttled", err)
	}
	if _, err := two.Do(t.Context(), call(rest.Once)); err != nil {
		t.Fatal(err)
	}
	if got := r.slept[len(r.slept)-1]; got != 7*time.Second {
		t.Errorf("the other client waited %v, the account was asked for 7s", got)
	}
}

func TestBudgetBeyondTheDeadlineSendsNothing(t *testing.T) {
	r := newRig(t)
	r.cfg.Budget = rest.NewBudget(0.01, 1)
	c := r.client(t)
	if _, err := c.Do(t.Context(), call(rest.Once)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Do(t.Context(), call(rest.Once))
	if !errors.Is(err, provider.ErrThrottled) || r.plan.Count("") != 1 {
		t.Errorf("got %v after %d requests, want throttled after one", err, r.plan.Count(""))
	}
}

func TestSkewIsMeasured(t *testing.T) {
	r := newRig(t)
	var told time.Duration
	r.cfg.OnSkew = func(d time.Duration) { told = d }
	for _, skew := range []time.Duration{0, time.Minute, -time.Minute} {
		r.plan.SetSkew(skew)
		resp, err := r.client(t).Do(t.Context(), call(rest.Once))
		if err != nil || !resp.Dated || resp.Skew != told || (resp.Skew-skew).Abs() > time.Second {
			t.Errorf("measured %v and told %v, want %v; %v", resp.Skew, told, skew, err)
		}
	}
}

func TestSignFailuresSendNothing(t *testing.T) {
	doubt := &provider.Error{Class: provider.ErrAmbiguous, Provider: "vendor", Call: "log in"}
	for sign, want := range map[error]error{
		errors.New("hush-hush"): provider.ErrRejected,
		doubt:                   provider.ErrThrottled,
		&provider.Error{Class: provider.ErrDenied, Provider: "vendor", Call: "log in"}: provider.ErrDenied,
	} {
		r := newRig(t)
		req := call(rest.Once)
		req.Sign = func(*http.Request, []byte) error { return sign }
		_, err := r.client(t).Do(t.Context(), req)
		if !errors.Is(err, want) || strings.Contains(err.Error(), "hush") || r.plan.Count("") != 0 {
			t.Errorf("sign failed with %v: %v, want %v", sign, err, want)
		}
	}
	if !errors.Is(doubt, provider.ErrAmbiguous) {
		t.Error("the error of the other call was changed")
	}
}

func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	r := newRig(t)
	r.cfg.Base, r.cfg.Timeout, r.cfg.Tries = "https://api.invalid", time.Second, 1
	_, err := r.client(t).Do(t.Context(), call(rest.Once))
	if !errors.Is(err, provider.ErrThrottled) || proxied.Load() != 0 {
		t.Errorf("got %v, and the proxy saw %d requests", err, proxied.Load())
	}
}

func TestTrustedAuthoritiesCanBeNamed(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("%s, want HTTP/1.1 even where the server offers more", r.Proto)
		}
		_, _ = w.Write([]byte(`{}`))
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	r := newRig(t)
	r.cfg.Base = server.URL
	transport, ok := server.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("the test server's client has another transport")
	}
	r.cfg.RootCAs = transport.TLSClientConfig.RootCAs
	if _, err := r.client(t).Do(t.Context(), call(rest.Once)); err != nil {
		t.Error(err)
	}
}

func TestRefineSharpensErrors(t *testing.T) {
	r := newRig(t)
	r.plan.Add(fault.Rule{Fault: fault.Status(400)})
	r.cfg.Refine = func(_ rest.Response, e *provider.Error) {
		e.Class, e.Gone, e.Code = provider.ErrRejected, true, rest.Code("E_1")
	}
	resp, err := r.client(t).Do(t.Context(), call(rest.Once))
	if !errors.Is(err, provider.ErrGone) || resp.Status != 400 || !strings.Contains(err.Error(), "E_1") {
		t.Errorf("got %v, want the refined error with its answer", err)
	}
}

func TestGivenUpCalls(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.client(t).Do(ctx, call(rest.Idempotent)); !errors.Is(err, provider.ErrThrottled) || r.plan.Count("") != 0 {
		t.Errorf("given up before it began: %v, want throttled", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	slow := fault.Slow(time.Minute)
	slow.Do = cancel
	r.plan.Add(fault.Rule{Fault: slow})
	if _, err := r.client(t).Do(ctx, call(rest.Idempotent)); !errors.Is(err, provider.ErrAmbiguous) || r.plan.Count("") != 1 {
		t.Errorf("given up while it ran: %v after %d requests, want doubt after one", err, r.plan.Count(""))
	}
}

func TestCodesAndIDsAreBounded(t *testing.T) {
	for text, want := range map[string]string{
		"ERR-401-InvalidToken": "ERR-401-InvalidToken", "a_b": "a_b", "a b": "", "<b>": "", "ä": "", strings.Repeat("a", 65): "",
	} {
		if got := rest.Code(text); got != want {
			t.Errorf("Code(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestDecodeWantsOneObject(t *testing.T) {
	for body, ok := range map[string]bool{
		`{"ok":true}`: true, " {} \n": true, `{"unknown":1}`: true,
		``: false, `null`: false, `[]`: false, `{}{}`: false, `{} x`: false, `{"ok":"secret"}`: false, `<html>`: false, `{`: false,
	} {
		var v struct {
			OK bool `json:"ok"`
		}
		err := rest.Decode(rest.Response{Provider: "vendor", Call: "try", Status: 200, Body: []byte(body)}, &v)
		if (err == nil) != ok || err != nil && (!errors.Is(err, provider.ErrAmbiguous) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%q: %v, want ok = %v", body, err, ok)
		}
	}
}
