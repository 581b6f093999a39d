package server_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/tokens"
)

// mintOf asks for the same token as the provider's playback does.
func mintOf(p provider) *pb.MintTokenRequest {
	r := &pb.MintTokenRequest{TargetId: p.target.GetId(), Ttl: seconds(300), Url: p.playback.GetUrl()}
	switch b := p.playback.GetBinding().(type) {
	case *pb.Playback_Hdnts:
		r.Binding = &pb.MintTokenRequest_Hdnts{Hdnts: b.Hdnts}
	case *pb.Playback_EdgeAuth:
		r.Binding = &pb.MintTokenRequest_EdgeAuth{EdgeAuth: b.EdgeAuth}
	case *pb.Playback_Qencode:
		r.Binding = &pb.MintTokenRequest_Qencode{Qencode: b.Qencode}
	case *pb.Playback_Agora:
		r.Binding = &pb.MintTokenRequest_Agora{Agora: b.Agora}
	}
	return r
}

func startMint(t *testing.T) *service {
	t.Helper()
	return start(t, settings{options: func(o *server.Options) { o.Mint = true }})
}

func TestMintIsOffByDefault(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	for _, p := range providers() {
		if got := e.both(t, mintOf(p)); got.status == nil || got.reason(t) != tokens.MintDisabled {
			t.Errorf("%s: %v", p.name, got)
		}
	}
}

func TestMintSignsAsThePlaybackWouldAndIsAudited(t *testing.T) {
	e := startMint(t)
	e.seed(t)
	for _, p := range providers() {
		before := len(e.log.String())
		got := e.both(t, mintOf(p))
		if got.message == nil {
			t.Errorf("%s: %v", p.name, got.status)
			continue
		}
		response, _ := got.message.(*pb.MintTokenResponse)
		c := response.GetCredential()
		if want := e.mustSign(t, p.name); c.GetToken() != want.GetToken() || c.GetUrl() != want.GetUrl() {
			t.Errorf("%s: minted %s, signed %s", p.name, c.GetUrl(), want.GetUrl())
		}
		if v := e.verify(t, p, c.GetUrl()); !v.GetValid() {
			t.Errorf("%s: %v", p.name, v)
		}
		line := e.log.String()[before:]
		if strings.Count(line, "act=MintToken") != 2 || !strings.Contains(line, "audit=true") || !strings.Contains(line, "key="+p.target.GetId()+"/1") || !strings.Contains(line, "request_id=") {
			t.Errorf("%s: audit lines:\n%s", p.name, line)
		}
		for part := range strings.SplitSeq(c.GetToken(), "hmac=") {
			if len(part) > 30 && strings.Contains(line, part) {
				t.Errorf("%s: the log holds the token", p.name)
			}
		}
	}
}

func TestMintKeepsTheStrictRulesTheCapAndTheHorizon(t *testing.T) {
	e := startMint(t)
	e.seed(t)
	all := providers()
	change := func(n int, fn func(*pb.MintTokenRequest)) *pb.MintTokenRequest {
		r := mintOf(all[n])
		fn(r)
		return r
	}
	const arg = tokens.InvalidArgument
	for _, c := range []bad{
		{"no binding", change(0, func(r *pb.MintTokenRequest) { r.Binding = nil }), arg, "binding"},
		{"binding of another scheme", change(0, func(r *pb.MintTokenRequest) { r.Binding = &pb.MintTokenRequest_Agora{Agora: &pb.Agora{}} }), arg, "hdnts: required"},
		{"unknown target", change(0, func(r *pb.MintTokenRequest) { r.TargetId = "nobody" }), tokens.NotFound, "nobody"},
		{"no ttl", change(0, func(r *pb.MintTokenRequest) { r.Ttl = nil }), arg, "ttl"},
		{"zero ttl", change(0, func(r *pb.MintTokenRequest) { r.Ttl = seconds(0) }), arg, "ttl"},
		{"ttl over the target's", change(0, func(r *pb.MintTokenRequest) { r.Ttl = seconds(21601) }), tokens.LifetimeTooLong, "max_token_lifetime"},
		{"separator", change(0, func(r *pb.MintTokenRequest) {
			r.Binding = &pb.MintTokenRequest_Hdnts{Hdnts: &pb.Hdnts{StreamId: "a~exp=1"}}
		}), arg, "stream_id"},
		{"no URL for Agora", change(3, func(r *pb.MintTokenRequest) { r.Url = "" }), arg, "url"},
		{"script for URL", change(0, func(r *pb.MintTokenRequest) { r.Url = "javascript:alert(1)" }), arg, "url"},
		{"token in URL", change(0, func(r *pb.MintTokenRequest) { r.Url += "?hdnts=x" }), arg, "hdnts"},
		{"token in URL under another spelling", change(2, func(r *pb.MintTokenRequest) { r.Url += "?%61uth=x" }), arg, "auth already"},
		{"URL of another stream", change(0, func(r *pb.MintTokenRequest) {
			r.Binding = &pb.MintTokenRequest_Hdnts{Hdnts: &pb.Hdnts{StreamId: "WRONG"}}
		}), arg, `url: is that of stream "STREAM01"`},
		{"bare prefix", change(2, func(r *pb.MintTokenRequest) {
			r.Url = "https://b.media-storage.us-west.qencode.com/path/to-secret.mp4"
			r.Binding = &pb.MintTokenRequest_Qencode{Qencode: &pb.Qencode{Uri: "path/to"}}
		}), arg, "uri: is a bare prefix"},
		{"address that is none", change(0, func(r *pb.MintTokenRequest) { r.ClientIp = "nonsense" }), arg, "client_ip"},
		{"address that a JWT cannot carry", change(2, func(r *pb.MintTokenRequest) { r.ClientIp = "192.0.2.7" }), arg, "client_ip: qencode-jwt tokens cannot carry"},
		{"address that Agora cannot carry", change(3, func(r *pb.MintTokenRequest) { r.ClientIp = "192.0.2.7" }), arg, "client_ip: agora-timestamp tokens cannot carry"},
		{"viewer claim", change(2, func(r *pb.MintTokenRequest) {
			r.Binding = &pb.MintTokenRequest_Qencode{Qencode: &pb.Qencode{Uri: "a", ViewerClaim: "v"}}
		}), arg, "viewer_claim"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := e.both(t, c.request)
			if got.status == nil || got.reason(t) != c.reason || !strings.Contains(got.status.GetMessage(), c.says) {
				t.Errorf("%v %v; want %s, and to read %q", got.message, got.status, c.reason, c.says)
			}
		})
	}
	if strings.Contains(e.log.String(), "token minted") {
		t.Error("a refusal was audited as a token")
	}
	horizon := e.clock.now().Add(2 * time.Minute)
	_, err := e.keys.RetireKey(t.Context(), &pb.RetireKeyRequest{TargetId: all[0].target.GetId(), Version: 1, Horizon: timestamppb.New(horizon), Force: true})
	check(t, err)
	got := e.both(t, mintOf(all[0]))
	if got.message == nil {
		t.Fatal(got.status)
	}
	response, _ := got.message.(*pb.MintTokenResponse)
	if c := response.GetCredential(); !c.GetClamped() || !c.GetExpiresAt().AsTime().Equal(horizon) {
		t.Errorf("%v; want it clamped to %s", c, horizon)
	}
}
