package server

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// traceContext carries a caller's span in and out: the W3C headers traceparent and tracestate.
func traceContext() propagation.TextMapPropagator { return propagation.TraceContext{} }

// spans makes a span for each call that comes in process, as the stats handler does for those over the
// network.
func spans(provider trace.TracerProvider) grpc.UnaryServerInterceptor {
	tracer := provider.Tracer("github.com/tokensvc/tokensvc/internal/server")
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		ctx = traceContext().Extract(ctx, carrier(md))
		ctx, span := tracer.Start(ctx, strings.TrimPrefix(info.FullMethod, "/"), trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		answer, err := handler(ctx, req)
		code := status.Code(err)
		span.SetAttributes(attribute.String("rpc.system", "grpc"), attribute.Int64("rpc.grpc.status_code", int64(code)))
		if err != nil {
			span.SetStatus(codes.Error, code.String())
		}
		return answer, err
	}
}

// carrier reads metadata as a propagator wants it.
type carrier metadata.MD

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string {
	if v := metadata.MD(c).Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (c carrier) Set(key, value string) { metadata.MD(c).Set(key, value) }

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}
