package obs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc" //nolint:depguard // the tests play the collector

	"github.com/tokensvc/tokensvc/internal/obs"
)

func TestSpansAreScrubbed(t *testing.T) {
	t.Parallel()
	const text = "hdnts=exp=1~hmac=" + hex64
	exporter := &keeper{}
	provider := obs.NewProvider(exporter, obs.TracerConfig{SampleRatio: 1})
	tracer := provider.Tracer("test")
	_, linked := tracer.Start(t.Context(), "linked")
	linked.End()
	_, span := tracer.Start(t.Context(), "get "+text, trace.WithLinks(trace.Link{SpanContext: linked.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("l", text)}}))
	span.SetAttributes(
		attribute.String("url", "https://e/x?"+text), attribute.StringSlice("urls", []string{"a", text}), attribute.String("secret", "short"),
		attribute.KeyValue{Key: "deep", Value: attribute.SliceValue(attribute.MapValue(attribute.String("token", "short"), attribute.Int("n", 1)))},
		attribute.KeyValue{Key: "raw", Value: attribute.ByteSliceValue([]byte(text))},
		attribute.Int("count", 3), attribute.Bool("ok", true), attribute.Float64Slice("f", []float64{1.5}), attribute.String("key", "big-stage/12"),
	)
	span.AddEvent("sent "+text, trace.WithAttributes(attribute.String("body", text)))
	span.RecordError(errors.New("refused: " + text))
	span.SetStatus(codes.Error, "refused: "+text)
	span.End()
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := exporter.kept()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	got := spans[1]
	if all := fmt.Sprintf("%+v", got); strings.Contains(all, hex64) || strings.Contains(all, "short") || strings.Contains(all, fmt.Sprint([]byte(hex64[:4]))[1:8]) {
		t.Errorf("a token is left in %s", all)
	}
	attributes := make([]string, 0, len(got.Attributes))
	for _, a := range got.Attributes {
		attributes = append(attributes, string(a.Key)+"="+a.Value.String())
	}
	if diff := cmp.Diff([]string{
		"url=https://e/x?hdnts=[REDACTED]", `urls=["a","hdnts=[REDACTED]"]`, "secret=[REDACTED]", `deep=[{"n":1,"token":"[REDACTED]"}]`,
		fmt.Sprintf("raw=%d bytes", len(text)), "count=3", "ok=true", "f=[1.5]", "key=big-stage/12",
	}, attributes); diff != "" {
		t.Error(diff)
	}
	if len(got.Events) != 2 || len(got.Links) != 1 || got.Status.Code != codes.Error {
		t.Errorf("something else was dropped: %+v", got)
	}
	resource := got.Resource.String()
	if !strings.Contains(resource, "service.name=tokensvc") || !strings.Contains(resource, "service.version=") {
		t.Error(resource)
	}
}

// keeper is an exporter that remembers, also after Shutdown.
type keeper struct {
	mu    sync.Mutex
	spans tracetest.SpanStubs
	err   error
	calls int
}

func (k *keeper) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	k.spans = append(k.spans, tracetest.SpanStubsFromReadOnlySpans(spans)...)
	return k.err
}

func (*keeper) Shutdown(context.Context) error { return nil }

func (k *keeper) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

func (k *keeper) kept() tracetest.SpanStubs {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.spans
}

func TestFailuresAreLoggedOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	exporter := &keeper{err: errors.New("no route to collector")}
	provider := obs.NewProvider(exporter, obs.TracerConfig{SampleRatio: 1, Log: obs.NewLogger(&out, slog.LevelInfo, "text")})
	for i := range 4 {
		if i == 2 {
			exporter.fail(nil)
		}
		_, span := provider.Tracer("test").Start(t.Context(), "s")
		span.End()
		if err := provider.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	if strings.Count(got, "cannot be delivered") != 1 || strings.Count(got, "delivered again") != 1 || !strings.Contains(got, "no route to collector") {
		t.Error(got)
	}
}

func TestNoTracer(t *testing.T) {
	t.Parallel()
	provider, shutdown, err := obs.NewTracer(t.Context(), obs.TracerConfig{})
	if err != nil || provider != nil {
		t.Fatal(provider, err)
	}
	if err := shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// fakeCollector counts the spans that reach it.
type fakeCollector struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	names []string
}

func (f *fakeCollector) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, resource := range r.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				f.names = append(f.names, span.GetName())
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func TestSpansReachACollector(t *testing.T) {
	t.Parallel()
	fake := &fakeCollector{}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, fake)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	before := otel.GetTracerProvider()
	provider, shutdown, err := obs.NewTracer(t.Context(), obs.TracerConfig{Endpoint: listener.Addr().String(), SampleRatio: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, span := provider.Tracer("test").Start(t.Context(), "sign")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := shutdown(ctx); err != nil {
		t.Error(err)
	}
	if otel.GetTracerProvider() != before {
		t.Error("a process-wide provider was set")
	}
	server.GracefulStop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if !cmp.Equal(fake.names, []string{"sign"}) {
		t.Errorf("the collector got %q", fake.names)
	}
}

// TestShutdownIsBounded has a collector that is not there.
func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	provider, shutdown, err := obs.NewTracer(t.Context(), obs.TracerConfig{Endpoint: "127.0.0.1:1", SampleRatio: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, span := provider.Tracer("test").Start(t.Context(), "lost")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("shutdown took %s", took)
	}
}
