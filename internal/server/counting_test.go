package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// TestCallsAreCountedByTransportMethodAndCode: each once, refused ones too, and invented methods together.
func TestCallsAreCountedByTransportMethodAndCode(t *testing.T) {
	e := start(t, settings{})
	e.stage(t) // two calls
	_, err := e.keys.GetTarget(t.Context(), &pb.GetTargetRequest{Id: "nobody"})
	if err == nil {
		t.Fatal("there is such a target")
	}
	for range 3 {
		e.do(t, http.MethodGet, "/v1/targets/stage", nil)
	}
	for _, method := range []string{"/tokensvc.v1.KeyService/Invent", "/mallory/1"} {
		if err := e.conn.Invoke(t.Context(), method, &pb.GetTargetRequest{}, &pb.GetTargetResponse{}, grpc.WaitForReady(true)); err == nil {
			t.Fatal("there is such a method")
		}
	}
	byCode, took := e.server.CallCounts()
	var got []string
	for _, s := range byCode {
		got = append(got, strings.Join(s.Labels, " ")+strings.Repeat("!", int(s.Count)))
	}
	slices.Sort(got)
	want := []string{
		"grpc other Unimplemented!!", "grpc tokensvc.v1.KeyService/CreateTarget OK!", "grpc tokensvc.v1.KeyService/GetTarget NotFound!",
		"grpc tokensvc.v1.KeyService/ImportKey OK!", "http tokensvc.v1.KeyService/GetTarget OK!!!",
	}
	if !slices.Equal(got, want) {
		t.Errorf("counted %q\nwant    %q", got, want)
	}
	if len(took) != len(want) {
		t.Errorf("%d durations, want one for each of %d methods", len(took), len(want))
	}
}
