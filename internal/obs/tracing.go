package obs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Bounds of tracing: what does not fit is dropped, so that a slow collector never slows a call.
const (
	spanQueue     = 2048
	spanBatch     = 512
	spanDelay     = 5 * time.Second
	exportTimeout = 5 * time.Second
)

// TracerConfig says where spans go.
type TracerConfig struct {
	// Endpoint is HOST:PORT of an OTLP collector over gRPC; empty means that no spans are made.
	Endpoint string
	// Insecure speaks without TLS also to a collector that is not on loopback.
	Insecure bool
	// SampleRatio is the share of calls that get spans when the caller has not decided, from 0 to 1.
	SampleRatio float64
	// Log hears when spans cannot be delivered, and when they can again; nil means nobody does.
	Log *slog.Logger
}

// NewTracer returns a provider of spans, or nil when the endpoint is empty, and a function that
// delivers what is left, until its context ends, and closes the provider. NewTracer does not wait for
// the collector. Nothing process-wide is set. Names, attributes, events, links and statuses of spans go
// through Scrub; nothing else is changed.
func NewTracer(ctx context.Context, c TracerConfig) (trace.TracerProvider, func(context.Context) error, error) {
	if c.Endpoint == "" {
		return nil, func(context.Context) error { return nil }, nil
	}
	address := "https://" + c.Endpoint
	if c.Insecure || isLoopback(c.Endpoint) {
		address = "http://" + c.Endpoint
	}
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(address), otlptracegrpc.WithTimeout(exportTimeout))
	if err != nil {
		return nil, nil, fmt.Errorf("tracing.otlp_endpoint: %w", err)
	}
	provider := newProvider(exporter, c)
	return provider, func(ctx context.Context) error {
		if err := provider.Shutdown(ctx); err != nil {
			// The time is up: break off what is still being sent.
			return errors.Join(err, exporter.Shutdown(ctx))
		}
		return nil
	}, nil
}

func newProvider(exporter sdktrace.SpanExporter, c TracerConfig) *sdktrace.TracerProvider {
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	build := Version()
	return sdktrace.NewTracerProvider(
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "tokensvc"), attribute.String("service.version", build.Version), attribute.String("vcs.ref.head.revision", build.Revision),
		)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))),
		sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{
			AttributeValueLengthLimit: 1024, AttributeCountLimit: 64, EventCountLimit: 32, LinkCountLimit: 32,
			AttributePerEventCountLimit: 32, AttributePerLinkCountLimit: 32,
		}),
		sdktrace.WithBatcher(&scrubbingExporter{next: exporter, log: log},
			sdktrace.WithMaxQueueSize(spanQueue), sdktrace.WithMaxExportBatchSize(spanBatch),
			sdktrace.WithBatchTimeout(spanDelay), sdktrace.WithExportTimeout(exportTimeout)),
	)
}

func isLoopback(endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}
