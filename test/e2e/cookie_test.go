//go:build e2e

package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestCookiesBoundToTheSecretBreakWhatThePlanSays rotates at an edge whose sessions end with the secret that opened
// them. Only players whose cookie dies at a cut are refused: once, at the cut. They sign again, and come back when
// signing is open.
func TestCookiesBoundToTheSecretBreakWhatThePlanSays(t *testing.T) {
	t.Parallel()
	s := startDev(t, "--cookie-bound-to-secret")
	all := []*watched{
		{playback: "big-event", target: "wowza-live", kind: "cut, with a cookie", breaks: true},
		{playback: "concert", target: "qencode-live", kind: "overlap"},
		{playback: "derby", target: "agora-pair", kind: "pair"},
		{playback: "final", target: "wowza-pair", kind: "pair, with a cookie"},
	}
	for _, w := range all {
		want := "no token\n"
		switch w.target {
		case "wowza-live":
			want = "no token; every session of key 1 ends at the cut: 403 until its player signs again\n"
		case "wowza-pair":
			want = "no token; sessions of key 1 that have not signed again end with its slot\n"
		}
		if out := must(t, "", "--server", s.GRPC, "keys", "rotate", w.target, "--plan"); !strings.Contains(out, " "+want) {
			t.Errorf("the plan of %s does not say %q:\n%s", w.target, want, out)
		}
	}
	pages := openViewers(t, s, "big-event", "final")
	rider := ride(t, s, "final")
	rotateUnder(t, s, all)
	for _, w := range all {
		w.judge(t, s)
		if want := map[bool]int{true: 1}[w.breaks]; len(w.forbidden) != want {
			t.Errorf("%s: %d answers 403, want %d: %v", w.playback, len(w.forbidden), want, w.forbidden)
		}
	}
	broken := all[0]
	for _, f := range broken.forbidden {
		if f.reason != "PATH_NOT_COVERED" || f.at.Before(broken.operation.CutTime) || len(broken.keys) != 2 {
			t.Errorf("refused at %s with %s, keys %v; the cut was at %s", f.at, f.text, broken.keys, broken.operation.CutTime)
		}
	}
	if code := rider.status(t); code != http.StatusForbidden {
		t.Errorf("a session of the old key whose player never signed again: %d, want 403", code)
	}
	seen := pages.finish(t)
	for i := range seen {
		t.Logf("%s", &seen[i])
	}
	seen[1].judge(t, "wowza-pair/2")
	page := seen[0]
	if n := page.Forbidden["PATH_NOT_COVERED"]; n == 0 || n != total(page.Forbidden) || page.State != "playing" || page.Shown["wowza-live/2"] == 0 {
		t.Errorf("the page does not come back: state %s (%s), forbidden %v, seconds shown %v", page.State, page.Message, page.Forbidden, page.Shown)
	}
}

// rider is a session that its player goes on with for ever, without a new sign.
type rider struct {
	*player
}

// ride begins to play and then leaves the player alone.
func ride(t *testing.T, s *sandbox, playback string) rider {
	t.Helper()
	p, err := newPlayer(s.HTTP, playback)
	if err != nil {
		t.Fatal(err)
	}
	p.lastAt = time.Now()
	if err := p.step(t.Context()); err != nil {
		t.Fatal(err)
	}
	return rider{p}
}

// status asks for the playlist that the session opens.
func (r rider) status(t *testing.T) int {
	t.Helper()
	code, _, err := request(t.Context(), r.client, http.MethodGet, r.media, "")
	if err != nil {
		t.Fatal(err)
	}
	return code
}
