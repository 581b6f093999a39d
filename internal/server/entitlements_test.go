package server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/tokens"
)

func forPlayback(viewer, playback string) *pb.Grant {
	return &pb.Grant{Viewer: viewer, Subject: &pb.Grant_PlaybackId{PlaybackId: playback}}
}

// A grant shows what was asked for and what the service adds; a repeated call shows the same, and one that
// means another grant is refused.
func TestCreateGrantIsIdempotentByKey(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	now := timestamppb.New(e.clock.now())
	ask := forPlayback("ada", "wowza")
	ask.OrderId, ask.EndTime = "o1", timestamppb.New(e.clock.now().Add(time.Hour))
	ask.Limits = &pb.GrantLimits{MaxPlays: 2, MaxSessions: 1, Countries: []string{"AT"}, Networks: []string{"192.0.2.0/24"}}
	ask.Id, ask.Plays, ask.State, ask.RevokeReason = "mine", 9, pb.GrantState_GRANT_STATE_REVOKED, "mine"
	first, err := e.grants.CreateGrant(t.Context(), &pb.CreateGrantRequest{Grant: ask, IdempotencyKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	want := proto.CloneOf(ask)
	want.Id, want.Plays, want.State, want.RevokeReason = first.GetGrant().GetId(), 0, pb.GrantState_GRANT_STATE_ACTIVE, ""
	want.StartTime, want.CreateTime = now, now
	if diff := cmp.Diff(want, first.GetGrant(), protocmp.Transform()); diff != "" || first.GetRepeatedCall() || len(want.GetId()) != 36 {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	e.clock.advance(2 * time.Hour) // past its end
	again, err := e.grants.CreateGrant(t.Context(), &pb.CreateGrantRequest{Grant: ask, IdempotencyKey: "k"})
	check(t, err)
	if diff := cmp.Diff(want, again.GetGrant(), protocmp.Transform()); diff != "" || !again.GetRepeatedCall() {
		t.Errorf("repeated (-want +got):\n%s", diff)
	}
	other := proto.CloneOf(ask)
	other.Viewer = "bob"
	_, err = e.grants.CreateGrant(t.Context(), &pb.CreateGrantRequest{Grant: other, IdempotencyKey: "k"})
	wantReason(t, err, tokens.IdempotencyMismatch)
	if text := status.Convert(err).Message(); !strings.Contains(text, want.GetId()) || status.Code(err) != codes.AlreadyExists {
		t.Errorf("%v does not say which grant the key made", err)
	}
	got, err := e.grants.GetGrant(t.Context(), &pb.GetGrantRequest{Id: want.GetId()})
	check(t, err)
	if diff := cmp.Diff(want, got.GetGrant(), protocmp.Transform()); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func TestBadGrantsAreRefusedWithFieldAndReason(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	at := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(e.clock.now().Add(d)) }
	for _, c := range []struct {
		name   string
		change func(*pb.CreateGrantRequest)
		reason tokens.Reason
		says   string
	}{
		{"no grant", func(r *pb.CreateGrantRequest) { r.Grant = nil }, tokens.InvalidArgument, "grant: "},
		{"no viewer", func(r *pb.CreateGrantRequest) { r.Grant.Viewer = "" }, tokens.InvalidArgument, "viewer"},
		{"NUL in the viewer", func(r *pb.CreateGrantRequest) { r.Grant.Viewer = "a\x00" }, tokens.InvalidArgument, "viewer: control characters"},
		{"no subject", func(r *pb.CreateGrantRequest) { r.Grant.Subject = nil }, tokens.InvalidArgument, "subject"},
		{"inverted window", func(r *pb.CreateGrantRequest) { r.Grant.StartTime, r.Grant.EndTime = at(2*time.Hour), at(time.Hour) }, tokens.InvalidArgument, "end_time: 2026-03-01T13:00:00Z is not after start_time, 2026-03-01T14:00:00Z"},
		{"empty to the microsecond", func(r *pb.CreateGrantRequest) { r.Grant.StartTime, r.Grant.EndTime = at(0), at(999) }, tokens.InvalidArgument, "end_time: "},
		{"past", func(r *pb.CreateGrantRequest) { r.Grant.StartTime, r.Grant.EndTime = at(-2*time.Hour), at(-time.Hour) }, tokens.InvalidArgument, "end_time: 2026-03-01T11:00:00Z lies in the past"},
		{"year 9999", func(r *pb.CreateGrantRequest) { r.Grant.EndTime = &timestamppb.Timestamp{Seconds: 253_402_300_799} }, tokens.InvalidArgument, "end_time: "},
		{"unknown playback", func(r *pb.CreateGrantRequest) { r.Grant.Subject = &pb.Grant_PlaybackId{PlaybackId: "nothing"} }, tokens.NotFound, `playback "nothing" does not exist`},
		{"unknown product", func(r *pb.CreateGrantRequest) { r.Grant.Subject = &pb.Grant_ProductId{ProductId: "wowza"} }, tokens.NotFound, `product "wowza" does not exist`},
		{"negative plays", func(r *pb.CreateGrantRequest) { r.Grant.Limits = &pb.GrantLimits{MaxPlays: -1} }, tokens.InvalidArgument, "grant.limits.max_plays: "},
		{"wrong country", func(r *pb.CreateGrantRequest) { r.Grant.Limits = &pb.GrantLimits{Countries: []string{"UK"}} }, tokens.InvalidArgument, "limits.countries: UK is not an ISO 3166-1 code; the United Kingdom is GB"},
		{"no country", func(r *pb.CreateGrantRequest) { r.Grant.Limits = &pb.GrantLimits{Countries: []string{"Austria"}} }, tokens.InvalidArgument, "countries"},
		{"bad prefix", func(r *pb.CreateGrantRequest) { r.Grant.Limits = &pb.GrantLimits{Networks: []string{"192.0.2.0/33"}} }, tokens.InvalidArgument, `limits.networks: "192.0.2.0/33" is not`},
		{"host bits", func(r *pb.CreateGrantRequest) { r.Grant.Limits = &pb.GrantLimits{Networks: []string{"192.0.2.1/24"}} }, tokens.InvalidArgument, "want 192.0.2.0/24"},
		{"order with a line end", func(r *pb.CreateGrantRequest) { r.Grant.OrderId = "a\nb" }, tokens.InvalidArgument, "order_id: control"},
		{"key with a line end", func(r *pb.CreateGrantRequest) { r.IdempotencyKey = "a\nb" }, tokens.InvalidArgument, "idempotency_key: control"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &pb.CreateGrantRequest{Grant: forPlayback("ada", "wowza")}
			c.change(r)
			got := e.both(t, r)
			if got.status == nil || got.reason(t) != c.reason || !strings.Contains(got.status.GetMessage(), c.says) {
				t.Errorf("%v, want %s and %q", got.status, c.reason, c.says)
			}
		})
	}
	all, err := e.grants.ListGrants(t.Context(), &pb.ListGrantsRequest{})
	if err != nil || len(all.GetGrants()) != 0 {
		t.Errorf("refused and yet there: %v, %v", all, err)
	}
}

// A batch answers each item with what CreateGrant would have said, in the order of the requests.
func TestBatchCreateGrantsAnswersEveryItemInOrder(t *testing.T) {
	e, alone := start(t, settings{}), start(t, settings{})
	e.seed(t)
	alone.seed(t)
	inverted := forPlayback("ada", "wowza")
	inverted.EndTime = &timestamppb.Timestamp{Seconds: 1}
	bound := forPlayback("ada", "wowza")
	bound.Limits = &pb.GrantLimits{Countries: []string{"AT"}}
	kinds := []*pb.CreateGrantRequest{
		{Grant: forPlayback("ada", "wowza")},
		{Grant: forPlayback("", "wowza")},
		{Grant: forPlayback("ada", "nothing")},
		{},
		{Grant: forPlayback("ada", "wowza"), IdempotencyKey: "k"},
		{Grant: forPlayback("bob", "wowza"), IdempotencyKey: "k"},
		{Grant: inverted},
		{Grant: bound},
	}
	batch := &pb.BatchCreateGrantsRequest{}
	for n := range 1000 {
		batch.Requests = append(batch.Requests, kinds[n%len(kinds)])
	}
	answer, err := e.grants.BatchCreateGrants(t.Context(), batch)
	if err != nil || len(answer.GetOutcomes()) != 1000 {
		t.Fatalf("%d outcomes, %v", len(answer.GetOutcomes()), err)
	}
	var ids []string
	for n, o := range answer.GetOutcomes() {
		single, err := alone.grants.CreateGrant(t.Context(), batch.GetRequests()[n])
		if (err == nil) != (o.GetGrantId() != "") || single.GetRepeatedCall() != o.GetRepeatedCall() {
			t.Fatalf("item %d: %v; alone %v, %v", n, o, single, err)
		}
		if err != nil && n%len(kinds) != 5 { // which names the grant that the key made
			if diff := cmp.Diff(status.Convert(err).Proto(), o.GetError(), protocmp.Transform()); diff != "" {
				t.Fatalf("item %d (-alone +in the batch):\n%s", n, diff)
			}
		}
		if !o.GetRepeatedCall() && err == nil {
			ids = append(ids, o.GetGrantId())
		}
	}
	if !slices.IsSorted(ids) || len(ids) != 251 {
		t.Errorf("%d grants, in order: %t", len(ids), slices.IsSorted(ids))
	}
	if line := auditLine(e.log.String()); line == "" || !strings.Contains(e.log.String(), "act=BatchCreateGrants") ||
		!strings.Contains(e.log.String(), "grants_made=251 grants_repeated=124 grants_refused=625") {
		t.Error("the batch is not audited with its counts")
	}
}

func TestGrantsAreListedAPageAtATime(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	for n := range 7 {
		_, err := e.grants.CreateGrant(t.Context(), &pb.CreateGrantRequest{Grant: forPlayback([]string{"ada", "bob"}[n%2], "wowza")})
		check(t, err)
		e.clock.advance(time.Second)
	}
	var seen []string
	for token := ""; ; {
		page, err := e.grants.ListGrants(t.Context(), &pb.ListGrantsRequest{Viewer: "ada", PageSize: 3, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.GetGrants() {
			if g.GetViewer() != "ada" {
				t.Errorf("not asked for: %v", g)
			}
			seen = append(seen, g.GetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(seen) != 4 || !slices.IsSorted(seen) {
		t.Errorf("pages hold %v", seen)
	}
	_, err := e.grants.ListGrants(t.Context(), &pb.ListGrantsRequest{PageToken: "d293emE"})
	wantReason(t, err, tokens.InvalidArgument)
}

// says is a Checker that tells what it was asked.
type says struct{ err error }

func (s says) Check(_ context.Context, r entitle.Request) (entitle.Decision, error) {
	if s.err != nil {
		return entitle.Decision{}, s.err
	}
	return entitle.Decision{
		Allowed: true, Detail: fmt.Sprint(r.Playback.ID, " ", r.Viewer, " ", r.Viewing), Grant: &entitle.Grant{ID: "g1"}, Until: r.Now.Add(time.Hour),
		Steps: []entitle.Step{{Rule: "grant", GrantID: "g1", Allowed: true, Detail: "lets in"}},
	}, nil
}

func TestCheckEntitlementExplains(t *testing.T) {
	e := start(t, settings{options: func(o *server.Options) { o.Checker = says{} }})
	e.seed(t)
	got := e.both(t, &pb.CheckEntitlementRequest{PlaybackId: "wowza", Viewer: "ada", Viewing: &pb.Viewing{
		ClientIp: "::ffff:192.0.2.1", Device: "tv", Country: "AT", Attributes: map[string]string{"plan": "gold"},
	}})
	want := &pb.CheckEntitlementResponse{
		Allowed: true, Detail: "wowza ada {192.0.2.1 tv AT map[plan:gold]}", GrantId: "g1", UntilTime: timestamppb.New(e.clock.now().Add(time.Hour)),
		Steps: []*pb.EntitlementStep{{Rule: "grant", GrantId: "g1", Allowed: true, Detail: "lets in"}},
	}
	if diff := cmp.Diff(proto.Message(want), got.message, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s\n%v", diff, got.status)
	}
	for _, c := range []struct {
		request *pb.CheckEntitlementRequest
		reason  tokens.Reason
	}{
		{&pb.CheckEntitlementRequest{PlaybackId: "nothing", Viewer: "ada"}, tokens.NotFound},
		{&pb.CheckEntitlementRequest{PlaybackId: "wowza", Viewer: "a\x00"}, tokens.InvalidArgument},
		{&pb.CheckEntitlementRequest{PlaybackId: "wowza", Viewer: "ada", Viewing: &pb.Viewing{ClientIp: "192.0.2.1:80"}}, tokens.InvalidArgument},
		{&pb.CheckEntitlementRequest{PlaybackId: "wowza", Viewer: "ada", Viewing: &pb.Viewing{Device: "a\x1b"}}, tokens.InvalidArgument},
		{&pb.CheckEntitlementRequest{PlaybackId: "wowza", Viewer: "ada", Viewing: &pb.Viewing{Country: "at"}}, tokens.InvalidArgument},
	} {
		if got := e.both(t, c.request); got.status == nil || got.reason(t) != c.reason {
			t.Errorf("%v: %v, want %s", c.request, got, c.reason)
		}
	}
	unsure := start(t, settings{options: func(o *server.Options) { o.Checker = says{errors.New("no store")} }})
	unsure.seed(t)
	if got := unsure.both(t, &pb.CheckEntitlementRequest{PlaybackId: "wowza", Viewer: "ada"}); got.message != nil {
		t.Errorf("what nobody knows is answered with %v", got.message)
	}
	none := start(t, settings{})
	_, err := none.grants.CheckEntitlement(t.Context(), &pb.CheckEntitlementRequest{PlaybackId: "wowza", Viewer: "ada"})
	wantReason(t, err, tokens.Unimplemented)
}

// A viewer who is held is not told what the policy would say.
func TestCheckEntitlementMindsRevocations(t *testing.T) {
	e := cinema(t, nil, func(o *server.Options) { o.Checker = &bouncer{decision: entitle.Decision{Allowed: true}} })
	ask := &pb.CheckEntitlementRequest{PlaybackId: "wowza", Viewer: "ada"}
	answer, err := e.grants.CheckEntitlement(t.Context(), ask)
	if err != nil || !answer.GetAllowed() {
		t.Fatalf("at first: %v, %v", answer, err)
	}
	held := e.revoke(t, &pb.RevokeSessionsRequest{Subject: &pb.RevokeSessionsRequest_Viewer{Viewer: "ada"}})
	answer, err = e.grants.CheckEntitlement(t.Context(), ask)
	if err != nil || answer.GetAllowed() || answer.GetReason() != string(tokens.Revoked) || !strings.Contains(answer.GetDetail(), held.GetId()) ||
		len(answer.GetSteps()) != 1 || answer.GetSteps()[0].GetRule() != "revocation" {
		t.Errorf("held: %v, %v", answer, err)
	}
	if _, err := e.sessions.LiftRevocation(t.Context(), &pb.LiftRevocationRequest{Id: held.GetId()}); err != nil {
		t.Fatal(err)
	}
	if answer, err = e.grants.CheckEntitlement(t.Context(), ask); err != nil || !answer.GetAllowed() {
		t.Errorf("lifted: %v, %v", answer, err)
	}
}

// Where a session would be one too many, the answer is that of SignPlayback; nothing is opened by asking.
func TestCheckEntitlementMindsLimits(t *testing.T) {
	e := cinema(t, &pb.SessionPolicy{MaxSessions: 1, Rule: pb.SessionRule_SESSION_RULE_ALLOW_SAME_DEVICE}, func(o *server.Options) {
		o.Checker = &bouncer{decision: entitle.Decision{Allowed: true, Steps: []entitle.Step{{Rule: "open", Allowed: true}}}}
	})
	check := func(when, device string, want tokens.Reason) {
		t.Helper()
		answer, err := e.grants.CheckEntitlement(t.Context(), &pb.CheckEntitlementRequest{PlaybackId: "wowza", Viewer: "ada", Viewing: &pb.Viewing{Device: device}})
		if err != nil || answer.GetReason() != string(want) || answer.GetAllowed() != (want == "") || len(answer.GetSteps()) != 1 {
			t.Errorf("%s: %v, %v; want %q", when, answer, err, want)
		}
	}
	check("at first", "tv", "")
	check("asked again", "phone", "")
	signed := e.watch(t, "ada", "tv")
	check("on another device", "phone", tokens.SessionLimit)
	check("on the same", "tv", "")
	if _, err := e.sessions.StopSession(t.Context(), &pb.StopSessionRequest{Id: signed.GetSessionId()}); err != nil {
		t.Fatal(err)
	}
	check("when it has stopped", "phone", "")
}

// A device too many is refused by sign, and so here; those that the grant knows go on.
func TestCheckEntitlementMindsDevices(t *testing.T) {
	b := &bouncer{}
	e := cinema(t, nil, func(o *server.Options) { o.Checker = b })
	e.change(t, &pb.Playback{Id: "wowza", Access: &pb.AccessPolicy{Rule: &pb.AccessPolicy_Grant{Grant: &pb.GrantRule{}}}})
	made, err := e.grants.CreateGrant(t.Context(), &pb.CreateGrantRequest{Grant: forPlayback("ada", "wowza")})
	if err != nil {
		t.Fatal(err)
	}
	b.decision = entitle.Decision{Allowed: true, Grant: &entitle.Grant{ID: made.GetGrant().GetId(), Viewer: "ada", Limits: entitle.Limits{MaxDevices: 2}}}
	ask := func(when, device string, want tokens.Reason) {
		t.Helper()
		answer, err := e.grants.CheckEntitlement(t.Context(), &pb.CheckEntitlementRequest{PlaybackId: "wowza", Viewer: "ada", Viewing: &pb.Viewing{Device: device}})
		if err != nil || answer.GetReason() != string(want) || answer.GetAllowed() != (want == "") {
			t.Errorf("%s: %v, %v; want %q", when, answer, err, want)
		}
		if want != "" {
			if text := e.refuses(t, "ada", device, want); !strings.Contains(text, answer.GetDetail()) {
				t.Errorf("%s: sign says %s, and the check %s", when, text, answer.GetDetail())
			}
		}
	}
	for range 3 {
		ask("at first, however often it is asked", "tv", "")
	}
	e.watch(t, "ada", "tv")
	ask("a second device", "phone", "")
	stopped := e.watch(t, "ada", "phone")
	ask("a third", "tablet", tokens.SessionLimit)
	ask("without a name", "", tokens.SessionLimit)
	ask("the first again", "tv", "")
	_, err = e.sessions.StopSession(t.Context(), &pb.StopSessionRequest{Id: stopped.GetSessionId()})
	check(t, err)
	ask("a third, when one has stopped", "tablet", tokens.SessionLimit)
	e.watch(t, "ada", "phone")
}

func TestProducts(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	create := &pb.CreateProductRequest{Product: &pb.Product{Id: "season", PlaybackIds: []string{"wowza", "agora"}}}
	made, err := e.grants.CreateProduct(t.Context(), create)
	if err != nil || len(made.GetProduct().GetPlaybackIds()) != 2 {
		t.Fatalf("%v, %v", made, err)
	}
	_, err = e.grants.CreateProduct(t.Context(), create)
	wantReason(t, err, tokens.AlreadyExists)
	_, err = e.grants.UpdateProduct(t.Context(), &pb.UpdateProductRequest{Product: &pb.Product{Id: "season", PlaybackIds: []string{"nothing"}}})
	wantReason(t, err, tokens.NotFound)
	if !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("%v does not name the playback", err)
	}
	_, err = e.grants.DeleteProduct(t.Context(), &pb.DeleteProductRequest{Id: "season"})
	check(t, err)
	if !strings.Contains(e.log.String(), "act=CreateProduct") || !strings.Contains(e.log.String(), "product=season") {
		t.Error("products are not audited")
	}
	_, err = e.grants.GetProduct(t.Context(), &pb.GetProductRequest{Id: "season"})
	wantReason(t, err, tokens.NotFound)
}
