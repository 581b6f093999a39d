//go:build e2e

package e2e

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
)

// The limit of the one viewer whom everybody signs for.
const (
	sessionLimit   = 3
	sessionWorkers = 64
	sessionViewer  = "ada"
)

// TestNeverOneSessionTooMany: 64 workers open and stop sessions of one viewer through two processes on one
// file, one of which is killed and started anew. By the times that the store has written, never more than the
// limit lived at any moment, nothing acknowledged is lost, and the count is right afterwards.
func TestNeverOneSessionTooMany(t *testing.T) {
	dir := t.TempDir()
	one := startServe(t, dir, nil, "--log-level", "info")
	must(t, "", "--server", one.grpc, "targets", "create", "live", "--provider", "wowza")
	must(t, freshSecret(), "--server", one.grpc, "keys", "import", "live", "--activate")
	conn := dial(t, one.grpc)
	_, err := pb.NewPlaybackServiceClient(conn).CreatePlayback(t.Context(), &pb.CreatePlaybackRequest{Playback: &pb.Playback{
		Id: "final", TargetId: "live", Url: "https://edge.example/1/STREAM01/final/hls/live/playlist.m3u8",
		Binding:  &pb.Playback_Hdnts{Hdnts: &pb.Hdnts{StreamId: "STREAM01"}},
		Sessions: &pb.SessionPolicy{MaxSessions: sessionLimit, Rule: pb.SessionRule_SESSION_RULE_DENY_NEW},
	}})
	if err != nil {
		t.Fatal(err)
	}
	other := startServe(t, dir, nil, "--log-level", "info")
	doors := []string{one.grpc, other.grpc}

	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	var all sync.WaitGroup
	crowds := make([]crowd, sessionWorkers)
	killed, enough := make(chan struct{}), make(chan struct{})
	for i := range crowds {
		c := &crowds[i]
		c.clients = [2]door{newDoor(dial(t, doors[i%2])), newDoor(dial(t, doors[(i+1)%2]))}
		all.Go(func() { c.come(ctx, enough) })
	}
	time.AfterFunc(1500*time.Millisecond, func() { other.kill(); close(killed) })
	<-killed
	time.AfterFunc(1500*time.Millisecond, func() { close(enough) })
	all.Wait()

	again := startServe(t, dir, nil, "--log-level", "info")
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "tokensvc.db"), sqlite.Options{MustExist: true, NoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	history, err := store.Sessions(t.Context(), session.Filter{Viewer: sessionViewer, Ended: true}, time.Now(), keystore.Page{})
	if err != nil {
		t.Fatal(err)
	}
	if most := session.MostAtOnce(history); most != sessionLimit {
		t.Errorf("%d of %d sessions lived at once, want %d", most, len(history), sessionLimit)
	}
	opened, refused := 0, 0
	stored := map[string]bool{}
	live := 0
	for i := range history {
		stored[history[i].ID] = true
		if history[i].Alive(time.Now()) {
			live++
		}
	}
	for i := range crowds {
		opened, refused = opened+len(crowds[i].opened), refused+crowds[i].refused
		for _, id := range crowds[i].opened {
			if !stored[id] {
				t.Errorf("session %s was acknowledged and is lost", id)
			}
		}
		for _, fault := range crowds[i].faults {
			t.Error(fault)
		}
	}
	t.Logf("%d sessions opened, %d refused, %d in the store, %d live", opened, refused, len(history), live)
	if opened < 20 || refused < 20 {
		t.Errorf("%d sessions opened and %d refused: the test shows little", opened, refused)
	}
	fill(t, newDoor(dial(t, again.grpc)), sessionLimit-live)
}

// fill opens what the limit still lets in, and sees the next one refused.
func fill(t *testing.T, d door, room int) {
	t.Helper()
	for range room {
		if _, err := d.playbacks.SignPlayback(t.Context(), &pb.SignPlaybackRequest{Id: "final", Viewer: sessionViewer}); err != nil {
			t.Fatalf("with room for %d: %v", room, err)
		}
	}
	_, err := d.playbacks.SignPlayback(t.Context(), &pb.SignPlaybackRequest{Id: "final", Viewer: sessionViewer})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one too many after the restart: %v", err)
	}
}

// door is a process as a client sees it.
type door struct {
	playbacks pb.PlaybackServiceClient
	sessions  pb.SessionServiceClient
}

func newDoor(conn *grpc.ClientConn) door {
	return door{playbacks: pb.NewPlaybackServiceClient(conn), sessions: pb.NewSessionServiceClient(conn)}
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// crowd is one worker: it opens a session at one process and stops it at the other.
type crowd struct {
	clients [2]door
	opened  []string
	refused int
	faults  []string
}

func (c *crowd) come(ctx context.Context, enough <-chan struct{}) {
	for {
		select {
		case <-enough:
			return
		case <-ctx.Done():
			return
		default:
		}
		answer, err := c.clients[0].playbacks.SignPlayback(ctx, &pb.SignPlaybackRequest{Id: "final", Viewer: sessionViewer})
		switch status.Code(err) {
		case codes.OK:
			c.opened = append(c.opened, answer.GetSessionId())
			c.stop(ctx, answer.GetSessionId())
		case codes.ResourceExhausted:
			c.refused++
			time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
		case codes.Unavailable: // it is dead
			time.Sleep(20 * time.Millisecond)
		default:
			c.faults = append(c.faults, err.Error())
			return
		}
	}
}

// stop ends a session, at whichever process lives.
func (c *crowd) stop(ctx context.Context, id string) {
	time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
	for _, d := range []door{c.clients[rand.IntN(2)], c.clients[0], c.clients[1]} {
		_, err := d.sessions.StopSession(ctx, &pb.StopSessionRequest{Id: id})
		if err == nil {
			return
		}
		if status.Code(err) != codes.Unavailable {
			c.faults = append(c.faults, err.Error())
			return
		}
	}
}
