package obs_test

import (
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tokensvc/tokensvc/internal/obs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRequestID(t *testing.T) {
	t.Parallel()
	if got := obs.RequestID(t.Context()); got != "" {
		t.Errorf("an empty context has %q", got)
	}
	for _, asked := range []string{"a", "req-1.2_3", strings.Repeat("x", 64)} {
		ctx, id := obs.WithRequestID(t.Context(), asked)
		if id != asked || obs.RequestID(ctx) != asked {
			t.Errorf("asked for %q, got %q", asked, id)
		}
	}
	seen := make(map[string]bool)
	for _, asked := range []string{"", strings.Repeat("x", 65), "a b", "a\n", "é", "a/b", "<x>", "a;b", "%41"} {
		ctx, id := obs.WithRequestID(t.Context(), asked)
		if len(id) != 26 || seen[id] || obs.RequestID(ctx) != id {
			t.Errorf("asked for %q, got %q", asked, id)
		}
		seen[id] = true
		if again, _ := obs.WithRequestID(ctx, id); obs.RequestID(again) != id {
			t.Errorf("%q is not accepted when it comes back", id)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	v := obs.Version()
	if v.Go != runtime.Version() || v.Version == "" {
		t.Errorf("%+v", v)
	}
	full := obs.Build{Version: "v1.2.3", Revision: "0123456789abcdef", Modified: true, Go: "go1.26"}
	if got := full.String(); got != "tokensvc v1.2.3 0123456789ab modified go1.26" {
		t.Error(got)
	}
}
