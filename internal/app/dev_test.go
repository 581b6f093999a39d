package app_test

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/app"
)

func dev(t *testing.T, data string) (*running, app.DevInfo) {
	t.Helper()
	cfg := configIn(t.TempDir())
	d, err := app.NewDev(t.Context(), app.DevOptions{
		Config: cfg, Edge: "127.0.0.1:0", Data: data, Propagation: app.DefaultPropagation,
	}, inputs(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	info := d.Info()
	return run(t, info.HTTP, d.Run), info
}

// fetch returns the status of a URL of the edge.
func fetch(t *testing.T, r *running, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	return resp.StatusCode
}

// playsAll signs every playback of the sandbox and plays it; a changed token does not play.
func playsAll(t *testing.T, r *running, info app.DevInfo) (keys []string) {
	t.Helper()
	if len(info.Playbacks) != 6 {
		t.Fatalf("%d playbacks, want one for each scheme and two pairs", len(info.Playbacks))
	}
	for _, p := range info.Playbacks {
		c := r.must(t, "POST", "/v1/playbacks/"+p.ID+":sign", `{"viewer":"alice"}`)
		url, _ := field(t, c, "credential", "url").(string)
		if !strings.HasPrefix(url, p.URL) {
			t.Errorf("%s: signed %s, want the edge's %s", p.ID, url, p.URL)
		}
		if code := fetch(t, r, url); code != 200 {
			t.Errorf("%s: the edge answers %d to a good token", p.ID, code)
		}
		last := url[len(url)-10]
		changed := map[bool]string{true: "1", false: "0"}[last == '0']
		if code := fetch(t, r, url[:len(url)-10]+changed+url[len(url)-9:]); code != 403 {
			t.Errorf("%s: the edge answers %d to a changed token", p.ID, code)
		}
		listed := r.must(t, "GET", "/v1/targets/"+p.Target+"/keys", "")
		keys = append(keys, fmt.Sprint(listed["keys"]))
	}
	return keys
}

func TestDevInMemory(t *testing.T) {
	r, info := dev(t, "")
	playsAll(t, r, info)
	if code := fetch(t, r, info.Player); code != 200 {
		t.Errorf("the player's page: %d", code)
	}
	if info.Data != "" {
		t.Errorf("data in %q", info.Data)
	}
}

func TestDevKeepsItsKeys(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r, info := dev(t, data)
	first := playsAll(t, r, info)
	r.stop()
	r, info = dev(t, data) // on other ports
	second := playsAll(t, r, info)
	for i := range first {
		if first[i] != second[i] {
			t.Errorf("keys of %s:\n%s\n%s", info.Playbacks[i].Target, first[i], second[i])
		}
	}
}

func TestDevListensOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.com:80"} {
		if _, err := app.NewDev(t.Context(), app.DevOptions{
			Config: configIn(t.TempDir()), Edge: address, Propagation: app.DefaultPropagation,
		}, inputs(io.Discard)); err == nil || !strings.Contains(err.Error(), "--edge") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestDevWantsAPropagationTime(t *testing.T) {
	for _, p := range []time.Duration{0, -time.Second, time.Hour} {
		o := app.DevOptions{Config: configIn(t.TempDir()), Edge: "127.0.0.1:0", Propagation: p}
		if _, err := app.NewDev(t.Context(), o, inputs(io.Discard)); err == nil || !strings.Contains(err.Error(), "--propagation") {
			t.Errorf("%s: %v", p, err)
		}
	}
}
