package server

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/tokensvc/tokensvc/internal/obs"
)

// arrive gives every HTTP request its id, also those that no handler of a service sees, and logs the
// refusals among them. Calls that reach a service are logged there.
func arrive(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, id := obs.WithRequestID(r.Context(), r.Header.Get(requestIDHeader))
		r.Header.Set(requestIDHeader, id)
		w.Header().Set(requestIDHeader, id)
		a := &arrival{}
		seen := &statusRecorder{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(seen, r.WithContext(context.WithValue(ctx, arrivalKey{}, a)))
		if !a.reached && seen.code >= http.StatusBadRequest {
			log.LogAttrs(ctx, slog.LevelInfo, "http request refused",
				slog.String("method", r.Method), slog.Int("status", seen.code), slog.String("request_id", id))
		}
	})
}

// arrival is one HTTP request on its way.
type arrival struct{ reached bool }

type arrivalKey struct{}

// reached marks the request of ctx as one that a service has seen.
func reached(ctx context.Context) {
	if a, ok := ctx.Value(arrivalKey{}).(*arrival); ok {
		a.reached = true
	}
}

// statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (r *statusRecorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController find what the writer can do.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
