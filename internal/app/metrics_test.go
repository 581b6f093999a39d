package app_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/app"
)

func (r *running) text(t *testing.T, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %v\n%s", path, response.StatusCode, err, text)
	}
	return string(text)
}

// names returns the distinct matches of the pattern's group, in order.
func names(pattern, text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestMetricsAreThoseOfTheDocumentation: while a rotation is under way the endpoint shows every metric that
// docs/metrics.md names, and no other.
func TestMetricsAreThoseOfTheDocumentation(t *testing.T) {
	s, cfg := vendor(t)
	in := inputs(io.Discard)
	in.Sync = true
	a, err := app.New(t.Context(), cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, "http://"+a.HTTPAddr(), a.Run)
	deadline := time.Now().Add(60 * time.Second)
	for code := 0; code != http.StatusOK; code, _ = r.call(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`) {
		if time.Now().After(deadline) {
			t.Fatal("no key after a minute")
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.must(t, "POST", "/v1/targets/live:rotate", `{}`)
	text := r.text(t, "/metrics")
	document, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	shown, documented := names(`(?m)^# TYPE (\S+) `, text), names("(?m)^\\| `(\\S+)` \\|", string(document))
	if !slices.Equal(shown, documented) {
		t.Errorf("shown      %v\ndocumented %v", shown, documented)
	}
	for _, line := range []string{
		`tokensvc_key_overdue_seconds{target="live"} 0`, `tokensvc_rotation_step{provider="wowza",step="scheduled"} 1`,
		`tokensvc_rotation_failures_total{class="ambiguous"} 0`, `tokensvc_rotation_steps_total{action="activate"} 1`,
		`tokensvc_rotation_orphan_keys{target="live"} 0`, `tokensvc_rotation_alarm{target="live"} 0`, `tokensvc_targets 1`,
		`tokensvc_edge_decisions_total{convention="nginx",outcome="allowed"} 0`, `tokensvc_entitlement_checks_total{outcome="unknown"} 0`,
		`tokensvc_calls_total{code="OK",method="tokensvc.v1.RotationService/StartRotation",transport="http"} 1`,
		`tokensvc_call_duration_seconds_bucket{method="tokensvc.v1.RotationService/StartRotation",transport="http",le="+Inf"} 1`,
		`tokensvc_call_duration_seconds_count{method="tokensvc.v1.RotationService/StartRotation",transport="http"} 1`,
		`tokensvc_signs_total{reason="OK",scheme="wowza-hdnts"} 1`, `tokensvc_signs_total{reason="KEY_CUTOVER",scheme="wowza-hdnts"} 0`,
		`tokensvc_rsa_queue_refused_total{work="sign"} 0`, `tokensvc_token_cache_uses_total{cache="shared",use="hit"} 0`,
		`tokensvc_sessions_opened_total 0`, `tokensvc_sessions_refused_total{reason="limit"} 0`, `tokensvc_sessions_ended_total{reason="revoked"} 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	secret, err := s.Secret(cfg.Targets[0].Resources[0])
	if err != nil || strings.Contains(text, string(secret.Reveal())) || strings.Contains(text, bearer) {
		t.Errorf("a secret is shown; %v", err)
	}
}
