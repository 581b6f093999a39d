package app_test

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/wowza"
	"github.com/tokensvc/tokensvc/tokens"
)

const bearer = "e30.e30.c2ln"

// vendor stands in for Wowza with one stream target, and returns the config of a service and its job.
func vendor(t *testing.T) (*wowza.Server, config.Config) {
	t.Helper()
	s, err := wowza.New(wowza.Config{JWT: tokens.NewSecret([]byte(bearer)), Now: time.Now, Propagation: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(s.Handler())
	t.Cleanup(api.Close)
	dir := t.TempDir()
	file := filepath.Join(dir, "wowza.jwt")
	if err := os.WriteFile(file, []byte(bearer+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := configIn(dir)
	cfg.SnapshotMaxAge, cfg.ClockSkew, cfg.MaxCall = time.Second, time.Second, 5*time.Second
	cfg.Accounts = []config.Account{{ID: "main", Provider: "wowza", APIVersion: "v1.11", JWTFile: file, BaseURL: api.URL, Propagation: time.Second}}
	id := s.AddTarget("big event", tokens.Secret{})
	cfg.Targets = []config.Target{{
		ID: "live", Provider: "wowza", Account: "main", Resources: []string{id}, MaxTokenLifetime: 5 * time.Second,
		Rotation: config.Rotation{Every: time.Hour},
	}}
	cfg.Playbacks = []config.Playback{{
		ID: "event", Target: "live", URL: "https://cdn.example/1/" + id + "/n/hls/live/playlist.m3u8", TTL: 5 * time.Second, IPBinding: "off",
		Hdnts: &config.HdntsBinding{StreamID: id},
	}}
	return s, cfg
}

func openSync(t *testing.T, cfg config.Config, log io.Writer) *app.Sync {
	t.Helper()
	in := inputs(log)
	in.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	job, err := app.NewSync(t.Context(), cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := job.Close(); err != nil {
			t.Error(err)
		}
	})
	return job
}

// TestSyncRotatesBesideAService: the job of one process gives a target its first key, and the service of
// another signs with it at once.
func TestSyncRotatesBesideAService(t *testing.T) {
	s, cfg := vendor(t)
	r := serve(t, cfg)
	if code, _ := r.call(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`); code != 409 {
		t.Errorf("without a key: %d", code)
	}
	log := &lines{}
	job := openSync(t, cfg, log)
	plan, err := job.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(plan) != 1 || plan[0].Next == "wait" || plan[0].Breaks != "no token" {
		t.Errorf("plan %+v", plan)
	}
	reports, err := job.Once(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got := reports[0]; got.Error != "" || got.Waits || !slices.Contains(got.Steps, "activate") {
		t.Fatalf("report %+v", got)
	}
	deadline := time.Now().Add(2 * time.Second)
	for code := 0; code != 200; {
		if time.Now().After(deadline) {
			t.Fatalf("not signed with the new key: %d", code)
		}
		code, _ = r.call(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
	}
	secret, err := s.Secret(cfg.Targets[0].Resources[0])
	if err != nil || secret.Len() == 0 {
		t.Fatalf("the vendor has no secret: %v", err)
	}
	done, err := job.Protect(t.Context(), "live")
	if err != nil || len(done) != 1 || done[0].Resource != cfg.Targets[0].Resources[0] {
		t.Errorf("protect: %+v, %v", done, err)
	}
	if again, err := s.Secret(cfg.Targets[0].Resources[0]); err != nil || !again.Equal(secret) {
		t.Errorf("protect wrote another secret; %v", err)
	}
	for name, hidden := range map[string]string{"the secret": string(secret.Reveal()), "the JWT": bearer} {
		if strings.Contains(log.String(), hidden) {
			t.Errorf("the log holds %s", name)
		}
	}
}

// TestSyncSchedulesNoCutThatItDoesNotStayFor: a run that may wait a second leaves the target open.
func TestSyncSchedulesNoCutThatItDoesNotStayFor(t *testing.T) {
	s, cfg := vendor(t)
	cfg.Targets[0].Rotation.Every = time.Second
	r := serve(t, cfg)
	job := openSync(t, cfg, io.Discard)
	once := func(wait time.Duration) app.SyncReport {
		t.Helper()
		reports, err := job.Once(t.Context(), wait)
		if err != nil {
			t.Fatal(err)
		}
		return reports[0]
	}
	once(time.Minute) // the first key
	before, err := s.Secret(cfg.Targets[0].Resources[0])
	if err != nil {
		t.Fatal(err)
	}
	report := once(time.Second)
	for strings.Contains(report.Why, "is due at") { // not yet
		report = once(time.Second)
	}
	if !report.Waits || report.Error != "" || len(report.Steps) > 0 || !strings.Contains(report.Why, "after this run has ended; none is scheduled") {
		t.Errorf("report %+v; want it to say that no cut was scheduled", report)
	}
	r.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
	if after, err := s.Secret(cfg.Targets[0].Resources[0]); err != nil || !after.Equal(before) {
		t.Errorf("the secret has changed; %v", err)
	}
}

// TestServeTakesOverASecret that stands at the provider, once it is told how long foreign tokens live.
func TestServeTakesOverASecret(t *testing.T) {
	s, cfg := vendor(t)
	cfg.Targets[0].Rotation.Every = 0
	const foreign = "00112233445566778899aabbccddeeff"
	if err := s.SetSecret(cfg.Targets[0].Resources[0], tokens.NewSecret([]byte(foreign))); err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	in := inputs(log)
	in.Sync = true
	a, err := app.New(t.Context(), cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, "http://"+a.HTTPAddr(), a.Run)
	out := r.must(t, "POST", "/v1/targets/live:rotate", `{"foreign_max_lifetime":"3600s"}`)
	if outcome := field(t, out, "operation", "outcome"); outcome != "OPERATION_OUTCOME_DONE" {
		t.Errorf("outcome %v", outcome)
	}
	r.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
	if code, _ := r.call(t, "POST", "/v1/targets/live:rotate", `{"foreign_max_lifetime":"3600s"}`); code != 409 {
		t.Errorf("taken over twice: %d", code)
	}
	// The first cut waits for the former signer's tokens.
	out = r.must(t, "POST", "/v1/targets/live:rotate", `{}`)
	text, _ := field(t, out, "operation", "cut_time").(string)
	cut, err := time.Parse(time.RFC3339, text)
	if err != nil || time.Until(cut) < 59*time.Minute {
		t.Errorf("the cut comes at %s; %v", cut, err)
	}
	if strings.Contains(log.String(), foreign) {
		t.Error("the log holds the secret")
	}
}

// TestTargetOfTheConfigFileStaysWhileItIsRotated: its slot may be in doubt.
func TestTargetOfTheConfigFileStaysWhileItIsRotated(t *testing.T) {
	_, cfg := vendor(t)
	was := cfg.Targets[0].Resources[0]
	r := serve(t, cfg)
	r.must(t, "POST", "/v1/targets/live:rotate", `{}`)
	r.stop()
	cfg.Targets[0].Resources, cfg.Targets[0].Description = []string{"elsewhere"}, "moved"
	r = serve(t, cfg)
	target := r.must(t, "GET", "/v1/targets/live", "")
	resources, _ := field(t, target, "target", "resources").([]any)
	if description := field(t, target, "target", "description"); description != "moved" || len(resources) != 1 || resources[0] != was {
		t.Errorf("description %v, resources %v; want the description changed and %s kept", description, resources, was)
	}
}

// TestServeRotatesToo: with Sync, the service's own process does the job.
func TestServeRotatesToo(t *testing.T) {
	_, cfg := vendor(t)
	in := inputs(io.Discard)
	in.Sync = true
	a, err := app.New(t.Context(), cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, "http://"+a.HTTPAddr(), a.Run)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		if code, _ := r.call(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`); code == 200 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("no key after 30 s")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func TestSyncRefusesCredentialsThatOthersCanRead(t *testing.T) {
	_, cfg := vendor(t)
	serve(t, cfg).stop()
	file := cfg.Accounts[0].JWTFile
	for name, c := range map[string]struct {
		spoil func() error
		says  string
	}{
		"readable": {func() error { return os.Chmod(file, 0o640) }, "others can read or change"},
		"missing":  {func() error { return os.Remove(file) }, "no such file"},
		"empty":    {func() error { return os.WriteFile(file, []byte(" \n"), 0o600) }, "is empty"},
		"a folder": {func() error { return os.Mkdir(file, 0o700) }, "is no plain file"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.RemoveAll(file); err != nil {
				t.Fatal(err)
			}
			if name != "a folder" {
				if err := os.WriteFile(file, []byte(bearer), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.spoil(); err != nil {
				t.Fatal(err)
			}
			_, err := app.NewSync(t.Context(), cfg, inputs(io.Discard))
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), `account "main"`) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}
