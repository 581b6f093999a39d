package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// watching decides who may watch and counts who does. What neither policy nor session needs passes it
// without a cost.
type watching struct {
	checker entitle.Checker // nil lets nobody in whom a policy has to
	store   session.Store   // nil opens nothing
	keeper  *session.Keeper
	signer  *signer.Signer
	random  io.Reader
	now     func() time.Time
	log     *slog.Logger
}

// viewer is who asks to watch, and how.
type viewer struct {
	id      string
	viewing entitle.Viewing
	ttl     time.Duration
	// address is the viewing's as the caller wrote it.
	address string
	// grant is the one of the session that goes on; empty for a new session.
	grant string
}

// pass is what lets a viewer watch.
type pass struct {
	credential signer.Credential
	sessionID  string
	heartbeat  time.Duration
	grantID    string
}

// free reports whether a playback asks for nothing but a signature.
func free(p *playback.Entry) bool { return p.Sessions == nil && (p.Access == nil || p.Access.Open) }

// begin signs, and opens a session where the playback or the grant asks for one. The credential leaves
// only when the session is open.
func (w *watching) begin(ctx context.Context, p *playback.Entry, v viewer) (pass, error) {
	d, err := w.admit(ctx, p, v)
	if err != nil {
		return pass{}, err
	}
	request := signer.Request{Viewer: v.id, ClientIP: v.address, TTL: v.ttl, NotAfter: d.Until}
	if p.Sessions == nil && (d.Grant == nil || !d.Grant.Limits.Counted()) {
		c, err := w.signer.Sign(ctx, p, request)
		return pass{credential: c, grantID: grantOf(&d)}, err
	}
	if w.store == nil {
		return pass{}, refuse(tokens.Unimplemented, "this service keeps no sessions, which playback %q asks for", p.ID)
	}
	if request.SessionID, err = session.NewID(w.random); err != nil {
		return pass{}, err
	}
	c, err := w.signer.Sign(ctx, p, request)
	if err != nil {
		return pass{}, err
	}
	asked := session.Session{
		ID: request.SessionID, Viewer: v.id, PlaybackID: p.ID, GrantID: grantOf(&d), Device: v.viewing.Device,
		TokenExpiresAt: c.ExpiresAt, HeartbeatTimeout: heartbeatTimeout(p),
	}
	opened, ended, err := w.store.Open(ctx, asked, boundsOf(p, d.Grant), w.now())
	if err != nil {
		return pass{}, notWatching(err, &asked)
	}
	w.keeper.Note(append(ended, opened)...)
	return passOf(c, &opened), nil
}

// goOn signs anew for a session, after it has asked again whether the viewer may watch.
func (w *watching) goOn(ctx context.Context, p *playback.Entry, one *session.Session, v viewer) (pass, error) {
	v.grant = one.GrantID
	d, err := w.admit(ctx, p, v)
	if err != nil {
		return pass{}, err
	}
	c, err := w.signer.Sign(ctx, p, signer.Request{Viewer: v.id, ClientIP: v.address, TTL: v.ttl, NotAfter: d.Until, SessionID: one.ID})
	if err != nil {
		return pass{}, err
	}
	e := session.Extension{TokenExpiresAt: c.ExpiresAt, GrantID: grantOf(&d), Bounds: boundsOf(p, d.Grant), HeartbeatTimeout: heartbeatTimeout(p)}
	extended, err := w.store.Extend(ctx, one.ID, e, w.now())
	if err != nil {
		return pass{}, notWatching(err, one)
	}
	w.keeper.Note(extended)
	return passOf(c, &extended), nil
}

func passOf(c signer.Credential, s *session.Session) pass {
	return pass{credential: c, sessionID: s.ID, heartbeat: s.HeartbeatTimeout / heartbeatsInTime, grantID: s.GrantID}
}

// heartbeatsInTime is how many heartbeats the interval told to players fits into the time-out: two may be
// lost.
const heartbeatsInTime = 3

// admit refuses whoever a revocation holds or the policy of the playback does not let in.
func (w *watching) admit(ctx context.Context, p *playback.Entry, v viewer) (entitle.Decision, error) {
	now := w.now()
	if err := w.held(v.id, p.ID, now); err != nil {
		return entitle.Decision{}, err
	}
	if p.Access == nil || p.Access.Open {
		return entitle.Decision{Allowed: true}, nil
	}
	if w.checker == nil {
		return entitle.Decision{}, refuse(tokens.EntitlementUnknown, "playback %q has a policy, and this service checks none", p.ID)
	}
	d, err := w.checker.Check(ctx, entitle.Request{Playback: &p.Playback, Viewer: v.id, Viewing: v.viewing, GrantID: v.grant, Now: now})
	if err != nil {
		w.log.WarnContext(ctx, "entitlement unknown", "playback", p.ID, "error", err)
		return entitle.Decision{}, unknownEntitlement(ctx, err)
	}
	if !d.Allowed {
		reason := d.Reason
		if reason == "" {
			reason = tokens.NotEntitled
		}
		return entitle.Decision{}, refuse(reason, "%s", d.Detail)
	}
	return d, nil
}

// room refuses a session that Store.Open would refuse now for those that live, or for its device. It opens none.
// Plays are for the checker to count.
func (w *watching) room(ctx context.Context, p *playback.Entry, one *session.Session, g *entitle.Grant) error {
	if w.store == nil {
		return nil
	}
	b := boundsOf(p, g)
	if b.PerPlayback > 0 || b.PerGrant > 0 {
		live, err := w.store.Sessions(ctx, session.Filter{Viewer: one.Viewer}, w.now(), keystore.Page{})
		if err == nil {
			_, err = b.Admit(one, live)
		}
		if err != nil {
			return notWatching(err, one)
		}
	}
	if b.Devices == 0 {
		return nil
	}
	count, known, err := w.store.Devices(ctx, one.GrantID, one.Device)
	if err == nil {
		err = b.AdmitDevice(count, known)
	}
	if err != nil {
		return notWatching(err, one)
	}
	return nil
}

// unknownEntitlement keeps the reason that a checker gave its error; another one's words stay in the log.
func unknownEntitlement(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if describe(err).reason == tokens.EntitlementUnknown {
		return err
	}
	return refuse(tokens.EntitlementUnknown, "nobody could tell whether the viewer may watch, which is no yes; the log of the service says why")
}

// held refuses a viewer or playback that a revocation holds, and everybody while nobody can tell.
func (w *watching) held(id, playbackID string, now time.Time) error {
	if w.keeper == nil {
		return nil
	}
	if err := w.keeper.Fresh(now); err != nil {
		return notWatching(err, nil)
	}
	r := w.keeper.Held(id, playbackID, now)
	if r == nil {
		return nil
	}
	until := "it is lifted"
	if !r.HoldUntil.IsZero() {
		until = r.HoldUntil.UTC().Format(time.RFC3339)
	}
	return refuse(tokens.Revoked, "the %s is held by revocation %s until %s", r.Kind, r.ID, until)
}

// notWatching says in the API's words why a session does not begin or go on.
func notWatching(err error, s *session.Session) error {
	var limit *session.LimitError
	switch {
	case errors.As(err, &limit) && len(limit.Held) == 0: // plays and devices, which are never given back
		return refuse(tokens.SessionLimit, "%s, and none of them is given back", limit)
	case errors.As(err, &limit):
		return refuse(tokens.SessionLimit, "%s; stop one, or wait until it ends", limit)
	case errors.Is(err, session.ErrRevoked):
		return refuse(tokens.Revoked, "the viewer, the playback or the grant has been revoked")
	case errors.Is(err, session.ErrEnded):
		return refuse(tokens.SessionEnded, "the session has ended; sign anew")
	case errors.Is(err, session.ErrStale):
		return refuse(tokens.SnapshotStale, "%s", err)
	case errors.Is(err, session.ErrBusy):
		return refuse(tokens.Overloaded, "%s; try again", err)
	case errors.Is(err, keystore.ErrNotFound) && s != nil && s.GrantID != "":
		return refuse(tokens.NotEntitled, "the grant is gone")
	default:
		return err
	}
}

func grantOf(d *entitle.Decision) string {
	if d.Grant == nil {
		return ""
	}
	return d.Grant.ID
}

func boundsOf(p *playback.Entry, g *entitle.Grant) session.Bounds {
	b := session.Bounds{Rule: playback.DenyNew}
	if p.Sessions != nil {
		b.Rule, b.PerPlayback = p.Sessions.Rule, p.Sessions.Max
	}
	if g != nil {
		b.PerGrant, b.Plays, b.Devices = g.Limits.MaxSessions, g.Limits.MaxPlays, g.Limits.MaxDevices
	}
	return b
}

func heartbeatTimeout(p *playback.Entry) time.Duration {
	if p.Sessions == nil {
		return 0
	}
	return p.Sessions.HeartbeatTimeout
}

// viewerFromProto reads who asks to watch. An address may stand in either place, or in both alike.
func viewerFromProto(id string, ttl *durationpb.Duration, address string, in *tokensvcv1.Viewing) (v viewer, err error) {
	v.id, v.address = id, address
	if err := checkText("viewer", id); err != nil {
		return v, err
	}
	if v.ttl, err = optionalDuration(ttl, "ttl"); err != nil {
		return v, err
	}
	switch shown := in.GetClientIp(); {
	case shown == "" || shown == address:
	case address == "":
		v.address = shown
	default:
		return v, tokens.ParamError(tokens.InvalidArgument, "viewing.client_ip", "is not client_ip; leave one of them out")
	}
	if v.viewing, err = viewingFromProto(in); err == nil && in.GetClientIp() == "" {
		v.viewing.ClientIP, err = addressFromProto(address, "client_ip")
	}
	return v, err
}

// RefreshPlayback implements PlaybackService.
func (s *playbackService) RefreshPlayback(ctx context.Context, r *tokensvcv1.RefreshPlaybackRequest) (*tokensvcv1.RefreshPlaybackResponse, error) {
	v, err := viewerFromProto(r.GetViewer(), r.GetTtl(), "", r.GetViewing())
	if err != nil {
		return nil, err
	}
	if s.watching.store == nil {
		return nil, refuse(tokens.Unimplemented, "this service keeps no sessions")
	}
	one, err := s.watching.known(ctx, r.GetSessionId(), v.id)
	if err != nil {
		return nil, err
	}
	if one.Device != v.viewing.Device {
		return nil, tokens.ParamError(tokens.InvalidArgument, "viewing.device", "is not the device that the session was opened on; sign anew for another")
	}
	p := s.catalogue.Get(one.PlaybackID)
	if p == nil {
		return nil, refuse(tokens.NotFound, "playback %q of the session does not exist any more", one.PlaybackID)
	}
	out, err := s.watching.goOn(ctx, p, &one, v)
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.RefreshPlaybackResponse{
		Credential: credentialProto(out.credential), SessionId: out.sessionID, HeartbeatInterval: intervalProto(out.heartbeat), GrantId: out.grantID,
	}, nil
}

// known returns a session that lives and is the viewer's. Another viewer's is as good as none.
func (w *watching) known(ctx context.Context, id, viewer string) (session.Session, error) {
	one, alive, err := w.keeper.Look(ctx, id)
	if err != nil {
		return one, notWatching(err, nil)
	}
	if one.ID == "" || one.Viewer != viewer {
		return one, refuse(tokens.NotFound, "the viewer has no such session; sign anew")
	}
	if !alive {
		why := endOf(&one)
		return one, refuse(tokens.SessionEnded, "the session has ended (%s); sign anew", why)
	}
	return one, nil
}

// endOf says why a session that does not live has ended.
func endOf(s *session.Session) session.End {
	if s.End == "" {
		return session.Expired
	}
	return s.End
}

func intervalProto(d time.Duration) *durationpb.Duration {
	if d <= 0 {
		return nil
	}
	return durationpb.New(d)
}
