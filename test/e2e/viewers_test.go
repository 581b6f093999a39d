//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"testing"
	"time"
)

// viewers are pages in headless Chromium that play with hls.js; watch.mjs says what they count.
type viewers struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan string
}

// viewer is what one page saw.
type viewer struct {
	Playback  string
	State     string
	Message   string
	Keys      []string
	Playlists int
	Segments  map[string]int
	Forbidden map[string]int
	Failed    map[string]int
	Refused   map[string]int
	Stalls    int
	Dry       float64 `json:"longest_dry"`
	Slow      float64 `json:"longest_slow"`
	Shown     map[string]float64
	Joined    *viewer
}

// openViewers opens one page for each playback and returns when all of them play.
func openViewers(t *testing.T, s *sandbox, playbacks ...string) *viewers {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // the cleanup below ends it
	v := &viewers{cmd: exec.CommandContext(ctx, "node", append([]string{"watch.mjs", s.HTTP}, playbacks...)...), lines: make(chan string)}
	errs := new(process)
	v.cmd.Stderr = errs
	stdin, err := v.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	v.stdin = stdin
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(v.lines)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			v.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		for range v.lines { // nobody else reads any more
		}
		<-read
		if err := v.cmd.Wait(); err != nil {
			t.Errorf("watch.mjs: %v\n%s", err, errs.printed())
		}
	})
	var answer struct{ Ready bool }
	v.read(t, &answer)
	if !answer.Ready {
		t.Fatal("the pages are not ready")
	}
	return v
}

// read waits for the next line.
func (v *viewers) read(t *testing.T, into any) {
	t.Helper()
	select {
	case line, open := <-v.lines:
		if !open {
			t.Fatal("watch.mjs has ended")
		}
		if err := json.Unmarshal([]byte(line), into); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("watch.mjs says nothing")
	}
}

// finish ends the pages and returns what they saw.
func (v *viewers) finish(t *testing.T) []viewer {
	t.Helper()
	if err := v.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	var answer struct{ Viewers []viewer }
	v.read(t, &answer)
	return answer.Viewers
}

// String tells what a page saw, in one line.
func (v *viewer) String() string {
	return fmt.Sprintf("%-9s hls.js: %d playlists, segments %v; 403s %d, stalls %d, refused signs %d; longest wait for data %.1f s, for the CPU %.1f s",
		v.Playback, v.Playlists, v.Segments, total(v.Forbidden), v.Stalls, total(v.Refused), v.Dry, v.Slow)
}

// judge looks at what a page saw while the key of its target became key.
func (v *viewer) judge(t *testing.T, key string) {
	t.Helper()
	if v.State == "error" || len(v.Forbidden) > 0 || len(v.Failed) > 0 || v.Stalls > 0 {
		t.Errorf("%s: state %s (%s), forbidden %v, failed %v, %d stalls", v.Playback, v.State, v.Message, v.Forbidden, v.Failed, v.Stalls)
	}
	if total(v.Refused) != v.Refused["KEY_CUTOVER"] {
		t.Errorf("%s: signs were refused: %v", v.Playback, v.Refused)
	}
	if len(v.Keys) != 2 || v.Keys[1] != key || v.Segments[key] == 0 || v.Shown[key] == 0 {
		t.Errorf("%s: keys %v signed; segments %v, seconds shown %v: want some with %s", v.Playback, v.Keys, v.Segments, v.Shown, key)
	}
	j := v.Joined
	if j == nil || len(j.Keys) == 0 || j.Keys[0] != key || j.Shown[key] == 0 || len(j.Forbidden) > 0 {
		t.Errorf("%s: a viewer who came after the rotation saw %+v", v.Playback, j)
	}
}

// total adds up counts.
func total(counts map[string]int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
