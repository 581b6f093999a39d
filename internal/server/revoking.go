package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Ban stops a playback at its provider for every viewer, until the time that it returns or until the ban is lifted
// there.
type Ban func(ctx context.Context, target keystore.Target, p *playback.Playback) (until time.Time, err error)

// revoking revokes, by whichever call it was asked to, and tells how far a revocation reaches.
type revoking struct {
	revoker   session.Revoker
	grants    entitle.Store // nil where there are none
	catalogue *playback.Catalogue
	signer    *signer.Signer
	rotation  *rotationService
	ban       Ban // nil where this process holds no credentials
	skew      time.Duration
	// signingAge is C: how long another replica may go on signing before it hears.
	signingAge time.Duration
	log        *slog.Logger
}

// revokeOrder is a revocation as it was asked for.
type revokeOrder struct {
	session.Command

	rotate, ban bool
}

// order reads a request.
func (s *revoking) order(r *tokensvcv1.RevokeSessionsRequest) (revokeOrder, error) {
	o := revokeOrder{Command: session.Command{Reason: r.GetReason()}, rotate: r.GetRotateKeys(), ban: r.GetBan()}
	if err := checkText("reason", o.Reason); err != nil {
		return o, err
	}
	switch subject := r.GetSubject().(type) {
	case *tokensvcv1.RevokeSessionsRequest_Viewer:
		o.Kind, o.Subject = session.OfViewer, subject.Viewer
	case *tokensvcv1.RevokeSessionsRequest_SessionId:
		o.Kind, o.Subject = session.OfSession, subject.SessionId
	case *tokensvcv1.RevokeSessionsRequest_PlaybackId:
		o.Kind, o.Subject = session.OfPlayback, subject.PlaybackId
	case *tokensvcv1.RevokeSessionsRequest_GrantId:
		o.Kind, o.Subject = session.OfGrant, subject.GrantId
	case *tokensvcv1.RevokeSessionsRequest_OrderId:
		o.Kind, o.Subject = session.OfOrder, subject.OrderId
	}
	if err := checkText("subject", o.Subject); err != nil {
		return o, err
	}
	if (o.rotate || o.ban) && o.Kind != session.OfPlayback {
		return o, tokens.ParamError(tokens.InvalidArgument, "playback_id", "rotate_keys and ban stop everybody, so they go with playback_id only")
	}
	lasting := o.Kind == session.OfViewer || o.Kind == session.OfPlayback
	if r.GetHold() == nil {
		o.Holds = lasting
		return o, nil
	}
	if !lasting {
		return o, tokens.ParamError(tokens.InvalidArgument, "hold", "only viewers and playbacks are held off; leave hold out of a revocation by %s", o.Kind)
	}
	o.Hold = r.GetHold().AsDuration()
	o.Holds = o.Hold > 0
	return o, nil
}

// revoke does what this service can by itself, then asks the vendor where it was told to.
func (s *revoking) revoke(ctx context.Context, o revokeOrder) (*tokensvcv1.Revocation, error) {
	var p *playback.Entry
	if o.Kind == session.OfPlayback {
		if p = s.catalogue.Get(o.Subject); p == nil {
			return nil, refuse(tokens.NotFound, "playback %q does not exist; `tokensvc playbacks list` shows them", tokens.Clip(o.Subject))
		}
	}
	if o.rotate {
		if err := s.canRotate(ctx, p); err != nil {
			return nil, err
		}
	}
	if o.ban {
		if err := s.canBan(p); err != nil {
			return nil, err
		}
	}
	var err error
	if o.Unseen, err = s.unseen(ctx, o.Kind, o.Subject); err != nil {
		return nil, err
	}
	loose, err := s.loose(ctx, o.Kind, o.Subject)
	if err != nil {
		return nil, err
	}
	done, err := s.revoker.Revoke(ctx, o.Command)
	if errors.Is(err, keystore.ErrNotFound) {
		return nil, refuse(tokens.NotFound, "there is no %s %q", o.Kind, tokens.Clip(o.Subject))
	}
	if err != nil {
		return nil, err
	}
	out := revocationProto(&done, s.skew)
	out.Layers = []*tokensvcv1.RevocationLayer{signLayer(&done), refreshLayer(&done), edgeLayer(&done, o.Unseen > 0 || loose), nil}
	out.Layers[3], err = s.vendorLayer(ctx, &done, p, o)
	return out, err
}

// unseen returns the longest that a token of the subject may live of which no session of the subject knows: it was
// signed where the playback opens none, or under no grant, at the latest by a replica that had not heard of the
// revocation yet.
func (s *revoking) unseen(ctx context.Context, kind session.Kind, subject string) (time.Duration, error) {
	snapshot, err := s.signer.Snapshot()
	if err != nil {
		return 0, err
	}
	var longest time.Duration
	now := s.revoker.Now()
	lifeAt := func(p *playback.Entry) time.Duration {
		if t := snapshot.Target(p.TargetID); t != nil {
			return t.LongestLife(now)
		}
		return 0
	}
	count := func(p *playback.Entry) {
		life := lifeAt(p)
		if p.Sessions == nil || p.UpdatedAt.After(p.CreatedAt) && p.UpdatedAt.Add(life).After(now) { // it may have been without before
			longest = max(longest, life)
		}
	}
	switch kind {
	case session.OfViewer:
		s.every(snapshot, count)
	case session.OfPlayback:
		if p := s.catalogue.Get(subject); p != nil {
			count(p)
		}
	case session.OfGrant, session.OfOrder:
		err = s.covered(ctx, kind, subject, func(g *entitle.Grant, p *playback.Entry) {
			switch {
			case looksAtGrants(p.Access):
				longest = max(longest, lifeAt(p))
			case !g.Limits.Counted(): // else it opens a session wherever it lets in
				count(p)
			}
		})
	case session.OfSession:
	}
	if longest > 0 {
		longest += s.signingAge
	}
	return longest, err
}

// looksAtGrants reports whether a policy may let a viewer in by an expression for a grant that the token, and its
// session, are not under.
func looksAtGrants(a *playback.Access) bool {
	found := false
	_ = a.Walk(func(part *playback.Access) error {
		found = found || strings.Contains(part.Expression, "grants")
		return nil
	}) // which fails only where the visit does
	return found
}

// every calls visit for each playback of each target.
func (s *revoking) every(snapshot *signer.Snapshot, visit func(*playback.Entry)) {
	snapshot.All(func(t *signer.Target) bool {
		for p := range s.catalogue.Of(t.ID) {
			visit(p)
		}
		return true
	})
}

// grantsLooked bounds how many grants of one order are looked at; with more, every playback counts.
const grantsLooked = 1000

// loose reports whether the subject has sessions that only the limits of a grant have opened. An edge lets their
// tokens through without them, since other tokens of the playback have none.
func (s *revoking) loose(ctx context.Context, kind session.Kind, subject string) (found bool, err error) {
	switch kind {
	case session.OfSession:
		one, err := s.revoker.Store.Session(ctx, subject)
		if err != nil && !errors.Is(err, keystore.ErrNotFound) {
			return false, err
		}
		p := s.catalogue.Get(one.PlaybackID)
		return p != nil && p.Sessions == nil, nil
	case session.OfGrant, session.OfOrder:
		err = s.covered(ctx, kind, subject, func(_ *entitle.Grant, p *playback.Entry) { found = found || p.Sessions == nil })
	case session.OfViewer, session.OfPlayback: // every token of theirs without a session counts as unseen
	}
	return found, err
}

// covered calls visit for each playback that the grants of a subject cover.
func (s *revoking) covered(ctx context.Context, kind session.Kind, subject string, visit func(*entitle.Grant, *playback.Entry)) error {
	if s.grants == nil {
		return nil
	}
	var all []entitle.Grant
	if kind == session.OfGrant {
		g, err := s.grants.Grant(ctx, subject)
		if err != nil {
			return missingGrant(err, subject)
		}
		all = append(all, g)
	} else {
		var err error
		if all, err = s.grants.Grants(ctx, entitle.Filter{OrderID: subject}, keystore.Page{Limit: grantsLooked}); err != nil {
			return err
		}
	}
	if len(all) == grantsLooked {
		snapshot, err := s.signer.Snapshot()
		if err == nil {
			s.every(snapshot, func(p *playback.Entry) { visit(&entitle.Grant{}, p) })
		}
		return err
	}
	for i := range all {
		playbacks := []string{all[i].PlaybackID}
		if all[i].ProductID != "" {
			product, err := s.grants.Product(ctx, all[i].ProductID)
			if err != nil && !errors.Is(err, keystore.ErrNotFound) {
				return err
			}
			playbacks = product.PlaybackIDs
		}
		for _, id := range playbacks {
			if p := s.catalogue.Get(id); p != nil {
				visit(&all[i], p)
			}
		}
	}
	return nil
}

// canRotate refuses a rotation of keys before anything has been revoked.
func (s *revoking) canRotate(ctx context.Context, p *playback.Entry) error {
	record, err := s.rotation.keys.get(ctx, p.TargetID)
	if err != nil {
		return err
	}
	return checkRotated(record.Target)
}

// canBan refuses a ban before anything has been revoked.
func (s *revoking) canBan(p *playback.Entry) error {
	if p.Agora == nil {
		return tokens.ParamError(tokens.InvalidArgument, "ban", "only Agora bans streams; playback %q is not there", p.ID)
	}
	if s.ban == nil {
		return refuse(tokens.NoCredentials, "this process holds no credentials for the provider; run `tokensvc serve --sync`")
	}
	return nil
}

// vendorLayer asks the vendor for what was wanted, and tells what it refuses now. What fails keeps it from nothing
// else.
func (s *revoking) vendorLayer(ctx context.Context, r *session.Revocation, p *playback.Entry, o revokeOrder) (*tokensvcv1.RevocationLayer, error) {
	layer := &tokensvcv1.RevocationLayer{Layer: tokensvcv1.Layer_LAYER_VENDOR}
	layer.Detail = "knows keys and expiries only: it accepts tokens that are out until effective_at; a cookie that it has set for one may let a player go on until the cookie ends"
	if !r.EffectiveAt.After(r.At.Add(time.Second)) {
		layer.Detail = "no token is out that it would accept, but for a cookie that it may have set"
	}
	var done []string
	var failed []error
	if o.rotate {
		started, err := s.rotation.StartRotation(ctx, &tokensvcv1.StartRotationRequest{TargetId: p.TargetID, Immediate: true})
		if err != nil {
			failed = append(failed, err)
		} else {
			done = append(done, fmt.Sprintf("operation %s replaces the key of target %q at once: every token of the target ends when it is done, of other viewers and playbacks too; a cookie may let a player go on until it ends",
				started.GetOperation().GetId(), p.TargetID))
		}
	}
	if o.ban {
		until, err := s.banStream(ctx, p)
		if err != nil {
			failed = append(failed, err)
		} else {
			layer.Refuses = true
			done = append(done, fmt.Sprintf("the stream is banned for every viewer until %s, or until the ban is lifted at the provider, which lifting the revocation does not do",
				until.UTC().Format(time.RFC3339)))
		}
	}
	if len(failed) > 0 {
		return nil, halfDone(r, done, failed)
	}
	if len(done) > 0 {
		layer.Detail = strings.Join(done, "; ")
	}
	return layer, nil
}

// banStream has the provider stop the stream of a playback. The vendor's words stay in the log.
func (s *revoking) banStream(ctx context.Context, p *playback.Entry) (until time.Time, err error) {
	snapshot, err := s.signer.Snapshot()
	if err != nil {
		return time.Time{}, err
	}
	target := snapshot.Target(p.TargetID)
	if target == nil {
		return time.Time{}, refuse(tokens.NotFound, "target %q of the playback does not exist", p.TargetID)
	}
	if until, err = s.ban(ctx, target.Target, &p.Playback); err != nil {
		s.log.WarnContext(ctx, "stream not banned", "playback", p.ID, "error", err)
		return time.Time{}, refuse(tokens.ProviderFailed, "the provider did not confirm the ban of the stream of playback %q; the log of the service says why", p.ID)
	}
	return until, nil
}

// halfDone says that the service refuses by itself, and what else was done, whatever has failed.
func halfDone(r *session.Revocation, done []string, failed []error) error {
	did := append([]string{fmt.Sprintf("revocation %s holds here, %d sessions ended", r.ID, r.SessionsEnded)}, done...)
	faults := make([]string, len(failed))
	for i, err := range failed {
		faults[i] = describe(err).message
	}
	return refuse(describe(failed[0]).reason, "%s; but %s", strings.Join(did, "; "), strings.Join(faults, "; and "))
}

func signLayer(r *session.Revocation) *tokensvcv1.RevocationLayer {
	layer := &tokensvcv1.RevocationLayer{Layer: tokensvcv1.Layer_LAYER_SIGN}
	switch {
	case r.Kind == session.OfGrant || r.Kind == session.OfOrder:
		layer.Refuses, layer.Detail = true, "signs under no grant that was revoked; another grant of the viewer still counts"
	case r.Holds && r.HoldUntil.IsZero():
		layer.Refuses, layer.Detail = true, fmt.Sprintf("refuses until `tokensvc sessions lift %s`; other replicas as soon as they hear of it", r.ID)
	case r.Holds:
		layer.Refuses, layer.Detail = true, fmt.Sprintf("refuses until %s; other replicas as soon as they hear of it", r.HoldUntil.UTC().Format(time.RFC3339))
	default:
		layer.Detail = "signs anew for whom the policy lets in: nobody is held off"
	}
	return layer
}

func refreshLayer(r *session.Revocation) *tokensvcv1.RevocationLayer {
	return &tokensvcv1.RevocationLayer{
		Layer: tokensvcv1.Layer_LAYER_REFRESH, Refuses: true, Detail: fmt.Sprintf("refuses the sessions that ended: %d", r.SessionsEnded),
	}
}

func edgeLayer(r *session.Revocation, unseen bool) *tokensvcv1.RevocationLayer {
	layer := &tokensvcv1.RevocationLayer{Layer: tokensvcv1.Layer_LAYER_EDGE, Refuses: true}
	switch {
	case r.Kind == session.OfPlayback && r.Holds && unseen:
		layer.Detail = "edges that ask refuse the playback within a second, for as long as it is held; when that ends before effective_at, a token without a session plays again until then"
	case r.Kind == session.OfPlayback && r.Holds:
		layer.Detail = "edges that ask refuse the playback within a second"
	case unseen:
		layer.Refuses = false
		layer.Detail = "edges that ask refuse the sessions that ended within a second; a token without a session names no viewer and plays until effective_at"
	default:
		layer.Detail = "edges that ask refuse the sessions that ended within a second"
	}
	return layer
}

// RevokeGrant implements EntitlementService.
func (s *entitlementService) RevokeGrant(ctx context.Context, r *tokensvcv1.RevokeGrantRequest) (*tokensvcv1.RevokeGrantResponse, error) {
	if s.revoking == nil {
		return nil, refuse(tokens.Unimplemented, "this service keeps no sessions")
	}
	if err := checkText("reason", r.GetReason()); err != nil {
		return nil, err
	}
	revocation, err := s.revoking.revoke(ctx, revokeOrder{Command: session.Command{Kind: session.OfGrant, Subject: r.GetId(), Reason: r.GetReason()}})
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.RevokeGrantResponse{Revocation: revocation}, nil
}
