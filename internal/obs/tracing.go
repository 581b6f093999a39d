package obs

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// TracerConfig says where spans go.
type TracerConfig struct {
	// Endpoint is HOST:PORT of an OTLP collector over gRPC; empty means that no spans are made.
	Endpoint string
	// Insecure speaks without TLS also to a collector that is not on loopback.
	Insecure bool
	// SampleRatio is the share of calls that get spans when the caller has not decided, from 0 to 1.
	SampleRatio float64
}

// NewTracer returns a provider of spans, or nil when the endpoint is empty, and a function that sends
// what is left and ends it. Nothing global is set. String attributes are scrubbed like log lines.
func NewTracer(ctx context.Context, c TracerConfig) (trace.TracerProvider, func(context.Context) error, error) {
	if c.Endpoint == "" {
		return nil, func(context.Context) error { return nil }, nil
	}
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(c.Endpoint), otlptracegrpc.WithTimeout(5 * time.Second)}
	if c.Insecure || isLoopback(c.Endpoint) {
		options = append(options, otlptracegrpc.WithInsecure())
	}
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("tracing.otlp_endpoint: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "tokensvc"), attribute.String("service.version", Version().Version))),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))),
		sdktrace.WithBatcher(&scrubbingExporter{next: exporter, scrubber: newScrubber()}),
	)
	return provider, provider.Shutdown, nil
}

func isLoopback(endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// scrubbingExporter takes tokens and keys out of spans before they leave.
type scrubbingExporter struct {
	next     sdktrace.SpanExporter
	scrubber *scrubber
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *scrubbingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	clean := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		clean[i] = scrubbedSpan{ReadOnlySpan: s, scrubber: e.scrubber}
	}
	return e.next.ExportSpans(ctx, clean)
}

// Shutdown implements sdktrace.SpanExporter.
func (e *scrubbingExporter) Shutdown(ctx context.Context) error { return e.next.Shutdown(ctx) }

type scrubbedSpan struct {
	sdktrace.ReadOnlySpan
	scrubber *scrubber
}

// Name returns the span's name.
func (s scrubbedSpan) Name() string { return s.scrubber.scrub(s.ReadOnlySpan.Name()) }

// Attributes returns the span's attributes.
func (s scrubbedSpan) Attributes() []attribute.KeyValue {
	return s.attributes(s.ReadOnlySpan.Attributes())
}

// Events returns the span's events.
func (s scrubbedSpan) Events() []sdktrace.Event {
	events := s.ReadOnlySpan.Events()
	clean := make([]sdktrace.Event, len(events))
	for i, e := range events {
		e.Name, e.Attributes = s.scrubber.scrub(e.Name), s.attributes(e.Attributes)
		clean[i] = e
	}
	return clean
}

// Status returns the span's status.
func (s scrubbedSpan) Status() sdktrace.Status {
	status := s.ReadOnlySpan.Status()
	status.Description = s.scrubber.scrub(status.Description)
	return status
}

func (s scrubbedSpan) attributes(all []attribute.KeyValue) []attribute.KeyValue {
	clean := make([]attribute.KeyValue, len(all))
	for i, kv := range all {
		if kv.Value.Type() == attribute.STRING {
			kv = kv.Key.String(s.scrubber.scrub(kv.Value.AsString()))
		}
		clean[i] = kv
	}
	return clean
}
