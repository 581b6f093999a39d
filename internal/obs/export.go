package obs

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// scrubbingExporter takes tokens and keys out of spans before they leave, and keeps failures to
// deliver them from the process-wide error handler.
type scrubbingExporter struct {
	next    sdktrace.SpanExporter
	log     *slog.Logger
	failing atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter. Spans that cannot be delivered are lost.
func (e *scrubbingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	clean := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		clean[i] = scrubbedSpan{s}
	}
	err := e.next.ExportSpans(ctx, clean)
	switch before := e.failing.Swap(err != nil); {
	case err != nil && !before:
		e.log.WarnContext(ctx, "spans cannot be delivered and are dropped", "error", err)
	case err == nil && before:
		e.log.InfoContext(ctx, "spans are delivered again")
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *scrubbingExporter) Shutdown(ctx context.Context) error { return e.next.Shutdown(ctx) }

// scrubbedSpan is a finished span as it leaves the process.
type scrubbedSpan struct{ sdktrace.ReadOnlySpan }

// Name returns the span's name.
func (s scrubbedSpan) Name() string { return Scrub(s.ReadOnlySpan.Name()) }

// Attributes returns the span's attributes.
func (s scrubbedSpan) Attributes() []attribute.KeyValue {
	return scrubAttributes(s.ReadOnlySpan.Attributes())
}

// Events returns the span's events.
func (s scrubbedSpan) Events() []sdktrace.Event {
	events := s.ReadOnlySpan.Events()
	clean := make([]sdktrace.Event, len(events))
	for i, e := range events {
		e.Name, e.Attributes = Scrub(e.Name), scrubAttributes(e.Attributes)
		clean[i] = e
	}
	return clean
}

// Links returns the span's links.
func (s scrubbedSpan) Links() []sdktrace.Link {
	links := s.ReadOnlySpan.Links()
	clean := make([]sdktrace.Link, len(links))
	for i, l := range links {
		l.Attributes = scrubAttributes(l.Attributes)
		clean[i] = l
	}
	return clean
}

// Status returns the span's status.
func (s scrubbedSpan) Status() sdktrace.Status {
	status := s.ReadOnlySpan.Status()
	status.Description = Scrub(status.Description)
	return status
}

func scrubAttributes(all []attribute.KeyValue) []attribute.KeyValue {
	clean := make([]attribute.KeyValue, len(all))
	for i, kv := range all {
		clean[i] = attribute.KeyValue{Key: kv.Key, Value: scrubAttribute(kv)}
	}
	return clean
}

// scrubAttribute scrubs text at any depth and shows bytes by their number only, as in the log.
func scrubAttribute(kv attribute.KeyValue) attribute.Value {
	switch kv.Value.Type() {
	case attribute.STRING:
		return attribute.StringValue(scrubValue(string(kv.Key), kv.Value.AsString()))
	case attribute.BYTESLICE:
		return attribute.StringValue(strconv.Itoa(len(kv.Value.AsByteSlice())) + " bytes")
	case attribute.STRINGSLICE:
		texts := kv.Value.AsStringSlice()
		for i, text := range texts {
			texts[i] = scrubValue(string(kv.Key), text)
		}
		return attribute.StringSliceValue(texts)
	case attribute.SLICE:
		values := kv.Value.AsSlice()
		for i, v := range values {
			values[i] = scrubAttribute(attribute.KeyValue{Key: kv.Key, Value: v})
		}
		return attribute.SliceValue(values...)
	case attribute.MAP:
		return attribute.MapValue(scrubAttributes(kv.Value.AsMap())...)
	default:
		return kv.Value
	}
}
