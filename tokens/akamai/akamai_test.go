package akamai_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
)

const (
	secretHex  = "aabbccddeeff00112233445566778899"
	nowSeconds = 1_578_422_041
)

func clock() time.Time { return time.Unix(nowSeconds, 0) }

func after(d time.Duration) time.Time { return clock().Add(d) }

func material() tokens.Material {
	return tokens.Material{Secret: tokens.NewSecret([]byte(secretHex))}
}

func testKey(t testing.TB, c akamai.Config) *akamai.Key {
	t.Helper()
	scheme, err := akamai.New(c)
	if err != nil {
		t.Fatal(err)
	}
	key, err := scheme.NewKey(material())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func fullParams() akamai.Params {
	return akamai.Params{
		ACL: []string{"/hls/live/*", "/key.bin"}, IP: netip.MustParseAddr("2001:db8::1"),
		Start: after(-time.Minute), Expire: after(time.Hour), SessionID: "sess-1", Payload: "user=42",
		URL: "https://a.example/hls/live/master.m3u8?x=1",
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	p := fullParams()
	for name, test := range map[string]struct {
		config akamai.Config
		prefix string
		query  string
	}{
		"default": {akamai.Config{}, "ip=2001:db8::1~st=%d~exp=%d~acl=/hls/live/*!/key.bin~id=sess-1~data=user=42~hmac=", "&hdnts="},
		"escaped": {akamai.Config{EscapeEarly: true, TokenName: "__token__"}, "ip=2001%%3adb8%%3a%%3a1~st=%d~exp=%d~acl=/hls/live/*!/key.bin~id=sess-1~data=user%%3d42~hmac=", "&__token__="},
		"piped":   {akamai.Config{FieldDelimiter: "|", ACLDelimiter: "~", Algorithm: "SHA1"}, "ip=2001:db8::1|st=%d|exp=%d|acl=/hls/live/*~/key.bin|id=sess-1|data=user=42|hmac=", "&hdnts="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := testKey(t, test.config).Sign(p, clock())
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf(test.prefix, nowSeconds-60, nowSeconds+3600); !strings.HasPrefix(got.Token, want) {
				t.Errorf("token %s\nwant  %s", got.Token, want)
			}
			if got.URL != p.URL+test.query+got.Token || !got.ExpiresAt.Equal(p.Expire) {
				t.Errorf("got %+v", got)
			}
			viaPointer, err := testKey(t, test.config).Sign(&p, clock())
			if err != nil || !cmp.Equal(got, viaPointer) {
				t.Errorf("a pointer signs %v, %v", viaPointer, err)
			}
			presented := tokens.Presented{Token: got.Token, Resource: "/hls/live/x.ts", ClientIP: "2001:db8::1"}
			if err := testKey(t, test.config).Verify(presented, clock()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStrictRefusesParams(t *testing.T) {
	t.Parallel()
	acl := func(entries ...string) func(*akamai.Params) {
		return func(p *akamai.Params) { p.ACL = entries }
	}
	url := func(path string) func(*akamai.Params) {
		return func(p *akamai.Params) { p.ACL, p.URLPath = nil, path }
	}
	for name, test := range map[string]struct {
		change func(*akamai.Params)
		field  string
		reason tokens.Reason
	}{
		"no scope":             {acl(), "acl", tokens.InvalidArgument},
		"both scopes":          {func(p *akamai.Params) { p.URLPath = "/x" }, "acl", tokens.InvalidArgument},
		"empty acl":            {acl(""), "acl", tokens.InvalidArgument},
		"one of two empty":     {acl("/a", ""), "acl", tokens.InvalidArgument},
		"star alone":           {acl("*"), "acl", tokens.InvalidArgument},
		"siblings":             {acl("/hls*"), "acl", tokens.InvalidArgument},
		"two stars":            {acl("/hls/**"), "acl", tokens.InvalidArgument},
		"inner star":           {acl("/a/*/c"), "acl", tokens.InvalidArgument},
		"question mark":        {acl("/a/?"), "acl", tokens.InvalidArgument},
		"relative":             {acl("hls/*"), "acl", tokens.InvalidArgument},
		"acl delimiter":        {acl("/a!/*"), "acl", tokens.InvalidArgument},
		"field delimiter":      {acl("/a~exp=9999999999/*"), "acl", tokens.InvalidArgument},
		"ampersand":            {acl("/a&b"), "acl", tokens.InvalidArgument},
		"percent":              {acl("/a%2fb"), "acl", tokens.InvalidArgument},
		"blank":                {acl("/a b"), "acl", tokens.InvalidArgument},
		"semicolon":            {acl("/a;b"), "acl", tokens.InvalidArgument},
		"non-ASCII":            {acl("/é/*"), "acl", tokens.InvalidArgument},
		"NUL":                  {acl("/a\x00"), "acl", tokens.InvalidArgument},
		"line end":             {acl("/a\r\n"), "acl", tokens.InvalidArgument},
		"double slash":         {acl("/a//b"), "acl", tokens.InvalidArgument},
		"dot segments":         {acl("/a/../*"), "acl", tokens.InvalidArgument},
		"final dots":           {acl("/a/.."), "acl", tokens.InvalidArgument},
		"single dot":           {acl("/./a"), "acl", tokens.InvalidArgument},
		"long acl":             {acl("/" + strings.Repeat("a", 1024)), "acl", tokens.InvalidArgument},
		"many acls":            {acl(strings.Split(strings.Repeat("/a,", 33), ",")[:33]...), "acl", tokens.InvalidArgument},
		"wildcard in url mode": {url("/a/*"), "url", tokens.InvalidArgument},
		"query in url mode":    {url("/a?b=c"), "url", tokens.InvalidArgument},
		"relative url":         {url("a"), "url", tokens.InvalidArgument},
		"whole url":            {url("https://a.example/a"), "url", tokens.InvalidArgument},
		"zone":                 {func(p *akamai.Params) { p.IP = netip.MustParseAddr("fe80::1%eth0") }, "ip", tokens.InvalidArgument},
		"session with ~":       {func(p *akamai.Params) { p.SessionID = "x~exp=9999999999" }, "session_id", tokens.InvalidArgument},
		"session with blank":   {func(p *akamai.Params) { p.SessionID = "a b" }, "session_id", tokens.InvalidArgument},
		"session with paren":   {func(p *akamai.Params) { p.SessionID = "(" }, "session_id", tokens.InvalidArgument},
		"long session":         {func(p *akamai.Params) { p.SessionID = strings.Repeat("a", 65) }, "session_id", tokens.InvalidArgument},
		"payload with ~":       {func(p *akamai.Params) { p.Payload = "x~exp=9999999999" }, "payload", tokens.InvalidArgument},
		"payload with &":       {func(p *akamai.Params) { p.Payload = "a&b" }, "payload", tokens.InvalidArgument},
		"payload with DEL":     {func(p *akamai.Params) { p.Payload = "\x7f" }, "payload", tokens.InvalidArgument},
		"long payload":         {func(p *akamai.Params) { p.Payload = strings.Repeat("a", 513) }, "payload", tokens.InvalidArgument},
		"no expiry":            {func(p *akamai.Params) { p.Expire = time.Time{} }, "expire", tokens.NoExpiry},
		"milliseconds":         {func(p *akamai.Params) { p.Expire = time.Unix(nowSeconds*1000, 0) }, "expire", tokens.InvalidArgument},
		"start at expiry":      {func(p *akamai.Params) { p.Start = p.Expire }, "start", tokens.InvalidArgument},
		"over a day":           {func(p *akamai.Params) { p.Expire = after(25 * time.Hour) }, "expire", tokens.LifetimeTooLong},
		"URL with a token":     {func(p *akamai.Params) { p.URL += "&hdnts=x" }, "url", tokens.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, config := range []akamai.Config{{}, {EscapeEarly: true}} {
				if config.EscapeEarly && name == "payload with &" {
					continue // escaped, an ampersand is harmless
				}
				p := fullParams()
				test.change(&p)
				got, err := testKey(t, config).Sign(p, clock())
				if !errors.Is(err, tokens.ErrInvalidParams) || tokens.ReasonOf(err) != test.reason {
					t.Fatalf("got %v, %v; want reason %s", got, err, test.reason)
				}
				var e *tokens.Error
				if errors.As(err, &e) && e.Field != test.field {
					t.Errorf("field %q, want %q", e.Field, test.field)
				}
			}
		})
	}
}

// TestStrictRefusesConfiguredDelimiters tries delimiters that would be ordinary characters otherwise.
func TestStrictRefusesConfiguredDelimiters(t *testing.T) {
	t.Parallel()
	for _, escape := range []bool{false, true} {
		key := testKey(t, akamai.Config{FieldDelimiter: "$", ACLDelimiter: ",", EscapeEarly: escape})
		for name, change := range map[string]func(*akamai.Params){
			"acl delimiter in acl":       func(p *akamai.Params) { p.ACL = []string{"/a,/*"} },
			"field delimiter in acl":     func(p *akamai.Params) { p.ACL = []string{"/a$/*"} },
			"field delimiter in url":     func(p *akamai.Params) { p.ACL, p.URLPath = nil, "/a$salt=x" },
			"field delimiter in session": func(p *akamai.Params) { p.SessionID = "a$exp=9999999999" },
			"field delimiter in payload": func(p *akamai.Params) { p.Payload = "a$" },
		} {
			p := fullParams()
			change(&p)
			if got, err := key.Token(p, clock()); !errors.Is(err, tokens.ErrInvalidParams) {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
	}
}

func TestSignRefusesForeignParams(t *testing.T) {
	t.Parallel()
	if _, err := testKey(t, akamai.Config{}).Sign(foreignParams{}, clock()); !errors.Is(err, tokens.ErrInvalidParams) {
		t.Errorf("got %v", err)
	}
}

type foreignParams struct{}

func (foreignParams) SchemeName() string { return "other" }

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]akamai.Config{
		"algorithm":            {Algorithm: "sha512"},
		"name with digit":      {TokenName: "1a"},
		"name with =":          {TokenName: "a=b"},
		"long name":            {TokenName: strings.Repeat("a", 65)},
		"letter as delimiter":  {FieldDelimiter: "a"},
		"digit as delimiter":   {ACLDelimiter: "1"},
		"ampersand":            {FieldDelimiter: "&"},
		"percent":              {FieldDelimiter: "%"},
		"slash":                {ACLDelimiter: "/"},
		"colon":                {FieldDelimiter: ":"},
		"dot":                  {FieldDelimiter: "."},
		"blank":                {FieldDelimiter: " "},
		"two characters":       {FieldDelimiter: "~~"},
		"non-ASCII":            {ACLDelimiter: "é"},
		"same delimiters":      {FieldDelimiter: "!"},
		"control byte in salt": {Salt: tokens.NewSecret([]byte("a\n"))},
		"long salt":            {Salt: tokens.NewSecret(make([]byte, 257))},
	} {
		if _, err := akamai.New(c); !errors.Is(err, tokens.ErrInvalidParams) || tokens.ReasonOf(err) != tokens.InvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	scheme, err := akamai.New(akamai.Config{TokenName: "__hdnea__", Algorithm: "MD5", FieldDelimiter: "*", ACLDelimiter: "|"})
	if err != nil || scheme.Config().Algorithm != akamai.MD5 {
		t.Errorf("got %+v, %v", scheme.Config(), err)
	}
}

func TestCheckKey(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secret string
		short  bool
		good   bool
	}{
		"32 digits":         {secretHex, false, true},
		"upper case":        {strings.ToUpper(secretHex), false, true},
		"16 digits":         {"0123456789abcdef", false, true},
		"4 digits":          {"1234", false, false},
		"4 digits, allowed": {"1234", true, true},
		"empty, allowed":    {"", true, false},
		"1 digit, allowed":  {"a", true, false},
		"odd":               {secretHex[:31], true, false},
		"34 digits":         {secretHex + "ab", true, false},
		"not hex":           {"zz" + secretHex[2:], true, false},
		"line end":          {secretHex[:30] + "\r\n", true, false},
	} {
		m := tokens.Material{Secret: tokens.NewSecret([]byte(test.secret)), AllowShort: test.short}
		err := akamai.Scheme{}.CheckKey(m)
		if (err == nil) != test.good || err != nil && !errors.Is(err, tokens.ErrInvalidKey) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, prepareErr := (akamai.Scheme{}).Prepare(m); (prepareErr == nil) != test.good {
			t.Errorf("%s: Prepare: %v", name, prepareErr)
		}
	}
	m := material()
	m.ID = "kid"
	if err := (akamai.Scheme{}).CheckKey(m); err == nil {
		t.Error("a key id was taken")
	}
}

func TestKeyShowsNothing(t *testing.T) {
	t.Parallel()
	const salt = "pepper-and-salt"
	key := testKey(t, akamai.Config{Salt: tokens.NewSecret([]byte(salt))})
	if _, err := key.Token(fullParams(), clock()); err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(secretHex)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		text := fmt.Sprintf(verb, key)
		for _, secret := range []string{secretHex, string(raw), salt, hex.EncodeToString([]byte(salt))} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows a secret", verb)
			}
		}
	}
	upper, err := akamai.Scheme{}.NewKey(tokens.Material{Secret: tokens.NewSecret([]byte(strings.ToUpper(secretHex)))})
	if err != nil || upper.Fingerprint() != key.Fingerprint() {
		t.Errorf("the same key in other case: %v, %v", upper, err)
	}
	if key.ID() != "" || key.Public() != nil {
		t.Errorf("id %q, public %v", key.ID(), key.Public())
	}
}

// signRaw signs any text as the format does, for tokens that no door of the package makes.
func signRaw(emitted, hidden string) string {
	key, err := hex.DecodeString(secretHex)
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(emitted + hidden))
	return emitted + "~hmac=" + hex.EncodeToString(mac.Sum(nil))
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const exp = "exp=1578425641"
	salted := akamai.Config{Salt: tokens.NewSecret([]byte("pepper"))}
	for name, test := range map[string]struct {
		config akamai.Config
		token  string
		path   string
		ip     string
		reason tokens.Reason
	}{
		"exact":                   {token: signRaw(exp+"~acl=/a", ""), path: "/a"},
		"directory":               {token: signRaw(exp+"~acl=/a/*", ""), path: "/a/b/c"},
		"second of a list":        {token: signRaw(exp+"~acl=/b!/a/*", ""), path: "/a/b"},
		"encoded request":         {token: signRaw(exp+"~acl=/a_b/*", ""), path: "/a%5Fb/c"},
		"encoded dots":            {token: signRaw(exp+"~acl=/a/*", ""), path: "/a/%2e%2e/secret", reason: tokens.PathNotCovered},
		"encoded slash and dots":  {token: signRaw(exp+"~acl=/a/*", ""), path: "/a/..%2fsecret", reason: tokens.PathNotCovered},
		"out of the root":         {token: signRaw(exp+"~acl=/*", ""), path: "/../x", reason: tokens.PathNotCovered},
		"bad escape":              {token: signRaw(exp+"~acl=/a/*", ""), path: "/a/%zz", reason: tokens.PathNotCovered},
		"NUL":                     {token: signRaw(exp+"~acl=/a/*", ""), path: "/a/%00", reason: tokens.PathNotCovered},
		"no path":                 {token: signRaw(exp+"~acl=/*", ""), reason: tokens.PathNotCovered},
		"other case":              {token: signRaw(exp+"~acl=/a", ""), path: "/A", reason: tokens.PathNotCovered},
		"parent":                  {token: signRaw(exp+"~acl=/a/*", ""), path: "/a", reason: tokens.PathNotCovered},
		"question mark":           {token: signRaw(exp+"~acl=/a?c", ""), path: "/abc", reason: tokens.PathNotCovered},
		"literal question mark":   {token: signRaw(exp+"~acl=/a?c", ""), path: "/a?c", reason: tokens.PathNotCovered},
		"inner star":              {token: signRaw(exp+"~acl=/a/*/c", ""), path: "/a/*/c", reason: tokens.PathNotCovered},
		"empty acl":               {token: signRaw(exp+"~acl=", ""), path: "/", reason: tokens.PathNotCovered},
		"url":                     {token: signRaw(exp, "~url=/a"), path: "/a"},
		"url, other path":         {token: signRaw(exp, "~url=/a"), path: "/b", reason: tokens.BadSignature},
		"url, no path":            {token: signRaw(exp, "~url="), reason: tokens.BadSignature},
		"url shown":               {token: signRaw(exp+"~url=/a", "~url=/a"), path: "/a", reason: tokens.Malformed},
		"url escaped":             {config: akamai.Config{EscapeEarly: true}, token: signRaw(exp, "~url=%2fa"), path: "/a"},
		"ip escaped":              {config: akamai.Config{EscapeEarly: true}, token: signRaw("ip=%3a%3a1~"+exp+"~acl=/a", ""), path: "/a", ip: "::1"},
		"other ip":                {token: signRaw("ip=::1~"+exp+"~acl=/a", ""), path: "/a", ip: "::2", reason: tokens.IPMismatch},
		"salt":                    {config: salted, token: signRaw(exp+"~acl=/a", "~salt=pepper"), path: "/a"},
		"salt and url":            {config: salted, token: signRaw(exp, "~url=/a~salt=pepper"), path: "/a"},
		"salt missing":            {config: salted, token: signRaw(exp+"~acl=/a", ""), path: "/a", reason: tokens.BadSignature},
		"salt unexpected":         {token: signRaw(exp+"~acl=/a", "~salt=pepper"), path: "/a", reason: tokens.BadSignature},
		"SHA-256 where SHA-1":     {config: akamai.Config{Algorithm: akamai.SHA1}, token: signRaw(exp+"~acl=/a", ""), path: "/a", reason: tokens.WrongAlgorithm},
		"signature before expiry": {token: signRaw("exp=1~acl=/a", "x"), path: "/a", reason: tokens.BadSignature},
		"expiry before path":      {token: signRaw("exp=1~acl=/a", ""), path: "/b", reason: tokens.Expired},
		"path before ip":          {token: signRaw("ip=::1~"+exp+"~acl=/a", ""), path: "/b", ip: "::2", reason: tokens.PathNotCovered},
		"non-ASCII":               {token: signRaw(exp+"~acl=/a~data=é", ""), path: "/a", reason: tokens.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := tokens.Presented{Token: test.token, Resource: test.path, ClientIP: test.ip}
			err := testKey(t, test.config).Verify(p, clock())
			if tokens.ReasonOf(err) != test.reason || (err != nil) != (test.reason != "") {
				t.Errorf("got %v (%s), want %q", err, tokens.ReasonOf(err), test.reason)
			}
		})
	}
}

func TestCompatRefuses(t *testing.T) {
	t.Parallel()
	end, zero, huge := int64(1600000000), int64(0), int64(1)<<62
	secret := tokens.NewSecret([]byte(secretHex))
	for name, p := range map[string]akamai.CompatParams{
		"no scope":        {EndTime: &end},
		"both scopes":     {ACL: []string{"/a"}, URLPath: "/a", EndTime: &end},
		"acl of nothing":  {ACL: []string{""}, EndTime: &end},
		"no expiry":       {ACL: []string{"/a"}},
		"window of zero":  {ACL: []string{"/a"}, EndTime: &end, WindowSeconds: &zero},
		"beyond any time": {ACL: []string{"/a"}, StartTime: &end, WindowSeconds: &huge},
	} {
		if got, err := akamai.Compat(secret, akamai.Config{}, p, clock()); !errors.Is(err, tokens.ErrInvalidParams) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}
