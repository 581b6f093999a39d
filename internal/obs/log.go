package obs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// NewLogger returns a logger that writes to w, as JSON lines, or as text when format is "text". Whatever
// looks like a token or a key is scrubbed from messages and values, and values under a name like secret
// are left out whole.
func NewLogger(w io.Writer, level slog.Leveler, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewJSONHandler(w, options)
	if format == "text" {
		h = slog.NewTextHandler(w, options)
	}
	return slog.New(&scrubbingHandler{next: h, scrubber: newScrubber()})
}

type scrubbingHandler struct {
	next     slog.Handler
	scrubber *scrubber
}

// Enabled implements slog.Handler.
func (h *scrubbingHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.next.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h *scrubbingHandler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.scrubber.scrub(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h *scrubbingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return &scrubbingHandler{next: h.next.WithAttrs(clean), scrubber: h.scrubber}
}

// WithGroup implements slog.Handler.
func (h *scrubbingHandler) WithGroup(name string) slog.Handler {
	return &scrubbingHandler{next: h.next.WithGroup(name), scrubber: h.scrubber}
}

func (h *scrubbingHandler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		members := v.Group()
		clean := make([]slog.Attr, len(members))
		for i, m := range members {
			clean[i] = h.attr(m)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(clean...)}
	case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindInt64, slog.KindTime, slog.KindUint64:
		return slog.Attr{Key: a.Key, Value: v}
	case slog.KindString:
		return slog.String(a.Key, h.value(a.Key, v.String()))
	case slog.KindAny, slog.KindLogValuer:
		return slog.String(a.Key, h.value(a.Key, fmt.Sprint(v.Any())))
	default:
		return slog.String(a.Key, scrubbed)
	}
}

func (h *scrubbingHandler) value(key, text string) string {
	switch strings.ToLower(key) {
	case "secret", "password", "material", "private_key", "token", "authorization":
		return scrubbed
	default:
		return h.scrubber.scrub(text)
	}
}
