package server_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// TestRevocationAsksTheVendorForBoth: a ban and a rotation do not stand in each other's way, and the answer, good or
// bad, says what was done.
func TestRevocationAsksTheVendorForBoth(t *testing.T) {
	var fault error
	var banned atomic.Int32
	e := start(t, settings{options: func(o *server.Options) {
		o.Accounts["agora-main"] = "agora"
		now := o.Now
		o.Ban = func(_ context.Context, target keystore.Target, p *playback.Playback) (time.Time, error) {
			if target.ID != "agora-play" || p.ID != "agora" {
				t.Errorf("asked to ban %s at %s", p.ID, target.ID)
			}
			banned.Add(1)
			return now().Add(time.Hour), fault
		}
	}})
	p := providers()[3]
	p.target.Account, p.target.Resources, p.target.MaxTokenLifetime = "agora-main", []string{"domain:play.example"}, durationpb.New(time.Hour)
	e.seedOne(t, p)
	operations := func() []*pb.Operation {
		t.Helper()
		all, err := e.rotation.ListOperations(t.Context(), &pb.ListOperationsRequest{TargetId: "agora-play"})
		check(t, err)
		return all.GetOperations()
	}
	whole := &pb.RevokeSessionsRequest_PlaybackId{PlaybackId: "agora"}

	for _, r := range []*pb.RevokeSessionsRequest{
		{Subject: &pb.RevokeSessionsRequest_Viewer{Viewer: "ada"}, Ban: true},
		{Subject: &pb.RevokeSessionsRequest_Viewer{Viewer: "ada"}, RotateKeys: true},
		{Subject: &pb.RevokeSessionsRequest_OrderId{OrderId: "o1"}, RotateKeys: true, Ban: true},
	} {
		_, err := e.sessions.RevokeSessions(t.Context(), r)
		wantReason(t, err, tokens.InvalidArgument)
	}
	e.revoke(t, &pb.RevokeSessionsRequest{Subject: &pb.RevokeSessionsRequest_Viewer{Viewer: "ada"}})
	if n := banned.Load(); n != 0 || len(operations()) != 0 {
		t.Fatalf("%d bans and operations %v for a viewer", n, operations())
	}

	done := e.revoke(t, &pb.RevokeSessionsRequest{Subject: whole, RotateKeys: true, Ban: true})
	vendor := done.GetLayers()[3]
	until := e.clock.now().Add(time.Hour).Format(time.RFC3339)
	if !vendor.GetRefuses() || !strings.Contains(vendor.GetDetail(), "operation "+operations()[0].GetId()+" replaces the key") ||
		!strings.Contains(vendor.GetDetail(), "banned for every viewer until "+until) {
		t.Errorf("vendor: %v", vendor)
	}

	e.clock.advance(time.Second)
	fault = errors.New("vendor words")
	_, err := e.sessions.RevokeSessions(t.Context(), &pb.RevokeSessionsRequest{Subject: whole, RotateKeys: true, Ban: true})
	wantReason(t, err, tokens.ProviderFailed)
	for _, part := range []string{"holds here, 0 sessions ended", "operation " + operations()[0].GetId() + " replaces the key", "but the provider did not confirm the ban"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v; want it to say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), fault.Error()) || len(operations()) != 2 || banned.Load() != 2 {
		t.Errorf("%v, after %d bans and operations %v", err, banned.Load(), operations())
	}
}

// An expression that looks at grants lets in without one: the token is under no grant, and neither is a session.
func TestRevocationsMindExpressionsOverGrants(t *testing.T) {
	e := cinema(t, nil, func(o *server.Options) {
		o.Checker = &bouncer{decision: entitle.Decision{Allowed: true}}
	})
	grant := forPlayback("ada", "wowza")
	grant.OrderId, grant.Limits = "o1", &pb.GrantLimits{MaxSessions: 1}
	made, err := e.grants.CreateGrant(t.Context(), &pb.CreateGrantRequest{Grant: grant})
	check(t, err)
	looks := &pb.AccessPolicy{Rule: &pb.AccessPolicy_Expression{Expression: "grants.exists(g, g.order_id != '')"}}
	for n, p := range []*pb.Playback{
		{Id: "wowza", Access: looks},
		{Id: "wowza", Access: &pb.AccessPolicy{Rule: &pb.AccessPolicy_AnyOf{AnyOf: &pb.AccessPolicies{Policies: []*pb.AccessPolicy{looks}}}}},
		{Id: "wowza", Access: looks, Sessions: &pb.SessionPolicy{}},
	} {
		e.change(t, p)
		e.pass(t, 24*time.Hour) // no token of before lives
		signed := e.watch(t, "ada", "tv")
		for _, r := range []*pb.RevokeSessionsRequest{
			{Subject: &pb.RevokeSessionsRequest_OrderId{OrderId: "o1"}},
			{Subject: &pb.RevokeSessionsRequest_GrantId{GrantId: made.GetGrant().GetId()}},
		} {
			revoked := e.revoke(t, r)
			if last := signed.GetCredential().GetExpiresAt().AsTime(); revoked.GetEffectiveAt().AsTime().Before(last) || revoked.GetLayers()[2].GetRefuses() {
				t.Errorf("policy %d: a token is out until %s; the answer is %v", n, last, revoked)
			}
		}
	}
}
