package server

import (
	"slices"
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

// grantRequest draws requests whose limits name no country and no network, which are for the validator.
func grantRequest() *rapid.Generator[*tokensvcv1.CreateGrantRequest] {
	id := rapid.OneOf(text(0, 1, 128), rapid.SampledFrom([]string{"a", "-", "_x", "x_-9", "9", "a.b", "a\n"}))
	return rapid.Custom(func(t *rapid.T) *tokensvcv1.CreateGrantRequest {
		r := &tokensvcv1.CreateGrantRequest{IdempotencyKey: text(0, 128).Draw(t, "key")}
		if rapid.IntRange(0, 9).Draw(t, "grant") == 0 {
			return r
		}
		r.Grant = &tokensvcv1.Grant{Viewer: text(0, 1, 256).Draw(t, "viewer"), OrderId: text(0, 128).Draw(t, "order")}
		switch rapid.IntRange(0, 5).Draw(t, "subject") {
		case 0:
		case 1, 2:
			r.Grant.Subject = &tokensvcv1.Grant_ProductId{ProductId: id.Draw(t, "product")}
		default:
			r.Grant.Subject = &tokensvcv1.Grant_PlaybackId{PlaybackId: id.Draw(t, "playback")}
		}
		if rapid.Bool().Draw(t, "limits") {
			count := rapid.SampledFrom([]int32{-1, 0, 1, 1000, 1001, 1_000_000, 1_000_001})
			r.Grant.Limits = &tokensvcv1.GrantLimits{MaxPlays: count.Draw(t, "plays"), MaxSessions: count.Draw(t, "sessions"), MaxDevices: count.Draw(t, "devices")}
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
	t.Run("a grant", rapid.MakeCheck(func(t *rapid.T) { holds(t, grantRequest().Draw(t, "request")) }))
	t.Run("grants", rapid.MakeCheck(func(t *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, 1000, 1001}).Draw(t, "size")
		holds(t, &tokensvcv1.BatchCreateGrantsRequest{Requests: slices.Repeat([]*tokensvcv1.CreateGrantRequest{nil}, size)})
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
