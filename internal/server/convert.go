package server

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// defaultMaxTokenLifetime is T of a target that names none.
const defaultMaxTokenLifetime = 6 * time.Hour

// defaultTTL is the lifetime of a playback's tokens when it names none.
const defaultTTL = time.Hour

// optionalDuration reads a Duration that may be absent: 0 then. Present, it must be positive, in
// whole seconds and not absurd.
func optionalDuration(d *durationpb.Duration, field string) (time.Duration, error) {
	if d == nil {
		return 0, nil
	}
	if err := d.CheckValid(); err != nil || d.GetSeconds() < 1 || d.GetNanos() != 0 || d.GetSeconds() > tokens.MaxUnixSeconds {
		return 0, tokens.ParamError(tokens.InvalidArgument, field, `want a positive number of whole seconds, for example "3600s"`)
	}
	if d.GetSeconds() > int64(tokens.DefaultMaxLifetime/time.Second) {
		return 0, tokens.ParamError(tokens.LifetimeTooLong, field, "%ds is over the cap of %s", d.GetSeconds(), tokens.DefaultMaxLifetime)
	}
	return d.AsDuration(), nil
}

// checkText refuses texts that could not stand in a log line, a claim or a terminal as they are.
func checkText(field, text string) error {
	for _, r := range text {
		if unicode.IsControl(r) {
			return tokens.ParamError(tokens.InvalidArgument, field, "control characters are not allowed")
		}
	}
	return nil
}

// settings is what playbacks and MintToken requests say about the binding of a token.
type settings interface {
	GetHdnts() *tokensvcv1.Hdnts
	GetEdgeAuth() *tokensvcv1.EdgeAuth
	GetQencode() *tokensvcv1.Qencode
	GetAgora() *tokensvcv1.Agora
}

// bind copies the binding into p.
func bind(p *playback.Playback, s settings) {
	if h := s.GetHdnts(); h != nil {
		p.Hdnts = &playback.Hdnts{StreamID: h.GetStreamId(), VODStreamID: h.GetVodStreamId()}
	}
	if e := s.GetEdgeAuth(); e != nil {
		p.EdgeAuth = &playback.EdgeAuth{ACL: e.GetAcl(), URLPath: e.GetUrlPath(), Payload: e.GetPayload()}
	}
	if q := s.GetQencode(); q != nil {
		p.Qencode = &playback.Qencode{URI: q.GetUri(), WholeBucket: q.GetWholeBucket(), ViewerClaim: q.GetViewerClaim(), Claims: q.GetClaims()}
	}
	if s.GetAgora() != nil {
		p.Agora = &playback.Agora{}
	}
}

func playbackFromProto(in *tokensvcv1.Playback) (playback.Playback, error) {
	p := playback.Playback{
		ID: in.GetId(), TargetID: in.GetTargetId(), URL: in.GetUrl(), Description: in.GetDescription(),
		BindIP: in.GetIpBinding() == tokensvcv1.IpBinding_IP_BINDING_EXACT,
	}
	bind(&p, in)
	if a := in.GetAlternate(); a != nil {
		p.Alternate = &playback.Alternate{URL: a.GetUrl(), StreamID: a.GetStreamId()}
	}
	err := checkText("description", in.GetDescription())
	if err != nil {
		return p, err
	}
	if p.TTL, err = optionalDuration(in.GetTtl(), "ttl"); err != nil {
		return p, err
	}
	if p.TTL == 0 {
		p.TTL = defaultTTL
	}
	if in.GetExpiryGranularity().AsDuration() != 0 {
		if p.ExpiryGranularity, err = optionalDuration(in.GetExpiryGranularity(), "expiry_granularity"); err != nil {
			return p, err
		}
	}
	p.Access = accessFromProto(in.GetAccess())
	if p.Sessions, err = sessionsFromProto(in.GetSessions()); err != nil {
		return p, err
	}
	if in.GetIpBinding() == tokensvcv1.IpBinding_IP_BINDING_PREFIX {
		err := p.RefusePrefix()
		return p, err
	}
	return p, nil
}

func playbackProto(p playback.Playback) *tokensvcv1.Playback {
	out := &tokensvcv1.Playback{
		Id: p.ID, TargetId: p.TargetID, Url: p.URL, Description: p.Description, Ttl: durationpb.New(p.TTL),
		IpBinding: tokensvcv1.IpBinding_IP_BINDING_OFF, Managed: p.Managed,
		CreateTime: timestampProto(p.CreatedAt), UpdateTime: timestampProto(p.UpdatedAt),
		Access: accessProto(p.Access), Sessions: sessionsProto(p.Sessions),
	}
	if p.BindIP {
		out.IpBinding = tokensvcv1.IpBinding_IP_BINDING_EXACT
	}
	if p.Alternate != nil {
		out.Alternate = &tokensvcv1.Alternate{Url: p.Alternate.URL, StreamId: p.Alternate.StreamID}
	}
	if p.ExpiryGranularity > 0 {
		out.ExpiryGranularity = durationpb.New(p.ExpiryGranularity)
	}
	switch {
	case p.Hdnts != nil:
		out.Binding = &tokensvcv1.Playback_Hdnts{Hdnts: &tokensvcv1.Hdnts{StreamId: p.Hdnts.StreamID, VodStreamId: p.Hdnts.VODStreamID}}
	case p.EdgeAuth != nil:
		out.Binding = &tokensvcv1.Playback_EdgeAuth{EdgeAuth: &tokensvcv1.EdgeAuth{Acl: p.EdgeAuth.ACL, UrlPath: p.EdgeAuth.URLPath, Payload: p.EdgeAuth.Payload}}
	case p.Qencode != nil:
		out.Binding = &tokensvcv1.Playback_Qencode{Qencode: &tokensvcv1.Qencode{
			Uri: p.Qencode.URI, WholeBucket: p.Qencode.WholeBucket, ViewerClaim: p.Qencode.ViewerClaim, Claims: p.Qencode.Claims,
		}}
	case p.Agora != nil:
		out.Binding = &tokensvcv1.Playback_Agora{Agora: &tokensvcv1.Agora{}}
	}
	return out
}

func targetFromProto(in *tokensvcv1.Target) (keystore.Target, error) {
	t := keystore.Target{
		ID: in.GetId(), Provider: in.GetProvider(), Scheme: in.GetScheme(), Account: in.GetAccount(), Description: in.GetDescription(),
		Options: keystore.SchemeOptions{
			EdgeAuthTokenName: in.GetEdgeAuth().GetTokenName(), EdgeAuthAlgorithm: in.GetEdgeAuth().GetAlgorithm(),
			EdgeAuthEscapeEarly: in.GetEdgeAuth().GetEscapeEarly(), AgoraForm: in.GetAgora().GetForm(),
		},
	}
	err := checkText("description", in.GetDescription())
	if err != nil {
		return t, err
	}
	if t.MaxTokenLifetime, err = optionalDuration(in.GetMaxTokenLifetime(), "max_token_lifetime"); err != nil {
		return t, err
	}
	if t.MaxTokenLifetime == 0 {
		t.MaxTokenLifetime = defaultMaxTokenLifetime
	}
	native, err := schemes.OfProvider(t.Provider)
	if err != nil {
		return t, err
	}
	if t.Scheme == "" {
		t.Scheme = native
	}
	if t.Scheme != native {
		return t, tokens.ParamError(tokens.InvalidArgument, "scheme", "provider %s checks %s tokens, not %q", t.Provider, native, t.Scheme)
	}
	if in.GetEdgeAuth() != nil && t.Scheme != schemes.AkamaiEdgeAuth {
		return t, tokens.ParamError(tokens.InvalidArgument, "edge_auth", "only for scheme %s", schemes.AkamaiEdgeAuth)
	}
	if in.GetAgora() != nil && t.Scheme != schemes.AgoraTimestamp {
		return t, tokens.ParamError(tokens.InvalidArgument, "agora", "only for scheme %s", schemes.AgoraTimestamp)
	}
	t.Resources = slices.Clone(in.GetResources())
	if t.Policy, err = policyFromProto(in.GetRotation()); err != nil {
		return t, err
	}
	if err := keystore.CheckTarget(t); err != nil {
		return t, tokens.ParamError(tokens.InvalidArgument, "target", "%s", strings.TrimPrefix(err.Error(), keystore.ErrIllegal.Error()+": "))
	}
	_, err = schemes.New(t.Scheme, t.Options)
	return t, err
}

func targetProto(t keystore.Target) *tokensvcv1.Target {
	out := &tokensvcv1.Target{
		Id: t.ID, Provider: t.Provider, Scheme: t.Scheme, Account: t.Account, Description: t.Description,
		MaxTokenLifetime: durationpb.New(t.MaxTokenLifetime), Managed: t.Managed,
		CreateTime: timestampProto(t.CreatedAt), UpdateTime: timestampProto(t.UpdatedAt),
		Resources: slices.Clone(t.Resources), Rotation: policyProto(t.Policy),
	}
	switch t.Scheme {
	case schemes.AkamaiEdgeAuth:
		out.EdgeAuth = &tokensvcv1.EdgeAuthOptions{
			TokenName: t.Options.EdgeAuthTokenName, Algorithm: t.Options.EdgeAuthAlgorithm, EscapeEarly: t.Options.EdgeAuthEscapeEarly,
		}
	case schemes.AgoraTimestamp:
		out.Agora = &tokensvcv1.AgoraOptions{Form: t.Options.AgoraForm}
	}
	return out
}

func keyProto(target string, k keystore.Key) *tokensvcv1.Key {
	return &tokensvcv1.Key{
		TargetId: target, Version: int32(k.Version), State: stateProto(k.State), Kid: k.KID, Fingerprint: k.Fingerprint, Origin: k.Origin, //nolint:gosec // versions are counted one by one
		Horizon: timestampProto(k.Horizon), RetireAfter: timestampProto(k.RetireAfter), DestroyAfter: timestampProto(k.DestroyAfter),
		CreateTime: timestampProto(k.CreatedAt), ActivateTime: timestampProto(k.ActivatedAt),
		RetireTime: timestampProto(k.RetiredAt), DestroyTime: timestampProto(k.DestroyedAt),
		Slot: int32(k.Slot), UseAfter: timestampProto(k.UseAfter), HorizonEnd: timestampProto(k.HorizonEnds), //nolint:gosec // 0 or 1
	}
}

func stateProto(s keystore.State) tokensvcv1.KeyState {
	switch s {
	case keystore.Pending:
		return tokensvcv1.KeyState_KEY_STATE_PENDING
	case keystore.Active:
		return tokensvcv1.KeyState_KEY_STATE_ACTIVE
	case keystore.Retiring:
		return tokensvcv1.KeyState_KEY_STATE_RETIRING
	case keystore.Retired:
		return tokensvcv1.KeyState_KEY_STATE_RETIRED
	case keystore.Destroyed:
		return tokensvcv1.KeyState_KEY_STATE_DESTROYED
	case keystore.StateUnspecified:
		return tokensvcv1.KeyState_KEY_STATE_UNSPECIFIED
	default:
		return tokensvcv1.KeyState_KEY_STATE_UNSPECIFIED
	}
}

// timestampProto leaves the zero time out.
func timestampProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
