package server

import (
	"time"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/session"
)

// sessionProto shows a session as it is at now: one past its expiry has ended, though nobody has written
// it down.
func sessionProto(s *session.Session, now time.Time) *tokensvcv1.Session {
	out := &tokensvcv1.Session{
		Id: s.ID, Viewer: s.Viewer, PlaybackId: s.PlaybackID, GrantId: s.GrantID, Device: s.Device,
		OpenTime: timestampProto(s.OpenedAt), SeenTime: timestampProto(s.SeenAt), ExpireTime: timestampProto(s.ExpiresAt),
		TokenExpireTime: timestampProto(s.TokenExpiresAt),
	}
	if !s.Alive(now) {
		out.EndTime, out.End = timestampProto(s.Ends()), endProto(endOf(s))
	}
	return out
}

func endProto(e session.End) tokensvcv1.SessionEnd {
	switch e {
	case session.Stopped:
		return tokensvcv1.SessionEnd_SESSION_END_STOPPED
	case session.Expired:
		return tokensvcv1.SessionEnd_SESSION_END_EXPIRED
	case session.Evicted:
		return tokensvcv1.SessionEnd_SESSION_END_EVICTED
	case session.Ended:
		return tokensvcv1.SessionEnd_SESSION_END_REVOKED
	default:
		return tokensvcv1.SessionEnd_SESSION_END_UNSPECIFIED
	}
}

// revocationProto shows a revocation. Edges accept a token for as long as their clocks may be slow.
func revocationProto(r *session.Revocation, skew time.Duration) *tokensvcv1.Revocation {
	out := &tokensvcv1.Revocation{
		Id: r.ID, Reason: r.Reason, CreateTime: timestampProto(r.At), EffectiveAt: timestampProto(r.EffectiveAt.Add(skew)),
		HoldUntil: timestampProto(r.HoldUntil), SessionsEnded: int32(r.SessionsEnded), GrantsRevoked: int32(r.GrantsRevoked), //nolint:gosec // far under 2^31
		LiftTime: timestampProto(r.LiftedAt),
	}
	switch r.Kind {
	case session.OfViewer:
		out.Subject = &tokensvcv1.Revocation_Viewer{Viewer: r.Subject}
	case session.OfSession:
		out.Subject = &tokensvcv1.Revocation_SessionId{SessionId: r.Subject}
	case session.OfPlayback:
		out.Subject = &tokensvcv1.Revocation_PlaybackId{PlaybackId: r.Subject}
	case session.OfGrant:
		out.Subject = &tokensvcv1.Revocation_GrantId{GrantId: r.Subject}
	case session.OfOrder:
		out.Subject = &tokensvcv1.Revocation_OrderId{OrderId: r.Subject}
	}
	return out
}
