package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// Calls that have begun are answered, however long they take; calls that come later are refused.
func TestShutdownLosesNoCallInFlight(t *testing.T) {
	const each = 8
	var inside sync.WaitGroup
	inside.Add(2 * each)
	release := make(chan struct{})
	e := startSpied(t, func(context.Context) error {
		inside.Done()
		<-release
		return nil
	})
	var calls sync.WaitGroup
	for range each {
		calls.Go(func() {
			if _, err := e.playbacks.GetPlayback(t.Context(), &pb.GetPlaybackRequest{Id: "wowza"}); err != nil {
				t.Errorf("gRPC call in flight: %v", err)
			}
		})
		calls.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.base+spied, http.NoBody)
			check(t, err)
			resp, err := e.client.Do(r)
			if err != nil {
				t.Errorf("HTTP call in flight: %v", err)
				return
			}
			body, err := io.ReadAll(resp.Body)
			check(t, resp.Body.Close())
			if err != nil || resp.StatusCode != http.StatusOK || !contains(body, `"wowza"`) {
				t.Errorf("HTTP call in flight: %d %s %v", resp.StatusCode, body, err)
			}
		})
	}
	inside.Wait()
	watch := watchHealth(t, e)
	if got := watch(); got != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("health %s", got)
	}
	down := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		down <- e.server.Shutdown(ctx)
	}()
	for watch() == healthpb.HealthCheckResponse_SERVING {
	}
	select {
	case err := <-down:
		t.Fatalf("shut down with calls in flight: %v", err)
	default:
	}
	close(release)
	calls.Wait()
	if err := <-down; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if _, err := e.playbacks.GetPlayback(t.Context(), &pb.GetPlaybackRequest{Id: "wowza"}); status.Code(err) != codes.Unavailable {
		t.Errorf("a call after the shutdown: %v", err)
	}
}

// watchHealth returns a function that waits for the next health. The end of the stream counts as
// NOT_SERVING, as it does for clients.
func watchHealth(t *testing.T, e *service) func() healthpb.HealthCheckResponse_ServingStatus {
	t.Helper()
	stream, err := healthpb.NewHealthClient(e.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return func() healthpb.HealthCheckResponse_ServingStatus {
		m, err := stream.Recv()
		if err != nil {
			return healthpb.HealthCheckResponse_NOT_SERVING
		}
		return m.GetStatus()
	}
}

func TestReadinessFallsBeforeTheListenersClose(t *testing.T) {
	release, inside := make(chan struct{}), make(chan struct{}, 1)
	e := startSpied(t, func(context.Context) error { inside <- struct{}{}; <-release; return nil })
	handler := e.server.Handler()
	probe := func(path string) int {
		answer := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Host = "localhost"
		handler.ServeHTTP(answer, r)
		return answer.Code
	}
	if got := probe("/readyz"); got != 200 {
		t.Fatalf("readyz %d", got)
	}
	called := make(chan error, 1)
	go func() {
		_, err := e.playbacks.GetPlayback(context.WithoutCancel(t.Context()), &pb.GetPlaybackRequest{Id: "wowza"})
		called <- err
	}()
	<-inside
	down := make(chan error, 1)
	go func() { down <- e.server.Shutdown(context.WithoutCancel(t.Context())) }()
	for range 5000 {
		if probe("/readyz") != 200 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if got := probe("/readyz"); got != 503 {
		t.Errorf("readyz %d while shutting down", got)
	}
	if got := probe("/livez"); got != 200 {
		t.Errorf("livez %d while shutting down", got)
	}
	close(release)
	check(t, <-called)
	check(t, <-down)
}

// A call that never ends is cut when the time is over, and Shutdown says so.
func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	inside := make(chan struct{}, 2)
	stuck := make(chan struct{})
	e := startSpied(t, func(ctx context.Context) error {
		inside <- struct{}{}
		<-ctx.Done()
		close(stuck)
		return ctx.Err()
	})
	left := make(chan struct{})
	go func() {
		defer close(left)
		r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, e.base+spied, http.NoBody)
		check(t, err)
		if resp, err := e.client.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := e.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v, want %v", err, context.DeadlineExceeded)
	}
	select {
	case <-stuck:
	case <-time.After(2 * time.Second): // the call's own limit is 3 s
		t.Error("the call goes on behind the shutdown")
	}
	<-left
}

func TestServingAfterShutdownEndsAtOnce(t *testing.T) {
	e := start(t, settings{})
	check(t, e.server.Shutdown(t.Context()))
	var served sync.WaitGroup
	listen(t, e.server.ServeGRPC, &served)
	listen(t, e.server.ServeHTTP, &served)
	served.Wait()
}
