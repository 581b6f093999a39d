package server_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/tokens"
)

// bad is a request that has to be refused, in the same words through both doors.
type bad struct {
	name    string
	request proto.Message
	reason  tokens.Reason
	// says is what the message has to name: the field, or what would be right.
	says string
}

func TestBadInputIsRefusedInWordsAndChangesNothing(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	bound := proto.CloneOf(providers()[0].playback)
	bound.Id, bound.IpBinding = "bound", pb.IpBinding_IP_BINDING_EXACT
	if _, err := e.playbacks.CreatePlayback(t.Context(), &pb.CreatePlaybackRequest{Playback: bound}); err != nil {
		t.Fatal(err)
	}
	e.importKey(t, providers()[0], 1, false)
	before := e.dump(t)
	for group, cases := range map[string][]bad{
		"sign": badSigns(), "playback": badPlaybacks(), "target": badTargets(), "key": badKeys(), "token": badTokens(), "list": badLists(),
	} {
		for _, c := range cases {
			t.Run(group+"/"+c.name, func(t *testing.T) {
				got := e.both(t, c.request)
				if got.status == nil {
					t.Fatalf("accepted: %v", got.message)
				}
				if reason := got.reason(t); reason != c.reason {
					t.Errorf("reason %s, want %s", reason, c.reason)
				}
				if code := codes.Code(got.status.GetCode()); code != server.CodeOf(c.reason) {
					t.Errorf("code %s, want %s", code, server.CodeOf(c.reason))
				}
				if !strings.Contains(got.status.GetMessage(), c.says) {
					t.Errorf("%q does not say %q", got.status.GetMessage(), c.says)
				}
				if m, ok := c.request.(*pb.ImportKeyRequest); ok && len(m.GetMaterial()) > 7 {
					noSecret(t, "the refusal", got.status.String(), m.GetMaterial())
				}
			})
		}
	}
	if after := e.dump(t); after != before {
		t.Errorf("a refused request changed the store:\n%s\n%s", before, after)
	}
}

func seconds(s int64) *durationpb.Duration { return &durationpb.Duration{Seconds: s} }

func badSigns() []bad {
	sign := func(change func(*pb.SignPlaybackRequest)) *pb.SignPlaybackRequest {
		r := &pb.SignPlaybackRequest{Id: "wowza", Viewer: "alice"}
		change(r)
		return r
	}
	ttl := func(d *durationpb.Duration) proto.Message {
		return sign(func(r *pb.SignPlaybackRequest) { r.Ttl = d })
	}
	many := &pb.BatchSignPlaybackRequest{}
	for range 1001 {
		many.Requests = append(many.Requests, &pb.SignPlaybackRequest{Id: "wowza", Viewer: "alice"})
	}
	return []bad{
		{"no viewer", sign(func(r *pb.SignPlaybackRequest) { r.Viewer = "" }), tokens.InvalidArgument, "viewer"},
		{"viewer with NUL", sign(func(r *pb.SignPlaybackRequest) { r.Viewer = "a\x00b" }), tokens.InvalidArgument, "viewer: control characters"},
		{"viewer with escape", sign(func(r *pb.SignPlaybackRequest) { r.Viewer = "a\x1b[31m" }), tokens.InvalidArgument, "viewer: control characters"},
		{"viewer with C1", sign(func(r *pb.SignPlaybackRequest) { r.Viewer = "a\u009bb" }), tokens.InvalidArgument, "viewer: control characters"},
		{"long viewer", sign(func(r *pb.SignPlaybackRequest) { r.Viewer = strings.Repeat("v", 257) }), tokens.InvalidArgument, "256"},
		{"unknown playback", sign(func(r *pb.SignPlaybackRequest) { r.Id = "nobody" }), tokens.NotFound, `"nobody"`},
		{"playback with NUL", sign(func(r *pb.SignPlaybackRequest) { r.Id = "wowza\x00" }), tokens.NotFound, `"wowza\x00"`},
		{"long playback", sign(func(r *pb.SignPlaybackRequest) { r.Id = strings.Repeat("p", 129) }), tokens.InvalidArgument, "128"},
		{"no ttl", ttl(seconds(0)), tokens.InvalidArgument, "ttl: want a positive number of whole seconds"},
		{"negative ttl", ttl(seconds(-1)), tokens.InvalidArgument, "ttl: want a positive number of whole seconds"},
		{"half seconds", ttl(durationpb.New(1500 * time.Millisecond)), tokens.InvalidArgument, "whole seconds"},
		{"milliseconds for seconds", ttl(seconds(3600_000)), tokens.LifetimeTooLong, "24h"},
		{"ttl of 10,000 years", ttl(seconds(315_576_000_000)), tokens.InvalidArgument, "ttl"},
		{"ttl over the cap", ttl(seconds(86401)), tokens.LifetimeTooLong, "24h"},
		{"ttl over the target's", ttl(seconds(21601)), tokens.LifetimeTooLong, "max_token_lifetime"},
		{"no address", &pb.SignPlaybackRequest{Id: "bound", Viewer: "alice"}, tokens.InvalidArgument, "client_ip: required"},
		{"address with port", &pb.SignPlaybackRequest{Id: "bound", Viewer: "alice", ClientIp: "1.2.3.4:80"}, tokens.InvalidArgument, "client_ip: want one IP address"},
		{"address with zone", &pb.SignPlaybackRequest{Id: "bound", Viewer: "alice", ClientIp: "fe80::1%eth0"}, tokens.InvalidArgument, "client_ip: want one IP address"},
		{"address with NUL", &pb.SignPlaybackRequest{Id: "bound", Viewer: "alice", ClientIp: "1.2.3.4\x00"}, tokens.InvalidArgument, "client_ip"},
		{"prefix", &pb.SignPlaybackRequest{Id: "bound", Viewer: "alice", ClientIp: "10.0.0.0/8"}, tokens.InvalidArgument, "client_ip"},
		{"empty batch", &pb.BatchSignPlaybackRequest{}, tokens.InvalidArgument, "requests"},
		{"1,001 items", many, tokens.InvalidArgument, "1000"},
	}
}

func badPlaybacks() []bad {
	all := providers()
	create := func(n int, change func(*pb.Playback)) proto.Message {
		p := proto.CloneOf(all[n].playback)
		p.Id = "new"
		change(p)
		return &pb.CreatePlaybackRequest{Playback: p}
	}
	url := func(u string) proto.Message { return create(0, func(p *pb.Playback) { p.Url = u }) }
	hdnts := func(h *pb.Hdnts) proto.Message {
		return create(0, func(p *pb.Playback) { p.Binding = &pb.Playback_Hdnts{Hdnts: h} })
	}
	edge := func(e *pb.EdgeAuth) proto.Message {
		return create(1, func(p *pb.Playback) { p.Binding = &pb.Playback_EdgeAuth{EdgeAuth: e} })
	}
	qencode := func(q *pb.Qencode) proto.Message {
		return create(2, func(p *pb.Playback) { p.Binding = &pb.Playback_Qencode{Qencode: q} })
	}
	update := func(p *pb.Playback, mask ...string) proto.Message {
		return &pb.UpdatePlaybackRequest{Playback: p, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask}}
	}
	const arg = tokens.InvalidArgument
	return []bad{
		{"nothing", &pb.CreatePlaybackRequest{}, arg, "playback"},
		{"no id", create(0, func(p *pb.Playback) { p.Id = "" }), arg, "playback.id"},
		{"id with slash", create(0, func(p *pb.Playback) { p.Id = "a/b" }), arg, "playback.id"},
		{"id with NUL", create(0, func(p *pb.Playback) { p.Id = "a\x00" }), arg, "playback.id"},
		{"id with line end", create(0, func(p *pb.Playback) { p.Id = "a\n" }), arg, "playback.id"},
		{"long id", create(0, func(p *pb.Playback) { p.Id = strings.Repeat("a", 129) }), arg, "playback.id"},
		{"taken id", create(0, func(p *pb.Playback) { p.Id = "wowza" }), tokens.AlreadyExists, `"wowza"`},
		{"no target", create(0, func(p *pb.Playback) { p.TargetId = "" }), arg, "target_id"},
		{"unknown target", create(0, func(p *pb.Playback) { p.TargetId = "nobody" }), tokens.NotFound, `"nobody"`},
		{"no URL", url(""), arg, "url"},
		{"long URL", url("https://h/" + strings.Repeat("a", 2048)), arg, "2048"},
		{"relative URL", url("/a/b"), arg, "url: want an absolute"},
		{"script", url("javascript:alert(1)"), arg, "url"},
		{"file", url("file:///etc/passwd"), arg, "url: want an absolute"},
		{"user and password", url("https://u:p@h/a"), arg, "url: must not hold a user"},
		{"fragment", url("https://h/a#b"), arg, "url"},
		{"space", url("https://h/a b"), arg, "url"},
		{"NUL in URL", url("https://h/a\x00b"), arg, "url"},
		{"Unicode in URL", url("https://h/é"), arg, "percent-encode"},
		{"token in URL", url("https://h/1/STREAM01/a.m3u8?hdnts=exp=1~hmac=0"), arg, "hdnts"},
		{"description with NUL", create(0, func(p *pb.Playback) { p.Description = "a\x00b" }), arg, "description: control characters"},
		{"description with escape", create(0, func(p *pb.Playback) { p.Description = "\x1b[2J" }), arg, "description: control characters"},
		{"long description", create(0, func(p *pb.Playback) { p.Description = strings.Repeat("a", 257) }), arg, "256"},
		{"no binding", create(0, func(p *pb.Playback) { p.Binding = nil }), arg, "binding"},
		{"binding of another scheme", create(0, func(p *pb.Playback) { p.Binding = all[3].playback.GetBinding() }), arg, "hdnts: required"},
		{"no ttl", create(0, func(p *pb.Playback) { p.Ttl = seconds(0) }), arg, "ttl"},
		{"negative ttl", create(0, func(p *pb.Playback) { p.Ttl = seconds(-5) }), arg, "ttl"},
		{"half seconds", create(0, func(p *pb.Playback) { p.Ttl = durationpb.New(1500 * time.Millisecond) }), arg, "whole seconds"},
		{"ttl over a day", create(0, func(p *pb.Playback) { p.Ttl = seconds(86401) }), arg, "ttl"},
		{"ttl over the target's", create(0, func(p *pb.Playback) { p.Ttl = seconds(21601) }), tokens.LifetimeTooLong, "max_token_lifetime"},
		{"ttl and granularity over it", create(0, func(p *pb.Playback) { p.Ttl, p.ExpiryGranularity = seconds(21600), seconds(1) }), tokens.LifetimeTooLong, "granularity"},
		{"negative granularity", create(0, func(p *pb.Playback) { p.ExpiryGranularity = seconds(-60) }), arg, "expiry_granularity"},
		{"half granularity", create(0, func(p *pb.Playback) { p.ExpiryGranularity = &durationpb.Duration{Nanos: 5e8} }), arg, "expiry_granularity"},
		{"no such IP binding", create(0, func(p *pb.Playback) { p.IpBinding = 99 }), arg, "ip_binding"},
		{"IP binding that the scheme cannot carry", create(3, func(p *pb.Playback) { p.IpBinding = pb.IpBinding_IP_BINDING_EXACT }), arg, "ip_binding: agora-timestamp"},
		{"IP prefix", create(0, func(p *pb.Playback) { p.IpBinding = pb.IpBinding_IP_BINDING_PREFIX }), arg, "hashes one address"},
		{"policy without a rule", create(0, func(p *pb.Playback) { p.Access = &pb.AccessPolicy{} }), arg, "access"},
		{"policy too deep", create(0, func(p *pb.Playback) { p.Access = deepPolicy(5) }), arg, "more than 4 policies deep"},
		{"policy as deep as a bomb", create(0, func(p *pb.Playback) { p.Access = deepPolicy(1000) }), arg, "more than 4 policies deep"},
		{"expression as long as a bomb", create(0, func(p *pb.Playback) {
			p.Access = &pb.AccessPolicy{Rule: &pb.AccessPolicy_Expression{Expression: strings.Repeat("true || ", 600) + "true"}}
		}), arg, "4096"},
		{"more sessions than there are", create(0, func(p *pb.Playback) { p.Sessions = &pb.SessionPolicy{MaxSessions: 1001} }), arg, "max_sessions"},
		{"heartbeat in half seconds", create(0, func(p *pb.Playback) {
			p.Sessions = &pb.SessionPolicy{HeartbeatTimeout: durationpb.New(5500 * time.Millisecond)}
		}), arg, "whole seconds"},
		{"heartbeat too often", create(0, func(p *pb.Playback) { p.Sessions = &pb.SessionPolicy{HeartbeatTimeout: seconds(4)} }), arg, "heartbeat_timeout"},
		{"no stream", hdnts(&pb.Hdnts{}), arg, "stream_id"},
		{"stream with separator", hdnts(&pb.Hdnts{StreamId: "a~exp=9"}), arg, "stream_id"},
		{"stream with NUL", hdnts(&pb.Hdnts{StreamId: "a\x00"}), arg, "stream_id"},
		{"stream in Unicode", hdnts(&pb.Hdnts{StreamId: "é"}), arg, "stream_id"},
		{"VOD stream with separator", hdnts(&pb.Hdnts{StreamId: "a", VodStreamId: "b&c"}), arg, "vod"},
		{"no path", edge(&pb.EdgeAuth{}), arg, "acl"},
		{"both paths", edge(&pb.EdgeAuth{Acl: []string{"/a/*"}, UrlPath: "/a"}), arg, "acl"},
		{"prefix that widens", edge(&pb.EdgeAuth{Acl: []string{"/a*"}}), arg, "acl"},
		{"path with separator", edge(&pb.EdgeAuth{Acl: []string{"/a!/b~c/*"}}), arg, "acl"},
		{"path with NUL", edge(&pb.EdgeAuth{UrlPath: "/a\x00"}), arg, "url"},
		{"payload with line end", edge(&pb.EdgeAuth{UrlPath: "/a", Payload: "a\nb"}), arg, "payload"},
		{"long payload", edge(&pb.EdgeAuth{UrlPath: "/a", Payload: strings.Repeat("a", 513)}), arg, "payload"},
		{"no uri", qencode(&pb.Qencode{}), arg, "uri"},
		{"uri and bucket", qencode(&pb.Qencode{Uri: "a", WholeBucket: true}), arg, "uri"},
		{"uri with slash in front", qencode(&pb.Qencode{Uri: "/a"}), arg, "uri"},
		{"uri with NUL", qencode(&pb.Qencode{Uri: "a\x00"}), arg, "uri"},
		{"claim that overrides the expiry", qencode(&pb.Qencode{Uri: "a", Claims: map[string]string{"exp": "9999999999"}}), arg, "exp"},
		{"viewer as the expiry", qencode(&pb.Qencode{Uri: "a", ViewerClaim: "exp"}), arg, "exp"},
		{"viewer claim twice", qencode(&pb.Qencode{Uri: "a", ViewerClaim: "v", Claims: map[string]string{"v": "x"}}), arg, "twice"},
		{"unknown", &pb.GetPlaybackRequest{Id: "nobody"}, tokens.NotFound, "nobody"},
		{"update of unknown", update(&pb.Playback{Id: "nobody", Description: "x"}, "description"), tokens.NotFound, "nobody"},
		{"update of what it has not", update(&pb.Playback{Id: "wowza"}, "colour"), arg, "update_mask"},
		{"update of the target", update(&pb.Playback{Id: "wowza", TargetId: "agora-play"}, "target_id"), arg, "update_mask"},
		{"update into another scheme", update(&pb.Playback{Id: "wowza", Binding: all[3].playback.GetBinding()}, "agora"), arg, "hdnts"},
		{"update with a bad value", update(&pb.Playback{Id: "wowza", Url: "ftp://h"}, "url"), arg, "url"},
		{"update with a long value", update(&pb.Playback{Id: "wowza", Description: strings.Repeat("a", 300)}, "description"), arg, "description"},
		{"update away of the binding", update(&pb.Playback{Id: "wowza"}, "hdnts.stream_id"), arg, "stream_id"},
		{"delete of unknown", &pb.DeletePlaybackRequest{Id: "nobody"}, tokens.NotFound, "nobody"},
	}
}

func badTargets() []bad {
	create := func(change func(*pb.Target)) proto.Message {
		x := &pb.Target{Id: "new", Provider: "wowza"}
		change(x)
		return &pb.CreateTargetRequest{Target: x}
	}
	update := func(x *pb.Target, mask ...string) proto.Message {
		return &pb.UpdateTargetRequest{Target: x, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask}}
	}
	const arg = tokens.InvalidArgument
	return []bad{
		{"nothing", &pb.CreateTargetRequest{}, arg, "target"},
		{"upper case", create(func(x *pb.Target) { x.Id = "New" }), arg, "target.id"},
		{"hyphen at the end", create(func(x *pb.Target) { x.Id = "new-" }), arg, "target.id"},
		{"long id", create(func(x *pb.Target) { x.Id = strings.Repeat("a", 64) }), arg, "target.id"},
		{"NUL in id", create(func(x *pb.Target) { x.Id = "a\x00" }), arg, "target.id"},
		{"taken id", create(func(x *pb.Target) { x.Id = "wowza-live" }), tokens.AlreadyExists, `"wowza-live"`},
		{"unknown provider", create(func(x *pb.Target) { x.Provider = "acme" }), arg, "wowza, akamai, qencode, agora"},
		{"no provider", create(func(x *pb.Target) { x.Provider = "" }), arg, "provider"},
		{"NUL in provider", create(func(x *pb.Target) { x.Provider = "wowza\x00" }), arg, "provider"},
		{"unknown scheme", create(func(x *pb.Target) { x.Scheme = "rot13" }), arg, "scheme"},
		{"scheme of another provider", create(func(x *pb.Target) { x.Scheme = "qencode-jwt" }), arg, "wowza-hdnts"},
		{"unknown account", create(func(x *pb.Target) { x.Account = "nobody" }), arg, "account"},
		{"account of another provider", create(func(x *pb.Target) { x.Provider, x.Account = "agora", "wowza-main" }), arg, "account"},
		{"description with NUL", create(func(x *pb.Target) { x.Description = "a\x00b" }), arg, "description: control characters"},
		{"long description", create(func(x *pb.Target) { x.Description = strings.Repeat("a", 257) }), arg, "256"},
		{"no lifetime", create(func(x *pb.Target) { x.MaxTokenLifetime = seconds(0) }), arg, "max_token_lifetime"},
		{"negative lifetime", create(func(x *pb.Target) { x.MaxTokenLifetime = seconds(-1) }), arg, "max_token_lifetime"},
		{"lifetime over a day", create(func(x *pb.Target) { x.MaxTokenLifetime = seconds(86401) }), arg, "max_token_lifetime"},
		{"half seconds", create(func(x *pb.Target) { x.MaxTokenLifetime = durationpb.New(1500 * time.Millisecond) }), arg, "whole seconds"},
		{"options of another scheme", create(func(x *pb.Target) { x.EdgeAuth = &pb.EdgeAuthOptions{} }), arg, "edge_auth: only for scheme akamai-edgeauth"},
		{"options of Agora", create(func(x *pb.Target) { x.Agora = &pb.AgoraOptions{} }), arg, "agora: only for scheme agora-timestamp"},
		{"token name with separator", create(func(x *pb.Target) { x.Provider, x.EdgeAuth = "akamai", &pb.EdgeAuthOptions{TokenName: "a=b"} }), arg, "token_name"},
		{"unknown algorithm", create(func(x *pb.Target) { x.Provider, x.EdgeAuth = "akamai", &pb.EdgeAuthOptions{Algorithm: "crc32"} }), arg, "algorithm"},
		{"unknown form", create(func(x *pb.Target) { x.Provider, x.Agora = "agora", &pb.AgoraOptions{Form: "md4"} }), arg, "form"},
		{"unknown", &pb.GetTargetRequest{Id: "nobody"}, tokens.NotFound, `"nobody"`},
		{"update of unknown", update(&pb.Target{Id: "nobody"}, "description"), tokens.NotFound, `"nobody"`},
		{"update of the provider", update(&pb.Target{Id: "wowza-live", Provider: "agora"}, "provider"), arg, "update_mask"},
		{"update with a bad value", update(&pb.Target{Id: "wowza-live", MaxTokenLifetime: seconds(0)}, "max_token_lifetime"), arg, "max_token_lifetime"},
		{"update with an unknown account", update(&pb.Target{Id: "wowza-live", Account: "nobody"}, "account"), arg, "account"},
		{"delete with playbacks and keys", &pb.DeleteTargetRequest{Id: "wowza-live"}, tokens.InUse, "wowza-live"},
		{"delete of unknown", &pb.DeleteTargetRequest{Id: "nobody"}, tokens.NotFound, `"nobody"`},
	}
}

func badKeys() []bad {
	in := func(target string, material []byte, change func(*pb.ImportKeyRequest)) proto.Message {
		r := &pb.ImportKeyRequest{TargetId: target, Material: material}
		if change != nil {
			change(r)
		}
		return r
	}
	rsa := rsaKeys()[2]
	fresh := []byte(hexSecret(77))
	at := func(s int64) *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: s} }
	retire := func(version int32, horizon *timestamppb.Timestamp) proto.Message {
		return &pb.RetireKeyRequest{TargetId: "wowza-live", Version: version, Horizon: horizon}
	}
	const arg = tokens.InvalidArgument
	return []bad{
		{"no material", in("wowza-live", nil, nil), arg, "material"},
		{"64 KiB and a byte", in("wowza-live", []byte(strings.Repeat("a", 65537)), nil), arg, "65536"},
		{"unknown target", in("nobody", fresh, nil), tokens.NotFound, `"nobody"`},
		{"no secret of the scheme", in("wowza-live", []byte("not hexadecimal at all"), nil), tokens.InvalidKey, "hex"},
		{"short secret", in("wowza-live", []byte("c0ffee42"), nil), tokens.InvalidKey, "use 32"},
		{"secret for RSA", in("qencode-live", fresh, nil), tokens.InvalidKey, "RSA"},
		{"RSA for secret", in("wowza-live", []byte(rsa.Private), nil), tokens.InvalidKey, "wowza-hdnts"},
		{"half a PEM", in("qencode-live", []byte(rsa.Private[:len(rsa.Private)/2]), nil), tokens.InvalidKey, "END"},
		{"no kid", in("qencode-live", []byte(rsa.Private), nil), tokens.InvalidKey, "kid"},
		{"kid with NUL", in("qencode-live", []byte(rsa.Private), func(r *pb.ImportKeyRequest) { r.Kid = "a\x00b" }), arg, "kid"},
		{"long kid", in("qencode-live", []byte(rsa.Private), func(r *pb.ImportKeyRequest) { r.Kid = strings.Repeat("k", 129) }), arg, "kid"},
		{"two readings", in("agora-play", []byte(base64.StdEncoding.EncodeToString(fresh)), nil), tokens.AmbiguousKey, "encoding"},
		{"no such encoding", in("wowza-live", fresh, func(r *pb.ImportKeyRequest) { r.Encoding = 99 }), arg, "encoding"},
		{"the same key again", in("wowza-live", []byte(hexSecret(0)), nil), tokens.AlreadyExists, "key 1"},
		{"another key of the same id", in("qencode-live", []byte(rsa.Private), func(r *pb.ImportKeyRequest) { r.Kid = rsaKeys()[0].ID }), tokens.AlreadyExists, "has the id"},
		{"keys of unknown", &pb.ListKeysRequest{TargetId: "nobody"}, tokens.NotFound, `"nobody"`},
		{"version 0", &pb.GetKeyRequest{TargetId: "wowza-live"}, arg, "version"},
		{"negative version", &pb.GetKeyRequest{TargetId: "wowza-live", Version: -1}, arg, "version"},
		{"unknown version", &pb.GetKeyRequest{TargetId: "wowza-live", Version: 99}, tokens.NotFound, "no key version 99"},
		{"activate unknown", &pb.ActivateKeyRequest{TargetId: "wowza-live", Version: 99}, tokens.NotFound, "no key version 99"},
		{"activate twice", &pb.ActivateKeyRequest{TargetId: "wowza-live", Version: 1}, tokens.IllegalMove, "active already"},
		{"retire a pending key", retire(2, nil), tokens.IllegalMove, "pending"},
		{"horizon of a pending key", retire(2, at(1_900_000_000)), tokens.IllegalMove, "pending"},
		{"horizon in the past", retire(1, at(1_700_000_000)), tokens.IllegalMove, "future"},
		{"horizon that breaks tokens", retire(1, at(1_772_370_000)), tokens.IllegalMove, "or force to break them"},
		{"horizon set and taken back", &pb.RetireKeyRequest{TargetId: "wowza-live", Version: 1, Horizon: at(1_900_000_000), ClearHorizon: true}, arg, "clear_horizon"},
		{"horizon of a pending key taken back", &pb.RetireKeyRequest{TargetId: "wowza-live", Version: 2, ClearHorizon: true}, tokens.IllegalMove, "pending"},
		{"horizon in the year 1", retire(1, at(-62135596800)), arg, "1970"},
		{"horizon in milliseconds", retire(1, at(1_900_000_000_000/10)), arg, "2286"},
		{"horizon in the year 9999", retire(1, at(253402300799)), arg, "2286"},
		{"destroy the active key", &pb.DestroyKeyRequest{TargetId: "wowza-live", Version: 1, Force: true}, tokens.IllegalMove, "active"},
	}
}

func badTokens() []bad {
	const arg = tokens.InvalidArgument
	hdnts := &pb.MintTokenRequest_Hdnts{Hdnts: &pb.Hdnts{StreamId: "a"}}
	return []bad{
		{"mint", &pb.MintTokenRequest{TargetId: "wowza-live", Binding: hdnts, Ttl: seconds(60)}, tokens.MintDisabled, "api.mint"},
		{"verify nothing", &pb.VerifyTokenRequest{TargetId: "wowza-live"}, arg, "token"},
		{"verify without target", &pb.VerifyTokenRequest{Token: "exp=1~hmac=0"}, arg, "target_id"},
		{"verify for unknown target", &pb.VerifyTokenRequest{TargetId: "nobody", Token: "exp=1~hmac=0"}, tokens.NotFound, `"nobody"`},
		{"verify a long token", &pb.VerifyTokenRequest{TargetId: "wowza-live", Token: strings.Repeat("a", 16385)}, arg, "16384"},
		{"explain nothing", &pb.ExplainTokenRequest{}, arg, "token"},
		{"explain for unknown target", &pb.ExplainTokenRequest{TargetId: "nobody", Token: "exp=1~hmac=0"}, tokens.NotFound, `"nobody"`},
		{"explain in unknown scheme", &pb.ExplainTokenRequest{Scheme: "rot13", Token: "x"}, arg, "wowza-hdnts"},
		{"explain what looks like nothing", &pb.ExplainTokenRequest{Token: "x\x00"}, arg, "name the scheme"},
		{"explain in another scheme than the target's", &pb.ExplainTokenRequest{TargetId: "wowza-live", Scheme: "qencode-jwt", Token: "exp=1~hmac=0"}, arg, "wowza-hdnts"},
	}
}

func badLists() []bad {
	const arg = tokens.InvalidArgument
	return []bad{
		{"negative page", &pb.ListPlaybacksRequest{PageSize: -1}, arg, "page_size"},
		{"page of 1,001", &pb.ListPlaybacksRequest{PageSize: 1001}, arg, "1000"},
		{"no page token", &pb.ListPlaybacksRequest{PageToken: "!!!"}, arg, "page_token"},
		{"page token with NUL", &pb.ListPlaybacksRequest{PageToken: "\x00"}, arg, "page_token"},
		{"long page token", &pb.ListPlaybacksRequest{PageToken: strings.Repeat("a", 513)}, arg, "page_token"},
		{"targets: negative page", &pb.ListTargetsRequest{PageSize: -1}, arg, "page_size"},
		{"targets: no page token", &pb.ListTargetsRequest{PageToken: "!!!"}, arg, "page_token"},
	}
}

// deepPolicy returns a policy that is depth deep.
func deepPolicy(depth int) *pb.AccessPolicy {
	p := &pb.AccessPolicy{Rule: &pb.AccessPolicy_Open{Open: &pb.OpenRule{}}}
	for range depth - 1 {
		p = &pb.AccessPolicy{Rule: &pb.AccessPolicy_AllOf{AllOf: &pb.AccessPolicies{Policies: []*pb.AccessPolicy{p}}}}
	}
	return p
}
