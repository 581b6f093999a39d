package server_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/tokens"
)

// A batch answers each item with what SignPlayback would have said, in the order of the requests.
func TestBatchAnswersEveryItemInOrder(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	kinds := []*pb.SignPlaybackRequest{
		{Id: "wowza", Viewer: "alice"},
		{Id: "nobody", Viewer: "alice"},
		{Id: "akamai", Viewer: "alice", Ttl: seconds(60)},
		{Id: "wowza", Viewer: ""},
		{Id: "agora", Viewer: "alice", Ttl: seconds(-1)},
		{Id: "qencode", Viewer: "alice"},
		{Id: "wowza", Viewer: "a\x00"},
		{Id: "agora", Viewer: "alice", Ttl: seconds(21601)},
		{},
		{Id: "agora", Viewer: "alice"},
	}
	batch := &pb.BatchSignPlaybackRequest{}
	for n := range 1000 {
		r := proto.CloneOf(kinds[n%len(kinds)])
		if r.GetViewer() == "alice" {
			r.Viewer = fmt.Sprintf("viewer-%d", n)
		}
		batch.Requests = append(batch.Requests, r)
	}
	got := e.both(t, batch)
	if got.message == nil {
		t.Fatalf("%v", got.status)
	}
	response, _ := got.message.(*pb.BatchSignPlaybackResponse)
	outcomes := response.GetOutcomes()
	if len(outcomes) != 1000 {
		t.Fatalf("%d outcomes", len(outcomes))
	}
	reasons := map[tokens.Reason]int{}
	for n, o := range outcomes {
		single, err := e.playbacks.SignPlayback(t.Context(), batch.GetRequests()[n])
		want := &pb.SignOutcome{Outcome: &pb.SignOutcome_Credential{Credential: single.GetCredential()}}
		if err != nil {
			want = &pb.SignOutcome{Outcome: &pb.SignOutcome_Error{Error: status.Convert(err).Proto()}}
			reasons[reasonOf(t, err)]++
		}
		if diff := cmp.Diff(want, o, protocmp.Transform(), refreshApart()); diff != "" {
			t.Fatalf("item %d (-alone +in the batch):\n%s", n, diff)
		}
	}
	if diff := cmp.Diff(map[tokens.Reason]int{tokens.NotFound: 100, tokens.InvalidArgument: 400, tokens.LifetimeTooLong: 100}, reasons); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
}
