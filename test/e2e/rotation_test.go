//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// rotationTime is longer than any rotation of the sandbox takes: T, and at a cut C, S, P and some calls.
const rotationTime = 3 * time.Minute

// watched is a playback that somebody plays while the key of its target is rotated.
type watched struct {
	playback, target, kind string
	breaks                 bool // its session ends at the cut, as the plan says
	*player

	played    chan error
	operation operation
	took      time.Duration
	joined    int // viewers who came while the key was rotated
}

// TestRotationsBreakNoPlayer rotates a target of each kind while players play, all at once: players of this test's,
// and pages with hls.js in a browser. The edge learns of a new key only after the sandbox's propagation time. Each
// second another viewer comes, whose token is of the key that signs then.
func TestRotationsBreakNoPlayer(t *testing.T) {
	t.Parallel()
	s := startDev(t)
	all := []*watched{
		{playback: "concert", target: "qencode-live", kind: "overlap"},
		{playback: "big-event", target: "wowza-live", kind: "cut, with a cookie"},
		{playback: "derby", target: "agora-pair", kind: "pair"},
		{playback: "final", target: "wowza-pair", kind: "pair, with a cookie"},
		{playback: "match", target: "agora-play", kind: "cut, without a cookie"},
	}
	pages := openViewers(t, s, "concert", "big-event", "derby", "final")
	rider := ride(t, s, "big-event")
	rotateUnder(t, s, all)
	for _, w := range all {
		w.judge(t, s)
		if paused := w.paused > time.Second; paused != (w.playback == "match") || len(w.forbidden) > 0 {
			t.Errorf("%s: paused for %s, %d answers 403", w.playback, w.paused, len(w.forbidden))
		}
	}
	if code := rider.status(t); code != http.StatusOK {
		t.Errorf("a session of the old key: %d; the cookie outlives the secret", code)
	}
	seen := pages.finish(t)
	for i, w := range all {
		t.Logf("%s: %s in %.0f s\n\t%s", w.target, w.kind, w.took.Seconds(), w)
		if i < len(seen) {
			t.Logf("\t%s", &seen[i])
			seen[i].judge(t, w.target+"/2")
		}
	}
}

// rotateUnder rotates the keys of all targets at once while players play, and returns when the players have
// played on for a while.
func rotateUnder(t *testing.T, s *sandbox, all []*watched) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), rotationTime)
	defer stop()
	for _, w := range all {
		w.start(ctx, t, s)
	}
	started := time.Now()
	for _, w := range all {
		w.operation = startRotation(t, s, w.target)
	}
	for open := len(all); open > 0; time.Sleep(time.Second) {
		for _, w := range all {
			w.mustPlay(t)
			w.join(t, s)
			if w.took == 0 && closed(t, s, w.operation.ID) {
				w.took = time.Since(started)
				open--
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("%d of %d rotations are open after %s", open, len(all), rotationTime)
		}
	}
	time.Sleep(2 * maxStall) // what breaks at the end shows by then
	for _, w := range all {
		w.mustPlay(t)
	}
	stop()
	for _, w := range all {
		if err := <-w.played; err != nil {
			t.Errorf("%s: %v", w.playback, err)
		}
	}
}

func (w *watched) start(ctx context.Context, t *testing.T, s *sandbox) {
	t.Helper()
	var err error
	if w.player, err = newPlayer(s.HTTP, w.playback); err != nil {
		t.Fatal(err)
	}
	w.signsAgain, w.patient = w.breaks, w.breaks
	w.played = make(chan error, 1)
	go func() { w.played <- w.play(ctx) }()
}

// mustPlay fails the test unless the player goes on.
func (w *watched) mustPlay(t *testing.T) {
	t.Helper()
	select {
	case err := <-w.played:
		t.Fatalf("%s does not play any more: %v", w.playback, err)
	default:
	}
}

// join has one more viewer begin to play, without a cookie, if signing is open.
func (w *watched) join(t *testing.T, s *sandbox) {
	t.Helper()
	p, err := newPlayer(s.HTTP, w.playback)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for reason := range p.refused {
		if reason != "KEY_CUTOVER" {
			t.Fatalf("%s: a new viewer's sign was refused with %s", w.playback, reason)
		}
	}
	if p.credential.URL == "" {
		return
	}
	if _, err := p.get(t.Context(), p.credential.URL); err != nil {
		t.Fatalf("%s: a new viewer: %v", w.playback, err)
	}
	w.joined++
}

// String tells what the player saw, in one line.
func (w *watched) String() string {
	return fmt.Sprintf("%-9s player: %d playlists, segments %v; 403s %d, stalls 0, refused signs %d, paused for %.0f s; %d viewers joined",
		w.playback, w.playlists, w.segments, len(w.forbidden), total(w.refused), w.paused.Seconds(), w.joined)
}

// judge looks at what the player saw.
func (w *watched) judge(t *testing.T, s *sandbox) {
	t.Helper()
	key := w.target + "/2"
	if total(w.refused) != w.refused["KEY_CUTOVER"] {
		t.Errorf("%s: signs were refused: %v", w.playback, w.refused)
	}
	if len(w.keys) != 2 || w.keys[0] != w.target+"/1" || w.segments[key] == 0 {
		t.Errorf("%s: keys %v signed, segments %v; want some with %s", w.playback, w.keys, w.segments, key)
	}
	if c := s.sign(t, w.playback, "--check"); c.Key != key {
		t.Errorf("%s: %s signs after the rotation, want %s", w.playback, c.Key, key)
	}
}

// TestSandboxKeepsARotationThroughARestart restarts the sandbox while two keys count: its stand-ins forget, and
// are made to hold both again.
func TestSandboxKeepsARotationThroughARestart(t *testing.T) {
	data := t.TempDir()
	before := startDev(t, "--data", data)
	old := before.sign(t, "concert")
	id := startRotation(t, before, "qencode-live").ID
	await(t, func() bool { return before.sign(t, "concert").Key == "qencode-live/2" })
	before.stop(t)
	after := startDev(t, "--data", data)
	playThrough(t, after.sign(t, "concert", "--check"))
	if code, body, _ := get(t, new(http.Client), strings.Replace(old.URL, before.Edge, after.Edge, 1)); code != http.StatusOK {
		t.Errorf("a live token of the old key after the restart: %d %s", code, body)
	}
	if closed(t, after, id) {
		t.Error("the rotation ended before the old key's tokens")
	}
}

type operation struct {
	ID, Outcome string
	CutTime     time.Time `json:"cut_time"`
	CloseTime   time.Time `json:"close_time"`
}

// startRotation opens a rotation.
func startRotation(t *testing.T, s *sandbox, target string) operation {
	t.Helper()
	return operationOf(t, s, http.MethodPost, "/v1/targets/"+target+":rotate", "{}")
}

// closed reports whether an operation has ended, and fails the test if it did so other than done.
func closed(t *testing.T, s *sandbox, id string) bool {
	t.Helper()
	switch op := operationOf(t, s, http.MethodGet, "/v1/operations/"+id, ""); op.Outcome {
	case "OPERATION_OUTCOME_DONE":
		return true
	case "", "OPERATION_OUTCOME_UNSPECIFIED":
		return false
	default:
		t.Fatalf("operation %s ended as %s", id, op.Outcome)
		return true
	}
}

func operationOf(t *testing.T, s *sandbox, method, path, body string) operation {
	t.Helper()
	code, answer, err := request(t.Context(), new(http.Client), method, s.HTTP+path, body)
	if err != nil || code != http.StatusOK {
		t.Fatalf("%s %s: %d %s %v", method, path, code, answer, err)
	}
	var got struct{ Operation operation }
	if err := json.Unmarshal(answer, &got); err != nil || got.Operation.ID == "" {
		t.Fatalf("%s %s: %s: %v", method, path, answer, err)
	}
	return got.Operation
}
