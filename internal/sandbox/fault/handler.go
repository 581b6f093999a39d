package fault

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Handler puts the plan in front of a stand-in. name gives each request the name of its call. The Date header of
// every answer is the plan's clock.
func (p *Plan) Handler(name func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := name(r)
		f := p.next(call)
		if f.Do != nil {
			f.Do()
		}
		answer := &recorder{header: http.Header{}, status: http.StatusOK}
		if f.After {
			ctx := context.WithValue(r.Context(), contextKey{}, current{plan: p, call: call})
			next.ServeHTTP(answer, r.WithContext(ctx))
		}
		if f.Delay > 0 && !wait(r.Context(), f.Delay) {
			panic(http.ErrAbortHandler)
		}
		switch {
		case f.Reset:
			reset(w)
		case f.Abort:
			panic(http.ErrAbortHandler)
		case f.Status != 0:
			answer = &recorder{header: f.Header.Clone(), status: f.Status}
			answer.body.Write(f.Body)
		}
		answer.send(w, p.Now(), f.Truncate)
	})
}

// wait reports whether d passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reset closes the connection with a TCP reset where the transport allows it, and without an answer anyway.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the connection is closed the polite way
	}
	_ = conn.Close() // it is broken on purpose
	panic(http.ErrAbortHandler)
}

// recorder holds an answer back until its fate is known.
type recorder struct {
	header      http.Header
	status      int
	wroteHeader bool
	body        bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if !r.wroteHeader {
		r.status, r.wroteHeader = status, true
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wroteHeader = true
	return r.body.Write(b)
}

func (r *recorder) send(w http.ResponseWriter, now time.Time, truncate bool) {
	maps.Copy(w.Header(), r.header)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	body := r.body.Bytes()
	if truncate && len(body) == 0 {
		panic(http.ErrAbortHandler)
	}
	if truncate {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
		body = body[:len(body)/2]
	}
	w.WriteHeader(r.status)
	_, err := w.Write(body)
	if truncate {
		// What is not flushed does not leave.
		err = errors.Join(err, http.NewResponseController(w).Flush())
	}
	if err != nil || truncate {
		panic(http.ErrAbortHandler)
	}
}
