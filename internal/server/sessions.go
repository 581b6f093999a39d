package server

import (
	"context"
	"errors"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

type sessionService struct {
	tokensvcv1.UnimplementedSessionServiceServer
	watching *watching
	revoking *revoking
}

// GetSession implements SessionService.
func (s *sessionService) GetSession(ctx context.Context, r *tokensvcv1.GetSessionRequest) (*tokensvcv1.GetSessionResponse, error) {
	one, err := s.watching.store.Session(ctx, r.GetId())
	if err != nil {
		return nil, missingSession(err)
	}
	return &tokensvcv1.GetSessionResponse{Session: sessionProto(&one, s.watching.now())}, nil
}

func missingSession(err error) error {
	if errors.Is(err, keystore.ErrNotFound) {
		return refuse(tokens.NotFound, "no such session; `tokensvc sessions list --ended` shows them")
	}
	return notWatching(err, nil)
}

// ListSessions implements SessionService.
func (s *sessionService) ListSessions(ctx context.Context, r *tokensvcv1.ListSessionsRequest) (*tokensvcv1.ListSessionsResponse, error) {
	page, err := pageOf(r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	now := s.watching.now()
	filter := session.Filter{Viewer: r.GetViewer(), PlaybackID: r.GetPlaybackId(), GrantID: r.GetGrantId(), Ended: r.GetIncludeEnded()}
	all, err := s.watching.store.Sessions(ctx, filter, now, page)
	if err != nil {
		return nil, oddPage(err)
	}
	all, next := cut(all, page, func(one session.Session) string { return one.ID })
	out := &tokensvcv1.ListSessionsResponse{NextPageToken: next}
	for i := range all {
		out.Sessions = append(out.Sessions, sessionProto(&all[i], now))
	}
	return out, nil
}

// oddPage tells a page token of another list.
func oddPage(err error) error {
	if errors.Is(err, keystore.ErrIllegal) {
		return tokens.ParamError(tokens.InvalidArgument, "page_token", "not a next_page_token of an earlier page")
	}
	return err
}

// Heartbeat implements SessionService.
func (s *sessionService) Heartbeat(ctx context.Context, r *tokensvcv1.HeartbeatRequest) (*tokensvcv1.HeartbeatResponse, error) {
	one, err := s.watching.store.Extend(ctx, r.GetId(), session.Extension{}, s.watching.now())
	if err != nil {
		return nil, missingSession(err)
	}
	s.watching.keeper.Note(one)
	return &tokensvcv1.HeartbeatResponse{ExpireTime: timestampProto(one.ExpiresAt)}, nil
}

// StopSession implements SessionService.
func (s *sessionService) StopSession(ctx context.Context, r *tokensvcv1.StopSessionRequest) (*tokensvcv1.StopSessionResponse, error) {
	one, err := s.watching.store.Stop(ctx, r.GetId(), session.Stopped, s.watching.now())
	if err != nil {
		return nil, missingSession(err)
	}
	s.watching.keeper.Note(one)
	return &tokensvcv1.StopSessionResponse{}, nil
}

// RevokeSessions implements SessionService.
func (s *sessionService) RevokeSessions(ctx context.Context, r *tokensvcv1.RevokeSessionsRequest) (*tokensvcv1.RevokeSessionsResponse, error) {
	order, err := s.revoking.order(r)
	if err != nil {
		return nil, err
	}
	revocation, err := s.revoking.revoke(ctx, order)
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.RevokeSessionsResponse{Revocation: revocation}, nil
}

// ListRevocations implements SessionService.
func (s *sessionService) ListRevocations(ctx context.Context, r *tokensvcv1.ListRevocationsRequest) (*tokensvcv1.ListRevocationsResponse, error) {
	page, err := pageOf(r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	all, err := s.watching.store.Revocations(ctx, page)
	if err != nil {
		return nil, oddPage(err)
	}
	all, next := cut(all, page, func(one session.Revocation) string { return one.ID })
	out := &tokensvcv1.ListRevocationsResponse{NextPageToken: next}
	for i := range all {
		out.Revocations = append(out.Revocations, revocationProto(&all[i], s.revoking.skew))
	}
	return out, nil
}

// LiftRevocation implements SessionService.
func (s *sessionService) LiftRevocation(ctx context.Context, r *tokensvcv1.LiftRevocationRequest) (*tokensvcv1.LiftRevocationResponse, error) {
	lifted, err := s.revoking.revoker.Lift(ctx, r.GetId())
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return nil, refuse(tokens.NotFound, "revocation %q does not exist; `tokensvc sessions revocations` shows them", tokens.Clip(r.GetId()))
	case errors.Is(err, keystore.ErrIllegal):
		return nil, tokens.ParamError(tokens.InvalidArgument, "id", "revocation %s holds nobody off, so there is nothing to lift", r.GetId())
	case err != nil:
		return nil, err
	}
	return &tokensvcv1.LiftRevocationResponse{Revocation: revocationProto(&lifted, s.revoking.skew)}, nil
}
