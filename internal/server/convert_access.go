package server

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
)

// accessFromProto reads a policy; what it says is checked with its playback.
func accessFromProto(in *tokensvcv1.AccessPolicy) *playback.Access {
	if in == nil {
		return nil
	}
	list := func(in *tokensvcv1.AccessPolicies) []playback.Access {
		out := make([]playback.Access, len(in.GetPolicies()))
		for i, p := range in.GetPolicies() {
			out[i] = *accessFromProto(p)
		}
		return out
	}
	switch r := in.GetRule().(type) {
	case *tokensvcv1.AccessPolicy_Open:
		return &playback.Access{Open: true}
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
		return &playback.Access{} // has no rule, which the check refuses
	}
}

func accessProto(a *playback.Access) *tokensvcv1.AccessPolicy {
	if a == nil {
		return nil
	}
	list := func(in []playback.Access) *tokensvcv1.AccessPolicies {
		out := &tokensvcv1.AccessPolicies{}
		for i := range in {
			out.Policies = append(out.Policies, accessProto(&in[i]))
		}
		return out
	}
	switch {
	case a.Open:
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_Open{Open: &tokensvcv1.OpenRule{}}}
	case a.Grant:
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_Grant{Grant: &tokensvcv1.GrantRule{}}}
	case a.Expression != "":
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_Expression{Expression: a.Expression}}
	case a.Webhook != "":
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_Webhook{Webhook: a.Webhook}}
	case len(a.AllOf) > 0:
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_AllOf{AllOf: list(a.AllOf)}}
	default:
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_AnyOf{AnyOf: list(a.AnyOf)}}
	}
}

// sessionsFromProto reads a session policy; its bounds are checked with its playback.
func sessionsFromProto(in *tokensvcv1.SessionPolicy) (*playback.Sessions, error) {
	if in == nil {
		return nil, nil //nolint:nilnil // nil opens no sessions
	}
	s := &playback.Sessions{Max: int(in.GetMaxSessions()), Rule: ruleFromProto(in.GetRule())}
	if h := in.GetHeartbeatTimeout(); h != nil {
		if h.CheckValid() != nil || h.GetNanos() != 0 {
			return nil, tokens.ParamError(tokens.InvalidArgument, "sessions.heartbeat_timeout", `want a positive number of whole seconds, for example "30s"`)
		}
		s.HeartbeatTimeout = time.Duration(h.GetSeconds()) * time.Second
	}
	return s, nil
}

func sessionsProto(s *playback.Sessions) *tokensvcv1.SessionPolicy {
	if s == nil {
		return nil
	}
	out := &tokensvcv1.SessionPolicy{MaxSessions: int32(s.Max), Rule: ruleProto(s.Rule)} //nolint:gosec // at most playback.MaxSessions
	if s.HeartbeatTimeout > 0 {
		out.HeartbeatTimeout = durationpb.New(s.HeartbeatTimeout)
	}
	return out
}

func ruleFromProto(r tokensvcv1.SessionRule) playback.SessionRule {
	switch r {
	case tokensvcv1.SessionRule_SESSION_RULE_EVICT_OLDEST:
		return playback.EvictOldest
	case tokensvcv1.SessionRule_SESSION_RULE_ALLOW_SAME_DEVICE:
		return playback.AllowSameDevice
	default:
		return playback.DenyNew
	}
}

func ruleProto(r playback.SessionRule) tokensvcv1.SessionRule {
	switch r {
	case playback.EvictOldest:
		return tokensvcv1.SessionRule_SESSION_RULE_EVICT_OLDEST
	case playback.AllowSameDevice:
		return tokensvcv1.SessionRule_SESSION_RULE_ALLOW_SAME_DEVICE
	default:
		return tokensvcv1.SessionRule_SESSION_RULE_DENY_NEW
	}
}
