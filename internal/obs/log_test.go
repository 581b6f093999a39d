package obs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/tokensvc/tokensvc/internal/obs"
	"github.com/tokensvc/tokensvc/tokens"
)

// urlError is an error type whose nil pointer panics when it is asked for its text.
type urlError struct{ u string }

func (e *urlError) Error() string { return e.u }

func TestLoggerTakesOutTokens(t *testing.T) {
	t.Parallel()
	const tokenURL = "https://e.example/x.m3u8?hdnts=exp=1700000000~hmac=" + hex64
	u, err := url.Parse(tokenURL)
	if err != nil {
		t.Fatal(err)
	}
	type request struct {
		URL    string
		Secret tokens.Secret
		Inner  *struct{ Token string }
	}
	jwt := "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjF9." + hex64
	var none *urlError
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := obs.NewLogger(&out, slog.LevelDebug, format)
		log.Info("signed " + tokenURL)
		log.Warn("all kinds",
			"text", tokenURL, "error", fmt.Errorf("fetch: %w", &url.Error{Op: "Get", URL: tokenURL, Err: io.EOF}),
			"url", u, "value", *u, "list", []string{"a", tokenURL}, "map", map[string]any{"u": tokenURL}, "struct", request{URL: tokenURL},
			"pointer", &request{Inner: &struct{ Token string }{jwt}}, "bytes", []byte(tokenURL), "nil", none, "none", nil,
			slog.Group("outer", slog.Group("inner", "jwt_text", "auth="+jwt)), "header", http(jwt),
			"secret", "short", "api_key", "short", "db_password", "short", "token", "short", "key", hex64[:32], "wrapped", tokens.NewSecret([]byte(hex64)),
		)
		log.With("base", tokenURL).WithGroup("g").Error("derived", "sign", "ts=1&sign="+hex64)
		got := out.String()
		for _, telltale := range []string{hex64, hex64[:32], "short", fmt.Sprintf("%x", hex64), "aHR0cHM6"} {
			if strings.Contains(got, telltale) {
				t.Errorf("%s: %s is left in\n%s", format, telltale, got)
			}
		}
		if n := strings.Count(got, "\n"); n != 3 {
			t.Errorf("%s: %d lines", format, n)
		}
	}
}

// http is a value that resolves when it is logged.
type http string

func (h http) LogValue() slog.Value {
	return slog.GroupValue(slog.String("cookie", "short"), slog.String("body", string(h)))
}

func TestLoggerKeepsTheRest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := obs.NewLogger(&out, slog.LevelInfo, "json")
	log.Debug("not logged")
	log.Info("call", "method", "/tokensvc.v1.KeyService/GetKey", "key", "big-stage/12", "fingerprint", hex64[:32], "took", 1500, "ok", true,
		"list", []int{1, 2}, "error", errors.New("no such key"), "empty_secret", "", "level", slog.LevelWarn)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	want := map[string]any{
		"msg": "call", "method": "/tokensvc.v1.KeyService/GetKey", "key": "big-stage/12", "fingerprint": hex64[:32], "took": 1500.0, "ok": true,
		"list": []any{1.0, 2.0}, "error": "no such key", "empty_secret": "", "level": "WARN",
	}
	if got, expected := fmt.Sprint(line), fmt.Sprint(want); got != expected {
		t.Errorf("got  %s\nwant %s", got, expected)
	}
}

func TestLoggerNamesTheTrace(t *testing.T) {
	t.Parallel()
	id := trace.TraceID{1, 2, 3}
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{1}}))
	var out bytes.Buffer
	log := obs.NewLogger(&out, slog.LevelInfo, "text").With("a", 1)
	log.InfoContext(ctx, "within")
	log.InfoContext(t.Context(), "without")
	lines := strings.Split(out.String(), "\n")
	if !strings.HasSuffix(lines[0], "msg=within a=1 trace_id="+id.String()) || !strings.HasSuffix(lines[1], "msg=without a=1") {
		t.Errorf("%q", lines)
	}
}

func BenchmarkLogger(b *testing.B) {
	for name, log := range map[string]*slog.Logger{
		"ours": obs.NewLogger(io.Discard, slog.LevelInfo, "json"),
		"slog": slog.New(slog.NewJSONHandler(io.Discard, nil)), //nolint:sloglint // the handler's own cost is what ours is compared with
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := context.Background()
			for b.Loop() {
				log.LogAttrs(ctx, slog.LevelInfo, "call", slog.String("method", "/tokensvc.v1.PlaybackService/SignPlayback"),
					slog.String("code", "OK"), slog.String("request_id", "abcdefghijklmnopqrstuvwxyz"), slog.Duration("took", 1500))
			}
		})
	}
}
