package qencode_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/tokenstest"
)

func FuzzSign(f *testing.F) {
	f.Add("path/to/video.mp4", `{"viewer":"u-1"}`, "https://h/path/to/video.mp4", int64(60))
	for _, text := range tokenstest.Nasty() {
		f.Add(text, `{"x":"`+text+`"}`, "https://h/"+text, int64(60))
	}
	private := testKeys(f)[smallKeyID].rsa(f)
	key, err := qencode.NewKey("k", private)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, uri, object, url string, lifetime int64) {
		expire := time.Unix(now().Unix()+lifetime%(1<<40), 0)
		claims, err := qencode.ParseClaims([]byte(object))
		if err != nil && !errors.Is(err, tokens.ErrInvalidParams) {
			t.Fatalf("unclassified: %v", err)
		}
		if again, err := qencode.ParseClaims([]byte(claims.String())); err != nil || again != claims {
			t.Fatalf("%s was parsed again as %s, %v", claims, again, err)
		}
		c, err := key.Sign(qencode.Params{URI: uri, Expire: expire, Claims: claims, URL: url}, now())
		if err != nil {
			if tokens.ReasonOf(err) == "" || !errors.Is(err, tokens.ErrInvalidParams) {
				t.Fatalf("unclassified: %v", err)
			}
			return
		}
		if err := key.Verify(tokens.Presented{Token: c.Token, Resource: uri, MaxLifetime: tokens.DefaultMaxLifetime}, now()); err != nil {
			t.Fatalf("refused: %v", err)
		}
		if token, err := qencode.Split(c.URL); url != "" && (err != nil || token != c.Token) {
			t.Fatalf("%s carries %q, %v", c.URL, token, err)
		}
		_, payload := parts(t, c.Token)
		var said struct {
			URI string `json:"uri"`
			Exp int64  `json:"exp"`
		}
		if err := json.Unmarshal([]byte(payload), &said); err != nil || said.URI != uri || said.Exp != expire.Unix() || !c.ExpiresAt.Equal(expire) {
			t.Fatalf("asked for %q until %v, got %s, %v", uri, expire, payload, err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	signedHere := ""
	for _, v := range vectors(f) {
		f.Add(v.Token, v.Header, v.Payload, v.Checks[0].Resource)
		if v.KeyID == smallKeyID {
			signedHere = v.Token
		}
	}
	for _, text := range tokenstest.Nasty() {
		f.Add(text, text, text, text)
	}
	private := testKeys(f)[smallKeyID].rsa(f)
	key, err := qencode.NewKey(smallKeyID, private)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token, header, payload, resource string) {
		agree := func(token string) bool {
			p := tokens.Presented{Token: token, Resource: resource}
			err := key.Verify(p, now())
			explanation := qencode.Scheme{}.Explain(p, now(), key)
			tokenstest.SoundText(t, p, explanation)
			if err != nil && (tokens.ReasonOf(err) == "" || !errors.Is(err, tokens.ErrRefused)) {
				t.Fatalf("unclassified: %v", err)
			}
			if resource != "" && tokens.ReasonOf(explanation.Err()) != tokens.ReasonOf(err) {
				t.Fatalf("explained as %v, refused as %v", explanation.Err(), err)
			}
			return err == nil
		}
		// Nothing that was not signed with this key passes, whatever it says.
		if agree(token) && token != signedHere {
			t.Fatalf("accepted %q", token)
		}
		// What was signed says what is checked, to us as to encoding/json.
		rs256 := func(signed string) ([]byte, error) { return qencode.RS256{}.Sign(signed, private) }
		if !agree(forge(t, header, payload, rs256)) {
			return
		}
		said := map[string]any{}
		if err := json.Unmarshal([]byte(payload), &said); err != nil {
			t.Fatalf("accepted %s: %v", payload, err)
		}
		uri, isText := said["uri"].(string)
		exp, isNumber := said["exp"].(float64)
		if !isText || !isNumber || exp <= float64(now().Unix()) || !strings.HasPrefix(resource, uri) {
			t.Fatalf("accepted %s for %q", payload, resource)
		}
	})
}
