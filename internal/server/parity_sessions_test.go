package server_test

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// watched opens sessions for a playback.
func watched(playback string, most int32, rule pb.SessionRule) *pb.UpdatePlaybackRequest {
	return &pb.UpdatePlaybackRequest{Playback: &pb.Playback{Id: playback, Sessions: &pb.SessionPolicy{MaxSessions: most, Rule: rule}}}
}

// session draws the id of a session, most often of one that was opened.
func (d *drawer) session() string {
	if len(d.sessions) == 0 || d.rarely("odd session") {
		return d.pick("session", strings.Repeat("0", 32), strings.Repeat("F", 32), "none", "a b")
	}
	return rapid.SampledFrom(d.sessions).Draw(d.T, "session")
}

func (d *drawer) viewing() *pb.Viewing {
	if rapid.Bool().Draw(d.T, "no viewing") {
		return nil
	}
	v := &pb.Viewing{Device: d.pick("device", "", "tv", "tv", "phone", "a\x00")}
	if d.rarely("facts") {
		v.ClientIp, v.Country = d.address(), d.pick("country", "AT", "at", "AUT")
		v.Attributes = map[string]string{d.pick("attribute", "plan", "Plan", ""): d.text("value")}
	}
	return v
}

func (d *drawer) sessionPolicy() *pb.SessionPolicy {
	p := &pb.SessionPolicy{
		MaxSessions: rapid.SampledFrom([]int32{0, 1, 1, 2, 1001}).Draw(d.T, "most"),
		Rule:        pb.SessionRule(rapid.Int32Range(0, 4).Draw(d.T, "rule")),
	}
	if rapid.Bool().Draw(d.T, "heartbeats") {
		p.HeartbeatTimeout = rapid.SampledFrom([]*durationpb.Duration{seconds(5), seconds(60), seconds(60), seconds(1), seconds(3601)}).Draw(d.T, "heartbeat")
	}
	return p
}

// signMany draws a batch with at most one item that opens a session: a service opens those of a batch in any order.
func (d *drawer) signMany() *pb.BatchSignPlaybackRequest {
	batch, opens := &pb.BatchSignPlaybackRequest{}, false
	for range rapid.IntRange(0, 5).Draw(d.T, "items") {
		item := d.signOne()
		if item.GetId() == "wowza" || slices.Contains(d.counted, item.GetId()) {
			if opens {
				continue
			}
			opens = true
		}
		batch.Requests = append(batch.Requests, item)
	}
	return batch
}

// ofSessions draws a call of SessionService, or the policy of a playback that opens sessions.
func (d *drawer) ofSessions() proto.Message {
	switch d.turn("of sessions", 10) {
	case 0:
		id := d.playback()
		d.counted = append(d.counted, id)
		return &pb.UpdatePlaybackRequest{Playback: &pb.Playback{Id: id, Sessions: d.sessionPolicy()}}
	case 1:
		return &pb.GetSessionRequest{Id: d.session()}
	case 2:
		return &pb.ListSessionsRequest{Viewer: d.pick("viewer", "", "alice", "böb"), PlaybackId: d.pick("of", "", "wowza"), IncludeEnded: rapid.Bool().Draw(d.T, "ended"), PageSize: d.pageSize(), PageToken: d.pick("page", "", "", "d293emE", "!!")}
	case 3:
		return &pb.HeartbeatRequest{Id: d.session()}
	case 4:
		return &pb.StopSessionRequest{Id: d.session()}
	case 5, 6:
		return d.revocation()
	case 7:
		return &pb.ListRevocationsRequest{PageSize: d.pageSize(), PageToken: d.pick("page", "", "", "d293emE", "!!")}
	case 8:
		id := "019cb1a0-0000-7000-8000-000000000001"
		if len(d.revocations) > 0 && !d.rarely("odd revocation") {
			id = rapid.SampledFrom(d.revocations).Draw(d.T, "revocation")
		}
		return &pb.LiftRevocationRequest{Id: id}
	default:
		return &pb.RefreshPlaybackRequest{SessionId: d.session(), Viewer: d.pick("viewer", "alice", "alice", "böb", ""), Viewing: d.viewing()}
	}
}

func (d *drawer) revocation() proto.Message {
	r := &pb.RevokeSessionsRequest{Reason: d.text("reason"), Ban: d.rarely("ban"), RotateKeys: d.rarely("rotate")}
	switch rapid.IntRange(0, 5).Draw(d.T, "subject") {
	case 0:
		r.Subject = &pb.RevokeSessionsRequest_Viewer{Viewer: d.pick("viewer", "alice", "böb", "a\x00", "")}
	case 1:
		r.Subject = &pb.RevokeSessionsRequest_SessionId{SessionId: d.session()}
	case 2:
		r.Subject = &pb.RevokeSessionsRequest_PlaybackId{PlaybackId: d.playback()}
	case 3:
		r.Subject = &pb.RevokeSessionsRequest_GrantId{GrantId: d.grantID()}
	case 4:
		r.Subject = &pb.RevokeSessionsRequest_OrderId{OrderId: d.pick("order", "o1", "o2", "none")}
	case 5: // nothing
	}
	if rapid.Bool().Draw(d.T, "hold") {
		r.Hold = &durationpb.Duration{Seconds: rapid.SampledFrom([]int64{0, 0, 1, 60, 31_536_001, -1}).Draw(d.T, "hold for")}
	}
	return r
}
