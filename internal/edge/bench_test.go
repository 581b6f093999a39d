package edge_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tokensvc/tokensvc/internal/edge"
)

// BenchmarkAuth is one question of a proxy about a playlist, without the network.
func BenchmarkAuth(b *testing.B) {
	for _, id := range []string{"event", "concert"} {
		b.Run(id, func(b *testing.B) {
			w := newWorld(b)
			handler := (&edge.HTTP{Decider: w.Decider, Trusted: loopback(), Log: slog.New(slog.DiscardHandler)}).Handlers()["/edge/auth"]
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/edge/auth", http.NoBody)
			r.Header.Set("X-Original-URI", w.sign(id, ""))
			r.RemoteAddr = proxyAddr
			b.ReportAllocs()
			for b.Loop() {
				recorder := httptest.NewRecorder()
				handler.ServeHTTP(recorder, r)
				if recorder.Code != http.StatusOK {
					b.Fatal(recorder.Code)
				}
			}
		})
	}
}
