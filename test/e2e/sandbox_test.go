//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

type credential struct {
	URL          string    `json:"url"`
	Token        string    `json:"token"`
	ExpiresAt    time.Time `json:"expires_at"`
	RefreshAfter time.Time `json:"refresh_after"`
	ServerTime   time.Time `json:"server_time"`
	Key          string    `json:"key"`
}

// sign runs `tokensvc sign` and returns what it prints.
func (s *sandbox) sign(t *testing.T, playback string, args ...string) credential {
	t.Helper()
	out := must(t, "", append([]string{"--server", s.GRPC, "--output", "json", "sign", playback, "--viewer", "alice"}, args...)...)
	var answer struct{ Credential credential }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return answer.Credential
}

func TestSignedURLsPlayAndTamperedOnesDoNot(t *testing.T) {
	s := startDev(t)
	if len(s.Playbacks) != 6 {
		t.Fatalf("%d playbacks, want one for each of 4 schemes and two pairs", len(s.Playbacks))
	}
	for _, p := range s.Playbacks {
		t.Run(p.ID, func(t *testing.T) {
			out := must(t, "", "--server", s.GRPC, "sign", p.ID, "--viewer", "alice", "--check")
			if !strings.Contains(out, "good token 200, tampered token 403") {
				t.Errorf("--check said:\n%s", out)
			}
			c := s.sign(t, p.ID)
			if c.Key != p.Target+"/1" || !c.ExpiresAt.After(c.RefreshAfter) || !c.RefreshAfter.After(c.ServerTime) {
				t.Errorf("the credential does not add up: %+v", c)
			}
			playThrough(t, c)
			refuseChanged(t, c)
		})
	}
}

// playThrough follows playlists down to a segment, as a player with cookies does.
func playThrough(t *testing.T, c credential) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	at := c.URL
	for range 5 {
		code, body, header := get(t, client, at)
		if code != http.StatusOK {
			t.Fatalf("%s: %d %s", at, code, body)
		}
		if header.Get("Content-Type") == "video/mp2t" || !strings.HasPrefix(body, "#EXTM3U") {
			return
		}
		base, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		child := ""
		for line := range strings.Lines(body) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				child = line
			}
		}
		next, err := base.Parse(child)
		if err != nil {
			t.Fatal(err)
		}
		at = next.String()
	}
	t.Fatalf("no segment below %s", c.URL)
}

// refuseChanged changes characters all over the token.
func refuseChanged(t *testing.T, c credential) {
	t.Helper()
	for i := 0; i < len(c.Token); i += 1 + len(c.Token)/40 {
		changed := byte('0')
		if c.Token[i] == changed {
			changed = '1'
		}
		bad := strings.Replace(c.URL, c.Token, c.Token[:i]+string(changed)+c.Token[i+1:], 1)
		if code, body, _ := get(t, new(http.Client), bad); code != http.StatusForbidden {
			t.Errorf("character %d changed: %d %s", i, code, body)
		}
	}
}

func TestExpiredTokenOpensNothingButItsSessionGoesOn(t *testing.T) {
	s := startDev(t)
	c := s.sign(t, "big-event", "--ttl", "2s")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	viewer := &http.Client{Jar: jar}
	if code, body, _ := get(t, viewer, c.URL); code != http.StatusOK {
		t.Fatalf("fresh token: %d %s", code, body)
	}
	time.Sleep(time.Until(c.ExpiresAt.Add(1100 * time.Millisecond)))
	if code, body, _ := get(t, new(http.Client), c.URL); code != http.StatusForbidden || !strings.Contains(body, "EXPIRED") {
		t.Errorf("expired token without a cookie: %d %s", code, body)
	}
	if code, body, _ := get(t, viewer, c.URL); code != http.StatusOK {
		t.Errorf("expired token with the session's cookie: %d %s", code, body)
	}
	segment := strings.Replace(strings.SplitN(c.URL, "?", 2)[0], "playlist.m3u8", "chunklist.m3u8", 1)
	if code, body, _ := get(t, new(http.Client), segment); code != http.StatusForbidden {
		t.Errorf("media playlist without a cookie: %d %s", code, body)
	}
}

func TestPagePlaysInABrowser(t *testing.T) {
	s := startDev(t)
	args := []string{"browser.mjs", s.HTTP}
	for _, p := range s.Playbacks {
		args = append(args, p.ID)
	}
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Env = os.Environ()
	out, err := cmd.CombinedOutput()
	t.Logf("\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
}
