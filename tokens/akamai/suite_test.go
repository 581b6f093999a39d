package akamai_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/tokenstest"
)

const client = "2001:db8::1"

func TestSuite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]akamai.Config{
		"default": {},
		"escaped": {EscapeEarly: true, TokenName: "__token__"},
		"other":   {Algorithm: akamai.SHA1, FieldDelimiter: "|", ACLDelimiter: "~", Salt: tokens.NewSecret([]byte("pepper-and-salt"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scheme, err := akamai.New(c)
			if err != nil {
				t.Fatal(err)
			}
			tokenstest.Run(t, suiteConfig(scheme))
		})
	}
}

func suiteParams(expire time.Time) akamai.Params {
	return akamai.Params{ACL: []string{"/a/*"}, IP: netip.MustParseAddr(client), SessionID: "s1", Payload: "p=1", Expire: expire, URL: "https://a.example/a/b"}
}

// with returns sound parameters with a change.
func with(expire time.Time, change func(*akamai.Params)) tokens.Params {
	p := suiteParams(expire)
	change(&p)
	return p
}

func presented(c tokens.Credential) tokens.Presented {
	return tokens.Presented{Token: c.Token, Resource: "/a/b", ClientIP: client}
}

func suiteConfig(scheme akamai.Scheme) tokenstest.Config {
	escaped := scheme.Config().EscapeEarly
	decode := func(text string) (string, error) {
		if !escaped {
			return text, nil
		}
		return url.QueryUnescape(text)
	}
	bad := func(name, secret string, short bool) tokenstest.BadMaterial {
		return tokenstest.BadMaterial{Name: name, Material: tokens.Material{Secret: tokens.NewSecret([]byte(secret)), AllowShort: short}}
	}
	out := tokenstest.Config{
		Scheme:        scheme,
		Material:      material(),
		OtherMaterial: tokens.Material{Secret: tokens.NewSecret([]byte("00112233445566778899aabbccddeeff"))},
		SecretForms:   []string{string(scheme.Config().Salt.Reveal())},
		Params:        func(expire time.Time) tokens.Params { return suiteParams(expire) },
		CappedParams: func(expire time.Time, most time.Duration) tokens.Params {
			return with(expire, func(p *akamai.Params) { p.MaxLifetime = most })
		},
		StartingParams: func(start, expire time.Time) tokens.Params {
			return with(expire, func(p *akamai.Params) { p.Start = start })
		},
		Presented:    presented,
		ExpiryField:  "exp",
		Sources:      []string{".", "../internal/fieldtoken"},
		Fields:       suiteFields(decode),
		BadMaterials: []tokenstest.BadMaterial{bad("short", "1234", false), bad("odd", secretHex[:31], true), bad("not hex", "zz"+secretHex[2:], true), bad("blank", secretHex[:30]+" \n", true)},
		Refused: []tokenstest.Refused{
			{Name: "another address", Presented: func(c tokens.Credential) tokens.Presented {
				return tokens.Presented{Token: c.Token, Resource: "/a/b", ClientIP: "2001:db8::2"}
			}, Want: tokens.IPMismatch},
			{Name: "another path", Presented: func(c tokens.Credential) tokens.Presented {
				return tokens.Presented{Token: c.Token, Resource: "/a/../b", ClientIP: client}
			}, Want: tokens.PathNotCovered},
			{Name: "another algorithm", Presented: func(c tokens.Credential) tokens.Presented {
				return tokens.Presented{Token: c.Token[:len(c.Token)-8], Resource: "/a/b", ClientIP: client}
			}, Want: tokens.WrongAlgorithm},
		},
	}
	if scheme.Config().Algorithm != akamai.SHA256 {
		out.Refused = out.Refused[:2]
		return out
	}
	out.Refused[2].Presented = func(c tokens.Credential) tokens.Presented {
		return tokens.Presented{Token: c.Token[:len(c.Token)-24], Resource: "/a/b", ClientIP: client}
	}
	for name, refused := range map[string]struct {
		format string
		want   tokens.Reason
	}{
		"no expiry":    {"acl=/a/*%.0d", tokens.NoExpiry},
		"milliseconds": {"exp=%d000~acl=/a/*", tokens.Malformed},
		"two expiries": {"exp=9999999999~acl=/a/*~exp=%d", tokens.Malformed},
		"two scopes":   {"exp=%d~acl=/b/*~acl=/a/*", tokens.Malformed},
		"a shown url":  {"exp=%d~acl=/a/*~url=/a/b", tokens.Malformed},
		"inner star":   {"exp=%d~acl=/*/b", tokens.PathNotCovered},
	} {
		out.Refused = append(out.Refused, tokenstest.Refused{Name: name, Want: refused.want, Presented: func(c tokens.Credential) tokens.Presented {
			return presented(tokens.Credential{Token: signRaw(fmt.Sprintf(refused.format, c.ExpiresAt.Unix()), "")})
		}})
	}
	return out
}

func suiteFields(decode func(string) (string, error)) []tokenstest.Field {
	return []tokenstest.Field{
		{
			Name: "acl",
			Params: func(value string, expire time.Time) tokens.Params {
				return with(expire, func(p *akamai.Params) { p.ACL = []string{value, "/a/*"} })
			},
		},
		{
			Name: "url path",
			Params: func(value string, expire time.Time) tokens.Params {
				return with(expire, func(p *akamai.Params) { p.ACL, p.URLPath = nil, value })
			},
			Presented: func(c tokens.Credential, value string) tokens.Presented {
				return tokens.Presented{Token: c.Token, Resource: value, ClientIP: client}
			},
		},
		{
			Name: "session id",
			Params: func(value string, expire time.Time) tokens.Params {
				return with(expire, func(p *akamai.Params) { p.SessionID = value })
			},
			Explained: "id", Decode: decode,
		},
		{
			Name: "payload",
			Params: func(value string, expire time.Time) tokens.Params {
				return with(expire, func(p *akamai.Params) { p.Payload = value })
			},
			Explained: "data", Decode: decode,
		},
		{
			Name: "URL",
			Params: func(value string, expire time.Time) tokens.Params {
				return with(expire, func(p *akamai.Params) { p.URL = value })
			},
		},
	}
}
