package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
)

// lingers is how long an ended viewer may play on before it is worth a word.
const lingers = 10 * time.Minute

// Finding is a setting of a playback that is legal and will hurt viewers.
type Finding struct {
	Playback string `json:"playback"`
	Key      string `json:"key"`
	Message  string `json:"message"`
}

// Lint returns what will hurt viewers of the file's playbacks, in their order; never nil. Names are not
// looked up: what is said of addresses holds for any host that has IPv4 and IPv6, which cannot be told offline.
func (c Config) Lint() []Finding {
	found := []Finding{}
	for i := range c.Playbacks {
		p := &c.Playbacks[i]
		say := func(key, format string, args ...any) {
			found = append(found, Finding{Playback: p.ID, Key: key, Message: fmt.Sprintf(format, args...)})
		}
		p.lintBinding(say)
		p.lintSessions(say)
		at := slices.IndexFunc(c.Targets, func(t Target) bool { return t.ID == p.Target })
		if at >= 0 {
			if every := c.Targets[at].Rotation.Every; every > 0 && p.TTL >= every {
				say("ttl", "%s is not under %s, after which the target's key rotates: tokens are cut short at each rotation", formatDuration(p.TTL), formatDuration(every))
			}
		}
		c.lintHooks(p, say)
	}
	return found
}

func (p *Playback) lintBinding(say func(key, format string, args ...any)) {
	if p.IPBinding == "exact" {
		say("ip_binding", "mobile viewers change their address, and dual-stack ones reach your web app and the edge by different ones: they are refused. Leave it off, or limit networks by grants")
	}
	if p.EdgeAuth != nil && p.EdgeAuth.URLPath != "" {
		say("edge_auth.url_path", "the token opens the playlist alone: segments play only where the edge sets a cookie, which some players and cross-site pages do not send. An acl opens both")
	}
}

func (p *Playback) lintSessions(say func(key, format string, args ...any)) {
	s := p.Sessions
	if s.HeartbeatTimeout >= p.TTL && s.HeartbeatTimeout > 0 {
		say("sessions.heartbeat_timeout", "%s is not under the ttl of %s: who stops watching takes up a place for longer than without heartbeats", formatDuration(s.HeartbeatTimeout), formatDuration(p.TTL))
	}
	if s.Max == 1 && s.Rule == string(playback.EvictOldest) {
		say("sessions.rule", "with max 1, two devices put each other out at every sign: each refresh of the other fails with SESSION_ENDED. allow_same_device, or max 2, is kinder")
	}
	if s.Max > 0 && p.TTL > lingers {
		say("sessions.max", "an edge that does not ask plays a token until it ends: who was put out plays on for up to %s. Shorten the ttl, or let the edge ask", formatDuration(p.TTL))
	}
}

func (c Config) lintHooks(p *Playback, say func(key, format string, args ...any)) {
	_ = p.Access.Walk(func(a *playback.Access) error { // visit returns no error
		for i := range c.Webhooks {
			if w := &c.Webhooks[i]; w.ID == a.Webhook && w.OnError == "deny" {
				say("access", "while web hook %q gives no answer nobody is let in, nor can refresh. on_error last_known keeps those who are watching", w.ID)
			}
		}
		return nil
	})
}
