package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/tokens"
)

// bouncer is a Checker that answers as it is told.
type bouncer struct {
	decision entitle.Decision
	err      error
}

func (b *bouncer) Check(context.Context, entitle.Request) (entitle.Decision, error) {
	return b.decision, b.err
}

// cinema is a service whose playback wowza opens sessions.
func cinema(t *testing.T, policy *pb.SessionPolicy, options ...func(*server.Options)) *service {
	t.Helper()
	e := start(t, settings{options: func(o *server.Options) {
		for _, option := range options {
			option(o)
		}
	}})
	e.seed(t)
	if policy != nil {
		e.change(t, &pb.Playback{Id: "wowza", Sessions: policy})
	}
	return e
}

func (e *service) change(t *testing.T, p *pb.Playback) {
	t.Helper()
	if _, err := e.playbacks.UpdatePlayback(t.Context(), &pb.UpdatePlaybackRequest{Playback: p}); err != nil {
		t.Fatal(err)
	}
}

func (e *service) watch(t *testing.T, viewer, device string) *pb.SignPlaybackResponse {
	t.Helper()
	answer, err := e.playbacks.SignPlayback(t.Context(), &pb.SignPlaybackRequest{Id: "wowza", Viewer: viewer, Viewing: &pb.Viewing{Device: device}})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (e *service) refuses(t *testing.T, viewer, device string, want tokens.Reason) (text string) {
	t.Helper()
	_, err := e.playbacks.SignPlayback(t.Context(), &pb.SignPlaybackRequest{Id: "wowza", Viewer: viewer, Viewing: &pb.Viewing{Device: device}})
	wantReason(t, err, want)
	return err.Error()
}

func (e *service) show(t *testing.T, id string) *pb.Session {
	t.Helper()
	answer, err := e.sessions.GetSession(t.Context(), &pb.GetSessionRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetSession()
}

// pass lets time pass, and the keys in memory keep up.
func (e *service) pass(t *testing.T, d time.Duration) {
	t.Helper()
	e.clock.advance(d)
	check(t, e.keyring.Refresh(t.Context()))
}

func (e *service) revoke(t *testing.T, r *pb.RevokeSessionsRequest) *pb.Revocation {
	t.Helper()
	answer, err := e.sessions.RevokeSessions(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetRevocation()
}

func TestRulesOfSessions(t *testing.T) {
	for _, c := range []struct {
		rule    pb.SessionRule
		device  string // of the third; the two that live are on tv and phone
		evicted int    // 0: the third is refused
	}{
		{pb.SessionRule_SESSION_RULE_DENY_NEW, "tablet", 0},
		{pb.SessionRule_SESSION_RULE_UNSPECIFIED, "tv", 0},
		{pb.SessionRule_SESSION_RULE_EVICT_OLDEST, "tablet", 1},
		{pb.SessionRule_SESSION_RULE_ALLOW_SAME_DEVICE, "tablet", 0},
		{pb.SessionRule_SESSION_RULE_ALLOW_SAME_DEVICE, "phone", 2},
	} {
		t.Run(c.rule.String()+" "+c.device, func(t *testing.T) {
			e := cinema(t, &pb.SessionPolicy{MaxSessions: 2, Rule: c.rule})
			first := e.watch(t, "ada", "tv").GetSessionId()
			e.clock.advance(time.Second)
			second := e.watch(t, "ada", "phone").GetSessionId()
			e.watch(t, "bob", "tv")
			if c.evicted == 0 {
				text := e.refuses(t, "ada", c.device, tokens.SessionLimit)
				if !strings.Contains(text, "at most 2") || !strings.Contains(text, `"phone"`) || strings.Contains(text, first) || strings.Contains(text, "bob") {
					t.Errorf("%s; want the limit and who fills it, without ids or others", text)
				}
				return
			}
			e.watch(t, "ada", c.device)
			for i, id := range []string{first, second} {
				s := e.show(t, id)
				if evicted := s.GetEnd() == pb.SessionEnd_SESSION_END_EVICTED; evicted != (i+1 == c.evicted) {
					t.Errorf("session %d: %v", i+1, s)
				}
			}
		})
	}
}

// The session id stands in the URL for edges, and no signature covers it.
func TestSessionsStandInURLs(t *testing.T) {
	e := cinema(t, nil)
	for _, p := range providers() {
		id := p.name
		e.change(t, &pb.Playback{Id: id, Sessions: &pb.SessionPolicy{}})
		answer, err := e.playbacks.SignPlayback(t.Context(), &pb.SignPlaybackRequest{Id: id, Viewer: "ada", ClientIp: "192.0.2.7"})
		if err != nil {
			t.Fatal(err)
		}
		url := answer.GetCredential().GetUrl()
		if !strings.HasSuffix(url, "="+answer.GetSessionId()) {
			t.Errorf("%s: session %q does not end %s", id, answer.GetSessionId(), url)
		}
		verdict, err := e.tokens.VerifyToken(t.Context(), &pb.VerifyTokenRequest{TargetId: p.target.GetId(), Token: url, ClientIp: "192.0.2.7"})
		if err != nil || !verdict.GetValid() {
			t.Errorf("%s: with its session the URL verifies as %v, %v", id, verdict, err)
		}
	}
}

func TestRefreshHeartbeatStop(t *testing.T) {
	e := cinema(t, &pb.SessionPolicy{MaxSessions: 1, HeartbeatTimeout: seconds(30)})
	ctx := t.Context()
	signed := e.watch(t, "ada", "tv")
	if signed.GetHeartbeatInterval().AsDuration() != 10*time.Second {
		t.Errorf("heartbeats every %s", signed.GetHeartbeatInterval().AsDuration())
	}
	refresh := func(viewer, device string) (*pb.RefreshPlaybackResponse, error) {
		return e.playbacks.RefreshPlayback(ctx, &pb.RefreshPlaybackRequest{SessionId: signed.GetSessionId(), Viewer: viewer, Viewing: &pb.Viewing{Device: device}})
	}
	e.pass(t, 20*time.Second)
	fresh, err := refresh("ada", "tv")
	if err != nil {
		t.Fatal(err)
	}
	if fresh.GetSessionId() != signed.GetSessionId() || !fresh.GetCredential().GetExpiresAt().AsTime().After(signed.GetCredential().GetExpiresAt().AsTime()) {
		t.Errorf("refreshed to %v", fresh)
	}
	_, err = refresh("eve", "tv")
	wantReason(t, err, tokens.NotFound)
	_, err = refresh("ada", "phone")
	wantReason(t, err, tokens.InvalidArgument)
	e.pass(t, 29*time.Second)
	beat, err := e.sessions.Heartbeat(ctx, &pb.HeartbeatRequest{Id: signed.GetSessionId()})
	if err != nil || !beat.GetExpireTime().AsTime().Equal(e.clock.now().Add(30*time.Second)) {
		t.Errorf("heartbeat: %v, %v", beat, err)
	}
	e.refuses(t, "ada", "tv", tokens.SessionLimit)
	if _, err := e.sessions.StopSession(ctx, &pb.StopSessionRequest{Id: signed.GetSessionId()}); err != nil {
		t.Fatal(err)
	}
	_, err = refresh("ada", "tv")
	wantReason(t, err, tokens.SessionEnded)
	_, err = e.sessions.Heartbeat(ctx, &pb.HeartbeatRequest{Id: signed.GetSessionId()})
	wantReason(t, err, tokens.SessionEnded)
	next := e.watch(t, "ada", "tv")
	e.pass(t, 31*time.Second) // no heartbeat
	if s := e.show(t, next.GetSessionId()); s.GetEnd() != pb.SessionEnd_SESSION_END_EXPIRED || s.GetEndTime() == nil {
		t.Errorf("without heartbeats: %v", s)
	}
	e.watch(t, "ada", "tv")
}

// A batch opens sessions too, each item for itself.
func TestBatchOpensSessions(t *testing.T) {
	e := cinema(t, &pb.SessionPolicy{MaxSessions: 3})
	batch := &pb.BatchSignPlaybackRequest{}
	for range 10 {
		batch.Requests = append(batch.Requests, &pb.SignPlaybackRequest{Id: "wowza", Viewer: "ada"})
	}
	answer, err := e.playbacks.BatchSignPlayback(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	opened := map[string]bool{}
	for _, o := range answer.GetOutcomes() {
		if id := o.GetSessionId(); id != "" && strings.HasSuffix(o.GetCredential().GetUrl(), id) {
			opened[id] = true
		}
	}
	if len(opened) != 3 {
		t.Errorf("%d sessions opened, want 3: %v", len(opened), answer)
	}
}

func TestSignAsksThePolicy(t *testing.T) {
	b := &bouncer{}
	e := cinema(t, nil, func(o *server.Options) { o.Checker = b })
	e.change(t, &pb.Playback{Id: "wowza", Access: &pb.AccessPolicy{Rule: &pb.AccessPolicy_Grant{Grant: &pb.GrantRule{}}}})
	b.decision = entitle.Decision{Detail: "no grant"}
	if text := e.refuses(t, "ada", "", tokens.NotEntitled); !strings.Contains(text, "no grant") {
		t.Error(text)
	}
	b.decision = entitle.Decision{Reason: tokens.Revoked, Detail: "refunded"}
	e.refuses(t, "ada", "", tokens.Revoked)
	b.err = errors.New("connect to 10.0.0.1: refused")
	if text := e.refuses(t, "ada", "", tokens.EntitlementUnknown); strings.Contains(text, "10.0.0.1") {
		t.Errorf("the words of a driver got out: %s", text)
	}
	until := e.clock.now().Add(90 * time.Second)
	b.err, b.decision = nil, entitle.Decision{Allowed: true, Until: until}
	signed := e.watch(t, "ada", "")
	if !signed.GetCredential().GetExpiresAt().AsTime().Equal(until) || signed.GetSessionId() != "" {
		t.Errorf("signed %v, want a token until %s and no session", signed, until)
	}
	b.decision.Until = e.clock.now().Add(900 * time.Millisecond)
	e.refuses(t, "ada", "", tokens.NotEntitled)

	grant, err := e.grants.CreateGrant(t.Context(), &pb.CreateGrantRequest{Grant: &pb.Grant{
		Viewer: "ada", OrderId: "o1", Subject: &pb.Grant_PlaybackId{PlaybackId: "wowza"}, Limits: &pb.GrantLimits{MaxSessions: 1, MaxPlays: 2},
	}})
	if err != nil {
		t.Fatal(err)
	}
	id := grant.GetGrant().GetId()
	b.decision = entitle.Decision{Allowed: true, Grant: &entitle.Grant{ID: id, Viewer: "ada", Limits: entitle.Limits{MaxSessions: 1, MaxPlays: 2}}}
	signed = e.watch(t, "ada", "")
	if signed.GetGrantId() != id || signed.GetSessionId() == "" {
		t.Errorf("signed %v, want a session under the grant", signed)
	}
	e.refuses(t, "ada", "", tokens.SessionLimit)
	r := e.revoke(t, &pb.RevokeSessionsRequest{Subject: &pb.RevokeSessionsRequest_OrderId{OrderId: "o1"}, Reason: "refund"})
	if r.GetSessionsEnded() != 1 || r.GetGrantsRevoked() != 1 {
		t.Errorf("revoked %v", r)
	}
	if edge := r.GetLayers()[2]; edge.GetLayer() != pb.Layer_LAYER_EDGE || edge.GetRefuses() {
		t.Errorf("the playback asks for no session, so that an edge lets the token through without: %v", edge)
	}
	_, err = e.playbacks.RefreshPlayback(t.Context(), &pb.RefreshPlaybackRequest{SessionId: signed.GetSessionId(), Viewer: "ada"})
	wantReason(t, err, tokens.SessionEnded)
	e.refuses(t, "ada", "", tokens.Revoked) // the store knows, whatever the checker says
}

// asked is a Checker that lets everybody in and remembers the last question.
type asked struct{ last entitle.Request }

func (a *asked) Check(_ context.Context, r entitle.Request) (entitle.Decision, error) {
	a.last = r
	return entitle.Decision{Allowed: true}, nil
}

// An address stands in either place of a request; the policy hears it from both.
func TestThePolicyHearsTheAddress(t *testing.T) {
	a := &asked{}
	e := cinema(t, nil, func(o *server.Options) { o.Checker = a })
	e.change(t, &pb.Playback{Id: "wowza", Access: &pb.AccessPolicy{Rule: &pb.AccessPolicy_Grant{Grant: &pb.GrantRule{}}}})
	for _, c := range []struct {
		address string
		viewing *pb.Viewing
	}{
		{"192.0.2.7", nil},
		{"::ffff:192.0.2.7", &pb.Viewing{Device: "tv"}},
		{"", &pb.Viewing{ClientIp: "192.0.2.7"}},
		{"192.0.2.7", &pb.Viewing{ClientIp: "192.0.2.7"}},
	} {
		a.last = entitle.Request{}
		_, err := e.playbacks.SignPlayback(t.Context(), &pb.SignPlaybackRequest{Id: "wowza", Viewer: "ada", ClientIp: c.address, Viewing: c.viewing})
		if err != nil || a.last.Viewing.ClientIP.String() != "192.0.2.7" {
			t.Errorf("%q and %v: the policy was asked about %s, %v", c.address, c.viewing, a.last.Viewing.ClientIP, err)
		}
	}
	_, err := e.playbacks.SignPlayback(t.Context(), &pb.SignPlaybackRequest{Id: "wowza", Viewer: "ada", ClientIp: "192.0.2.7:80"})
	wantReason(t, err, tokens.InvalidArgument)
}

// Without a checker nobody gets in whom a policy has to let in.
func TestNoCheckerIsNoYes(t *testing.T) {
	e := cinema(t, nil)
	e.change(t, &pb.Playback{Id: "wowza", Access: &pb.AccessPolicy{Rule: &pb.AccessPolicy_Grant{Grant: &pb.GrantRule{}}}})
	e.refuses(t, "ada", "", tokens.EntitlementUnknown)
}

func TestRevocationsReach(t *testing.T) {
	e := cinema(t, &pb.SessionPolicy{})
	signed := e.watch(t, "ada", "tv")
	e.watch(t, "bob", "tv")
	skew := 15 * time.Second
	last := signed.GetCredential().GetExpiresAt().AsTime()
	one := e.revoke(t, &pb.RevokeSessionsRequest{Subject: &pb.RevokeSessionsRequest_SessionId{SessionId: signed.GetSessionId()}})
	if !one.GetEffectiveAt().AsTime().Equal(last.Add(skew)) || one.GetSessionsEnded() != 1 {
		t.Errorf("one session: %v, want the token's expiry %s and the skew", one, last)
	}
	if edge := one.GetLayers()[2]; edge.GetLayer() != pb.Layer_LAYER_EDGE || !edge.GetRefuses() {
		t.Errorf("the playback asks for sessions, so that edges refuse without: %v", edge)
	}
	e.watch(t, "ada", "tv")
	// Other playbacks open no sessions, so that tokens of the viewer's may be out of which nobody knows.
	viewer := e.revoke(t, &pb.RevokeSessionsRequest{Subject: &pb.RevokeSessionsRequest_Viewer{Viewer: "ada"}, Hold: durationpb.New(time.Minute)})
	if want := e.clock.now().Add(6*time.Hour + 30*time.Second + skew); !viewer.GetEffectiveAt().AsTime().Equal(want) {
		t.Errorf("effective at %s, want the longest life of a token of any target: %s", viewer.GetEffectiveAt().AsTime(), want)
	}
	refuses := map[pb.Layer]bool{}
	for _, l := range viewer.GetLayers() {
		refuses[l.GetLayer()] = l.GetRefuses()
		if l.GetDetail() == "" {
			t.Errorf("%s says nothing", l.GetLayer())
		}
	}
	if len(refuses) != 4 || !refuses[pb.Layer_LAYER_SIGN] || !refuses[pb.Layer_LAYER_REFRESH] || refuses[pb.Layer_LAYER_EDGE] || refuses[pb.Layer_LAYER_VENDOR] {
		t.Errorf("layers %v", viewer.GetLayers())
	}
	e.refuses(t, "ada", "", tokens.Revoked)
	_, err := e.playbacks.SignPlayback(t.Context(), &pb.SignPlaybackRequest{Id: "akamai", Viewer: "ada"})
	wantReason(t, err, tokens.Revoked)
	e.pass(t, time.Minute)
	e.watch(t, "ada", "tv")
	held := e.revoke(t, &pb.RevokeSessionsRequest{Subject: &pb.RevokeSessionsRequest_PlaybackId{PlaybackId: "wowza"}, RotateKeys: false})
	if held.GetSessionsEnded() != 2 || held.GetHoldUntil() != nil {
		t.Errorf("a playback: %v", held)
	}
	e.refuses(t, "bob", "", tokens.Revoked)
	lifted, err := e.sessions.LiftRevocation(t.Context(), &pb.LiftRevocationRequest{Id: held.GetId()})
	if err != nil || lifted.GetRevocation().GetLiftTime() == nil {
		t.Errorf("lifted: %v, %v", lifted, err)
	}
	e.watch(t, "bob", "tv")
	_, err = e.sessions.LiftRevocation(t.Context(), &pb.LiftRevocationRequest{Id: one.GetId()})
	wantReason(t, err, tokens.InvalidArgument)
	_, err = e.sessions.RevokeSessions(t.Context(), &pb.RevokeSessionsRequest{Subject: &pb.RevokeSessionsRequest_PlaybackId{PlaybackId: "agora"}, Ban: true})
	wantReason(t, err, tokens.NoCredentials)
}

// A memory that has not been compared with the store for too long lets nobody in.
func TestStaleSessionsRefuse(t *testing.T) {
	e := cinema(t, &pb.SessionPolicy{}, func(o *server.Options) {
		o.Keeper = session.NewKeeper(o.Sessions, session.DefaultKeeperConfig(30*time.Second), o.Now, o.Log)
		if err := o.Keeper.Refresh(context.Background()); err != nil {
			t.Error(err)
		}
	})
	signed := e.watch(t, "ada", "")
	e.pass(t, 31*time.Second)
	e.refuses(t, "ada", "", tokens.SnapshotStale)
	_, err := e.playbacks.RefreshPlayback(t.Context(), &pb.RefreshPlaybackRequest{SessionId: signed.GetSessionId(), Viewer: "ada"})
	wantReason(t, err, tokens.SnapshotStale)
}
