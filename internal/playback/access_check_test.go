package playback_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
)

// nested returns a policy that is depth deep.
func nested(depth int) playback.Access {
	a := playback.Access{Grant: true}
	for range depth - 1 {
		a = playback.Access{AllOf: []playback.Access{a}}
	}
	return a
}

func TestCheckAccess(t *testing.T) {
	t.Parallel()
	grant := playback.Access{Grant: true}
	deepest, deeper := nested(playback.MaxAccessDepth), nested(playback.MaxAccessDepth+1)
	cases := []struct {
		name   string
		access *playback.Access
		want   string // part of the error; empty for none
	}{
		{"none", nil, ""},
		{"open", &playback.Access{Open: true}, ""},
		{"grant", &grant, ""},
		{"nothing", &playback.Access{}, "access: has 0 rules"},
		{"two", &playback.Access{Open: true, Grant: true}, "access: has 2 rules"},
		{"nothing below", &playback.Access{AllOf: []playback.Access{grant, {}}}, "access.all_of[1]: has 0 rules"},
		{"joins nothing", &playback.Access{AnyOf: []playback.Access{}}, "joins no policies"},
		{"deepest", &deepest, ""},
		{"too deep", &deeper, "more than 4 policies deep"},
		{"most", &playback.Access{AnyOf: slices.Repeat([]playback.Access{grant}, playback.MaxAccessRules-1)}, ""},
		{"too many", &playback.Access{AnyOf: slices.Repeat([]playback.Access{grant}, playback.MaxAccessRules)}, "more than 32 rules"},
		{"too long", &playback.Access{Expression: strings.Repeat("x", playback.MaxExpression+1)}, "4097 bytes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := playback.CheckAccess(c.access)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, tokens.ErrInvalidParams) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckSessions(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		sessions *playback.Sessions
		want     string
	}{
		{"none", nil, ""},
		{"counted", &playback.Sessions{Rule: playback.DenyNew}, ""},
		{"bounded", &playback.Sessions{Max: 1000, Rule: playback.EvictOldest, HeartbeatTimeout: time.Hour}, ""},
		{"no rule", &playback.Sessions{Max: 1}, "sessions.rule: want"},
		{"unknown rule", &playback.Sessions{Rule: "kick"}, "sessions.rule: want"},
		{"negative", &playback.Sessions{Max: -1, Rule: playback.DenyNew}, "sessions.max_sessions: want"},
		{"too many", &playback.Sessions{Max: 1001, Rule: playback.DenyNew}, "sessions.max_sessions: want"},
		{"hectic", &playback.Sessions{Rule: playback.DenyNew, HeartbeatTimeout: 4 * time.Second}, "heartbeat_timeout: want"},
		{"slow", &playback.Sessions{Rule: playback.DenyNew, HeartbeatTimeout: time.Hour + time.Second}, "heartbeat_timeout: want"},
		{"broken seconds", &playback.Sessions{Rule: playback.DenyNew, HeartbeatTimeout: 5500 * time.Millisecond}, "heartbeat_timeout: want"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := playback.CheckSessions(c.sessions)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, tokens.ErrInvalidParams) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestRefusePrefixSaysWhy(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]playback.Playback{
		"hdnts":    {Hdnts: &playback.Hdnts{}},
		"EdgeAuth": {EdgeAuth: &playback.EdgeAuth{}},
		"Qencode":  {Qencode: &playback.Qencode{}},
		"Agora":    {Agora: &playback.Agora{}},
	} {
		if err := p.RefusePrefix(); !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not speak of %s", err, want)
		}
	}
}
