package akamai_test

import (
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
)

// nginxCase is an answer of kaltura/nginx-akamai-token-validate-module, recorded from a running nginx
// with a stopped clock.
type nginxCase struct {
	Name, Token, Path, Key string
	ClientIP               string `json:"client_ip"`
	Status                 int
	Now                    int64
}

// nginxLeeway is the margin that the module has built in.
const nginxLeeway = 10 * time.Second

// intended lists the cases that are answered otherwise on purpose, in both doors, and why.
func intended() map[string]struct {
	reason tokens.Reason
	why    string
} {
	type row = struct {
		reason tokens.Reason
		why    string
	}
	return map[string]row{
		"no_exp_field_never_expires_here":             {tokens.NoExpiry, "a token without an expiry would be good for ever"},
		"empty_exp_never_expires_here":                {tokens.NoExpiry, "the same with the field left empty"},
		"duplicate_exp_last_wins":                     {tokens.Malformed, "a second field of a name is how an injected value takes over"},
		"duplicate_acl_last_wins":                     {tokens.Malformed, "the same for the scope"},
		"data_injection_extends_exp":                  {tokens.Malformed, "the same through an unescaped payload"},
		"acl_multi_bang_not_supported_here":           {"", "Akamai's edge splits lists of ACLs; the module does not"},
		"url_token_signed_with_query_fails":           {"", "Akamai's libraries sign the path as given, query included; the edge compares with its query unless told otherwise"},
		"url_token_percent_path_signed_encoded_fails": {"", "Akamai's libraries sign the path as given; the module knows the decoded one only"},
	}
}

// strictOnly lists what the strict door alone answers otherwise.
func strictOnly() map[string]tokens.Reason {
	return map[string]tokens.Reason{
		// An expiry in milliseconds is good for 50,000 years.
		"exp_milliseconds": tokens.Malformed,
	}
}

func TestVerifyAnswersAsNginx(t *testing.T) {
	t.Parallel()
	cases := load[nginxCase](t, "edgeauth_verify_nginx.json")
	if len(cases) != 62 {
		t.Fatalf("%d cases, want 62", len(cases))
	}
	differing := 0
	for _, c := range cases {
		row, differs := intended()[c.Name]
		if differs {
			differing++
		}
		for door, verify := range map[string]func(tokens.Presented, time.Time) error{
			"compat": func(p tokens.Presented, now time.Time) error {
				return akamai.VerifyCompat(tokens.NewSecret([]byte(c.Key)), akamai.Config{}, p, now)
			},
			"strict": func(p tokens.Presented, now time.Time) error {
				key, err := akamai.Scheme{}.NewKey(tokens.Material{Secret: tokens.NewSecret([]byte(c.Key))})
				if err != nil {
					return err
				}
				return key.Verify(p, now)
			},
		} {
			t.Run(door+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				p := tokens.Presented{Token: c.Token, Resource: c.Path, ClientIP: c.ClientIP, Leeway: nginxLeeway}
				err := verify(p, time.Unix(c.Now, 0))
				strictReason, strictDiffers := strictOnly()[c.Name]
				switch {
				case door == "strict" && strictDiffers:
					if tokens.ReasonOf(err) != strictReason {
						t.Errorf("got %v, want %s", err, strictReason)
					}
				case differs:
					if (err == nil) == (c.Status == 200) {
						t.Errorf("answers as nginx did (%v); take the case off the table", err)
					}
					if tokens.ReasonOf(err) != row.reason {
						t.Errorf("got %v, want reason %q: %s", err, row.reason, row.why)
					}
				case (err == nil) != (c.Status == 200):
					t.Errorf("got %v, nginx answered %d", err, c.Status)
				}
			})
		}
	}
	if differing != len(intended()) {
		t.Errorf("%d of %d intended differences are among the cases", differing, len(intended()))
	}
}
