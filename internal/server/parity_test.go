package server_test

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/server"
)

// Two services begin alike and live through the same random history, one over gRPC and one over HTTP.
// Every answer, good or bad, has to be the same, and so have the stores in the end.
func TestHTTPAndGRPCGiveTheSameAnswers(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value
	if checks.String() == "100" { // few long histories instead of rapid's default of many short ones
		check(t, checks.Set("15"))
		defer func() { check(t, checks.Set("100")) }()
	}
	seen := map[string][2]int{} // answers and refusals of each RPC
	rapid.Check(t, func(rt *rapid.T) {
		rapidSubtest(t, rt, func(t *testing.T) {
			t.Helper()
			mint := settings{options: func(o *server.Options) { o.Mint = true }}
			left, right := start(t, mint), start(t, mint)
			for _, e := range []*service{left, right} {
				e.seed(t)
				for _, p := range providers()[:2] {
					e.importKey(t, p, 1, false)
				}
				if _, err := e.playbacks.UpdatePlayback(t.Context(), watched("wowza", 2, pb.SessionRule_SESSION_RULE_EVICT_OLDEST)); err != nil {
					t.Fatal(err)
				}
				if _, err := e.keys.CreateTarget(t.Context(), &pb.CreateTargetRequest{Target: &pb.Target{Id: "new-a", Provider: "agora"}}); err != nil {
					t.Fatal(err)
				}
			}
			d := drawer{T: rt, providers: providers()}
			for range rapid.IntRange(60, 130).Draw(rt, "steps") {
				request := d.request()
				grpc, http := left.overGRPC(t, request), right.overHTTP(t, request)
				same(t, protoText(request), grpc, http)
				count := seen[string(methodOf(t, request).Name())]
				if grpc.message != nil {
					count[0]++
					d.remember(grpc.message)
				} else {
					count[1]++
				}
				seen[string(methodOf(t, request).Name())] = count
				if rapid.IntRange(0, 9).Draw(rt, "time passes") == 0 {
					step := time.Duration(rapid.IntRange(1, 7200).Draw(rt, "seconds")) * time.Second
					for _, e := range []*service{left, right} {
						e.clock.advance(step)
						check(t, e.keyring.Refresh(t.Context()))
					}
				}
			}
			if l, r := left.dump(t), right.dump(t); l != r {
				t.Errorf("the same history left different stores:\n%s\n%s", l, r)
			}
		})
	})
	mixed := 0
	for name := range methods() {
		n := seen[name]
		if n[0]+n[1] == 0 {
			t.Errorf("%s was never called", name)
		}
		if n[0] > 0 && n[1] > 0 {
			mixed++
		}
	}
	if mixed < len(methods())*2/3 {
		t.Errorf("only %d RPCs gave both answers and refusals: %v", mixed, seen)
	}
}

// rapidSubtest runs fn as a subtest, whose cleanups run at its end, and tells rapid when it fails.
func rapidSubtest(t *testing.T, rt *rapid.T, fn func(*testing.T)) {
	t.Helper()
	if !t.Run("history", fn) {
		rt.Error("the doors differ")
	}
}

// drawer draws requests that often hit something.
type drawer struct {
	*rapid.T
	providers []provider
	tokens    []string
	ids       []string // of grants

	sessions, revocations []string // their ids
	counted               []string // playbacks that may open sessions, beside wowza

	turns int // drawn so far
}

// remember keeps what later requests can use.
func (d *drawer) remember(m proto.Message) {
	switch m := m.(type) {
	case *pb.SignPlaybackResponse:
		d.tokens = append(d.tokens, m.GetCredential().GetUrl(), m.GetCredential().GetToken())
		if m.GetSessionId() != "" {
			d.sessions = append(d.sessions, m.GetSessionId())
		}
	case *pb.RevokeSessionsResponse:
		d.revocations = append(d.revocations, m.GetRevocation().GetId())
	case *pb.MintTokenResponse:
		d.tokens = append(d.tokens, m.GetCredential().GetToken())
	case *pb.CreateGrantResponse:
		d.ids = append(d.ids, m.GetGrant().GetId())
	}
}

func (d *drawer) pick(name string, from ...string) string {
	return rapid.SampledFrom(from).Draw(d.T, name)
}

// turn draws one of n with the same chance for each in the long run: rapid alone prefers small numbers.
func (d *drawer) turn(name string, n int) int {
	const stride = 11 // shares no divisor with the n at hand
	d.turns++
	return (rapid.IntRange(0, n-1).Draw(d.T, name) + stride*d.turns) % n
}

// rarely is true in one of ten draws.
func (d *drawer) rarely(name string) bool { return rapid.IntRange(0, 9).Draw(d.T, name) == 9 }

func (d *drawer) provider() provider { return rapid.SampledFrom(d.providers).Draw(d.T, "provider") }

func (d *drawer) target() string {
	if d.rarely("odd target") {
		return d.pick("target", "nobody", "new-a", "new-b", "Upper", "a b", "x:y", "é", "a\nb", "%41", strings.Repeat("t", 64))
	}
	return d.pick("target", "agora-play", "wowza-live", "akamai-vod", "qencode-live", "new-a", "new-b")
}

func (d *drawer) playback() string {
	if d.rarely("odd playback") {
		return d.pick("playback", "nobody", "a b", "a:sign", "é", "a\x00", "a+b", "a?b", "a#b", "a%2Fb", strings.Repeat("p", 129))
	}
	return d.pick("playback", "wowza", "akamai", "qencode", "agora", "fresh")
}

func (d *drawer) text(name string) string {
	return d.pick(name, "", "a text", "größe 🎬", "a\x00b", "a\u009bb", `"quoted" \ <b>`, strings.Repeat("x", 300))
}

func (d *drawer) duration(name string) *durationpb.Duration {
	if rapid.Bool().Draw(d.T, name+" absent") {
		return nil
	}
	return &durationpb.Duration{
		Seconds: rapid.SampledFrom([]int64{0, 1, 60, 60, 60, 300, 300, 300, 600, 3600, 21600, 21601, 86400, 86401, 3_600_000, 9_999_999_999, 315_576_000_000}).Draw(d.T, name),
		Nanos:   rapid.SampledFrom([]int32{0, 0, 0, 0, 0, 0, 0, 1, 500_000_000}).Draw(d.T, name+" nanos"),
	}
}

func (d *drawer) address() string {
	return d.pick("address", "", "", "192.0.2.7", "2001:db8::1", "192.0.2.7:80", "fe80::1%eth0", "nonsense", "\x00")
}

func (d *drawer) mask(of ...string) *fieldmaskpb.FieldMask {
	if rapid.Bool().Draw(d.T, "no mask") {
		return nil
	}
	paths := rapid.SliceOfN(rapid.SampledFrom(of), 1, 3).Draw(d.T, "mask")
	slices.Sort(paths)
	return &fieldmaskpb.FieldMask{Paths: slices.Compact(paths)}
}

func (d *drawer) version() int32 {
	return rapid.SampledFrom([]int32{1, 1, 2, 2, 3, 4, 99, 0, -1}).Draw(d.T, "version")
}

func (d *drawer) token() string {
	odd := []string{"exp=1~hmac=00", "a.b.c", "ts=1&sign=2", "https://h/a?hdnts=x&hdnts=y", "https://h/a", "\x00", "eyJ.eyJ.x", "://", "https://h/%zz?auth=1"}
	if len(d.tokens) == 0 || d.rarely("odd token") {
		return d.pick("token", odd...)
	}
	token := rapid.SampledFrom(d.tokens).Draw(d.T, "token")
	if d.rarely("changed token") {
		return token[:len(token)-1] + "x"
	}
	return token
}

func (d *drawer) request() proto.Message {
	switch d.turn("call", 34) {
	case 0, 1:
		return d.signOne()
	case 2:
		return d.signMany()
	case 3:
		return &pb.CreatePlaybackRequest{Playback: d.playbackMessage(false)}
	case 4:
		return &pb.UpdatePlaybackRequest{Playback: d.playbackMessage(true), UpdateMask: d.mask("url", "description", "ttl", "hdnts", "hdnts.stream_id", "qencode.claims", "edge_auth.acl", "expiry_granularity", "ip_binding", "target_id", "managed", "colour", "id")}
	case 5:
		return &pb.GetPlaybackRequest{Id: d.playback()}
	case 6:
		return &pb.ListPlaybacksRequest{PageSize: d.pageSize(), PageToken: d.pick("page", "", "", "d293emE", "!!", "\x00")}
	case 7:
		return &pb.DeletePlaybackRequest{Id: d.playback()}
	case 8:
		return d.mint()
	case 9:
		return &pb.VerifyTokenRequest{TargetId: d.target(), Token: d.token(), Resource: d.pick("resource", "", "STREAM01", "b7f2c9e0a1d34e5f", "/vod/film/a.m3u8"), ClientIp: d.address()}
	case 19:
		return &pb.RefreshPlaybackRequest{SessionId: d.session(), Viewer: d.pick("viewer", "ada", "bob", ""), Ttl: d.duration("ttl")}
	case 20, 21:
		return d.createGrant()
	case 22:
		batch := &pb.BatchCreateGrantsRequest{}
		for range rapid.IntRange(0, 4).Draw(d.T, "items") {
			batch.Requests = append(batch.Requests, d.createGrant())
		}
		return batch
	case 23, 24:
		return d.ofGrants()
	case 25, 31, 33:
		return d.ofProducts()
	case 26, 27, 28, 29:
		return d.ofSessions()
	case 30:
		return d.signOne()
	case 10:
		return &pb.ExplainTokenRequest{TargetId: d.pick("target", "", "", d.target()), Token: d.token(), Scheme: d.pick("scheme", "", "", "wowza-hdnts", "qencode-jwt", "rot13"), ClientIp: d.address()}
	case 11:
		return &pb.CreateTargetRequest{Target: d.targetMessage()}
	case 12:
		return &pb.UpdateTargetRequest{Target: d.targetMessage(), UpdateMask: d.mask("description", "max_token_lifetime", "account", "edge_auth.algorithm", "edge_auth", "agora", "provider", "colour", "create_time")}
	case 13, 32:
		reads := []proto.Message{
			&pb.GetTargetRequest{Id: d.target()}, &pb.ListKeysRequest{TargetId: d.target()}, &pb.ListTargetsRequest{PageSize: d.pageSize()},
			&pb.GetKeyRequest{TargetId: d.target(), Version: d.version()},
		}
		return reads[d.turn("read", len(reads))]
	case 14:
		return &pb.DeleteTargetRequest{Id: d.target()}
	case 15:
		return d.importKey()
	case 16:
		return &pb.ActivateKeyRequest{TargetId: d.target(), Version: d.version()}
	case 17:
		r := &pb.RetireKeyRequest{TargetId: d.target(), Version: d.version(), Force: rapid.Bool().Draw(d.T, "force")}
		if rapid.Bool().Draw(d.T, "at") {
			r.Horizon = &timestamppb.Timestamp{Seconds: rapid.SampledFrom([]int64{1, 1_772_366_500, 1_772_370_000, 1_900_000_000, 9_999_999_999, 253_402_300_799, -62_135_596_800}).Draw(d.T, "horizon")}
		}
		return r
	default:
		return &pb.DestroyKeyRequest{TargetId: d.target(), Version: d.version(), Force: rapid.Bool().Draw(d.T, "force")}
	}
}

func (d *drawer) pageSize() int32 {
	return rapid.SampledFrom([]int32{0, 1, 2, 1000, 1001, -1}).Draw(d.T, "size")
}

func (d *drawer) signOne() *pb.SignPlaybackRequest {
	r := &pb.SignPlaybackRequest{Id: d.playback(), Viewer: d.pick("viewer", "alice", "alice", "böb", "", "a\x00", strings.Repeat("v", 257)), ClientIp: d.address()}
	if d.rarely("viewing") {
		r.Viewing = d.viewing()
	}
	if d.rarely("own ttl") {
		r.Ttl = d.duration("ttl")
	}
	return r
}

func (d *drawer) playbackMessage(update bool) *pb.Playback {
	p := proto.CloneOf(d.provider().playback)
	p.Id = d.playback()
	if update {
		p = &pb.Playback{Id: p.GetId(), Binding: p.GetBinding(), Url: p.GetUrl()}
		if rapid.Bool().Draw(d.T, "no binding") {
			p.Binding = nil
		}
		if rapid.Bool().Draw(d.T, "no URL") {
			p.Url = ""
		}
	}
	if d.rarely("other target") {
		p.TargetId = d.target()
	}
	if d.rarely("URL") {
		p.Url = d.pick("URL", "https://h/a.m3u8", "rtmp://h/live/x", "/relative", "https://h/a?hdnts=1", "https://u:p@h/", "https://h/\x00")
	}
	if d.rarely("description") {
		p.Description = d.text("description")
	}
	if d.rarely("ttl") {
		p.Ttl = d.duration("ttl")
	}
	if d.rarely("granularity") {
		p.ExpiryGranularity = d.duration("granularity")
	}
	if d.rarely("claims") && p.GetQencode() != nil {
		p.GetQencode().Claims = map[string]string{d.pick("claim", "room", "exp", "", "a\x00"): d.text("value")}
	}
	p.IpBinding = pb.IpBinding(rapid.SampledFrom([]int32{0, 0, 0, 1, 2, 99}).Draw(d.T, "ip binding"))
	if rapid.IntRange(0, 3).Draw(d.T, "sessions") == 0 {
		p.Sessions = d.sessionPolicy()
	}
	return p
}

func (d *drawer) mint() proto.Message {
	p := d.provider()
	r := &pb.MintTokenRequest{TargetId: p.target.GetId(), Url: d.pick("url", "", p.playback.GetUrl(), p.playback.GetUrl(), "nonsense", "https://h/a b"), Ttl: seconds(60), ClientIp: d.address()}
	if d.rarely("ttl") {
		r.Ttl = d.duration("ttl")
	}
	if d.rarely("other target") {
		r.TargetId = d.target()
	}
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

func (d *drawer) targetMessage() *pb.Target {
	x := &pb.Target{Id: d.target(), Provider: d.pick("provider", "agora", "wowza", "akamai", "qencode", "acme", "")}
	if d.rarely("scheme") {
		x.Scheme = d.pick("scheme", "wowza-hdnts", "rot13")
	}
	if d.rarely("description") {
		x.Description = d.text("description")
	}
	if d.rarely("lifetime") {
		x.MaxTokenLifetime = d.duration("lifetime")
	}
	if d.rarely("account") {
		x.Account = d.pick("account", "wowza-main", "nobody")
	}
	if d.rarely("edge auth") {
		x.EdgeAuth = &pb.EdgeAuthOptions{TokenName: d.pick("name", "", "hdnea", "a=b"), Algorithm: d.pick("algorithm", "", "md5", "crc32")}
	}
	if d.rarely("agora") {
		x.Agora = &pb.AgoraOptions{Form: d.pick("form", "", "mid16", "md4")}
	}
	return x
}

func (d *drawer) importKey() proto.Message {
	p := d.provider()
	material, kid := p.material(rapid.IntRange(0, 5).Draw(d.T, "key"))
	r := &pb.ImportKeyRequest{TargetId: p.target.GetId(), Material: material, Kid: kid, Encoding: encodingOf(p), Activate: rapid.Bool().Draw(d.T, "activate")}
	if d.rarely("other target") {
		r.TargetId = d.target()
	}
	if d.rarely("encoding") {
		r.Encoding = pb.KeyEncoding(rapid.Int32Range(-1, 8).Draw(d.T, "encoding"))
	}
	if d.rarely("material") {
		r.Material = []byte(d.pick("material", "", "short", "\x00\x01", strings.Repeat("a", 65537)))
	}
	if d.rarely("kid") {
		r.Kid = d.text("kid")
	}
	return r
}
