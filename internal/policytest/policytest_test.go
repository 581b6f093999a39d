package policytest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/policytest"
)

// TestTheExampleOfTheDocumentPasses runs the file that docs/policies.md begins with.
func TestTheExampleOfTheDocumentPasses(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	example, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("docs/policies.md has no example")
	}
	results, err := policytest.Run(t.Context(), "policies.md", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 {
		t.Errorf("%d cases, want 2", len(results))
	}
	for _, r := range results {
		if !r.OK {
			t.Errorf("%s: %s %s, want %s: %s", r.Name, r.Got, r.Reason, r.Want, r.Detail)
		}
	}
}

func TestFaultsAreNamedInWords(t *testing.T) {
	t.Parallel()
	const now = "now: 2026-11-20T20:00:00Z\n"
	for _, c := range []struct{ name, text, want string }{
		{"no such key", "policy: grant\ncases: [{name: a, viewer: a, wants: denied}]", "f.yaml: line 2: field wants not found"},
		{"list for a case", "policy: grant\ncases: [[a]]", "f.yaml: line 2: cannot unmarshal !!seq"},
		{"time of day", "policy: grant\nnow: 20:00", `f.yaml: line 2: "20:00" is not a time like 2026-11-20T20:00:00Z`},
		{"date", "policy: grant\n" + now + "cases: [{name: a, viewer: a, want: allowed, grants: [{id: g, end_time: 2026-11-20}]}]", `f.yaml: line 3: "2026-11-20" is not a time like 2026-11-20T20:00:00Z`},
		{"no time", "policy: grant\ncases: [{name: a, viewer: a, want: denied}]", "f.yaml: cases[0]: now is missing, here and for the file; write a time as 2026-11-20T20:00:00Z"},
		{"hook with a typo", "policy: {any_of: [grant, {webhook: shop}]}\n" + now + `cases: [{name: a, viewer: a, want: allowed, webhooks: {shap: "yes"}}]`, `f.yaml: cases[0]: the policy asks no web hook "shap"`},
		{"reason of a yes", "policy: open\n" + now + "cases: [{name: a, viewer: a, want: allowed, reason: REVOKED}]", "f.yaml: cases[0]: reason goes with want: denied only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := policytest.Run(t.Context(), "f.yaml", []byte(c.text)); err == nil || err.Error() != c.want {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
}
