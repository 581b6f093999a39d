package policylint

import (
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
)

// longest returns the longest that a token lives which nobody asked to live longer.
func (s *subject) longest() time.Duration { return s.TTL + s.ExpiryGranularity }

func ttlOverMax(s *subject) string {
	if s.target == nil || s.longest() <= s.target.MaxTokenLifetime {
		return ""
	}
	return fmt.Sprintf("ttl %s with an expiry_granularity of %s is over the max_token_lifetime of %s of target %q: every sign is refused with LIFETIME_TOO_LONG. Lower the ttl, or raise the target's limit",
		s.TTL, s.ExpiryGranularity, s.target.MaxTokenLifetime, s.TargetID)
}

func ttlPastCut(s *subject) string {
	if s.target == nil || s.target.Active == nil {
		return ""
	}
	k := s.target.Active
	ended := !k.HorizonEnds.IsZero() && !s.now.Before(k.HorizonEnds) // nobody has carried the cut out
	if k.Horizon.IsZero() || ended || !s.now.Add(s.TTL).After(k.Horizon) {
		return ""
	}
	return fmt.Sprintf("key %s/%d is cut at %s: tokens end there and not after the ttl of %s, and the nearer it is the more signs are refused with KEY_CUTOVER until the next key is in use. "+
		"Let players honour refresh_after; a horizon that was set by hand goes with `tokensvc keys retire %s %d --cancel`",
		s.TargetID, k.Version, k.Horizon.UTC().Format(time.RFC3339), s.TTL, s.TargetID, k.Version)
}

// cutsEvery returns how often the target's key is cut by its schedule; 0 where it is not.
func (s *subject) cutsEvery() time.Duration {
	if s.target == nil || s.target.Mode() != keystore.Cut {
		return 0
	}
	return s.target.Policy.Every
}

func ttlOverRotation(s *subject) string {
	every := s.cutsEvery()
	if every == 0 || s.longest() < every {
		return ""
	}
	return fmt.Sprintf("tokens may live for %s, and the key of target %q is cut as often as every %s: each cut ends tokens early and stops signing for a while. "+
		"Lower the ttl, rotate less often, or give the target a second resource, since a pair cuts nothing", s.longest(), s.TargetID, every)
}

func cutGap(s *subject) string {
	if s.cutsEvery() == 0 || s.target.Policy.Window != "" || schemes.CookieCarries(s.target.Scheme) {
		return ""
	}
	return fmt.Sprintf("each rotation of target %q, every %s at any time of day, stops the playing until the edges know the new key: tokens end at the cut and no cookie carries viewers through. "+
		"Set a rotation window in which few watch, or give the target a second resource, since a pair cuts nothing", s.TargetID, s.cutsEvery())
}
