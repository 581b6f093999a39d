package main

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
)

// playbackOf returns what a playback of the API says of its viewers.
func playbackOf(m *tokensvcv1.Playback) playback.Playback {
	p := playback.Playback{
		ID: m.GetId(), TargetID: m.GetTargetId(), URL: m.GetUrl(), TTL: m.GetTtl().AsDuration(), ExpiryGranularity: m.GetExpiryGranularity().AsDuration(),
		BindIP: m.GetIpBinding() == tokensvcv1.IpBinding_IP_BINDING_EXACT, Access: accessOf(m.GetAccess()),
	}
	if a := m.GetAlternate(); a != nil {
		p.Alternate = &playback.Alternate{URL: a.GetUrl(), StreamID: a.GetStreamId()}
	}
	if s := m.GetSessions(); s != nil {
		p.Sessions = &playback.Sessions{Max: int(s.GetMaxSessions()), Rule: ruleOf(s.GetRule()), HeartbeatTimeout: s.GetHeartbeatTimeout().AsDuration()}
	}
	switch b := m.GetBinding().(type) {
	case *tokensvcv1.Playback_Hdnts:
		p.Hdnts = &playback.Hdnts{StreamID: b.Hdnts.GetStreamId(), VODStreamID: b.Hdnts.GetVodStreamId()}
	case *tokensvcv1.Playback_EdgeAuth:
		p.EdgeAuth = &playback.EdgeAuth{ACL: b.EdgeAuth.GetAcl(), URLPath: b.EdgeAuth.GetUrlPath()}
	case *tokensvcv1.Playback_Qencode:
		p.Qencode = &playback.Qencode{URI: b.Qencode.GetUri(), WholeBucket: b.Qencode.GetWholeBucket(), ViewerClaim: b.Qencode.GetViewerClaim()}
	case *tokensvcv1.Playback_Agora:
		p.Agora = &playback.Agora{}
	}
	return p
}

// accessOf is the inverse of accessMessage.
func accessOf(m *tokensvcv1.AccessPolicy) *playback.Access {
	list := func(in *tokensvcv1.AccessPolicies) []playback.Access {
		out := make([]playback.Access, len(in.GetPolicies()))
		for i, p := range in.GetPolicies() {
			out[i] = *accessOf(p)
		}
		return out
	}
	switch r := m.GetRule().(type) {
	case *tokensvcv1.AccessPolicy_Grant:
		return &playback.Access{Grant: true}
	case *tokensvcv1.AccessPolicy_Expression:
		return &playback.Access{Expression: r.Expression}
	case *tokensvcv1.AccessPolicy_Webhook:
		return &playback.Access{Webhook: r.Webhook}
	case *tokensvcv1.AccessPolicy_AllOf:
		return &playback.Access{AllOf: list(r.AllOf)}
	case *tokensvcv1.AccessPolicy_AnyOf:
		return &playback.Access{AnyOf: list(r.AnyOf)}
	default:
		return &playback.Access{Open: true}
	}
}

// ruleOf is the inverse of ruleMessage.
func ruleOf(m tokensvcv1.SessionRule) playback.SessionRule {
	switch m {
	case tokensvcv1.SessionRule_SESSION_RULE_EVICT_OLDEST:
		return playback.EvictOldest
	case tokensvcv1.SessionRule_SESSION_RULE_ALLOW_SAME_DEVICE:
		return playback.AllowSameDevice
	default:
		return playback.DenyNew
	}
}

// targetOf returns what a target of the API says of its tokens and its rotation.
func targetOf(m *tokensvcv1.Target) keystore.Target {
	return keystore.Target{
		ID: m.GetId(), Provider: m.GetProvider(), Scheme: m.GetScheme(), MaxTokenLifetime: m.GetMaxTokenLifetime().AsDuration(), Resources: m.GetResources(),
		Policy: keystore.Policy{Every: m.GetRotation().GetEvery().AsDuration(), Mode: modeOf(m.GetRotation().GetMode()), Window: m.GetRotation().GetWindow()},
	}
}

// modeOf returns the mode of a rotation policy, or "" where the target decides.
func modeOf(m tokensvcv1.RotationMode) keystore.Mode {
	if m == tokensvcv1.RotationMode_ROTATION_MODE_UNSPECIFIED {
		return ""
	}
	return keystore.Mode(label(m.String(), "ROTATION_MODE_"))
}

// activeKeyOf returns until when an active key of the API signs.
func activeKeyOf(m *tokensvcv1.Key) *keystore.Key {
	return &keystore.Key{Version: int(m.GetVersion()), State: keystore.Active, Horizon: timeOf(m.GetHorizon()), HorizonEnds: timeOf(m.GetHorizonEnd())}
}

// timeOf returns the zero time for one that is absent.
func timeOf(m *timestamppb.Timestamp) time.Time {
	if m == nil {
		return time.Time{}
	}
	return m.AsTime()
}
