package server

import (
	"net/netip"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/tokens"
)

// grantFromProto reads a grant to make at now. What the service sets is not looked at.
func grantFromProto(in *tokensvcv1.Grant, key string, now time.Time) (entitle.Grant, error) {
	g := entitle.Grant{
		Viewer: in.GetViewer(), PlaybackID: in.GetPlaybackId(), ProductID: in.GetProductId(), OrderID: in.GetOrderId(),
		IdempotencyKey: key, State: entitle.Active, Start: now, CreatedAt: now,
	}
	var err error
	if in.GetStartTime() != nil {
		if g.Start, err = momentFromProto(in.GetStartTime(), "start_time"); err != nil {
			return g, err
		}
	}
	if in.GetEndTime() != nil {
		if g.End, err = momentFromProto(in.GetEndTime(), "end_time"); err != nil {
			return g, err
		}
	}
	if g.Limits, err = limitsFromProto(in.GetLimits()); err != nil {
		return g, err
	}
	err = entitle.CheckGrant(&g)
	return g, err
}

// momentFromProto reads a time, to the microsecond that stores keep.
func momentFromProto(t *timestamppb.Timestamp, field string) (time.Time, error) {
	if err := t.CheckValid(); err != nil {
		return time.Time{}, tokens.ParamError(tokens.InvalidArgument, field, `want a time like "2026-12-24T20:00:00Z"`)
	}
	return t.AsTime().Truncate(time.Microsecond), nil
}

func limitsFromProto(in *tokensvcv1.GrantLimits) (entitle.Limits, error) {
	l := entitle.Limits{
		MaxPlays: int(in.GetMaxPlays()), MaxSessions: int(in.GetMaxSessions()), MaxDevices: int(in.GetMaxDevices()),
		Countries: slices.Clone(in.GetCountries()),
	}
	for _, text := range in.GetNetworks() {
		n, err := entitle.ParseNetwork("limits.networks", text)
		if err != nil {
			return l, err
		}
		l.Networks = append(l.Networks, n)
	}
	return l, nil
}

func grantProto(g *entitle.Grant) *tokensvcv1.Grant {
	out := &tokensvcv1.Grant{
		Id: g.ID, Viewer: g.Viewer, StartTime: timestampProto(g.Start), EndTime: timestampProto(g.End), OrderId: g.OrderID,
		State: tokensvcv1.GrantState_GRANT_STATE_ACTIVE, Plays: int32(g.Plays), //nolint:gosec // counted one by one
		CreateTime: timestampProto(g.CreatedAt), RevokeTime: timestampProto(g.RevokedAt), RevokeReason: g.RevokeReason,
	}
	if g.PlaybackID != "" {
		out.Subject = &tokensvcv1.Grant_PlaybackId{PlaybackId: g.PlaybackID}
	} else {
		out.Subject = &tokensvcv1.Grant_ProductId{ProductId: g.ProductID}
	}
	if g.State == entitle.Revoked {
		out.State = tokensvcv1.GrantState_GRANT_STATE_REVOKED
	}
	if l := &g.Limits; l.Counted() || len(l.Countries) > 0 || len(l.Networks) > 0 {
		out.Limits = &tokensvcv1.GrantLimits{
			MaxPlays: int32(l.MaxPlays), MaxSessions: int32(l.MaxSessions), MaxDevices: int32(l.MaxDevices), Countries: l.Countries, //nolint:gosec // at most a million
		}
		for _, n := range l.Networks {
			out.Limits.Networks = append(out.Limits.Networks, n.String())
		}
	}
	return out
}

func grantState(s tokensvcv1.GrantState) entitle.State {
	switch s {
	case tokensvcv1.GrantState_GRANT_STATE_ACTIVE:
		return entitle.Active
	case tokensvcv1.GrantState_GRANT_STATE_REVOKED:
		return entitle.Revoked
	default:
		return ""
	}
}

// viewingFromProto reads where a viewer watches from.
func viewingFromProto(in *tokensvcv1.Viewing) (entitle.Viewing, error) {
	v := entitle.Viewing{Device: in.GetDevice(), Country: in.GetCountry(), Attributes: in.GetAttributes()}
	var err error
	if v.ClientIP, err = addressFromProto(in.GetClientIp(), "viewing.client_ip"); err != nil {
		return v, err
	}
	if err := checkText("viewing.device", v.Device); err != nil {
		return v, err
	}
	for _, value := range v.Attributes {
		if err := checkText("viewing.attributes", value); err != nil {
			return v, err
		}
	}
	return v, nil
}

// addressFromProto reads an address, IPv4 never within IPv6; none is the zero Addr.
func addressFromProto(text, field string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return netip.Addr{}, tokens.ParamError(tokens.InvalidArgument, field, "want one IP address, without port, zone or prefix length")
	}
	return address.Unmap(), nil
}

func decisionProto(d *entitle.Decision) *tokensvcv1.CheckEntitlementResponse {
	out := &tokensvcv1.CheckEntitlementResponse{Allowed: d.Allowed, Reason: string(d.Reason), Detail: d.Detail, UntilTime: timestampProto(d.Until)}
	if d.Grant != nil {
		out.GrantId = d.Grant.ID
	}
	for _, s := range d.Steps {
		out.Steps = append(out.Steps, &tokensvcv1.EntitlementStep{Rule: s.Rule, GrantId: s.GrantID, Allowed: s.Allowed, Detail: s.Detail})
	}
	return out
}

func productFromProto(in *tokensvcv1.Product) (entitle.Product, error) {
	return entitle.Product{ID: in.GetId(), Description: in.GetDescription(), PlaybackIDs: slices.Clone(in.GetPlaybackIds())},
		checkText("description", in.GetDescription())
}

func productProto(p *entitle.Product) *tokensvcv1.Product {
	return &tokensvcv1.Product{
		Id: p.ID, Description: p.Description, PlaybackIds: p.PlaybackIDs,
		CreateTime: timestampProto(p.CreatedAt), UpdateTime: timestampProto(p.UpdatedAt),
	}
}
