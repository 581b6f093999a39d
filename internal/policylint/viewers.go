package policylint

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
)

// lingers is how long an ended viewer may play on before it is worth a word.
const lingers = 10 * time.Minute

func ipExact(s *subject) string {
	if !s.BindIP {
		return ""
	}
	message := "viewers in mobile networks change their address while they watch"
	if !literal(s.URL) {
		message += ", and those with IPv4 and IPv6 may reach your web app by one and the edge by the other"
	}
	whyNoPrefix := strings.TrimPrefix(s.RefusePrefix().Error(), "ip_binding: ")
	return message + ": they are refused with IP_MISMATCH. Set ip_binding to off; " + whyNoPrefix
}

// literal reports whether the host of a URL is an address, so that all reach it by the same protocol.
func literal(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil {
		return false
	}
	_, err = netip.ParseAddr(u.Hostname())
	return err == nil
}

func grantWithoutSessions(s *subject) string {
	if s.Sessions != nil || !s.asks(func(a *playback.Access) bool { return a.Grant }) {
		return ""
	}
	return fmt.Sprintf("access asks for a grant and there are no sessions: where edges ask, a viewer passes a grant's limits and a refund by leaving the session out of the URL, and plays on until the token ends, for up to %s. "+
		"Set sessions, with max 0 where only grants limit", s.longest())
}

// asks reports whether a rule of the playback's policy is such.
func (s *subject) asks(such func(*playback.Access) bool) bool {
	found := false
	_ = s.Access.Walk(func(a *playback.Access) error { // visit returns no error
		found = found || such(a)
		return nil
	})
	return found
}

func endedPlaysOn(s *subject) string {
	if s.Sessions == nil || s.Sessions.Max == 0 || s.longest() <= lingers {
		return ""
	}
	return fmt.Sprintf("an edge that does not ask plays a token until it ends: who was put out by sessions.max plays on for up to %s. Lower the ttl to %s or less, or let the edge ask", s.longest(), lingers)
}

func evictEachOther(s *subject) string {
	if s.Sessions == nil || s.Sessions.Max != 1 || s.Sessions.Rule != playback.EvictOldest {
		return ""
	}
	return "with sessions.max 1 and rule evict_oldest two devices of a viewer put each other out at every sign: each refresh of the other fails with SESSION_ENDED. Use allow_same_device, or max 2"
}

func heartbeatOverTTL(s *subject) string {
	if s.Sessions == nil || s.Sessions.HeartbeatTimeout == 0 || s.Sessions.HeartbeatTimeout < s.TTL {
		return ""
	}
	return fmt.Sprintf("sessions.heartbeat_timeout %s is not under the ttl of %s: who stops watching takes up a place for longer than without heartbeats. Lower it under the ttl", s.Sessions.HeartbeatTimeout, s.TTL)
}

func hookDenies(s *subject) string {
	var hooks []string
	s.asks(func(a *playback.Access) bool {
		if slices.Contains(s.hooks, a.Webhook) && !slices.Contains(hooks, a.Webhook) {
			hooks = append(hooks, a.Webhook)
		}
		return false
	})
	if len(hooks) == 0 {
		return ""
	}
	return fmt.Sprintf("while web hook %s gives no answer nobody is let in by it, nor can refresh. on_error last_known keeps those who are watching", strings.Join(hooks, " or "))
}
