package agora_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/tokenstest"
)

const (
	soundKey = "ROpJHwBUvn7UI94V"
	soundURL = "https://play.example.com/live/stream.flv"
)

func material(secret string) tokens.Material {
	return tokens.Material{Secret: tokens.NewSecret([]byte(secret))}
}

func prepare(t testing.TB, m tokens.Material, form agora.Form) tokens.Key {
	t.Helper()
	key, err := agora.Scheme{Form: form}.Prepare(m)
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	return key
}

func TestSuite(t *testing.T) {
	for _, form := range []agora.Form{"", agora.FormMD5, agora.FormMid16} {
		t.Run("form "+string(form), func(t *testing.T) { tokenstest.Run(t, suite(form)) })
	}
}

func suite(form agora.Form) tokenstest.Config {
	params := func(url string, expire time.Time) tokens.Params { return agora.Params{URL: url, Expire: expire} }
	presented := func(c tokens.Credential) tokens.Presented {
		token, path, err := agora.Split(c.URL)
		if err != nil || token != c.Token {
			return tokens.Presented{Token: "does not come out of the URL"}
		}
		return tokens.Presented{Token: token, Resource: path}
	}
	with := func(token, path string) func(tokens.Credential) tokens.Presented {
		return func(c tokens.Credential) tokens.Presented {
			return tokens.Presented{Token: strings.ReplaceAll(token, "TOKEN", c.Token), Resource: path}
		}
	}
	return tokenstest.Config{
		Scheme:        agora.Scheme{Form: form},
		Material:      material(soundKey),
		OtherMaterial: material(soundKey + "x"),
		Params:        func(expire time.Time) tokens.Params { return params(soundURL, expire) },
		CappedParams: func(expire time.Time, maxLifetime time.Duration) tokens.Params {
			return &agora.Params{URL: soundURL, Expire: expire, MaxLifetime: maxLifetime}
		},
		Presented:   presented,
		ExpiryField: "ts",
		Fields: []tokenstest.Field{
			{Name: "url", Params: params},
			{Name: "host", Params: func(v string, e time.Time) tokens.Params { return params("https://"+v+"/live/s.flv", e) }},
			{Name: "entry", Params: func(v string, e time.Time) tokens.Params { return params("https://h/"+v+"/s.flv", e) }},
			{Name: "rtmp stream", Params: func(v string, e time.Time) tokens.Params { return params("rtmp://h/live/"+v, e) }},
			{Name: "flv stream", Params: func(v string, e time.Time) tokens.Params { return params("https://h/live/"+v+".flv", e) }},
			{Name: "hls stream", Params: func(v string, e time.Time) tokens.Params { return params("https://h/live/"+v+"/playlist.m3u8", e) }},
			{Name: "query", Params: func(v string, e time.Time) tokens.Params { return params("https://h/live/s.flv?"+v, e) }},
			{Name: "query value", Params: func(v string, e time.Time) tokens.Params { return params("https://h/live/s.flv?a="+v, e) }},
		},
		BadMaterials: []tokenstest.BadMaterial{
			{Name: "short", Material: material("0123456789abcde")},
			{Name: "very short, though allowed", Material: tokens.Material{Secret: tokens.NewSecret([]byte("0123456")), AllowShort: true}},
			{Name: "over the vendor's length", Material: material(strings.Repeat("k", 129))},
			{Name: "a blank inside", Material: material("0123456789 abcdef")},
			{Name: "a line feed at the end", Material: material("0123456789abcdef\n")},
			{Name: "not ASCII", Material: material("ключ-ключ-ключ-ключ")},
			{Name: "a slash, which could begin the path", Material: material("0123456789abcdef/live")},
		},
		Refused: []tokenstest.Refused{
			{Name: "another stream", Presented: with("TOKEN", "/live/other.flv"), Want: tokens.BadSignature},
			{Name: "another case", Presented: with("TOKEN", "/live/Stream.flv"), Want: tokens.BadSignature},
			{Name: "not one of the forms", Presented: with("TOKEN", "/live/stream.m3u8"), Want: tokens.PathNotCovered},
			{Name: "dot segments", Presented: with("TOKEN", "/live/../stream.flv"), Want: tokens.PathNotCovered},
			{Name: "a whole URL for a path", Presented: with("TOKEN", soundURL), Want: tokens.PathNotCovered},
			{Name: "ts twice", Presented: with("ts=1735700000&TOKEN", "/live/stream.flv"), Want: tokens.Malformed},
			{Name: "sign twice", Presented: with("TOKEN&sign=00000000000000000000000000000000", "/live/stream.flv"), Want: tokens.Malformed},
			{Name: "another parameter", Presented: with("TOKEN&a=b", "/live/stream.flv"), Want: tokens.Malformed},
			{Name: "no ts", Presented: with("sign=00000000000000000000000000000000", "/live/stream.flv"), Want: tokens.NoExpiry},
			{Name: "no sign", Presented: with("ts=1735700000", "/live/stream.flv"), Want: tokens.Malformed},
			{Name: "a sign of eight digits", Presented: with("ts=1735700000&sign=00000000", "/live/stream.flv"), Want: tokens.Malformed},
			{Name: "ts in hex", Presented: with("ts=0x67&sign=00000000000000000000000000000000", "/live/stream.flv"), Want: tokens.Malformed},
			{Name: "ts with a sign", Presented: with("ts=%2B1&sign=00000000000000000000000000000000", "/live/stream.flv"), Want: tokens.Malformed},
		},
	}
}

type vector struct {
	ID        string `json:"id"`
	Protocol  string `json:"protocol"`
	URL       string `json:"url"`
	Path      string `json:"path"`
	Key       string `json:"key"`
	TS        int64  `json:"ts"`
	URLMD5    string `json:"signed_url_md5"`
	URLMid16  string `json:"signed_url_mid16"`
	OBSServer string `json:"obs_server"`
	OBSMD5    string `json:"obs_stream_key_md5"`
	OBSMid16  string `json:"obs_stream_key_mid16"`
}

func (v vector) signed(form agora.Form) (url, obsKey string) {
	if form == agora.FormMid16 {
		return v.URLMid16, v.OBSMid16
	}
	return v.URLMD5, v.OBSMD5
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/agora_url_public.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if len(out) < 30 {
		t.Fatalf("%d vectors, want 30", len(out))
	}
	return out
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		for _, form := range []agora.Form{agora.FormMD5, agora.FormMid16} {
			t.Run(v.ID+" "+string(form), func(t *testing.T) { testVector(t, v, form) })
		}
	}
}

func testVector(t *testing.T, v vector, form agora.Form) {
	secret := tokens.NewSecret([]byte(v.Key))
	want, wantOBS := v.signed(form)

	c, err := agora.Compat(secret, agora.CompatParams{URL: v.URL, TS: v.TS, Form: form})
	if err != nil {
		t.Fatalf("compat: %v", err)
	}
	if c.URL != want || !strings.HasSuffix(want, "?"+c.Token) || c.ExpiresAt.Unix() != v.TS {
		t.Errorf("compat made %+v, want %s", c, want)
	}
	token, path, err := agora.Split(want)
	if err != nil || token != c.Token || path != v.Path {
		t.Errorf("split into %q, %q, %v; want %q, %q", token, path, err, c.Token, v.Path)
	}
	if v.OBSServer != "" {
		server, streamKey, err := agora.Push(want)
		if err != nil || server != v.OBSServer || streamKey != wantOBS {
			t.Errorf("push target %q, %q, %v; want %q, %q", server, streamKey, err, v.OBSServer, wantOBS)
		}
	}

	now := time.Unix(v.TS, 0)
	p := tokens.Presented{Token: c.Token, Resource: v.Path}
	if err := agora.CompatVerify(secret, p, now); err != nil {
		t.Errorf("compat refuses its own token: %v", err)
	}
	if got := tokens.ReasonOf(agora.CompatVerify(secret, p, now.Add(time.Second))); got != tokens.Expired {
		t.Errorf("a second too late the reason is %q", got)
	}
	for i := range len(p.Token) {
		changed := p
		changed.Token = p.Token[:i] + string(rune(p.Token[i]^1)) + p.Token[i+1:]
		if agora.CompatVerify(secret, changed, now) == nil {
			t.Errorf("compat accepts %q", changed.Token)
		}
	}
	testStrict(t, v, form, c)
}

// testStrict wants the same bytes from the strict door, or a refusal that has a ground.
func testStrict(t *testing.T, v vector, form agora.Form, want tokens.Credential) {
	key, err := agora.Scheme{Form: form}.Prepare(tokens.Material{Secret: tokens.NewSecret([]byte(v.Key)), AllowShort: true})
	if err != nil {
		if len(v.Key) >= agora.LeastKey && !strings.ContainsAny(v.Key, "_-") {
			t.Errorf("strict refuses a sound key: %v", err)
		}
		return
	}
	before := time.Unix(v.TS-60, 0)
	c, err := key.Sign(agora.Params{URL: v.URL, Expire: time.Unix(v.TS, 0)}, before)
	if err != nil {
		if !errors.Is(err, tokens.ErrInvalidParams) {
			t.Errorf("strict: %v", err)
		}
		if digit := v.Path[len(v.Path)-1]; v.Protocol != "rtmp" || digit < '0' || digit > '9' {
			t.Errorf("strict refuses a sound URL: %v", err)
		}
	} else if c != want {
		t.Errorf("strict made %+v, compat %+v", c, want)
	}
	if err := key.Verify(tokens.Presented{Token: want.Token, Resource: v.Path, MaxLifetime: time.Minute}, before); err != nil {
		t.Errorf("strict refuses a sound token: %v", err)
	}
}

func TestVerifyAcceptsBothForms(t *testing.T) {
	expire := time.Unix(1735693200, 0)
	now := expire.Add(-time.Minute)
	forms := []agora.Form{agora.FormMD5, agora.FormMid16}
	for _, signs := range forms {
		c, err := prepare(t, material(soundKey), signs).Sign(agora.Params{URL: soundURL, Expire: expire}, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, verifies := range forms {
			p := tokens.Presented{Token: c.Token, Resource: "/live/stream.flv"}
			if err := prepare(t, material(soundKey), verifies).Verify(p, now); err != nil {
				t.Errorf("a %s key refuses %s: %v", verifies, signs, err)
			}
		}
	}
}

// A viewer moves the digit at the end of a stream name into ts, and back.
func TestMovedDigits(t *testing.T) {
	now := time.Unix(1735689600, 0)
	key := prepare(t, material(soundKey), "")
	_, err := key.Sign(agora.Params{URL: "rtmp://h/live/cam1", Expire: now.Add(time.Minute)}, now)
	if got := tokens.ReasonOf(err); got != tokens.InvalidArgument {
		t.Errorf("signing /live/cam1: reason %q (%v)", got, err)
	}

	// A less careful signer made it.
	c, err := agora.Compat(tokens.NewSecret([]byte(soundKey)), agora.CompatParams{URL: "rtmp://h/live/cam1", TS: now.Unix() + 60})
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify(tokens.Presented{Token: c.Token, Resource: "/live/cam1"}, now); err != nil {
		t.Errorf("the token itself: %v", err)
	}
	moved := tokens.Presented{Token: strings.Replace(c.Token, "ts=", "ts=1", 1), Resource: "/live/cam"}
	if got := tokens.ReasonOf(key.Verify(moved, now)); got != tokens.Malformed {
		t.Errorf("moved into ts: reason %q", got)
	}
	moved.MaxLifetime = 24 * time.Hour
	if got := tokens.ReasonOf(agora.CompatVerify(tokens.NewSecret([]byte(soundKey)), moved, now)); got != tokens.LifetimeTooLong {
		t.Errorf("moved into ts, byte-exact door with a cap: reason %q", got)
	}
	back := tokens.Presented{Token: strings.Replace(c.Token, "ts=1", "ts=", 1), Resource: "/live/cam11"}
	if got := tokens.ReasonOf(key.Verify(back, now)); got != tokens.Expired {
		t.Errorf("moved out of ts: reason %q", got)
	}
}

func TestSplitRefuses(t *testing.T) {
	const sign = "sign=00000000000000000000000000000000"
	cases := []struct {
		url  string
		want tokens.Reason
	}{
		{"https://h/a/b.flv", tokens.Malformed},
		{"https://h/a/b.flv?" + sign, tokens.NoExpiry},
		{"https://h/a/b.flv?ts=1", tokens.Malformed},
		{"https://h/a/b.flv?ts=1&ts=2&" + sign, tokens.Malformed},
		{"https://h/a/b.flv?ts=1&" + sign + "&" + sign, tokens.Malformed},
		{"https://h/a/b.flv#?ts=1&" + sign, tokens.Malformed},
	}
	for _, c := range cases {
		if _, _, err := agora.Split(c.url); tokens.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.url, err, c.want)
		}
	}
	token, path, err := agora.Split("https://h/a/b.flv?x=1&" + sign + "&y=2&ts=5#f")
	if err != nil || token != sign+"&ts=5" || path != "/a/b.flv" {
		t.Errorf("split into %q, %q, %v", token, path, err)
	}
}

func TestPushRefuses(t *testing.T) {
	for _, url := range []string{"", "rtmp://h", "rtmp://h/live/s", "https://h/live/s.flv?ts=1", "rtmp://h/a/b/c?ts=1"} {
		if _, _, err := agora.Push(url); !errors.Is(err, tokens.ErrInvalidParams) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestUnknownForm(t *testing.T) {
	if key, err := (agora.Scheme{Form: "sha1"}).Prepare(material(soundKey)); err == nil || key != nil {
		t.Errorf("prepared %v, %v", key, err)
	}
	if _, err := agora.Compat(tokens.NewSecret([]byte("k")), agora.CompatParams{URL: soundURL, Form: "MD5"}); err == nil {
		t.Error("compat took an unknown form")
	}
	if _, err := agora.Compat(tokens.Secret{}, agora.CompatParams{URL: soundURL}); !errors.Is(err, tokens.ErrInvalidKey) {
		t.Errorf("compat with an empty key: %v", err)
	}
	if err := agora.CompatVerify(tokens.Secret{}, tokens.Presented{}, time.Unix(1, 0)); !errors.Is(err, tokens.ErrInvalidKey) {
		t.Errorf("verify with an empty key: %v", err)
	}
}

func TestExplainHints(t *testing.T) {
	key := prepare(t, material(soundKey), "")
	now := time.Unix(1735689600, 0)
	cases := []struct{ name, token, path, want string }{
		{"milliseconds", "ts=1735693200000&sign=00000000000000000000000000000000", "/live/s.flv", "milliseconds"},
		{"capitals", "ts=1735693200&sign=0000000000000000000000000000000A", "/live/s.flv", "small letters"},
		{"a URL", "https://h/a/b.flv?ts=1&sign=0", "/live/s.flv", "part it first"},
		{"escaped", "ts%3D1", "/live/s.flv", "decode it once"},
		{"wrong", "ts=1735693200&sign=00000000000000000000000000000000", "/live/s.flv", "as it stands"},
	}
	for _, c := range cases {
		explanation := agora.Scheme{}.Explain(tokens.Presented{Token: c.token, Resource: c.path}, now, key)
		if err := explanation.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v does not mention %q", c.name, err, c.want)
		}
	}
	explanation := agora.Scheme{}.Explain(tokens.Presented{Token: cases[4].token, Resource: "/live/cam1"}, now)
	if text, err := json.Marshal(explanation); err != nil || !strings.Contains(string(text), "ends in a digit") {
		t.Errorf("the ambiguity of /live/cam1 is not told: %s, %v", text, err)
	}
}

func FuzzSign(f *testing.F) {
	f.Add("https://play.example.com/live/stream.flv", int64(60))
	f.Add("rtmp://h:1935/live/cam1?x=1", int64(1))
	for _, v := range vectors(f) {
		f.Add(v.URL, v.TS%86400)
	}
	for _, text := range tokenstest.Nasty() {
		f.Add("https://h/"+text+"/s.flv?"+text, int64(60))
	}
	now := time.Unix(1735689600, 0)
	key := prepare(f, material(soundKey), "")
	f.Fuzz(func(t *testing.T, url string, lifetime int64) {
		expire := time.Unix(now.Unix()+lifetime%(1<<40), 0)
		c, err := key.Sign(agora.Params{URL: url, Expire: expire}, now)
		if err != nil {
			if tokens.ReasonOf(err) == "" || !errors.Is(err, tokens.ErrInvalidParams) {
				t.Fatalf("unclassified: %v", err)
			}
			return
		}
		token, path, err := agora.Split(c.URL)
		if err != nil || token != c.Token {
			t.Fatalf("the URL holds %q (%v), signed was %q", token, err, c.Token)
		}
		if !c.ExpiresAt.Equal(expire) {
			t.Fatalf("expires at %v, asked %v", c.ExpiresAt, expire)
		}
		if err := key.Verify(tokens.Presented{Token: token, Resource: path, MaxLifetime: tokens.DefaultMaxLifetime}, now); err != nil {
			t.Fatalf("refused: %v", err)
		}
		compat, err := agora.Compat(tokens.NewSecret([]byte(soundKey)), agora.CompatParams{URL: url, TS: expire.Unix()})
		if err != nil || compat != c {
			t.Fatalf("compat made %+v, %v; strict %+v", compat, err, c)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add("ts=1735693200&sign=00000000000000000000000000000000", "/live/s.flv")
	for _, v := range vectors(f) {
		token, path, err := agora.Split(v.URLMD5)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token, path)
	}
	now := time.Unix(1735689600, 0)
	key := prepare(f, material(soundKey), "")
	f.Fuzz(func(t *testing.T, token, path string) {
		p := tokens.Presented{Token: token, Resource: path}
		explanation := agora.Scheme{}.Explain(p, now, key)
		err := key.Verify(p, now)
		if err == nil {
			t.Fatalf("accepted %q for %q", token, path)
		}
		if tokens.ReasonOf(err) == "" || !errors.Is(err, tokens.ErrRefused) {
			t.Fatalf("unclassified: %v", err)
		}
		if path != "" && tokens.ReasonOf(explanation.Err()) != tokens.ReasonOf(err) {
			t.Fatalf("explained as %v, refused as %v", explanation.Err(), err)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	now := time.Unix(1735689600, 0)
	key, err := agora.NewKey(material(soundKey), "")
	if err != nil {
		b.Fatal(err)
	}
	p := &agora.Params{URL: soundURL, Expire: now.Add(time.Minute)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Sign(p, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	now := time.Unix(1735689600, 0)
	key := prepare(b, material(soundKey), "")
	c, err := key.Sign(agora.Params{URL: soundURL, Expire: now.Add(time.Minute)}, now)
	if err != nil {
		b.Fatal(err)
	}
	p := tokens.Presented{Token: c.Token, Resource: "/live/stream.flv"}
	b.ReportAllocs()
	for b.Loop() {
		if err := key.Verify(p, now); err != nil {
			b.Fatal(err)
		}
	}
}
