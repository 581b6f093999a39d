package playback

import (
	"iter"
	"strconv"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Bounds of access policies and sessions.
const (
	// MaxAccessDepth is how deep policies may stand within each other, the outermost counted.
	MaxAccessDepth = 4
	// MaxAccessRules is how many policies there may be in all, those that join others counted.
	MaxAccessRules = 32
	// MaxExpression is the length of an expression in bytes.
	MaxExpression = 4096
	// MaxSessions bounds Sessions.Max.
	MaxSessions = 1000
	// MinHeartbeatTimeout and MaxHeartbeatTimeout bound Sessions.HeartbeatTimeout.
	MinHeartbeatTimeout = 5 * time.Second
	MaxHeartbeatTimeout = time.Hour
)

// CheckAccess refuses a policy that is too deep or too large, or of which a part is not exactly one rule. Nil is
// open. Errors wrap tokens.ErrInvalidParams and name the part.
func CheckAccess(a *Access) error {
	if a == nil {
		return nil
	}
	rules := 0
	return a.check("access", 1, &rules)
}

func (a *Access) check(path string, depth int, rules *int) error {
	fault := func(format string, args ...any) error {
		return tokens.ParamError(tokens.InvalidArgument, path, format, args...)
	}
	*rules++
	set := 0
	for _, is := range []bool{a.Open, a.Grant, a.Expression != "", a.Webhook != "", a.AllOf != nil, a.AnyOf != nil} {
		if is {
			set++
		}
	}
	switch {
	case depth > MaxAccessDepth:
		return fault("is more than %d policies deep", MaxAccessDepth)
	case *rules > MaxAccessRules:
		return fault("the policy has more than %d rules", MaxAccessRules)
	case set != 1:
		return fault("has %d rules; want exactly one of open, grant, expression, webhook, all_of and any_of", set)
	case a.AllOf != nil && len(a.AllOf) == 0, a.AnyOf != nil && len(a.AnyOf) == 0:
		return fault("joins no policies; name at least one")
	case len(a.Expression) > MaxExpression:
		return fault("the expression has %d bytes; at most %d are allowed", len(a.Expression), MaxExpression)
	}
	for name, list := range a.joined() {
		for i := range list {
			if err := list[i].check(path+"."+name+"["+strconv.Itoa(i)+"]", depth+1, rules); err != nil {
				return err
			}
		}
	}
	return nil
}

// joined yields the policies that a joins, with the name of how.
func (a *Access) joined() iter.Seq2[string, []Access] {
	return func(yield func(string, []Access) bool) {
		if len(a.AllOf) > 0 && !yield("all_of", a.AllOf) {
			return
		}
		if len(a.AnyOf) > 0 {
			yield("any_of", a.AnyOf)
		}
	}
}

// Walk calls visit for the policy and every policy within it, outermost first, until one returns an error.
// Nil has none.
func (a *Access) Walk(visit func(*Access) error) error {
	if a == nil {
		return nil
	}
	if err := visit(a); err != nil {
		return err
	}
	for _, list := range a.joined() {
		for i := range list {
			if err := list[i].Walk(visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckSessions refuses a rule or bounds that do not exist. Nil opens no sessions. Errors wrap
// tokens.ErrInvalidParams.
func CheckSessions(s *Sessions) error {
	if s == nil {
		return nil
	}
	fault := func(field, format string, args ...any) error {
		return tokens.ParamError(tokens.InvalidArgument, "sessions."+field, format, args...)
	}
	switch s.Rule {
	case DenyNew, EvictOldest, AllowSameDevice:
	default:
		return fault("rule", "want %s, %s or %s", DenyNew, EvictOldest, AllowSameDevice)
	}
	if s.Max < 0 || s.Max > MaxSessions {
		return fault("max_sessions", "want 0 to %d; 0 means any number", MaxSessions)
	}
	switch h := s.HeartbeatTimeout; {
	case h == 0:
	case h < MinHeartbeatTimeout, h > MaxHeartbeatTimeout, h%time.Second != 0:
		return fault("heartbeat_timeout", "want whole seconds from %s to %s, or none", MinHeartbeatTimeout, MaxHeartbeatTimeout)
	}
	return nil
}

// RefusePrefix says why no token of p can carry the network of an address instead of the address.
func (p *Playback) RefusePrefix() error {
	var why string
	switch {
	case p.Hdnts != nil:
		why = "an hdnts token hashes one address, and Wowza's edge compares it with the viewer's as a whole"
	case p.EdgeAuth != nil:
		why = "an EdgeAuth token carries one address in its ip field, and the edge compares it with the viewer's as a whole"
	case p.Qencode != nil:
		why = "Qencode's edges check no claim against the viewer's address"
	default:
		why = "an Agora token hashes a path and a time, and no address"
	}
	return tokens.ParamError(tokens.InvalidArgument, "ip_binding", "tokens cannot be bound to a network: %s; grants can limit networks instead", why)
}
