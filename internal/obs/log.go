package obs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"

	"go.opentelemetry.io/otel/trace"
)

// NewLogger returns a logger that writes to w: one JSON object on each line, or text when format is
// "text". Messages and values go through Scrub; values named like a secret or token are left out whole,
// and bytes are shown by their number only. A record logged within a span carries its trace_id.
func NewLogger(w io.Writer, level slog.Leveler, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: scrubAttr}
	if format == "text" {
		return slog.New(traced{slog.NewTextHandler(w, options)})
	}
	return slog.New(traced{slog.NewJSONHandler(w, options)})
}

// traced adds the trace id of the context.
type traced struct{ slog.Handler }

// Handle implements slog.Handler.
func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", s.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traced{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }

// scrubAttr is called for every attribute that is no group, its value resolved.
func scrubAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		text := a.Value.String()
		if clean := scrubValue(a.Key, text); clean != text {
			return slog.String(a.Key, clean)
		}
	case slog.KindAny:
		a.Value = scrubAny(a.Key, a.Value)
	default:
	}
	return a
}

// scrubAny keeps a value as it is when it prints nothing of a secret in either format, so that JSON
// stays JSON, and else turns it into scrubbed text.
func scrubAny(name string, value slog.Value) slog.Value {
	switch v := value.Any().(type) {
	case nil, slog.Level, netip.Addr, netip.AddrPort:
		return value
	case []byte:
		return slog.StringValue(strconv.Itoa(len(v)) + " bytes")
	case error, fmt.Stringer:
		return slog.StringValue(scrubValue(name, fmt.Sprint(v))) // Sprint survives nil pointers
	default:
		text := fmt.Sprintf("%+v", v)
		clean := scrubValue(name, text)
		var asJSON bytes.Buffer
		encoder := json.NewEncoder(&asJSON)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(v); err != nil || clean != text || Scrub(asJSON.String()) != asJSON.String() {
			return slog.StringValue(clean)
		}
		return value
	}
}
