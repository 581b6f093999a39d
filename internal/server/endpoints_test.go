package server_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

type jwks struct {
	Keys []map[string]string `json:"keys"`
}

func (e *service) jwks(t *testing.T) (kids []string, etag string) {
	t.Helper()
	a := e.do(t, "GET", "/.well-known/jwks.json", nil)
	if a.code != 200 || a.header.Get("Content-Type") != "application/jwk-set+json" || a.header.Get("Cache-Control") != "public, max-age=60" {
		t.Fatalf("%d %v", a.code, a.header)
	}
	var set jwks
	if err := json.Unmarshal(a.body, &set); err != nil || set.Keys == nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	for _, k := range set.Keys {
		kids = append(kids, k["kid"])
		delete(k, "kid")
		if k["kty"] != "RSA" || k["alg"] != "RS256" || k["use"] != "sig" || k["e"] != "AQAB" || len(k["n"]) < 300 || len(k) != 5 {
			t.Errorf("key %v; want the public half and nothing else", k)
		}
	}
	return kids, a.header.Get("ETag")
}

// The set holds the keys whose tokens may be met: pending, active and retiring ones.
func TestJWKSFollowsTheLifeOfKeys(t *testing.T) {
	e := start(t, settings{})
	if kids, _ := e.jwks(t); len(kids) != 0 {
		t.Fatalf("%v in an empty service", kids)
	}
	e.seed(t)
	p := providers()[2]
	kid := func(n int) string { _, id := p.material(n); return id }
	want := func(ids ...string) {
		t.Helper()
		slices.Sort(ids)
		if got, _ := e.jwks(t); !slices.Equal(got, ids) {
			t.Errorf("keys %v, want %v", got, ids)
		}
	}
	want(kid(0))
	_, etag := e.jwks(t)
	for _, header := range []string{etag, `"other", ` + etag, "W/" + etag} {
		if a := e.do(t, "GET", "/.well-known/jwks.json", nil, "If-None-Match", header); a.code != 304 || len(a.body) > 0 || a.header.Get("ETag") != etag {
			t.Errorf("If-None-Match %s: %d %v", header, a.code, a.header)
		}
	}
	e.importKey(t, p, 1, false) // pending
	want(kid(0), kid(1))
	if a := e.do(t, "GET", "/.well-known/jwks.json", nil, "If-None-Match", etag); a.code != 200 {
		t.Errorf("a new key: %d", a.code)
	}
	activate := func(v int32) {
		_, err := e.keys.ActivateKey(t.Context(), &pb.ActivateKeyRequest{TargetId: p.target.GetId(), Version: v})
		check(t, err)
	}
	activate(2) // the first retires
	want(kid(0), kid(1))
	_, err := e.keys.RetireKey(t.Context(), &pb.RetireKeyRequest{TargetId: p.target.GetId(), Version: 1, Force: true})
	check(t, err)
	want(kid(1))
	_, err = e.keys.DestroyKey(t.Context(), &pb.DestroyKeyRequest{TargetId: p.target.GetId(), Version: 1, Force: true})
	check(t, err)
	want(kid(1))
}

func TestPlainEndPoints(t *testing.T) {
	e := start(t, settings{})
	for _, path := range []string{"/livez", "/readyz"} {
		if a := e.do(t, "GET", path, nil); a.code != 200 || string(a.body) != "ok\n" {
			t.Errorf("%s: %d %s", path, a.code, a.body)
		}
		if a := e.do(t, "HEAD", path, nil); a.code != 200 || len(a.body) != 0 {
			t.Errorf("HEAD %s: %d %s", path, a.code, a.body)
		}
	}
	a := e.do(t, "GET", "/openapi.json", nil)
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(a.body, &document); err != nil || a.code != 200 || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %v", a.code, a.header, err)
	}
	documented := 0
	for _, verbs := range document.Paths {
		documented += len(verbs)
	}
	if documented < len(methods()) || document.Paths["/v1/playbacks/{id}:sign"]["post"] == nil {
		t.Errorf("the document has %d operations, the API %d", documented, len(methods()))
	}
}

func TestHealthAndReflection(t *testing.T) {
	e := start(t, settings{})
	services := []string{"tokensvc.v1.KeyService", "tokensvc.v1.PlaybackService", "tokensvc.v1.TokenService"}
	for _, name := range append([]string{""}, services...) {
		out, err := healthpb.NewHealthClient(e.conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
		if err != nil || out.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v, %v", name, out, err)
		}
	}
	stream, err := reflectionpb.NewServerReflectionClient(e.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check(t, stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}))
	out, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	listed := fmt.Sprint(out.GetListServicesResponse().GetService())
	for _, name := range append(services, "grpc.health.v1.Health") {
		if !strings.Contains(listed, name) {
			t.Errorf("reflection lists %s; want %s too", listed, name)
		}
	}
	check(t, stream.CloseSend())
	for err == nil {
		_, err = stream.Recv()
	}
}
