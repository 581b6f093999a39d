package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/obs"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/tokens"
)

// spyStore shows what reaches a handler, and lets a test act in its place.
type spyStore struct {
	playback.Store
	get func(context.Context) error
}

func (s *spyStore) GetPlayback(ctx context.Context, id string) (playback.Playback, error) {
	if s.get != nil {
		if err := s.get(ctx); err != nil {
			return playback.Playback{}, err
		}
	}
	return s.Store.GetPlayback(ctx, id)
}

func startSpied(t *testing.T, get func(context.Context) error) *service {
	t.Helper()
	spy := &spyStore{}
	e := start(t, settings{
		playbacks: func(s playback.Store) playback.Store { spy.Store = s; return spy },
		options:   func(o *server.Options) { o.RequestTimeout = 3 * time.Second },
	})
	e.seedOne(t, providers()[0])
	spy.get = get
	return e
}

const spied = "/v1/playbacks/wowza"

// Whatever a caller sends over HTTP, a handler sees no metadata but the request id.
func TestHTTPHeadersDoNotBecomeMetadata(t *testing.T) {
	var seen metadata.MD
	e := startSpied(t, func(ctx context.Context) error {
		seen, _ = metadata.FromIncomingContext(ctx)
		if out, ok := metadata.FromOutgoingContext(ctx); ok && len(out) > 0 {
			t.Errorf("outgoing metadata %v", out)
		}
		return nil
	})
	a := e.do(t, "GET", spied, nil, "X-Request-Id", "abc-1", "Grpc-Metadata-Identity", "root", "Grpc-Metadata-X-Request-Id", "forged",
		"Authorization", "Bearer x", "X-Forwarded-For", "1.2.3.4", "Cookie", "a=b", "Grpcgateway-Identity", "root")
	if a.code != 200 {
		t.Fatalf("%d %s", a.code, a.body)
	}
	for name, values := range seen {
		switch {
		case name == "x-request-id" && len(values) == 1 && values[0] == "abc-1":
		case (name == "x-forwarded-for" || name == "x-forwarded-host") && !strings.Contains(strings.Join(values, ""), "root"): // the gateway's own
		default:
			t.Errorf("metadata %s: %v", name, values)
		}
	}
	if len(seen.Get("x-request-id")) != 1 {
		t.Errorf("metadata %v", seen)
	}
}

func TestRequestIDsComeBackThroughBothDoors(t *testing.T) {
	var inside string
	e := startSpied(t, func(ctx context.Context) error { inside = obs.RequestID(ctx); return nil })
	overHTTP := func(id string) string {
		return e.do(t, "GET", spied, nil, "X-Request-Id", id).header.Get("X-Request-Id")
	}
	overGRPC := func(id string) string {
		var header metadata.MD
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", id)
		if _, err := e.playbacks.GetPlayback(ctx, &pb.GetPlaybackRequest{Id: "wowza"}, grpc.Header(&header)); err != nil {
			t.Fatal(err)
		}
		return strings.Join(header.Get("x-request-id"), "|")
	}
	for name, call := range map[string]func(string) string{"HTTP": overHTTP, "gRPC": overGRPC} {
		if got := call("req-7.A_b"); got != "req-7.A_b" || inside != got {
			t.Errorf("%s: %q came back, %q inside", name, got, inside)
		}
		made := map[string]bool{}
		for _, bad := range []string{"", "has blank", "semi;colon", strings.Repeat("x", 65)} {
			got := call(bad)
			if got == bad || len(got) < 16 || made[got] || inside != got {
				t.Errorf("%s: %q came back for %q, %q inside; want a new one", name, got, bad, inside)
			}
			made[got] = true
		}
	}
	if a := e.do(t, "GET", "/v1/playbacks/nobody", nil, "X-Request-Id", "on-error"); a.code != 404 || a.header.Get("X-Request-Id") != "on-error" {
		t.Errorf("%d %v; a refusal carries the request id too", a.code, a.header)
	}
	if !strings.Contains(e.log.String(), "request_id=on-error") {
		t.Error("the log does not name the request")
	}
}

func TestPanicsBecomeInternalErrors(t *testing.T) {
	e := startSpied(t, func(context.Context) error { panic("the secret is " + hexSecret(0)) })
	got := e.both(t, &pb.GetPlaybackRequest{Id: "wowza"})
	if got.status == nil || got.reason(t) != tokens.Internal || strings.Contains(got.status.String(), "panic") {
		t.Errorf("%v", got)
	}
	log := e.log.String()
	if strings.Count(log, "panic in a handler") != 2 || !strings.Contains(log, "inprocess_test.go") {
		t.Errorf("want the stack of both panics in the log:\n%s", log)
	}
	noSecret(t, "the log", log, []byte(hexSecret(0)))
	noSecret(t, "the answer", got.status.String(), []byte(hexSecret(0)))
	if _, err := e.playbacks.ListPlaybacks(t.Context(), &pb.ListPlaybacksRequest{}); err != nil {
		t.Errorf("after the panic: %v", err)
	}
}

func TestDeadlinesReachHandlersThroughBothDoors(t *testing.T) {
	var left time.Duration
	var wait bool
	e := startSpied(t, func(ctx context.Context) error {
		deadline, ok := ctx.Deadline()
		if !ok {
			t.Error("no deadline")
		}
		left = time.Until(deadline)
		if wait {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	for name, c := range map[string]struct{ asked, want time.Duration }{
		"none": {0, 3 * time.Second}, "shorter": {time.Second, time.Second}, "longer": {time.Hour, 3 * time.Second},
	} {
		ctx, cancel, header := t.Context(), func() {}, ""
		if c.asked > 0 {
			ctx, cancel = context.WithTimeout(ctx, c.asked)
			header = map[time.Duration]string{time.Second: "1000m", time.Hour: "1H"}[c.asked]
		}
		if _, err := e.playbacks.GetPlayback(ctx, &pb.GetPlaybackRequest{Id: "wowza"}); err != nil || left > c.want || left < c.want/2 {
			t.Errorf("%s: gRPC leaves %s, want %s; %v", name, left, c.want, err)
		}
		if a := e.do(t, "GET", spied, nil, "Grpc-Timeout", header); a.code != 200 || left > c.want || left < c.want/2 {
			t.Errorf("%s: HTTP leaves %s, want %s; %d", name, left, c.want, a.code)
		}
		cancel()
	}
	wait = true
	if got := refusal(t, e.do(t, "GET", spied, nil, "Grpc-Timeout", "30m")); got.http != 504 || got.reason(t) != tokens.Timeout {
		t.Errorf("%v", got)
	}
	// The client's own clock may end the call first, without our details.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := e.playbacks.GetPlayback(ctx, &pb.GetPlaybackRequest{Id: "wowza"}); status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}

func TestCallersWhoLeaveCancelTheirCalls(t *testing.T) {
	began, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	e := startSpied(t, func(ctx context.Context) error {
		began <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return ctx.Err()
	})
	for name, call := range map[string]func(context.Context){
		"gRPC": func(ctx context.Context) { _, _ = e.playbacks.GetPlayback(ctx, &pb.GetPlaybackRequest{Id: "wowza"}) },
		"HTTP": func(ctx context.Context) {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+spied, http.NoBody)
			check(t, err)
			if resp, err := e.client.Do(r); err == nil {
				_ = resp.Body.Close()
				t.Error("an answer after the caller left")
			}
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() { defer close(left); call(ctx) }()
		<-began
		cancel()
		<-left
		select {
		case <-ended:
		case <-time.After(2 * time.Second):
			t.Errorf("%s: the handler goes on after its caller has left", name)
			<-ended
		}
	}
}

// A call through the gateway passes the same interceptors: request id, log, error map, recovery,
// deadline and validation. The tests above see all but the log of a success.
func TestCallsOverHTTPAreLoggedLikeGRPC(t *testing.T) {
	e := startSpied(t, nil)
	line := func(call func()) string {
		before := len(e.log.String())
		call()
		return e.log.String()[before:]
	}
	grpcLine := line(func() { e.overGRPC(t, &pb.GetPlaybackRequest{Id: "wowza"}) })
	httpLine := line(func() { e.overHTTP(t, &pb.GetPlaybackRequest{Id: "wowza"}) })
	for _, l := range []string{grpcLine, httpLine} {
		if strings.Count(l, "msg=call") != 1 || !strings.Contains(l, "method=/tokensvc.v1.PlaybackService/GetPlayback") || !strings.Contains(l, "code=OK") {
			t.Errorf("log: %s", l)
		}
	}
}

func TestUnknownMethodsAndBrokenMessagesCarryAReason(t *testing.T) {
	e := startSpied(t, nil)
	err := e.conn.Invoke(t.Context(), "/tokensvc.v1.PlaybackService/Burn", &pb.GetPlaybackRequest{}, &pb.GetPlaybackResponse{})
	wantReason(t, err, tokens.Unimplemented)
	err = e.conn.Invoke(t.Context(), "/acme.v1.Nothing/At", &pb.GetPlaybackRequest{}, &pb.GetPlaybackResponse{})
	wantReason(t, err, tokens.Unimplemented)
	for name, wire := range map[string][]byte{
		"invalid UTF-8": {0x0a, 2, 'a', 0xff}, "half a message": {0x0a, 200, 'a'}, "no protobuf": []byte("GET / HTTP/1.1\r\n"), "wrong wire type": {0x0c},
	} {
		var reply []byte
		err := e.conn.Invoke(t.Context(), "/tokensvc.v1.PlaybackService/GetPlayback", wire, &reply, grpc.ForceCodec(rawCodec{}))
		wantReason(t, err, tokens.InvalidArgument)
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(status.Convert(err).Message(), "UTF-8") {
			t.Errorf("%s: %v", name, err)
		}
	}
	large := &pb.SignPlaybackRequest{Id: "wowza", Viewer: strings.Repeat("v", maxBody)}
	_, err = e.playbacks.SignPlayback(t.Context(), large)
	wantReason(t, err, tokens.RequestTooLarge)
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "1048576 bytes") {
		t.Error(err)
	}
	large.Viewer = strings.Repeat("v", 8*maxBody)
	if _, err = e.playbacks.SignPlayback(t.Context(), large); status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
	body, err := protojson.Marshal(&pb.SignPlaybackRequest{Viewer: "v"})
	check(t, err)
	if a := e.do(t, "POST", "/v1/playbacks/wowza:sign", body); a.code != 200 {
		t.Errorf("after all that: %d %s", a.code, a.body)
	}
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) {
	b, _ := v.([]byte)
	return b, nil
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	if p, ok := v.(*[]byte); ok {
		*p = data
	}
	return nil
}

func (rawCodec) Name() string { return "proto" }
