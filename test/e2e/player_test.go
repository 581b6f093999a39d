//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

const (
	// maxStall is how long a player's buffer of three segments lasts.
	maxStall = 6 * time.Second
	// deadAhead is how long before its end a token is not used any more: it may be dead on arrival.
	deadAhead = 5 * time.Second
)

// player plays a live playback as a player does that honours refresh_after: it polls playlists, fetches every
// new segment, signs again when it is told to, and goes on with what it has while a sign is refused. A token that
// is about to die it does not use; without another, and without a cookie to go on with, it pauses.
type player struct {
	service, playback string
	client            *http.Client
	// signsAgain has the player get a new URL when the edge refuses it; else that is the end.
	signsAgain bool
	// patient has the player wait, after a sign was refused, for as long as the service says; else it asks each
	// second. One that the edge has refused is not patient.
	patient bool

	credential credential
	offset     time.Duration // the service's clock less ours
	signAt     time.Time     // by the service's clock
	media      string        // the playlist that lists the segments
	last       string        // the newest segment fetched
	lastAt     time.Time     // or when the player paused last

	// What it saw.
	playlists int
	segments  map[string]int // by the key that had signed last
	signs     int
	keys      []string       // that signed, in order
	refused   map[string]int // signs by reason
	forbidden []*forbidden
	paused    time.Duration
}

// forbidden is a 403 of the edge.
type forbidden struct {
	at     time.Time
	reason string
	text   string
}

func (f *forbidden) Error() string { return f.text }

func newPlayer(service, playback string) (*player, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &player{
		service: service, playback: playback, refused: map[string]int{}, segments: map[string]int{},
		client: &http.Client{Jar: jar, Timeout: 10 * time.Second},
	}, nil
}

// play plays until ctx ends or something goes wrong: an answer of the edge that is not 200, or a stall.
func (p *player) play(ctx context.Context) error {
	p.lastAt = time.Now()
	for {
		if err := p.step(ctx); err != nil {
			return ended(ctx, err)
		}
		if stall := time.Since(p.lastAt); stall > maxStall {
			return fmt.Errorf("no new segment for %s after %v, with key %s", stall.Round(time.Millisecond), p.segments, p.credential.Key)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// step signs if it is time, and asks for what is new.
func (p *player) step(ctx context.Context) error {
	if err := p.refresh(ctx); err != nil {
		return err
	}
	at := p.address(time.Now().Add(p.offset))
	if at == "" {
		p.paused += time.Since(p.lastAt)
		p.lastAt = time.Now()
		return nil
	}
	err := p.poll(ctx, at)
	refusal, isRefusal := errors.AsType[*forbidden](err)
	if !isRefusal {
		return err
	}
	p.forbidden = append(p.forbidden, refusal)
	if !p.signsAgain {
		return err
	}
	p.credential, p.media, p.signAt = credential{}, "", time.Time{}
	return nil
}

// address is what to ask for: the signed URL while its token lives, then the playlist that a cookie opens, and
// nothing where each request needs a token.
func (p *player) address(now time.Time) string {
	switch {
	case now.Before(p.credential.ExpiresAt.Add(-deadAhead)):
		return p.credential.URL
	case strings.Contains(p.media, "?"):
		return ""
	default:
		return p.media
	}
}

// ended tells a failure from the end of ctx.
func ended(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}

// refresh signs when it is time. A sign that is refused is tried again.
func (p *player) refresh(ctx context.Context) error {
	now := time.Now().Add(p.offset)
	if now.Before(p.signAt) {
		return nil
	}
	code, body, err := request(ctx, p.client, http.MethodPost, p.service+"/v1/playbacks/"+p.playback+":sign", `{"viewer":"alice"}`)
	if err != nil {
		return err
	}
	if code != http.StatusOK {
		var answer struct {
			Details []struct {
				Reason     string
				RetryDelay string `json:"retry_delay"`
			}
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Errorf("sign: %d %s", code, body)
		}
		reason, delay := fmt.Sprint("HTTP ", code), time.Second
		for _, d := range answer.Details {
			if d.Reason != "" {
				reason = d.Reason
			}
			if told, err := time.ParseDuration(d.RetryDelay); err == nil && p.patient && len(p.forbidden) == 0 {
				delay = told
			}
		}
		p.refused[reason]++
		p.signAt = now.Add(delay)
		return nil
	}
	var answer struct{ Credential credential }
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	p.signs++
	p.credential = answer.Credential
	p.offset, p.signAt = time.Until(p.credential.ServerTime), p.credential.RefreshAfter
	if len(p.keys) == 0 || p.keys[len(p.keys)-1] != p.credential.Key {
		p.keys = append(p.keys, p.credential.Key)
	}
	return nil
}

// poll follows the playlists down to the segments and fetches those that are new.
func (p *player) poll(ctx context.Context, at string) error {
	for {
		body, err := p.get(ctx, at)
		if err != nil {
			return err
		}
		p.playlists++
		children, err := childrenOf(at, body)
		if err != nil {
			return err
		}
		if len(children) > 0 && strings.Contains(strings.SplitN(children[0], "?", 2)[0], ".m3u8") {
			at = children[0]
			continue
		}
		p.media = at
		return p.fetch(ctx, children)
	}
}

func (p *player) fetch(ctx context.Context, segments []string) error {
	for _, segment := range segments {
		name := segment[strings.LastIndexByte(strings.SplitN(segment, "?", 2)[0], '/')+1:]
		name, _, _ = strings.Cut(name, "?")
		if !newer(name, p.last) {
			continue
		}
		if _, err := p.get(ctx, segment); err != nil {
			return err
		}
		p.last, p.lastAt = name, time.Now()
		p.segments[p.keys[len(p.keys)-1]]++
	}
	return nil
}

// newer compares the names of segments, which end in growing numbers of no fixed width.
func newer(name, than string) bool {
	return len(name) > len(than) || len(name) == len(than) && name > than
}

func (p *player) get(ctx context.Context, at string) (string, error) {
	code, body, err := request(ctx, p.client, http.MethodGet, at, "")
	if err != nil || code == http.StatusOK {
		return string(body), err
	}
	where, _, _ := strings.Cut(at, "?")
	text := fmt.Sprintf("%d for %s with key %s that expires in %s: %s", code, where, p.credential.Key,
		time.Until(p.credential.ExpiresAt).Round(time.Second), strings.TrimSpace(string(body)))
	if code != http.StatusForbidden {
		return "", errors.New(text)
	}
	reason, _, _ := strings.Cut(string(body), ":")
	return "", &forbidden{at: time.Now(), reason: reason, text: text}
}

// request makes one request, of JSON if it has a body, and reads the answer.
func request(ctx context.Context, client *http.Client, method, at, body string) (code int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, errors.Join(err, resp.Body.Close())
}

// childrenOf returns the URIs of a playlist, resolved.
func childrenOf(at, playlist string) ([]string, error) {
	base, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(playlist) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		child, err := base.Parse(line)
		if err != nil {
			return nil, err
		}
		all = append(all, child.String())
	}
	return all, nil
}
