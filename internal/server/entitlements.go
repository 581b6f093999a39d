package server

import (
	"context"
	"errors"
	"io"
	"time"

	"buf.build/go/protovalidate"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

type entitlementService struct {
	tokensvcv1.UnimplementedEntitlementServiceServer
	grants    entitle.Store
	checker   entitle.Checker // nil where nothing checks
	catalogue *playback.Catalogue
	revoking  *revoking // nil where nothing keeps sessions
	watching  *watching
	validator protovalidate.Validator
	random    io.Reader
	now       func() time.Time
}

// CreateGrant implements EntitlementService.
func (s *entitlementService) CreateGrant(ctx context.Context, r *tokensvcv1.CreateGrantRequest) (*tokensvcv1.CreateGrantResponse, error) {
	outcomes, err := s.create(ctx, []*tokensvcv1.CreateGrantRequest{r})
	if err != nil {
		return nil, err
	}
	if outcomes[0].Err != nil {
		return nil, outcomes[0].Err
	}
	return &tokensvcv1.CreateGrantResponse{Grant: grantProto(&outcomes[0].Grant), RepeatedCall: outcomes[0].Repeated}, nil
}

// BatchCreateGrants implements EntitlementService.
func (s *entitlementService) BatchCreateGrants(ctx context.Context, r *tokensvcv1.BatchCreateGrantsRequest) (*tokensvcv1.BatchCreateGrantsResponse, error) {
	outcomes, err := s.create(ctx, r.GetRequests())
	if err != nil {
		return nil, err
	}
	out := &tokensvcv1.BatchCreateGrantsResponse{Outcomes: make([]*tokensvcv1.GrantOutcome, len(outcomes))}
	for i := range outcomes {
		o := &tokensvcv1.GrantOutcome{RepeatedCall: outcomes[i].Repeated}
		if err := outcomes[i].Err; err != nil {
			o.Outcome = &tokensvcv1.GrantOutcome_Error{Error: withReason(toStatus(err)).Proto()}
		} else {
			o.Outcome = &tokensvcv1.GrantOutcome_GrantId{GrantId: outcomes[i].Grant.ID}
		}
		out.Outcomes[i] = o
	}
	return out, nil
}

// create makes grants in one transaction. Each request has its own outcome.
func (s *entitlementService) create(ctx context.Context, requests []*tokensvcv1.CreateGrantRequest) ([]entitle.Created, error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	ids, err := entitle.NewIDs(s.random, now, len(requests))
	if err != nil {
		return nil, err
	}
	outcomes := make([]entitle.Created, len(requests))
	sound := make([]entitle.Grant, 0, len(requests))
	from := make([]int, 0, len(requests)) // which request asked for it
	for i, r := range requests {
		g, err := s.read(r, now)
		if err != nil {
			outcomes[i].Err = err
			continue
		}
		g.ID = ids[i]
		sound, from = append(sound, g), append(from, i)
	}
	created, err := s.grants.CreateGrants(ctx, sound)
	if err != nil {
		return nil, err
	}
	for n := range created {
		created[n].Err = explainGrant(&sound[n], created[n].Err)
		outcomes[from[n]] = created[n]
	}
	return outcomes, nil
}

// read applies the rules of a request to an item too; for a call of its own an interceptor has.
func (s *entitlementService) read(r *tokensvcv1.CreateGrantRequest, now time.Time) (entitle.Grant, error) {
	if !grantPlainlyValid(r) {
		if err := s.validator.Validate(r); err != nil {
			return entitle.Grant{}, err
		}
	}
	return grantFromProto(r.GetGrant(), r.GetIdempotencyKey(), now)
}

// explainGrant says in the API's words why a store made no grant.
func explainGrant(g *entitle.Grant, err error) error {
	switch {
	case errors.Is(err, entitle.ErrMismatch):
		return refuse(tokens.IdempotencyMismatch, "%s; send another key, or the grant as it was", err)
	case errors.Is(err, entitle.ErrEnded):
		return tokens.ParamError(tokens.InvalidArgument, "end_time", "%s lies in the past; the grant would never count", g.End.Format(time.RFC3339))
	case errors.Is(err, keystore.ErrNotFound) && g.PlaybackID != "":
		return missing(err, g.PlaybackID)
	case errors.Is(err, keystore.ErrNotFound):
		return missingProduct(err, g.ProductID)
	default:
		return err
	}
}

// GetGrant implements EntitlementService.
func (s *entitlementService) GetGrant(ctx context.Context, r *tokensvcv1.GetGrantRequest) (*tokensvcv1.GetGrantResponse, error) {
	g, err := s.grants.Grant(ctx, r.GetId())
	if err != nil {
		return nil, missingGrant(err, r.GetId())
	}
	return &tokensvcv1.GetGrantResponse{Grant: grantProto(&g)}, nil
}

func missingGrant(err error, id string) error {
	if errors.Is(err, keystore.ErrNotFound) {
		return refuse(tokens.NotFound, "grant %q does not exist; `tokensvc grants list` shows them", tokens.Clip(id))
	}
	return err
}

// ListGrants implements EntitlementService.
func (s *entitlementService) ListGrants(ctx context.Context, r *tokensvcv1.ListGrantsRequest) (*tokensvcv1.ListGrantsResponse, error) {
	page, err := pageOf(r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	filter := entitle.Filter{
		Viewer: r.GetViewer(), PlaybackID: r.GetPlaybackId(), ProductID: r.GetProductId(), OrderID: r.GetOrderId(), State: grantState(r.GetState()),
	}
	all, err := s.grants.Grants(ctx, filter, page)
	if errors.Is(err, keystore.ErrIllegal) {
		return nil, tokens.ParamError(tokens.InvalidArgument, "page_token", "not a next_page_token of an earlier page")
	}
	if err != nil {
		return nil, err
	}
	all, next := cut(all, page, func(g entitle.Grant) string { return g.ID })
	out := &tokensvcv1.ListGrantsResponse{NextPageToken: next}
	for i := range all {
		out.Grants = append(out.Grants, grantProto(&all[i]))
	}
	return out, nil
}

// CheckEntitlement implements EntitlementService.
func (s *entitlementService) CheckEntitlement(ctx context.Context, r *tokensvcv1.CheckEntitlementRequest) (*tokensvcv1.CheckEntitlementResponse, error) {
	if s.checker == nil {
		return nil, refuse(tokens.Unimplemented, "this service checks no entitlements")
	}
	if err := checkText("viewer", r.GetViewer()); err != nil {
		return nil, err
	}
	viewing, err := viewingFromProto(r.GetViewing())
	if err != nil {
		return nil, err
	}
	p := s.catalogue.Get(r.GetPlaybackId())
	if p == nil {
		return nil, refuse(tokens.NotFound, "playback %q does not exist; `tokensvc playbacks list` shows them", r.GetPlaybackId())
	}
	now := s.now()
	if err := s.watching.held(r.GetViewer(), p.ID, now); err != nil {
		d := describe(err)
		if d.reason != tokens.Revoked {
			return nil, unknownEntitlement(ctx, err)
		}
		return decisionProto(&entitle.Decision{
			Reason: d.reason, Detail: d.message, Steps: []entitle.Step{{Rule: entitle.RuleRevocation, Detail: d.message}},
		}), nil
	}
	d, err := s.checker.Check(ctx, entitle.Request{Playback: &p.Playback, Viewer: r.GetViewer(), Viewing: viewing, Now: now})
	if err != nil {
		return nil, err
	}
	if d.Allowed {
		one := session.Session{Viewer: r.GetViewer(), PlaybackID: p.ID, GrantID: grantOf(&d), Device: viewing.Device}
		if err := s.watching.room(ctx, p, &one, d.Grant); err != nil {
			full := describe(err)
			if full.reason != tokens.SessionLimit {
				return nil, unknownEntitlement(ctx, err)
			}
			d = entitle.Decision{Reason: full.reason, Detail: full.message, Steps: d.Steps}
		}
	}
	return decisionProto(&d), nil
}

// grantPlainlyValid reports whether a request to make a grant keeps the rules of its .proto file; see
// plainlyValid.
func grantPlainlyValid(r *tokensvcv1.CreateGrantRequest) bool {
	g := r.GetGrant()
	if g == nil || !lengthWithin(r.GetIdempotencyKey(), 0, 128) || !lengthWithin(g.GetViewer(), 1, 256) || !lengthWithin(g.GetOrderId(), 0, 128) {
		return false
	}
	switch subject := g.GetSubject().(type) {
	case *tokensvcv1.Grant_PlaybackId:
		if !plainID(subject.PlaybackId) {
			return false
		}
	case *tokensvcv1.Grant_ProductId:
		if !plainID(subject.ProductId) {
			return false
		}
	default:
		return false
	}
	l := g.GetLimits()
	return within(l.GetMaxPlays(), 1_000_000) && within(l.GetMaxSessions(), 1_000) && within(l.GetMaxDevices(), 1_000) &&
		len(l.GetCountries()) == 0 && len(l.GetNetworks()) == 0
}

func within(n, most int32) bool { return n >= 0 && n <= most }

// plainID reports whether text is 1 to 128 of A-Z, a-z, 0-9, "_" and "-", beginning with a letter or digit.
func plainID(text string) bool {
	if !lengthWithin(text, 1, 128) || text[0] == '-' || text[0] == '_' {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
