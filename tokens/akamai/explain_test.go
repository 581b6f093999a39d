package akamai_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	const exp = "exp=1578425641"
	text := hmac.New(sha256.New, []byte(secretHex))
	text.Write([]byte(exp + "~acl=/a/*"))
	salted := akamai.Config{Salt: tokens.NewSecret([]byte("pepper"))}
	for name, test := range map[string]struct {
		config akamai.Config
		token  string
		check  string
		hint   string
	}{
		"key not decoded":   {token: exp + "~acl=/a/*~hmac=" + hex.EncodeToString(text.Sum(nil)), check: "signature", hint: "key's text"},
		"salt left out":     {config: salted, token: signRaw(exp+"~acl=/a/*", ""), check: "signature", hint: "without the salt"},
		"escaping":          {token: signRaw(exp, "~url=%2fa%2fb"), check: "signature", hint: "EscapeEarly"},
		"wildcard as url":   {token: signRaw(exp, "~url=/a/*"), check: "signature", hint: "wildcards need an ACL token"},
		"name in front":     {token: "__token__=" + signRaw(exp+"~acl=/a/*", ""), check: "format", hint: "parameter name"},
		"percent-encoded":   {token: strings.ReplaceAll(signRaw(exp+"~acl=/a/*", ""), "~", "%7e"), check: "format", hint: "percent-encoded"},
		"milliseconds":      {token: signRaw("exp=1578425641000~acl=/a/*", ""), check: "format", hint: "milliseconds"},
		"another directory": {token: signRaw(exp+"~acl=/b/*", ""), check: "resource", hint: "does not cover"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scheme, err := akamai.New(test.config)
			if err != nil {
				t.Fatal(err)
			}
			got := scheme.Explain(tokens.Presented{Token: test.token, Resource: "/a/b"}, clock(), testKey(t, test.config))
			for _, check := range got.Checks {
				if check.Name == test.check {
					if check.Outcome != tokens.Failed || !strings.Contains(check.Message, test.hint) {
						t.Errorf("got %+v, want a hint at %q", check, test.hint)
					}
					return
				}
			}
			t.Errorf("no check %s in %+v", test.check, got.Checks)
		})
	}
}

func TestExplainNotes(t *testing.T) {
	t.Parallel()
	for acl, hint := range map[string]string{
		"/a*": "siblings", "/a/?": "different ways", "%2fa%2f*": "Java", "/a/*": "what the token opens",
	} {
		got := akamai.Scheme{}.Explain(tokens.Presented{Token: signRaw("exp=1578425641~acl="+acl, "")}, clock())
		if len(got.Fields) < 2 || !strings.Contains(got.Fields[1].Note, hint) {
			t.Errorf("%s: %+v", acl, got.Fields)
		}
		if err := got.Err(); err != nil {
			t.Errorf("%s: %v", acl, err)
		}
	}
}
