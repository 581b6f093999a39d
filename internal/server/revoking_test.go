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
