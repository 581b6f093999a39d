package app_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/tokens"
)

const secret = "d1c2b3a4958677685940aabbccddeeff"

// importKey gives a target an active key.
func importKey(t *testing.T, r *running, target, secret string) {
	t.Helper()
	r.must(t, "POST", "/v1/targets/"+target+"/keys:import", fmt.Sprintf(`{"material":%q,"encoding":"KEY_ENCODING_TEXT","activate":true}`, base64.StdEncoding.EncodeToString([]byte(secret))))
}

func managed(cfg config.Config) config.Config {
	cfg.Targets = []config.Target{
		{ID: "live", Provider: "wowza", MaxTokenLifetime: time.Hour, Description: "first"},
		{ID: "vod", Provider: "akamai", MaxTokenLifetime: time.Hour},
	}
	cfg.Playbacks = []config.Playback{
		{ID: "event", Target: "live", URL: "https://cdn.example/1/S/n/hls/live/playlist.m3u8", TTL: 5 * time.Minute, IPBinding: "off", Hdnts: &config.HdntsBinding{StreamID: "S"}},
		{ID: "film", Target: "vod", URL: "https://cdn.example/vod/f/playlist.m3u8", TTL: 5 * time.Minute, IPBinding: "off", EdgeAuth: &config.EdgeAuthBinding{ACL: []string{"/vod/f/*"}}},
	}
	return cfg
}

// What stands in the config file is applied at start, changed when the file changes, and let go when it
// leaves the file; keys stay.
func TestConfigFileIsApplied(t *testing.T) {
	dir := t.TempDir()
	cfg := managed(configIn(dir))
	first := serve(t, cfg)
	importKey(t, first, "live", secret)
	url := field(t, first.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`), "credential", "url")
	if text, _ := url.(string); !strings.HasPrefix(text, "https://cdn.example/1/S/n/hls/live/playlist.m3u8?hdnts=exp=") {
		t.Errorf("signed %v", url)
	}
	if code, out := first.call(t, "DELETE", "/v1/playbacks/event", ""); code != 409 {
		t.Errorf("delete of a managed playback: %d %v", code, out)
	}
	created := field(t, first.must(t, "GET", "/v1/targets/live", ""), "target", "update_time")
	first.stop()

	again := serve(t, cfg)
	if got := field(t, again.must(t, "GET", "/v1/targets/live", ""), "target", "update_time"); got != created {
		t.Errorf("an unchanged target was updated at %v, made at %v", got, created)
	}
	again.stop()

	cfg.Targets[0].Description, cfg.Playbacks[0].TTL = "second", 10*time.Minute
	cfg.Playbacks = cfg.Playbacks[:1]
	cfg.Targets = cfg.Targets[:1]
	second := serve(t, cfg)
	if got := field(t, second.must(t, "GET", "/v1/targets/live", ""), "target", "description"); got != "second" {
		t.Errorf("description %v", got)
	}
	if got := field(t, second.must(t, "GET", "/v1/playbacks/event", ""), "playback", "ttl"); got != "600s" {
		t.Errorf("ttl %v", got)
	}
	if code, _ := second.call(t, "GET", "/v1/playbacks/film", ""); code != 404 {
		t.Errorf("a playback that left the file: %d, want 404", code)
	}
	if got := field(t, second.must(t, "GET", "/v1/targets/vod", ""), "target", "managed"); got != false {
		t.Errorf("a target that left the file: managed %v", got)
	}
	second.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`) // the key is there still
	second.must(t, "PATCH", "/v1/targets/vod", `{"description":"mine now"}`)
	second.must(t, "DELETE", "/v1/targets/vod", "")
}

// A playback of the file may move to another target, and one that did not change keeps its times.
func TestPlaybacksOfTheConfigFileMoveAndRest(t *testing.T) {
	cfg := managed(configIn(t.TempDir()))
	updated := func(r *running, id string) any {
		return field(t, r.must(t, "GET", "/v1/playbacks/"+id, ""), "playback", "update_time")
	}
	r := serve(t, cfg)
	before := updated(r, "film")
	r.stop()
	cfg.Targets = append(cfg.Targets, config.Target{ID: "spare", Provider: "wowza", MaxTokenLifetime: time.Hour})
	cfg.Playbacks[0].Target = "spare"
	r = serve(t, cfg)
	if got := field(t, r.must(t, "GET", "/v1/playbacks/event", ""), "playback", "target_id"); got != "spare" {
		t.Errorf("target %v", got)
	}
	if after := updated(r, "film"); after != before {
		t.Errorf("an unchanged playback was updated at %v, made at %v", after, before)
	}
}

func TestConfigFileThatCannotBeAppliedNamesTheFault(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		says   string
	}{
		"playback of an unknown target": {func(c *config.Config) { c.Playbacks[0].Target = "nobody" }, `playback "event"`},
		"binding of another scheme":     {func(c *config.Config) { c.Playbacks[0].Target = "vod" }, `playback "event"`},
		"provider that changes":         {func(c *config.Config) { c.Targets[0].Provider = "agora"; c.Playbacks = nil }, `target "live"`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := managed(configIn(t.TempDir()))
			serve(t, cfg).stop()
			c.change(&cfg)
			_, err := app.New(t.Context(), cfg, inputs(io.Discard))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want it to name %s", err, c.says)
			}
		})
	}
}

func TestWrongOrMissingMasterKeyIsSaidAtStart(t *testing.T) {
	dir := t.TempDir()
	cfg := managed(configIn(dir))
	r := serve(t, cfg)
	importKey(t, r, "live", secret)
	r.stop()
	file := filepath.Join(dir, "master.key")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var id, value string
	for line := range strings.Lines(string(raw)) {
		if !strings.HasPrefix(line, "#") && id == "" {
			id, value, _ = strings.Cut(strings.TrimSpace(line), ":")
		}
	}
	if id == "" || len(value) < 40 {
		t.Fatalf("no key in %d bytes", len(raw))
	}
	restore := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(what string, cfg config.Config, says ...string) {
		t.Helper()
		a, err := app.New(t.Context(), cfg, inputs(io.Discard))
		if err == nil {
			t.Errorf("%s: it starts", what)
			_ = a.Close()
			return
		}
		for _, text := range says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v; want it to say %q", what, err, text)
			}
		}
		if strings.Contains(err.Error(), value) {
			t.Errorf("%s: the error holds the key", what)
		}
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	fails("no file", cfg, id)
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Error("a new master key was made beside secrets that it cannot open")
	}
	other := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	restore([]byte("other:" + other + "\n"))
	fails("another key", cfg, id)
	restore([]byte(id + ":" + other + "\n"))
	fails("another value under the same id", cfg, "master key")
	environment := cfg
	environment.MasterKey.Environment = tokens.NewSecret([]byte("other:" + other))
	fails("another key in the environment", environment, id)
	garbage := cfg
	garbage.MasterKey.Environment = tokens.NewSecret([]byte("garbage"))
	fails("garbage in the environment", garbage, "TOKENSVC_MASTER_KEY")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	fails("a file that others can read", cfg, file)
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}

	restore(raw)
	good := serve(t, cfg)
	good.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
	good.stop()
	environment.MasterKey.Environment = tokens.NewSecret(raw)
	good = serve(t, environment)
	good.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
	good.stop()
	stdin := cfg
	stdin.MasterKey.Stdin = true
	in := inputs(io.Discard)
	in.Stdin = strings.NewReader(string(raw))
	a, err := app.New(t.Context(), stdin, in)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// The cap of the config file holds for targets of the API too, also for those that were made before it.
func TestMaxLifetimeHoldsForEveryTarget(t *testing.T) {
	cfg := configIn(t.TempDir())
	r := serve(t, cfg)
	r.must(t, "POST", "/v1/targets", `{"id":"live","provider":"wowza","max_token_lifetime":"86400s"}`)
	importKey(t, r, "live", secret)
	r.must(t, "POST", "/v1/playbacks", `{"id":"event","target_id":"live","url":"https://h/1/S/a.m3u8","hdnts":{"stream_id":"S"},"ttl":"7200s"}`)
	r.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
	r.stop()
	cfg.MaxLifetime = time.Hour
	r = serve(t, cfg)
	for path, body := range map[string]string{
		"/v1/playbacks/event:sign": `{"viewer":"a"}`,
		"/v1/playbacks":            `{"id":"more","target_id":"live","url":"https://h/1/S/a.m3u8","hdnts":{"stream_id":"S"},"ttl":"7200s"}`,
	} {
		if code, out := r.call(t, "POST", path, body); code != 400 || !strings.Contains(fmt.Sprint(out), "LIFETIME_TOO_LONG") {
			t.Errorf("%s: %d %v", path, code, out)
		}
	}
	r.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a","ttl":"3600s"}`)
}

// Two services on one file see each other's changes within a second.
func TestTwoServicesShareOneFile(t *testing.T) {
	cfg := configIn(t.TempDir())
	one, two := serve(t, cfg), serve(t, cfg)
	one.must(t, "POST", "/v1/targets", `{"id":"live","provider":"wowza"}`)
	importKey(t, one, "live", secret)
	one.must(t, "POST", "/v1/playbacks", `{"id":"event","target_id":"live","url":"https://h/1/S/a.m3u8","hdnts":{"stream_id":"S"}}`)
	one.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`) // its own changes at once
	signs := func(key string) bool {
		code, out := two.call(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
		return code == 200 && field(t, out, "credential", "key") == key
	}
	within := func(what, key string) {
		t.Helper()
		began := time.Now()
		for !signs(key) {
			if time.Since(began) > 3*time.Second {
				t.Fatalf("%s: not seen", what)
			}
			time.Sleep(5 * time.Millisecond)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: seen after %s", what, took)
		}
	}
	within("target, key and playback", "live/1")
	importKey(t, one, "live", secret[16:]+secret[:16])
	within("the second key", "live/2")
}

// A service that is told to stop while it starts stops without an error.
func TestRunEndsWithItsContext(t *testing.T) {
	for range 10 {
		cfg := configIn(t.TempDir())
		a, err := app.New(t.Context(), cfg, inputs(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

func TestTakenAddressNamesTheSetting(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cfg := configIn(t.TempDir())
	cfg.Listen.HTTP = l.Addr().String()
	if _, err := app.New(t.Context(), cfg, inputs(io.Discard)); err == nil || !strings.Contains(err.Error(), "listen.http") {
		t.Errorf("%v; want it to name listen.http", err)
	}
}

func TestRewrapWhileServing(t *testing.T) {
	cfg := managed(configIn(t.TempDir()))
	log := &lines{}
	r := serve(t, cfg)
	importKey(t, r, "live", secret)
	importKey(t, r, "vod", secret)
	out, err := app.Rewrap(t.Context(), cfg, inputs(log), true, nil)
	if err != nil || out.Moved != 2 || out.MasterKey == "" {
		t.Fatalf("%+v, %v", out, err)
	}
	r.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
	importKey(t, r, "live", secret[1:]+"0") // sealed under the new master key by the process that serves
	if out, err = app.Rewrap(t.Context(), cfg, inputs(log), false, nil); err != nil || out.Moved != 0 {
		t.Errorf("again: %+v, %v; nothing is left to move", out, err)
	}
	r.stop()
	serve(t, cfg).must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
}
