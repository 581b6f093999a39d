package obs_test

import (
	"context"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/obs"
)

// scrape returns what a handler of the families shows.
func scrape(t *testing.T, families func() []obs.Family) string {
	t.Helper()
	read := func(context.Context) (obs.State, error) { return obs.State{}, nil }
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), nethttp.MethodGet, "/metrics", nethttp.NoBody)
	obs.NewMetrics(read, families, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
	if w.Code != nethttp.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// TestCallsOfInventedMethodsMakeNoSeries: they are counted together, and every call is in exactly one bucket.
func TestCallsOfInventedMethodsMakeNoSeries(t *testing.T) {
	const callers, each = 8, 500
	calls := obs.NewCalls([]string{"/s/Get", "/s/Quiet"}, []string{"OK", "Unknown"})
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for i := range each {
				calls.Count("/s/Get", 0, time.Duration(i)*time.Microsecond)
				calls.Count("/s/"+strings.Repeat("x", i), 1, time.Hour)
			}
		})
	}
	group.Wait()
	text := scrape(t, func() []obs.Family {
		byCode, took := calls.Samples("grpc")
		return []obs.Family{
			{Name: "calls_total", Help: "h", Labels: []string{"transport", "method", "code"}, Samples: byCode},
			{Name: "call_duration_seconds", Help: "h", Labels: []string{"transport", "method"}, Samples: took},
		}
	})
	for _, line := range []string{
		`tokensvc_calls_total{code="OK",method="s/Get",transport="grpc"} 4000`,
		`tokensvc_calls_total{code="Unknown",method="other",transport="grpc"} 4000`,
		`tokensvc_call_duration_seconds_bucket{method="s/Get",transport="grpc",le="0.0001"} 808`,
		`tokensvc_call_duration_seconds_bucket{method="s/Get",transport="grpc",le="0.0005"} 4000`,
		`tokensvc_call_duration_seconds_bucket{method="other",transport="grpc",le="10"} 0`,
		`tokensvc_call_duration_seconds_count{method="other",transport="grpc"} 4000`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	if strings.Contains(text, "Quiet") || strings.Contains(text, "xx") {
		t.Errorf("series of what nobody has called, or of invented names:\n%s", text)
	}
}

func BenchmarkCallsCount(b *testing.B) {
	calls := obs.NewCalls([]string{"/tokensvc.v1.PlaybackService/SignPlayback"}, []string{"OK"})
	b.ReportAllocs()
	b.RunParallel(func(loop *testing.PB) {
		for loop.Next() {
			calls.Count("/tokensvc.v1.PlaybackService/SignPlayback", 0, 40*time.Microsecond)
		}
	})
}
