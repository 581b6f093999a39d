package akamai_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/tokenstest"
)

// FuzzToken: whatever the strict door signs has the fields that were asked for and no others, and
// opens the path that was asked for.
func FuzzToken(f *testing.F) {
	f.Add("/hls/live/*", "s1", "p=1", int64(0), int64(60), false, false)
	f.Add("/a", "", "x~exp=9999999999", int64(-5), int64(86400), true, false)
	f.Add("/vod/a.m3u8", "a b(c)!*~", "", int64(70), int64(60), true, true)
	plain, escaping := testKey(f, akamai.Config{}), testKey(f, akamai.Config{EscapeEarly: true})
	f.Fuzz(func(t *testing.T, path, session, payload string, start, lifetime int64, escape, url bool) {
		key := plain
		if escape {
			key = escaping
		}
		p := akamai.Params{SessionID: session, Payload: payload, Expire: time.Unix(nowSeconds+lifetime, 0)}
		if start != 0 {
			p.Start = time.Unix(nowSeconds+start, 0)
		}
		if url {
			p.URLPath = path
		} else {
			p.ACL = []string{path}
		}
		token, err := key.Token(p, clock())
		if err != nil {
			if tokens.ReasonOf(err) == "" {
				t.Fatalf("an error without a reason: %v", err)
			}
			return
		}
		fields := map[string]string{}
		var names []string
		for piece := range strings.SplitSeq(token, "~") {
			name, value, found := strings.Cut(piece, "=")
			if !found {
				t.Fatalf("%s: a piece without a value", token)
			}
			fields[name] = value
			names = append(names, name)
		}
		var want []string
		for _, field := range []struct {
			name string
			set  bool
		}{{"st", start != 0}, {"exp", true}, {"acl", !url}, {"id", session != ""}, {"data", payload != ""}, {"hmac", true}} {
			if field.set {
				want = append(want, field.name)
			}
		}
		if strings.Join(names, " ") != strings.Join(want, " ") {
			t.Fatalf("%s: fields %v, want %v", token, names, want)
		}
		if fields["exp"] != strconv.FormatInt(nowSeconds+lifetime, 10) || lifetime <= 0 || lifetime > 86400 {
			t.Fatalf("%s: asked for %d s", token, lifetime)
		}
		if !escape && (fields["id"] != session || fields["data"] != payload) {
			t.Fatalf("%s: values changed", token)
		}
		asked, wildcard := strings.CutSuffix(path, "*")
		if wildcard {
			asked += "x"
		}
		presented := tokens.Presented{Token: token, Resource: asked}
		if err := key.Verify(presented, p.Expire); err != nil {
			t.Fatalf("%s for %s: %v", token, asked, err)
		}
		presented.Resource = "/" + asked + "y/.."
		if err := key.Verify(presented, p.Expire); err == nil && path != "/*" && asked != "/" {
			normal, _ := akamai.Normalize(presented.Resource)
			if !strings.HasPrefix(normal, strings.TrimSuffix(path, "*")) {
				t.Fatalf("%s opens %s", token, presented.Resource)
			}
		}
	})
}

// FuzzVerify: no text but the signed one is accepted, and explaining any text ends.
func FuzzVerify(f *testing.F) {
	key := testKey(f, akamai.Config{})
	good, err := key.Token(akamai.Params{ACL: []string{"/a/*"}, Expire: after(time.Hour)}, clock())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, "/a/b")
	f.Add("hdnts="+good, "/a/b")
	f.Add(good+"~hmac=", "/a/%2e%2e/b")
	f.Add("exp%3D1%7Eip%3D%FF%7Ehmac%3D00", "/a/b")
	f.Add("ip="+strings.Repeat("a", 63)+"é~exp=1~hmac="+strings.Repeat("0a", 32), "/a/b")
	f.Fuzz(func(t *testing.T, token, path string) {
		p := tokens.Presented{Token: token, Resource: path}
		secret := tokens.NewSecret([]byte(secretHex))
		for _, err := range []error{key.Verify(p, clock()), akamai.VerifyCompat(secret, akamai.Config{}, p, clock())} {
			normal, ok := akamai.Normalize(path)
			if covered := ok && strings.HasPrefix(normal, "/a/"); (err == nil) != (token == good && covered) {
				t.Fatalf("%q for %q: %v", token, path, err)
			}
		}
		got := (akamai.Scheme{}).Explain(p, clock(), key)
		if len(got.Checks) == 0 {
			t.Fatal("nothing was checked")
		}
		tokenstest.SoundText(t, p, got)
	})
}

// FuzzNormalize: what a path resolves to is absolute, has no dot segments, and resolves to itself once
// its percent signs are escaped again.
func FuzzNormalize(f *testing.F) {
	f.Add("/a/../b//c/./d?x=1")
	f.Add("/%2e%2e/%2f/..")
	f.Fuzz(func(t *testing.T, path string) {
		normal, ok := akamai.Normalize(path)
		if !ok {
			return
		}
		if !strings.HasPrefix(normal, "/") || strings.Contains(normal, "//") || strings.Contains(normal+"/", "/../") || strings.Contains(normal+"/", "/./") {
			t.Fatalf("%q resolves to %q", path, normal)
		}
		again, ok := akamai.Normalize(strings.NewReplacer("%", "%25", "?", "%3f").Replace(normal))
		if !ok || again != normal {
			t.Fatalf("%q resolves to %q, then to %q", path, normal, again)
		}
	})
}
