package obs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/trace"
)

// NewLogger returns a logger that writes to w: one JSON object on each line, or text when format is
// "text". Messages and values go through Scrub; values named like a secret or token are left out whole,
// and bytes are shown by their number only. A record logged within a span carries its trace_id.
func NewLogger(w io.Writer, level slog.Leveler, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(scrubbing{slog.NewTextHandler(w, options)})
	}
	return slog.New(scrubbing{slog.NewJSONHandler(w, options)})
}

// scrubbing scrubs records on their way to a handler. A record with nothing to scrub passes as it is.
type scrubbing struct{ slog.Handler }

// Handle implements slog.Handler.
func (h scrubbing) Handle(ctx context.Context, r slog.Record) error {
	message := Scrub(r.Message)
	clean := message == r.Message
	r.Attrs(func(a slog.Attr) bool {
		_, changed := scrubAttr(a)
		clean = clean && !changed
		return clean
	})
	if !clean {
		dirty := r
		r = slog.NewRecord(dirty.Time, dirty.Level, message, dirty.PC)
		dirty.Attrs(func(a slog.Attr) bool {
			a, _ = scrubAttr(a)
			r.AddAttrs(a)
			return true
		})
	}
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", s.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h scrubbing) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean, _ := scrubAttrs(attrs)
	return scrubbing{h.Handler.WithAttrs(clean)}
}

// WithGroup implements slog.Handler.
func (h scrubbing) WithGroup(name string) slog.Handler { return scrubbing{h.Handler.WithGroup(name)} }

// scrubAttr returns the attribute to log, and whether it is another than a.
func scrubAttr(a slog.Attr) (slog.Attr, bool) {
	switch a.Value.Kind() {
	case slog.KindString:
		text := a.Value.String()
		clean := scrubValue(a.Key, text)
		if clean == text {
			return a, false
		}
		return slog.String(a.Key, clean), true
	case slog.KindLogValuer:
		clean, _ := scrubAttr(slog.Attr{Key: a.Key, Value: a.Value.Resolve()})
		return clean, true
	case slog.KindGroup:
		members, changed := scrubAttrs(a.Value.Group())
		if !changed {
			return a, false
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(members...)}, true
	case slog.KindAny:
		return slog.Attr{Key: a.Key, Value: scrubAny(a.Key, a.Value)}, true
	default:
		return a, false
	}
}

// scrubAttrs returns all itself when nothing in it changes.
func scrubAttrs(all []slog.Attr) ([]slog.Attr, bool) {
	for i, a := range all {
		if _, changed := scrubAttr(a); !changed {
			continue
		}
		clean := slices.Clone(all)
		for j := i; j < len(clean); j++ {
			clean[j], _ = scrubAttr(clean[j])
		}
		return clean, true
	}
	return all, false
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
