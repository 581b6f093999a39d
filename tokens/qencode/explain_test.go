package qencode_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

func TestExplainHints(t *testing.T) {
	keys := testKeys(t)
	private := keys[smallKeyID].rsa(t)
	key := prepare(t, keys[smallKeyID].material())
	rs256 := func(signed string) ([]byte, error) { return qencode.RS256{}.Sign(signed, private) }
	hs256 := func(signed string) ([]byte, error) {
		return jwt.SigningMethodHS256.Sign(signed, []byte(keys[smallKeyID].Public))
	}
	const header = `{"alg":"RS256","typ":"JWT","kid":"` + smallKeyID + `"}`
	for name, c := range map[string]struct{ token, want string }{
		"key confusion": {forge(t, `{"alg":"HS256","kid":"`+smallKeyID+`"}`, `{"uri":"a","exp":1}`, hs256), "C# and Java samples"},
		"alg none":      {forge(t, `{"alg":"none","kid":"`+smallKeyID+`"}`, `{"uri":"a","exp":1}`, hs256), "not signed at all"},
		"kid in jti":    {forge(t, `{"alg":"RS256"}`, `{"jti":"`+smallKeyID+`","uri":"a","exp":1}`, rs256), "into jti"},
		"eternal":       {forge(t, header, `{"uri":"a"}`, rs256), "never expires"},
		"milliseconds":  {forge(t, header, `{"uri":"a","exp":1735693200000}`, rs256), "milliseconds"},
		"exp a string":  {forge(t, header, `{"uri":"a","exp":"1735693200"}`, rs256), "C# sample"},
		"a whole URL":   {"https://h/a?auth=x.y.z", "whole URL"},
		"the parameter": {"auth=x.y.z", "leave out auth="},
		"plain base64":  {"a+/=.b.c", "plain base64"},
	} {
		explanation := qencode.Scheme{}.Explain(tokens.Presented{Token: c.token, Resource: "a"}, now(), key)
		if err := explanation.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v does not mention %q", name, err, c.want)
		}
	}
}

func TestExplainShowsWithoutKey(t *testing.T) {
	key := prepare(t, testKeys(t)[smallKeyID].material())
	claims := claim("viewer", "u-1")
	c, err := key.Sign(qencode.Params{WholeBucket: true, Expire: now().Add(time.Hour), Claims: claims}, now())
	if err != nil {
		t.Fatal(err)
	}
	explanation := qencode.Scheme{}.Explain(tokens.Presented{Token: c.Token}, now())
	text, err := json.Marshal(explanation)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"name":"header.kid","value":"` + smallKeyID + `"}`,
		`{"name":"payload.exp","value":"1735693200","note":"2025-01-01T01:00:00Z"}`,
		`{"name":"payload.viewer","value":"u-1"}`,
		"opens the whole bucket",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
	public, err := qencode.NewVerifyKey(smallKeyID, []byte(testKeys(t)[smallKeyID].Public))
	if err != nil {
		t.Fatal(err)
	}
	other, err := qencode.NewVerifyKey("another", []byte(testKeys(t)[liveKeyID].Public))
	if err != nil {
		t.Fatal(err)
	}
	with := qencode.Scheme{}.Explain(tokens.Presented{Token: c.Token}, now(), other, public)
	for _, check := range with.Checks {
		if check.Name == "signature" && check.Outcome != tokens.Passed {
			t.Errorf("the public half among others: %+v", check)
		}
	}
}
