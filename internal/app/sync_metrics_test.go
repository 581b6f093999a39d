package app_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTheJobShowsItsMetrics: on loopback while it watches, to those who name it so, and none that are of signing.
func TestTheJobShowsItsMetrics(t *testing.T) {
	s, cfg := vendor(t)
	serve(t, cfg) // it makes the target
	log := &lines{}
	job := openSync(t, cfg, log)
	if err := job.WatchAndShow(t.Context(), "0.0.0.0:0"); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Fatalf("everybody can ask: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- job.WatchAndShow(ctx, "127.0.0.1:0") }()
	r := &running{client: &http.Client{Timeout: 10 * time.Second}}
	var text string
	for deadline := time.Now().Add(60 * time.Second); !strings.Contains(text, `tokensvc_rotation_steps_total{action="activate"} 1`); {
		if time.Now().After(deadline) {
			t.Fatalf("no step after a minute:\n%s\n%s", text, log.String())
		}
		time.Sleep(50 * time.Millisecond)
		if at := regexp.MustCompile(`msg=metrics http=(\S+)`).FindStringSubmatch(log.String()); at != nil {
			r.base = "http://" + at[1]
			text = r.text(t, "/metrics")
		}
	}
	for _, line := range []string{
		`tokensvc_targets 1`, `tokensvc_key_overdue_seconds{target="live"} 0`, `tokensvc_rotation_failures_total{class="ambiguous"} 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	calls := names(`(?m)^tokensvc_provider_calls_total\{call="([a-z ]+)",class="ok",provider="wowza"\} [1-9]`, text)
	if len(calls) == 0 {
		t.Errorf("no calls of the provider in\n%s", text)
	}
	if strings.Contains(text, "snapshot_age") || strings.Contains(text, "signs_total") || strings.Contains(text, bearer) || strings.Contains(text, cfg.Targets[0].Resources[0]) {
		t.Errorf("shows what is not the job's, or nobody's:\n%s", text)
	}
	if secret, err := s.Secret(cfg.Targets[0].Resources[0]); err != nil || strings.Contains(text, string(secret.Reveal())) {
		t.Errorf("a secret is shown; %v", err)
	}
	rebound, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	rebound.Host = "mallory.example"
	response, err := r.client.Do(rebound)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another name may read: %d, %v", response.StatusCode, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
