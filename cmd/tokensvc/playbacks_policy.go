package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/playback"
)

// policyFlags say who is let in and how many at once.
type policyFlags struct {
	access           string
	maxSessions      int32
	sessionRule      string
	heartbeatTimeout time.Duration
	noSessions       bool
}

func (f *policyFlags) bind(flags *pflag.FlagSet) {
	flags.StringVar(&f.access, "access", "", `who is let in, as in the config file: open, grant, '{expression: "..."}', '{webhook: ID}', '{any_of: [...]}'`)
	flags.Int32Var(&f.maxSessions, "max-sessions", 0, "sessions of one viewer that may live at once; 0 counts them without a limit")
	flags.StringVar(&f.sessionRule, "session-rule", string(playback.DenyNew), "what happens to one too many: deny_new, evict_oldest or allow_same_device")
	flags.DurationVar(&f.heartbeatTimeout, "heartbeat-timeout", 0, "a session without heartbeat ends after this; 0 lets it live as long as its token")
	flags.BoolVar(&f.noSessions, "no-sessions", false, "open no sessions any more, unless a grant has limits")
}

// apply writes the flags that were given into p and returns their field paths.
func (f *policyFlags) apply(flags *pflag.FlagSet, p *tokensvcv1.Playback) ([]string, error) {
	var paths []string
	if flags.Changed("access") {
		access, err := config.ParseAccess([]byte(f.access))
		if err != nil {
			return nil, usageError("--access: %v", err)
		}
		p.Access = accessMessage(access)
		paths = append(paths, "access")
	}
	bounds := []struct {
		flag, path string
		set        func(*tokensvcv1.SessionPolicy)
	}{
		{"max-sessions", "sessions.max_sessions", func(s *tokensvcv1.SessionPolicy) { s.MaxSessions = f.maxSessions }},
		{"session-rule", "sessions.rule", func(s *tokensvcv1.SessionPolicy) { s.Rule = ruleMessage(f.sessionRule) }},
		{"heartbeat-timeout", "sessions.heartbeat_timeout", func(s *tokensvcv1.SessionPolicy) {
			if f.heartbeatTimeout != 0 {
				s.HeartbeatTimeout = durationpb.New(f.heartbeatTimeout)
			}
		}},
	}
	if flags.Changed("session-rule") && ruleMessage(f.sessionRule) == tokensvcv1.SessionRule_SESSION_RULE_UNSPECIFIED {
		return nil, usageError("--session-rule: want %s, %s or %s", playback.DenyNew, playback.EvictOldest, playback.AllowSameDevice)
	}
	for _, b := range bounds {
		if !flags.Changed(b.flag) {
			continue
		}
		if f.noSessions {
			return nil, usageError("--no-sessions goes without --%s", b.flag)
		}
		if p.Sessions == nil {
			p.Sessions = &tokensvcv1.SessionPolicy{}
		}
		b.set(p.GetSessions())
		paths = append(paths, b.path)
	}
	if f.noSessions {
		paths = append(paths, "sessions")
	}
	return paths, nil
}

func ruleMessage(text string) tokensvcv1.SessionRule {
	switch playback.SessionRule(text) {
	case playback.DenyNew:
		return tokensvcv1.SessionRule_SESSION_RULE_DENY_NEW
	case playback.EvictOldest:
		return tokensvcv1.SessionRule_SESSION_RULE_EVICT_OLDEST
	case playback.AllowSameDevice:
		return tokensvcv1.SessionRule_SESSION_RULE_ALLOW_SAME_DEVICE
	default:
		return tokensvcv1.SessionRule_SESSION_RULE_UNSPECIFIED
	}
}

func accessMessage(a *playback.Access) *tokensvcv1.AccessPolicy {
	list := func(in []playback.Access) *tokensvcv1.AccessPolicies {
		out := &tokensvcv1.AccessPolicies{}
		for i := range in {
			out.Policies = append(out.Policies, accessMessage(&in[i]))
		}
		return out
	}
	switch {
	case a.Grant:
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_Grant{Grant: &tokensvcv1.GrantRule{}}}
	case a.Expression != "":
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_Expression{Expression: a.Expression}}
	case a.Webhook != "":
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_Webhook{Webhook: a.Webhook}}
	case len(a.AllOf) > 0:
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_AllOf{AllOf: list(a.AllOf)}}
	case len(a.AnyOf) > 0:
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_AnyOf{AnyOf: list(a.AnyOf)}}
	default:
		return &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_Open{Open: &tokensvcv1.OpenRule{}}}
	}
}

// accessText says in words who is let in; empty where the playback says nothing.
func accessText(a *tokensvcv1.AccessPolicy) string {
	list := func(joint string, all []*tokensvcv1.AccessPolicy) string {
		parts := make([]string, len(all))
		for i, p := range all {
			parts[i] = accessText(p)
		}
		return "(" + strings.Join(parts, joint) + ")"
	}
	switch r := a.GetRule().(type) {
	case *tokensvcv1.AccessPolicy_Open:
		return "open"
	case *tokensvcv1.AccessPolicy_Grant:
		return "grant"
	case *tokensvcv1.AccessPolicy_Expression:
		return "expression " + r.Expression
	case *tokensvcv1.AccessPolicy_Webhook:
		return "web hook " + r.Webhook
	case *tokensvcv1.AccessPolicy_AllOf:
		return list(" and ", r.AllOf.GetPolicies())
	case *tokensvcv1.AccessPolicy_AnyOf:
		return list(" or ", r.AnyOf.GetPolicies())
	default:
		return ""
	}
}

// sessionsText says in words how many may watch; empty where the playback says nothing.
func sessionsText(s *tokensvcv1.SessionPolicy) string {
	if s == nil {
		return ""
	}
	text := "any number"
	if s.GetMaxSessions() > 0 {
		text = fmt.Sprintf("at most %d", s.GetMaxSessions())
	}
	switch s.GetRule() {
	case tokensvcv1.SessionRule_SESSION_RULE_EVICT_OLDEST:
		text += ", " + string(playback.EvictOldest)
	case tokensvcv1.SessionRule_SESSION_RULE_ALLOW_SAME_DEVICE:
		text += ", " + string(playback.AllowSameDevice)
	default:
		text += ", " + string(playback.DenyNew)
	}
	if h := s.GetHeartbeatTimeout(); h != nil {
		text += ", heartbeat within " + span(h)
	}
	return text
}
