package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
)

// pagedService answers with two playbacks and one target a page, and no page but the first after failing.
type pagedService struct {
	tokensvcv1.PlaybackServiceClient
	tokensvcv1.KeyServiceClient

	playbacks, targets []string
	failing            error
	keysOf             []string
	unbounded          int
}

func (s *pagedService) called(ctx context.Context) {
	if _, bounded := ctx.Deadline(); !bounded {
		s.unbounded++
	}
}

func (s *pagedService) page(all []string, size int, token string) (ids []string, next string, err error) {
	from := 0
	if token != "" {
		if from, err = strconv.Atoi(token); err != nil {
			return nil, "", err
		}
		if s.failing != nil {
			return nil, "", s.failing
		}
	}
	to := min(from+size, len(all))
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next, nil
}

func (s *pagedService) ListPlaybacks(ctx context.Context, r *tokensvcv1.ListPlaybacksRequest, _ ...grpc.CallOption) (*tokensvcv1.ListPlaybacksResponse, error) {
	s.called(ctx)
	ids, next, err := s.page(s.playbacks, 2, r.GetPageToken())
	out := &tokensvcv1.ListPlaybacksResponse{NextPageToken: next}
	for _, id := range ids {
		out.Playbacks = append(out.Playbacks, &tokensvcv1.Playback{Id: id, TargetId: "live"})
	}
	return out, err
}

func (s *pagedService) ListTargets(ctx context.Context, r *tokensvcv1.ListTargetsRequest, _ ...grpc.CallOption) (*tokensvcv1.ListTargetsResponse, error) {
	s.called(ctx)
	ids, next, err := s.page(s.targets, 1, r.GetPageToken())
	out := &tokensvcv1.ListTargetsResponse{NextPageToken: next}
	for _, id := range ids {
		out.Targets = append(out.Targets, &tokensvcv1.Target{Id: id})
	}
	return out, err
}

func (s *pagedService) ListKeys(ctx context.Context, r *tokensvcv1.ListKeysRequest, _ ...grpc.CallOption) (*tokensvcv1.ListKeysResponse, error) {
	s.called(ctx)
	s.keysOf = append(s.keysOf, r.GetTargetId())
	return &tokensvcv1.ListKeysResponse{Keys: []*tokensvcv1.Key{
		{Version: 1, State: tokensvcv1.KeyState_KEY_STATE_RETIRED}, {Version: 2, State: tokensvcv1.KeyState_KEY_STATE_ACTIVE}, {Version: 3, State: tokensvcv1.KeyState_KEY_STATE_PENDING},
	}}, nil
}

// TestLintReadsEveryPage: all playbacks, the targets that have some, and the key that signs; each call in its time.
func TestLintReadsEveryPage(t *testing.T) {
	t.Parallel()
	s := &pagedService{playbacks: []string{"a", "b", "c", "d", "e"}, targets: []string{"idle", "live"}}
	c := &common{timeout: time.Minute}
	in, err := c.serviceInput(t.Context(), client{playbacks: s, keys: s})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range in.Playbacks {
		ids = append(ids, in.Playbacks[i].ID)
	}
	if !slices.Equal(ids, s.playbacks) {
		t.Errorf("read %v, want %v", ids, s.playbacks)
	}
	if len(in.Targets) != 1 || in.Targets[0].ID != "live" || in.Targets[0].Active == nil || in.Targets[0].Active.Version != 2 || !slices.Equal(s.keysOf, []string{"live"}) {
		t.Errorf("targets %+v, keys asked of %v; want live, with key 2, alone", in.Targets, s.keysOf)
	}
	if s.unbounded > 0 {
		t.Errorf("%d calls without a deadline", s.unbounded)
	}
}

// TestLintOfHalfACatalogueFails: nothing found in the pages that came would read as nothing found at all.
func TestLintOfHalfACatalogueFails(t *testing.T) {
	t.Parallel()
	c, broken := &common{timeout: time.Minute}, errors.New("the second page is lost")
	for name, s := range map[string]*pagedService{
		"playbacks": {playbacks: []string{"a", "b", "c"}, failing: broken},
		"targets":   {playbacks: []string{"a"}, targets: []string{"idle", "live"}, failing: broken},
	} {
		if _, err := c.serviceInput(t.Context(), client{playbacks: s, keys: s}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMessagesAreReadAsTheyAreWritten: what a service answers is read back as what was sent to it.
func TestMessagesAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	policy := playback.Access{AnyOf: []playback.Access{
		{Open: true}, {Grant: true}, {AllOf: []playback.Access{{Expression: "true"}, {Webhook: "shop"}}},
	}}
	if diff := cmp.Diff(&policy, accessOf(accessMessage(&policy))); diff != "" {
		t.Error(diff)
	}
	for _, rule := range []playback.SessionRule{playback.DenyNew, playback.EvictOldest, playback.AllowSameDevice} {
		if got := ruleOf(ruleMessage(string(rule))); got != rule {
			t.Errorf("rule %s is read as %s", rule, got)
		}
	}
	for m, want := range map[tokensvcv1.RotationMode]keystore.Mode{
		tokensvcv1.RotationMode_ROTATION_MODE_UNSPECIFIED: "", tokensvcv1.RotationMode_ROTATION_MODE_OVERLAP: keystore.Overlap,
		tokensvcv1.RotationMode_ROTATION_MODE_CUT: keystore.Cut, tokensvcv1.RotationMode_ROTATION_MODE_PAIR: keystore.Pair,
	} {
		if got := modeOf(m); got != want {
			t.Errorf("%s is read as %q, want %q", m, got, want)
		}
	}
	if !timeOf(nil).IsZero() {
		t.Error("an absent time is not the zero time")
	}
}
