package offline_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/schemes"
)

// onPurpose lists the recorded answers of nginx that are given otherwise here, with the reason, "" being
// accepted. docs/token-jsonl.md has a row with the why for each.
func onPurpose() map[string]string {
	return map[string]string{
		"no_exp_field_never_expires_here":             "NO_EXPIRY",
		"empty_exp_never_expires_here":                "NO_EXPIRY",
		"duplicate_exp_last_wins":                     "MALFORMED",
		"duplicate_acl_last_wins":                     "MALFORMED",
		"data_injection_extends_exp":                  "MALFORMED",
		"acl_multi_bang_not_supported_here":           "",
		"url_token_signed_with_query_fails":           "",
		"url_token_percent_path_signed_encoded_fails": "",
	}
}

func TestVerifyAnswersAsNginxDid(t *testing.T) {
	t.Parallel()
	cases := load(t, "akamai", "edgeauth_verify_nginx.json")
	if len(cases) != 62 {
		t.Fatalf("%d cases, want 62", len(cases))
	}
	for _, compat := range []bool{true, false} {
		lines := make([]entry, 0, len(cases))
		for _, c := range cases {
			lines = append(lines, with(c, entry{"secret_hex": c["key"], "leeway_seconds": 10}))
		}
		met := 0
		for i, got := range verify(t, open(t, schemes.AkamaiEdgeAuth, compat), lines...) {
			name := text(cases[i], "name")
			want := cases[i]["status"] == json.Number("200")
			reason, differs := onPurpose()[name]
			if differs {
				met++
				if want == (reason == "") {
					t.Errorf("%s: nginx answered the same; take it off the list", name)
				}
				want = reason == ""
			}
			if name == "exp_milliseconds" && !compat {
				want, reason, differs = false, "MALFORMED", true
			}
			if got.Name != name || got.OK != want || differs && got.Reason != reason {
				t.Errorf("%s, compat %t: got %+v, want %t %s", name, compat, got, want, reason)
			}
		}
		if met != len(onPurpose()) {
			t.Errorf("%d of %d differences are among the cases", met, len(onPurpose()))
		}
	}
}

func TestTheDocumentHasEveryDifferenceFromNginx(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "token-jsonl.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name, reason := range onPurpose() {
		answer := "`" + reason + "`"
		if reason == "" {
			answer = "accepted"
		}
		found := false
		for line := range strings.Lines(string(page)) {
			found = found || strings.Contains(line, "`"+name+"`") && strings.Contains(line, "| "+answer+" |")
		}
		if !found {
			t.Errorf("no row with %s and %s", name, answer)
		}
	}
}
