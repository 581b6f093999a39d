package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

type playbackService struct {
	tokensvcv1.UnimplementedPlaybackServiceServer
	store     playback.Store
	catalogue *playback.Catalogue
	signer    *signer.Signer
	policies  Policies
	watching  *watching
	validator protovalidate.Validator
	now       func() time.Time
	log       *slog.Logger
}

// SignPlayback implements PlaybackService.
func (s *playbackService) SignPlayback(ctx context.Context, r *tokensvcv1.SignPlaybackRequest) (*tokensvcv1.SignPlaybackResponse, error) {
	p, err := s.sign(ctx, r)
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.SignPlaybackResponse{
		Credential: credentialProto(p.credential), SessionId: p.sessionID, HeartbeatInterval: intervalProto(p.heartbeat), GrantId: p.grantID,
	}, nil
}

func (s *playbackService) sign(ctx context.Context, r *tokensvcv1.SignPlaybackRequest) (pass, error) {
	v, err := viewerFromProto(r.GetViewer(), r.GetTtl(), r.GetClientIp(), r.GetViewing())
	if err != nil {
		return pass{}, err
	}
	p := s.catalogue.Get(r.GetId())
	if p == nil {
		return pass{}, missing(keystore.ErrNotFound, r.GetId())
	}
	if !free(p) {
		return s.watching.begin(ctx, p, v)
	}
	if err := s.watching.held(v.id, p.ID, s.now()); err != nil {
		return pass{}, err
	}
	c, err := s.signer.Sign(ctx, p, signer.Request{Viewer: v.id, ClientIP: v.address, TTL: v.ttl})
	return pass{credential: c}, err
}

// CreatePlayback implements PlaybackService.
func (s *playbackService) CreatePlayback(ctx context.Context, r *tokensvcv1.CreatePlaybackRequest) (*tokensvcv1.CreatePlaybackResponse, error) {
	p, err := playbackFromProto(r.GetPlayback())
	if err != nil {
		return nil, err
	}
	if err := s.check(p); err != nil {
		return nil, err
	}
	now := s.now()
	p.CreatedAt, p.UpdatedAt = now, now
	stored, err := s.store.CreatePlayback(ctx, p)
	if err != nil {
		return nil, existsAs(err, "playback %q exists already; update it instead", p.ID)
	}
	s.refresh(ctx, p.ID)
	return &tokensvcv1.CreatePlaybackResponse{Playback: playbackProto(stored)}, nil
}

// check refuses a playback that could not be signed, or whose policy could not be followed.
func (s *playbackService) check(p playback.Playback) error {
	if err := s.signer.CheckPlayback(p); err != nil || s.policies == nil {
		return err
	}
	return s.policies.CheckPolicy(p.Access)
}

// refresh lets the next sign see a change that has been committed; see keyService.refresh.
func (s *playbackService) refresh(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
	defer cancel()
	if err := s.catalogue.RefreshOne(ctx, id); err != nil {
		s.log.WarnContext(ctx, "catalogue not refreshed after a change", "playback", id, "error", err)
	}
}

// get reads a playback, or says how to find those there are.
func (s *playbackService) get(ctx context.Context, id string) (playback.Playback, error) {
	p, err := s.store.GetPlayback(ctx, id)
	return p, missing(err, id)
}

// missing names a playback that does not exist.
func missing(err error, id string) error {
	if errors.Is(err, keystore.ErrNotFound) {
		return refuse(tokens.NotFound, "playback %q does not exist; `tokensvc playbacks list` shows them", id)
	}
	return err
}

// GetPlayback implements PlaybackService.
func (s *playbackService) GetPlayback(ctx context.Context, r *tokensvcv1.GetPlaybackRequest) (*tokensvcv1.GetPlaybackResponse, error) {
	p, err := s.get(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.GetPlaybackResponse{Playback: playbackProto(p)}, nil
}

// ListPlaybacks implements PlaybackService.
func (s *playbackService) ListPlaybacks(ctx context.Context, r *tokensvcv1.ListPlaybacksRequest) (*tokensvcv1.ListPlaybacksResponse, error) {
	page, err := pageOf(r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	all, err := s.store.ListPlaybacks(ctx, page)
	if err != nil {
		return nil, err
	}
	all, next := cut(all, page, func(p playback.Playback) string { return p.ID })
	out := &tokensvcv1.ListPlaybacksResponse{NextPageToken: next}
	for _, p := range all {
		out.Playbacks = append(out.Playbacks, playbackProto(p))
	}
	return out, nil
}

// UpdatePlayback implements PlaybackService.
func (s *playbackService) UpdatePlayback(ctx context.Context, r *tokensvcv1.UpdatePlaybackRequest) (*tokensvcv1.UpdatePlaybackResponse, error) {
	id := r.GetPlayback().GetId()
	if id == "" {
		return nil, tokens.ParamError(tokens.InvalidArgument, "playback.id", "name the playback to change")
	}
	stored, err := s.store.UpdatePlayback(ctx, id, func(p *playback.Playback) error {
		if p.Managed {
			return refuse(tokens.ReadOnly, "playback %q stands in the config file; change it there and restart", id)
		}
		merged := playbackProto(*p)
		if err := applyMask(merged, r.GetPlayback(), r.GetUpdateMask(), playbackMutable()); err != nil {
			return err
		}
		if err := s.validator.Validate(merged); err != nil {
			return err
		}
		next, err := playbackFromProto(merged)
		if err != nil {
			return err
		}
		if err := s.check(next); err != nil {
			return err
		}
		next.CreatedAt, next.UpdatedAt, next.Revision = p.CreatedAt, s.now(), p.Revision
		*p = next
		return nil
	})
	if err != nil {
		return nil, missing(err, id)
	}
	s.refresh(ctx, id)
	return &tokensvcv1.UpdatePlaybackResponse{Playback: playbackProto(stored)}, nil
}

// DeletePlayback implements PlaybackService.
func (s *playbackService) DeletePlayback(ctx context.Context, r *tokensvcv1.DeletePlaybackRequest) (*tokensvcv1.DeletePlaybackResponse, error) {
	p, err := s.get(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	if p.Managed {
		return nil, refuse(tokens.ReadOnly, "playback %q stands in the config file; remove it there and restart", p.ID)
	}
	if err := s.store.DeletePlayback(ctx, r.GetId()); err != nil {
		return nil, err
	}
	s.refresh(ctx, r.GetId())
	return &tokensvcv1.DeletePlaybackResponse{}, nil
}

// credentialMessage is a Credential and its parts in one piece of memory. A batch makes one allocation
// of all its messages instead of four for each token.
type credentialMessage struct {
	credential                        tokensvcv1.Credential
	expiresAt, refreshAfter, signedAt timestamppb.Timestamp
}

func credentialProto(c signer.Credential) *tokensvcv1.Credential {
	return new(credentialMessage).fill(c)
}

func (m *credentialMessage) fill(c signer.Credential) *tokensvcv1.Credential {
	setTimestamp(&m.expiresAt, c.ExpiresAt)
	setTimestamp(&m.refreshAfter, c.RefreshAfter)
	setTimestamp(&m.signedAt, c.ServerTime)
	out := &m.credential
	out.Url, out.Token, out.Key, out.Kid, out.Clamped = c.URL, c.Token, c.KeyRef, c.KID, c.Clamped
	out.ExpiresAt, out.RefreshAfter, out.ServerTime = &m.expiresAt, &m.refreshAfter, &m.signedAt
	return out
}

func setTimestamp(to *timestamppb.Timestamp, t time.Time) {
	to.Seconds, to.Nanos = t.Unix(), int32(t.Nanosecond()) //nolint:gosec // under a thousand million
}

// outcomeMessage is a SignOutcome and its parts in one piece of memory.
type outcomeMessage struct {
	outcome tokensvcv1.SignOutcome
	signed  tokensvcv1.SignOutcome_Credential
	message credentialMessage
}

func (m *outcomeMessage) fill(p *pass, err error) *tokensvcv1.SignOutcome {
	if err != nil {
		m.outcome.Outcome = &tokensvcv1.SignOutcome_Error{Error: withReason(toStatus(err)).Proto()}
		return &m.outcome
	}
	m.signed.Credential = m.message.fill(p.credential)
	m.outcome.SessionId = p.sessionID
	m.outcome.Outcome = &m.signed
	return &m.outcome
}

// existsAs turns the store's ErrConflict into ALREADY_EXISTS.
func existsAs(err error, format string, args ...any) error {
	if errors.Is(err, keystore.ErrConflict) {
		return refuse(tokens.AlreadyExists, format, args...)
	}
	return err
}
