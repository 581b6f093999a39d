package server

import (
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// text draws strings around the lengths that rules speak of, of one byte and of more a character.
func text(limits ...int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		size := max(rapid.SampledFrom(limits).Draw(t, "limit")+rapid.IntRange(-1, 1).Draw(t, "off"), 0)
		unit := rapid.SampledFrom([]string{"a", "ü", "€", "🎬", "\x00", " "}).Draw(t, "unit")
		return strings.Repeat(unit, size/len(unit)) + strings.Repeat("x", size%len(unit))
	})
}

func signRequest() *rapid.Generator[*tokensvcv1.SignPlaybackRequest] {
	return rapid.Custom(func(t *rapid.T) *tokensvcv1.SignPlaybackRequest {
		r := &tokensvcv1.SignPlaybackRequest{
			Id: text(0, 1, 64, 128).Draw(t, "id"), Viewer: text(0, 1, 128, 256).Draw(t, "viewer"), ClientIp: text(0, 15, 64).Draw(t, "client_ip"),
		}
		if rapid.Bool().Draw(t, "has ttl") {
			r.Ttl = &durationpb.Duration{Seconds: rapid.Int64().Draw(t, "seconds"), Nanos: rapid.Int32().Draw(t, "nanos")}
		}
		return r
	})
}

func TestPlainlyValidIsWhatTheRulesSay(t *testing.T) {
	validator, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	holds := func(t *rapid.T, m proto.Message) {
		err := validator.Validate(m)
		if got := plainlyValid(m); got != (err == nil) {
			t.Fatalf("plainly valid: %t; the rules say %v", got, err)
		}
	}
	t.Run("one", rapid.MakeCheck(func(t *rapid.T) { holds(t, signRequest().Draw(t, "request")) }))
	t.Run("batch", rapid.MakeCheck(func(t *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, 2, 999, 1000, 1001}).Draw(t, "size")
		all := make([]*tokensvcv1.SignPlaybackRequest, size)
		for i := range all {
			all[i] = &tokensvcv1.SignPlaybackRequest{Id: "a", Viewer: "v"}
		}
		if size > 0 {
			all[rapid.IntRange(0, size-1).Draw(t, "at")] = signRequest().Draw(t, "request")
		}
		holds(t, &tokensvcv1.BatchSignPlaybackRequest{Requests: all})
	}))
	t.Run("an item that is missing", func(t *testing.T) {
		if signPlainlyValid(nil) {
			t.Error("plainly valid without an id")
		}
	})
	t.Run("everything else is for the validator", func(t *testing.T) {
		if plainlyValid(&tokensvcv1.GetPlaybackRequest{Id: "a"}) {
			t.Error("plainly valid")
		}
	})
}
