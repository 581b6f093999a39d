package session

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
)

// LimitError says which limit refuses a session, and which sessions fill it: the viewer's own, never
// another's. It is an ErrLimit.
type LimitError struct {
	// What is counted, in words.
	What string
	Max  int
	// Held are the sessions that fill the limit, the first opened first; none for plays and devices.
	Held []Session
}

// heldShown bounds the sessions that the text of a LimitError names.
const heldShown = 5

// Error implements error. It tells devices and times, not the ids of sessions: whoever has one can use it.
func (e *LimitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s may be at most %d", ErrLimit, e.What, e.Max)
	for i := range e.Held[:min(len(e.Held), heldShown)] {
		s := &e.Held[i]
		device := ""
		if s.Device != "" {
			device = fmt.Sprintf(" on device %q", s.Device)
		}
		fmt.Fprintf(&b, "; one lives%s since %s, until %s unless it is refreshed", device, clock(s.OpenedAt), clock(s.ExpiresAt))
	}
	if more := len(e.Held) - heldShown; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

// Is makes a LimitError an ErrLimit.
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Admit decides whether s may live beside the sessions that live already: those of its viewer, in any
// order. It returns those that end for it, or a LimitError. It does not look at plays and devices.
func (b *Bounds) Admit(s *Session, live []Session) (evicted []Session, err error) {
	if len(live) == 0 {
		return nil, nil
	}
	live = slices.Clone(live)
	slices.SortFunc(live, func(x, y Session) int {
		return cmp.Or(x.OpenedAt.Compare(y.OpenedAt), cmp.Compare(x.ID, y.ID))
	})
	gone := make(map[string]bool)
	for _, limit := range []struct {
		what   string
		max    int
		counts func(*Session) bool
	}{
		{"sessions of the viewer and the playback that live at once", b.PerPlayback, func(o *Session) bool { return o.PlaybackID == s.PlaybackID }},
		{"sessions of the grant that live at once", b.PerGrant, func(o *Session) bool { return s.GrantID != "" && o.GrantID == s.GrantID }},
	} {
		if limit.max <= 0 {
			continue
		}
		held := slices.DeleteFunc(slices.Clone(live), func(o Session) bool { return o.ID == s.ID || gone[o.ID] || !limit.counts(&o) })
		surplus := len(held) + 1 - limit.max
		if surplus <= 0 {
			continue
		}
		leave := b.leave(s, held, surplus)
		if len(leave) < surplus {
			return nil, &LimitError{What: limit.what, Max: limit.max, Held: held}
		}
		for i := range leave {
			gone[leave[i].ID] = true
		}
		evicted = append(evicted, leave...)
	}
	return evicted, nil
}

// AdmitDevice decides whether a device may open a session under a grant that count devices have, this one among them
// where it is known. It returns nil or a LimitError.
func (b *Bounds) AdmitDevice(count int, known bool) error {
	if b.Devices > 0 && !known && count >= b.Devices {
		return &LimitError{What: "devices of the grant", Max: b.Devices}
	}
	return nil
}

// leave picks the surplus sessions of held that the rule ends for s, or fewer.
func (b *Bounds) leave(s *Session, held []Session, surplus int) []Session {
	switch b.Rule {
	case playback.EvictOldest:
		return held[:surplus]
	case playback.AllowSameDevice:
		same := slices.DeleteFunc(slices.Clone(held), func(o Session) bool { return s.Device == "" || o.Device != s.Device })
		return same[:min(len(same), surplus)]
	case playback.DenyNew:
		return nil
	default:
		return nil
	}
}

// Keep moves what a refresh or heartbeat at now moves, never back. A zero tokenExpires is a heartbeat.
func (s *Session) Keep(tokenExpires, now time.Time) {
	s.SeenAt = later(s.SeenAt, now)
	s.TokenExpiresAt = later(s.TokenExpiresAt, tokenExpires)
	end := s.TokenExpiresAt
	if beat := s.SeenAt.Add(s.HeartbeatTimeout); s.HeartbeatTimeout > 0 && beat.Before(end) {
		end = beat
	}
	s.ExpiresAt = later(s.ExpiresAt, end)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
