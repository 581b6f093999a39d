package edge_test

import (
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tokensvc/tokensvc/internal/edge"
)

// envoy returns a client as Envoy has one, over gRPC.
func (w *world) envoy(x *edge.ExtAuthz) authv3.AuthorizationClient {
	w.t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	w.must(err)
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, x)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	w.must(err)
	w.t.Cleanup(func() {
		w.must(conn.Close())
		server.Stop()
		w.must(<-done)
	})
	return authv3.NewAuthorizationClient(conn)
}

// checkRequest is what Envoy 1.30 sends of a request, as its documentation shows it.
func checkRequest(target, source string, headers map[string]string) *authv3.CheckRequest {
	all := map[string]string{":authority": "cdn.example", ":method": "GET", ":path": target, ":scheme": "https", "x-request-id": "c0ffee"}
	maps.Copy(all, headers)
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: source, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 51234}},
		}}},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "1", Method: http.MethodGet, Path: target, Host: "cdn.example", Scheme: "https", Protocol: "HTTP/2", Headers: all,
		}},
	}}
}

func TestEnvoyAsksOverGRPC(t *testing.T) {
	w := newWorld(t)
	client := w.envoy(&edge.ExtAuthz{Decider: w.Decider, Trusted: loopback()})
	check := func(r *authv3.CheckRequest) *authv3.CheckResponse {
		t.Helper()
		response, err := client.Check(t.Context(), r)
		w.must(err)
		w.must(response.ValidateAll())
		return response
	}
	denied := func(when string, response *authv3.CheckResponse, code codes.Code, status int, reason string) {
		t.Helper()
		d := response.GetDeniedResponse()
		if codes.Code(response.GetStatus().GetCode()) != code || int(d.GetStatus().GetCode()) != status || headerOf(d.GetHeaders(), "x-tokensvc-reason") != reason {
			t.Errorf("%s: %v, want %s %d %s", when, response, code, status, reason)
		}
	}
	target := w.sign("event", "")
	response := check(checkRequest(target, "192.0.2.7", nil))
	ok := response.GetOkResponse()
	cookie := headerOf(ok.GetResponseHeadersToAdd(), "set-cookie")
	if codes.Code(response.GetStatus().GetCode()) != codes.OK || ok == nil || headerOf(ok.GetHeaders(), "x-tokensvc-playback") != "event" || !strings.Contains(cookie, "Secure") {
		t.Fatalf("%v", response)
	}
	pair, _, _ := strings.Cut(cookie, ";")
	segment := "/1/S1/event/hls/live/seg_1.ts"
	if got := check(checkRequest(segment, "192.0.2.7", map[string]string{"cookie": "a=b; " + pair})); got.GetOkResponse() == nil {
		t.Errorf("segment: %v", got)
	}
	denied("nothing shown", check(checkRequest(segment, "192.0.2.7", nil)), codes.Unauthenticated, 401, "MALFORMED")
	denied("changed", check(checkRequest(target[:len(target)-1]+flip(target[len(target)-1]), "192.0.2.7", nil)), codes.PermissionDenied, 403, "BAD_SIGNATURE")
	denied("dotted", check(checkRequest("/x/.."+target, "192.0.2.7", nil)), codes.PermissionDenied, 403, "MALFORMED")
	denied("empty", check(&authv3.CheckRequest{}), codes.PermissionDenied, 403, "MALFORMED")
	bound := w.sign("bound", "192.0.2.7")
	for _, c := range []struct {
		source, forwarded string
		ok                bool
	}{
		{"192.0.2.7", "", true},
		{"192.0.2.8", "192.0.2.7", false}, // Envoy's client is no trusted proxy: its header is its own
		{"127.0.0.9", "192.0.2.7", true},
		{"127.0.0.9", "192.0.2.7,198.51.100.1", false},
		{"", "192.0.2.7", false},
	} {
		headers := map[string]string{}
		if c.forwarded != "" {
			headers["x-forwarded-for"] = c.forwarded
		}
		if got := check(checkRequest(bound, c.source, headers)); (got.GetOkResponse() != nil) != c.ok {
			t.Errorf("%+v: %v", c, got)
		}
	}
	w.sessions.stale = true
	denied("not known", check(checkRequest(target, "192.0.2.7", nil)), codes.Unavailable, 503, "UNAVAILABLE")
	w.sessions.stale = false
	stranger := w.envoy(&edge.ExtAuthz{Decider: w.Decider})
	got, err := stranger.Check(t.Context(), checkRequest(target, "192.0.2.7", nil))
	w.must(err)
	denied("from a stranger", got, codes.PermissionDenied, 403, "FORBIDDEN_ORIGIN")
}

func headerOf(all []*corev3.HeaderValueOption, name string) string {
	for _, h := range all {
		if h.GetHeader().GetKey() == name {
			return h.GetHeader().GetValue()
		}
	}
	return ""
}
