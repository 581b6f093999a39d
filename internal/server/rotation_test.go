package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	vendor "github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// stage makes a target with an account, a resource and an active key.
func (e *service) stage(t *testing.T) {
	t.Helper()
	_, err := e.keys.CreateTarget(t.Context(), &pb.CreateTargetRequest{Target: &pb.Target{
		Id: "stage", Provider: "wowza", Account: "wowza-main", Resources: []string{"s1"}, MaxTokenLifetime: durationpb.New(time.Hour),
	}})
	check(t, err)
	_, err = e.keys.ImportKey(t.Context(), &pb.ImportKeyRequest{
		TargetId: "stage", Material: []byte(hexSecret(1)), Encoding: pb.KeyEncoding_KEY_ENCODING_TEXT, Activate: true,
	})
	check(t, err)
}

// abandon closes the open operation, as the job does.
func (e *service) abandon(t *testing.T) {
	t.Helper()
	fence, err := e.store.Lease(t.Context(), "stage", "job", time.Minute)
	check(t, err)
	_, err = e.store.Update(t.Context(), "stage", fence, func(r *keystore.Record) error {
		return r.Close(keystore.OutcomeAbandoned, e.clock.now())
	})
	check(t, err)
	check(t, e.store.Release(t.Context(), "stage", fence))
}

func TestRotationIsPlannedOpenedAndListed(t *testing.T) {
	e := start(t, settings{})
	e.stage(t)
	plan, err := e.rotation.PlanRotation(t.Context(), &pb.PlanRotationRequest{TargetId: "stage"})
	if err != nil || plan.GetPlan().GetAction() != "wait" || plan.GetPlan().GetWhy() != "rotated on command only" || plan.GetOperation() != nil {
		t.Fatalf("%v, %v", plan, err)
	}
	code := e.do(t, http.MethodPost, "/v1/targets/stage:rotate", []byte(`{}`))
	if code.code != http.StatusOK {
		t.Fatalf("%d %s", code.code, code.body)
	}
	var opened struct {
		Operation struct {
			ID   string `json:"id"`
			Step string `json:"step"`
			Cut  string `json:"cut_time"`
		} `json:"operation"`
	}
	check(t, json.Unmarshal(code.body, &opened))
	// The cut comes when the last token of the old key has died in every replica: T + C.
	if want := e.clock.now().Add(time.Hour + 30*time.Second).Format(time.RFC3339); opened.Operation.Step != "OPERATION_STEP_SCHEDULED" || opened.Operation.Cut != want {
		t.Errorf("%+v, want a cut at %s", opened.Operation, want)
	}
	if !strings.Contains(e.log.String(), "act=StartRotation") || !strings.Contains(e.log.String(), "target=stage") {
		t.Error("no audit line")
	}
	_, err = e.rotation.StartRotation(t.Context(), &pb.StartRotationRequest{TargetId: "stage"})
	wantReason(t, err, tokens.OperationOpen)
	e.clock.advance(time.Millisecond) // ids are in order of time, to the millisecond
	now, err := e.rotation.StartRotation(t.Context(), &pb.StartRotationRequest{TargetId: "stage", Immediate: true})
	if err != nil || !now.GetOperation().GetImmediate() {
		t.Fatalf("%v, %v", now, err)
	}
	plan, err = e.rotation.PlanRotation(t.Context(), &pb.PlanRotationRequest{TargetId: "stage"})
	if err != nil || plan.GetOperation().GetId() != now.GetOperation().GetId() || !strings.HasPrefix(plan.GetPlan().GetBreaks(), "every token of key 1") {
		t.Errorf("%v, %v", plan, err)
	}
	first, err := e.rotation.ListOperations(t.Context(), &pb.ListOperationsRequest{TargetId: "stage", PageSize: 1})
	check(t, err)
	second, err := e.rotation.ListOperations(t.Context(), &pb.ListOperationsRequest{TargetId: "stage", PageSize: 1, PageToken: first.GetNextPageToken()})
	check(t, err)
	if got := second.GetOperations()[0]; first.GetOperations()[0].GetId() != now.GetOperation().GetId() || got.GetId() != opened.Operation.ID ||
		got.GetOutcome() != pb.OperationOutcome_OPERATION_OUTCOME_SUPERSEDED || second.GetNextPageToken() != "" {
		t.Errorf("pages %v and %v", first, second)
	}
	overHTTP := e.do(t, http.MethodGet, "/v1/operations?target_id=stage", nil)
	if overHTTP.code != http.StatusOK || !strings.Contains(string(overHTTP.body), opened.Operation.ID) || !strings.Contains(string(overHTTP.body), now.GetOperation().GetId()) {
		t.Errorf("over HTTP: %d %s", overHTTP.code, overHTTP.body)
	}
	got, err := e.rotation.GetOperation(t.Context(), &pb.GetOperationRequest{Id: opened.Operation.ID})
	if err != nil || got.GetOperation().GetCloseTime() == nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestPlanCountsLiveTokens: those that an immediate rotation cuts, and none that a scheduled one does; a plan
// begins nothing.
func TestPlanCountsLiveTokens(t *testing.T) {
	e := start(t, settings{})
	e.stage(t)
	_, err := e.playbacks.CreatePlayback(t.Context(), &pb.CreatePlaybackRequest{Playback: &pb.Playback{
		Id: "opening", TargetId: "stage", Url: "https://h/1/S/a.m3u8", Ttl: durationpb.New(10 * time.Minute),
		Binding: &pb.Playback_Hdnts{Hdnts: &pb.Hdnts{StreamId: "S"}},
	}})
	check(t, err)
	sign := func(times int) {
		t.Helper()
		for range times {
			_, err := e.playbacks.SignPlayback(t.Context(), &pb.SignPlaybackRequest{Id: "opening", Viewer: "v"})
			check(t, err)
		}
	}
	want := func(immediate bool, most int64, at time.Time) {
		t.Helper()
		answer, err := e.rotation.PlanRotation(t.Context(), &pb.PlanRotationRequest{TargetId: "stage", Immediate: immediate})
		check(t, err)
		got := answer.GetPlan().GetLiveTokens()
		if got.GetAtMost() != most || got.GetCountedSince() == nil || (got.GetAliveAt() == nil) != at.IsZero() ||
			!at.IsZero() && !got.GetAliveAt().AsTime().Equal(at) {
			t.Errorf("immediate %t: %v; want at most %d at %s", immediate, got, most, at)
		}
	}
	sign(3)
	want(false, 0, time.Time{})
	want(true, 3, e.clock.now())
	if operations, err := e.rotation.ListOperations(t.Context(), &pb.ListOperationsRequest{TargetId: "stage"}); err != nil || len(operations.GetOperations()) != 0 {
		t.Errorf("the plan has begun %v, %v", operations, err)
	}
	_, err = e.rotation.PlanRotation(t.Context(), &pb.PlanRotationRequest{TargetId: "stage", Immediate: true})
	check(t, err)
	e.clock.advance(11 * time.Minute)
	check(t, e.keyring.Refresh(t.Context()))
	sign(2)
	want(true, 2, e.clock.now())
	opened, err := e.rotation.StartRotation(t.Context(), &pb.StartRotationRequest{TargetId: "stage"})
	check(t, err)
	want(false, 0, opened.GetOperation().GetCutTime().AsTime())
	want(true, 2, e.clock.now())
	got := e.do(t, http.MethodGet, "/v1/targets/stage/rotation?immediate=true", nil)
	if got.code != http.StatusOK || !strings.Contains(string(got.body), `"at_most":"2"`) {
		t.Errorf("%d %s", got.code, got.body)
	}
	_, err = e.keys.CreateTarget(t.Context(), &pb.CreateTargetRequest{Target: &pb.Target{Id: "spare", Provider: "wowza"}})
	check(t, err)
	_, err = e.rotation.PlanRotation(t.Context(), &pb.PlanRotationRequest{TargetId: "spare", Immediate: true})
	wantReason(t, err, tokens.NotRotated)
	plain, err := e.rotation.PlanRotation(t.Context(), &pb.PlanRotationRequest{TargetId: "spare"})
	if err != nil || plain.GetPlan().GetLiveTokens() != nil {
		t.Errorf("no key to end: %v, %v", plain, err)
	}
}

func TestRotationRefuses(t *testing.T) {
	e := start(t, settings{options: func(o *server.Options) {
		adopt := &vendor.Error{Class: vendor.ErrDenied, Provider: "wowza", Call: "get target", Status: 401, Detail: "vendor words"}
		o.Rotation.Adopt = func(context.Context, string, time.Duration) (keystore.Record, error) { return keystore.Record{}, adopt }
	}})
	e.stage(t)
	e.seed(t)
	for name, c := range map[string]struct {
		r    *pb.StartRotationRequest
		want tokens.Reason
	}{
		"no target":            {&pb.StartRotationRequest{TargetId: "nobody"}, tokens.NotFound},
		"imported only":        {&pb.StartRotationRequest{TargetId: providers()[0].target.GetId()}, tokens.NotRotated},
		"a version":            {&pb.StartRotationRequest{TargetId: "stage", Version: 1}, tokens.InvalidArgument},
		"nothing to go back":   {&pb.StartRotationRequest{TargetId: "stage", Rollback: true}, tokens.IllegalMove},
		"adopt and roll back":  {&pb.StartRotationRequest{TargetId: "stage", Rollback: true, ForeignMaxLifetime: durationpb.New(time.Hour)}, tokens.InvalidArgument},
		"the vendor refuses":   {&pb.StartRotationRequest{TargetId: "stage", ForeignMaxLifetime: durationpb.New(time.Hour)}, tokens.ProviderFailed},
		"replace a secret":     {&pb.StartRotationRequest{TargetId: "stage", Replace: true}, tokens.IllegalMove},
		"replace and go back":  {&pb.StartRotationRequest{TargetId: "stage", Replace: true, Rollback: true}, tokens.InvalidArgument},
		"replace and adopt":    {&pb.StartRotationRequest{TargetId: "stage", Replace: true, ForeignMaxLifetime: durationpb.New(time.Hour)}, tokens.InvalidArgument},
		"a negative version":   {&pb.StartRotationRequest{TargetId: "stage", Rollback: true, Version: -1}, tokens.InvalidArgument},
		"a lifetime of no end": {&pb.StartRotationRequest{TargetId: "stage", ForeignMaxLifetime: durationpb.New(9999 * time.Hour)}, tokens.InvalidArgument},
	} {
		_, err := e.rotation.StartRotation(t.Context(), c.r)
		if got := reasonOf(t, err); got != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "vendor words") {
			t.Errorf("%s: the vendor's words leave the process", name)
		}
	}
	_, err := e.rotation.GetOperation(t.Context(), &pb.GetOperationRequest{Id: "none"})
	wantReason(t, err, tokens.NotFound)
	plain := start(t, settings{})
	plain.stage(t)
	_, err = plain.rotation.StartRotation(t.Context(), &pb.StartRotationRequest{TargetId: "stage", ForeignMaxLifetime: durationpb.New(time.Hour)})
	wantReason(t, err, tokens.NoCredentials)
}

// TestReplacementTakesTheRefusedRotationsPlace: where the provider takes no second key, only the word of a person
// deletes the first one.
func TestReplacementTakesTheRefusedRotationsPlace(t *testing.T) {
	e := start(t, settings{})
	p := provider{name: "qencode"}
	for _, other := range providers() {
		if other.name == p.name {
			p = other
		}
	}
	p.target.Account, p.target.Resources, p.target.MaxTokenLifetime = "qencode-main", []string{"stream:s1"}, durationpb.New(time.Hour)
	_, err := e.keys.CreateTarget(t.Context(), &pb.CreateTargetRequest{Target: p.target})
	check(t, err)
	id := p.target.GetId()
	none, err := e.rotation.StartRotation(t.Context(), &pb.StartRotationRequest{TargetId: id, Replace: true})
	if reasonOf(t, err) != tokens.IllegalMove {
		t.Errorf("without a key to delete: %v, %v", none, err)
	}
	e.importKey(t, p, 1, true)
	refused, err := e.rotation.StartRotation(t.Context(), &pb.StartRotationRequest{TargetId: id})
	check(t, err)
	e.clock.advance(time.Millisecond)
	replacing, err := e.rotation.StartRotation(t.Context(), &pb.StartRotationRequest{TargetId: id, Replace: true})
	check(t, err)
	op := replacing.GetOperation()
	if op.GetMode() != pb.RotationMode_ROTATION_MODE_REPLACE || op.GetStep() != pb.OperationStep_OPERATION_STEP_SCHEDULED ||
		!op.GetCutTime().AsTime().Equal(e.clock.now().Add(time.Hour+30*time.Second)) {
		t.Errorf("%v", op)
	}
	got, err := e.rotation.GetOperation(t.Context(), &pb.GetOperationRequest{Id: refused.GetOperation().GetId()})
	if err != nil || got.GetOperation().GetOutcome() != pb.OperationOutcome_OPERATION_OUTCOME_SUPERSEDED {
		t.Errorf("%v, %v", got, err)
	}
	_, err = e.rotation.StartRotation(t.Context(), &pb.StartRotationRequest{TargetId: id, Replace: true})
	wantReason(t, err, tokens.IllegalMove)
	p.target.Rotation = &pb.RotationPolicy{Mode: pb.RotationMode_ROTATION_MODE_REPLACE}
	_, err = e.keys.UpdateTarget(t.Context(), &pb.UpdateTargetRequest{Target: p.target})
	wantReason(t, err, tokens.InvalidArgument)
}

// TestWatchOperation: over both doors a watch sends the operation as it is, then each change, and ends when it
// is closed.
func TestWatchOperation(t *testing.T) {
	e := start(t, settings{})
	e.stage(t)
	opened, err := e.rotation.StartRotation(t.Context(), &pb.StartRotationRequest{TargetId: "stage"})
	check(t, err)
	id := opened.GetOperation().GetId()

	stream, err := e.rotation.WatchOperation(t.Context(), &pb.WatchOperationRequest{Id: id})
	check(t, err)
	first, err := stream.Recv()
	if err != nil || first.GetOperation().GetStep() != pb.OperationStep_OPERATION_STEP_SCHEDULED || first.GetPlan().GetWhy() == "" {
		t.Fatalf("%v, %v", first, err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.base+"/v1/operations/"+id+":watch", http.NoBody)
	check(t, err)
	response, err := e.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { check(t, response.Body.Close()) }()
	lines := bufio.NewScanner(response.Body)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"step":"OPERATION_STEP_SCHEDULED"`) {
		t.Fatalf("first line %q", lines.Text())
	}
	if response.Header.Get("X-Request-Id") == "" || response.StatusCode != http.StatusOK {
		t.Errorf("%d, %v", response.StatusCode, response.Header)
	}
	e.abandon(t)
	last, err := stream.Recv()
	if err != nil || last.GetOperation().GetOutcome() != pb.OperationOutcome_OPERATION_OUTCOME_ABANDONED || last.GetPlan() != nil {
		t.Errorf("%v, %v", last, err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), "OPERATION_OUTCOME_ABANDONED") || lines.Scan() {
		t.Errorf("last line %q", lines.Text())
	}
}

// TestWatchRefuses: what stands in the way of a stream arrives with its reason, over both doors.
func TestWatchRefuses(t *testing.T) {
	e := start(t, settings{})
	for id, want := range map[string]tokens.Reason{"none": tokens.NotFound, "": tokens.InvalidArgument, strings.Repeat("x", 65): tokens.InvalidArgument} {
		stream, err := e.rotation.WatchOperation(t.Context(), &pb.WatchOperationRequest{Id: id})
		check(t, err)
		_, err = stream.Recv()
		wantReason(t, err, want)
		if id == "" {
			continue
		}
		answer := e.do(t, http.MethodGet, "/v1/operations/"+id+":watch", nil)
		if !strings.Contains(string(answer.body), `"reason":"`+string(want)+`"`) {
			t.Errorf("%q over HTTP: %d %s", id, answer.code, answer.body)
		}
	}
}

// TestShutdownEndsWatches: a client that watches does not hold a shutdown up.
func TestShutdownEndsWatches(t *testing.T) {
	e := start(t, settings{})
	e.stage(t)
	opened, err := e.rotation.StartRotation(t.Context(), &pb.StartRotationRequest{TargetId: "stage"})
	check(t, err)
	id := opened.GetOperation().GetId()
	stream, err := e.rotation.WatchOperation(t.Context(), &pb.WatchOperationRequest{Id: id})
	check(t, err)
	_, err = stream.Recv()
	check(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.base+"/v1/operations/"+id+":watch", http.NoBody)
	check(t, err)
	response, err := e.client.Do(request)
	check(t, err)
	defer func() { check(t, response.Body.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	check(t, e.server.Shutdown(ctx))
	if _, err := stream.Recv(); err == nil || status.Code(err) == codes.Internal {
		t.Errorf("the stream: %v", err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Errorf("the HTTP stream: %v", err)
	}
}
