package server_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/server"
)

func TestFanOutRunsAsManyAtOnceAsItMay(t *testing.T) {
	for _, c := range []struct {
		n, width int
		seconds  int
	}{{0, 4, 0}, {1, 4, 1}, {4, 4, 1}, {9, 4, 3}, {3, 1, 3}} {
		synctest.Test(t, func(t *testing.T) {
			began, calls := time.Now(), make([]atomic.Int64, c.n)
			server.FanOut(c.n, c.width, func(i int) {
				calls[i].Add(1)
				time.Sleep(time.Second)
			})
			if took := time.Since(began); took != time.Duration(c.seconds)*time.Second {
				t.Errorf("%d calls, %d at once: took %s, want %d s", c.n, c.width, took, c.seconds)
			}
			for i := range calls {
				if got := calls[i].Load(); got != 1 {
					t.Errorf("%d was called %d times", i, got)
				}
			}
		})
	}
}

func TestFanOutPanicsInItsCaller(t *testing.T) {
	defer func() {
		if r := recover(); r != "broken" {
			t.Errorf("recovered %v", r)
		}
	}()
	server.FanOut(8, 4, func(i int) {
		if i == 5 {
			panic("broken")
		}
	})
	t.Error("no panic")
}

// Tokens of a viewer's own, between cheap ones, come back in the order they were asked for.
func TestBatchKeepsTheOrderOfWhatItSignsAtOnce(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	own := proto.CloneOf(providers()[2].playback)
	own.Id = "own"
	own.Binding = &pb.Playback_Qencode{Qencode: &pb.Qencode{Uri: "b7f2c9e0a1d34e5f", ViewerClaim: "viewer"}}
	_, err := e.playbacks.CreatePlayback(t.Context(), &pb.CreatePlaybackRequest{Playback: own})
	check(t, err)
	batch := &pb.BatchSignPlaybackRequest{}
	for n := range 40 {
		id := "own"
		if n%4 == 1 {
			id = "wowza"
		}
		batch.Requests = append(batch.Requests, &pb.SignPlaybackRequest{Id: id, Viewer: fmt.Sprintf("viewer-%d", n)})
	}
	answer, err := e.playbacks.BatchSignPlayback(t.Context(), batch)
	check(t, err)
	for n, o := range answer.GetOutcomes() {
		single, err := e.playbacks.SignPlayback(t.Context(), batch.GetRequests()[n])
		if err != nil || o.GetCredential().GetToken() == "" || o.GetCredential().GetToken() != single.GetCredential().GetToken() {
			t.Errorf("item %d: %v; alone %v, %v", n, o, single.GetCredential(), err)
		}
	}
}
