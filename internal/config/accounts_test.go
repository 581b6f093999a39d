package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/config"
)

func TestAccounts(t *testing.T) {
	t.Parallel()
	const wowza = "accounts: [{id: wowza-main, provider: wowza, api_version: v1.11"
	cases := []struct {
		name, file string
		env        []string
		faults     []string // parts, in any order; none for a sound file
	}{
		{"a JWT in a file", wowza + ", jwt_file: /x}]", nil, nil},
		{"a JWT in a variable", wowza + "}]", []string{"TOKENSVC_ACCOUNT_WOWZA_MAIN_JWT=a.b.c"}, nil},
		{"both", wowza + ", jwt_file: /x}]", []string{"TOKENSVC_ACCOUNT_WOWZA_MAIN_JWT=a.b.c"}, []string{"TOKENSVC_ACCOUNT_WOWZA_MAIN_JWT: accounts[0].jwt_file: the file and the variable are both set"}},
		{"empty", wowza + "}]", []string{"TOKENSVC_ACCOUNT_WOWZA_MAIN_JWT="}, []string{"is set but empty", "access_key_file is needed", "api_key_file is needed"}},
		{"a variable of nobody", "", []string{"TOKENSVC_ACCOUNT_WOWZA_MAIN_JWT=a"}, []string{"no account of the file has such a credential"}},
		{"a mistyped variable", wowza + ", jwt_file: /x}]", []string{"TOKENSVC_ACCOUNT_WOWZA_MAIN_JVT=a"}, []string{"did you mean TOKENSVC_ACCOUNT_WOWZA_MAIN_JWT?"}},
		{"half of the keys", wowza + ", access_key_file: /x}]", nil, []string{"api_key_file is needed for an account of provider wowza"}},
		{"a JWT and a key", wowza + ", jwt_file: /x, api_key_file: /y}]", nil, []string{"accounts[0].api_key_file: is not for this account of provider wowza, which takes api_version, jwt_file"}},
		{"no version", "accounts: [{id: a, provider: wowza, jwt_file: /x}]", nil, []string{"api_version is needed"}},
		{"another provider's", "accounts: [{id: a, provider: qencode, api_key_file: /x, app_id: y}]", nil, []string{"accounts[0].app_id: is not for this account of provider qencode"}},
		{"agora in part", "accounts: [{id: a, provider: agora, app_id: y}]", nil, []string{"customer_id is needed", "customer_secret_file is needed"}},
		{"akamai has no API", "accounts: [{id: a, provider: akamai, base_url: 'https://x'}]", nil, []string{"provider akamai has no API here"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := input{file: c.file, env: c.env}.load(t)
			if len(c.faults) == 0 && err != nil {
				t.Fatal(err)
			}
			for _, want := range c.faults {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "a.b.c") {
				t.Error("the credential is repeated")
			}
		})
	}
}

func TestCredentialOfAVariable(t *testing.T) {
	t.Parallel()
	c := input{
		file: "accounts: [{id: wowza-old, provider: wowza, api_version: v1.8, access_key_file: /x}]",
		env:  []string{"TOKENSVC_ACCOUNT_WOWZA_OLD_API_KEY=k3y"},
	}.mustLoad(t)
	a := c.Accounts[0]
	if got := a.Credential(config.APIKey); string(got.Environment.Reveal()) != "k3y" || got.File != "" {
		t.Errorf("api_key: file %q", got.File)
	}
	if got := a.Credential(config.AccessKey); got.File != "/x" || got.Environment.Len() != 0 {
		t.Errorf("access_key: file %q", got.File)
	}
	if !a.HasCredentials() {
		t.Error("no credentials")
	}
	var b strings.Builder
	for _, format := range []string{"yaml", "json"} {
		if err := c.Print(&b, format); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(b.String(), "k3y") {
		t.Error("print shows the credential")
	}
}

// TestAccountWithoutCredentials is legal, and says what it cannot do.
func TestAccountWithoutCredentials(t *testing.T) {
	t.Parallel()
	_, warnings, err := input{file: "accounts: [{id: a, provider: wowza}]"}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(warnings, func(w config.Warning) bool { return strings.Contains(w.Message, "can be imported, not rotated") }) {
		t.Errorf("warnings %v", warnings)
	}
}
