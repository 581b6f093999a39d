package obs_test

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tokensvc/tokensvc/internal/obs"
)

const hex64 = "0fa1b2c3d4e5f60718293a4b5c6d7e8f0fa1b2c3d4e5f60718293a4b5c6d7e8f"

func TestScrub(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		// hdnts and EdgeAuth
		"get https://e.example/1/s/x.m3u8?hdnts=exp=1700000000~hmac=" + hex64: "get https://e.example/1/s/x.m3u8?hdnts=[REDACTED]",
		"?a=1&hdnea=st=1~exp=2~acl=/*~hmac=abc&b=2#frag":                      "?a=1&hdnea=[REDACTED]&b=2#frag",
		`"https://e/x?__token__=exp=2~hmac=00" failed`:                        `"https://e/x?__token__=[REDACTED]" failed`,
		"exp=2~acl=/a b/*~HMAC=" + hex64:                                      "exp=2~acl=/a b/*~HMAC=[REDACTED]",
		"other_name=exp%3D2~hmac%3D" + hex64:                                  "other_name=exp%3D2~hmac%3D[REDACTED]",
		"hmac%253D" + hex64 + `, hmac\u003d` + hex64:                          `hmac%253D[REDACTED], hmac\u003d[REDACTED]`,
		"next=https%3A%2F%2Fe%2Fx%3Fhdnts%3Dexp%3D2~hmac%3D" + hex64:          "next=https%3A%2F%2Fe%2Fx%3Fhdnts%3D[REDACTED]",
		`{"url":"https://e/x?a=1\u0026hdnts=exp=2"}`:                          `{"url":"https://e/x?a=1\u0026hdnts=[REDACTED]"}`,
		// Agora and Qencode
		"x.m3u8?ts=1700000000&sign=0cc175b9c0f1b6a831c399e269772661": "x.m3u8?ts=1700000000&sign=[REDACTED]",
		"sign=abc": "sign=[REDACTED]",
		"bad token eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl.": "bad token [REDACTED].",
		"eyJhbGciOiJub25lIn0.eyJleHAiOjF9":                          "[REDACTED]",
		"/v/eyJhbGciOiJub25lIn0.eyJleHAiOjF9.x/playlist.m3u8":       "/v/[REDACTED]/playlist.m3u8",
		// Keys
		"a -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- b":  "a [REDACTED] b",
		"-----BEGIN PRIVATE KEY-----\\nMIIEvQ":                                      "[REDACTED]",
		"-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----":                "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
		"der MI" + strings.Repeat("Ab0/", 50) + "==":                                "der [REDACTED]",
		`{"kty":"RSA","n":"abc","d":"` + strings.Repeat("aB0_", 10) + `"}`:          `{"kty":"RSA","n":"abc","d":"[REDACTED]"}`,
		"line mk-1a2b3c4d:" + base64.StdEncoding.EncodeToString([]byte(hex64[:32])): "line mk-1a2b3c4d:[REDACTED]",
		"secret: 0fa1b2c3d4e5f607":                                                  "secret: [REDACTED]",
		`token_auth_secret="0fa1b2c3d4e5f607"`:                                      `token_auth_secret="[REDACTED]"`,
		"key=AAAAbbbb1111cccc2222==, next":                                          "key=[REDACTED], next",
		`{\"password\":\"0123456789abcdef\"}`:                                       `{\"password\":\"[REDACTED]\"}`,
	} {
		if got := obs.Scrub(in); got != want {
			t.Errorf("%q\ngot  %q\nwant %q", in, got, want)
		}
	}
}

// ordinary is what logs hold on a normal day.
func ordinary() []string {
	return []string{
		"", "a", "call", "serving", "/tokensvc.v1.PlaybackService/SignPlayback", "127.0.0.1:9090", "[::1]:8080", "1.5s", "2026-01-02T03:04:05.678Z",
		"key=big-stage/12", "key big-stage/12 is cut at 2026-01-02T03:04:05Z; signing opens again with its successor",
		`target "big-stage" has no active key; import one with "tokensvc keys import big-stage --activate"`,
		"read keys: database is locked (5) (SQLITE_BUSY)", "ttl: 25h0m0s is over the cap of 24h0m0s", "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
		"expire: 1700000000000 is not a time in Unix seconds between 1 and 9999999999; milliseconds are not accepted",
		"https://example.com/1/aBcDeFgH/big-event/hls/live/playlist.m3u8?quality=high&lang=de", "fingerprint=0fa1b2c3d4e5f60718293a4b5c6d7e8f",
		"secret: 12 hex digits are too few; give at least 16", "password: wrong", "the key: not a PEM block, DER, JWK or base64 of one",
		"tokensvc.yaml:12: listen.grcp: unknown key; did you mean \"grpc\"?", "key_id=mk-1a2b3c4d", "design=modern", "author=jane", "eyes.example.com", "reviewer",
		"ewe.lamb.example.org", "100% of 30 = all", `C:\Users\x`, "日本語: ok", "go1.26.8", "0123456789abcdef0123456789abcdef01234567",
	}
}

func TestScrubLeavesOrdinaryText(t *testing.T) {
	t.Parallel()
	for _, s := range ordinary() {
		if got := obs.Scrub(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}

// issued returns a token of each scheme as it stands in a URL, with what must not be left of it.
func issued(secret, resource string) map[string]string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(resource))
	sum := mac.Sum(nil)
	digest := hex.EncodeToString(sum)
	agora := md5.Sum(sum)
	encode := base64.RawURLEncoding.EncodeToString
	claims, err := json.Marshal(map[string]any{"exp": 1700000000, "uri": resource})
	if err != nil {
		panic(err)
	}
	signature := encode(append(sum, sum...))
	return map[string]string{
		"hdnts=ip=1.2.3.4~exp=1700000000~hmac=" + digest:                                               digest,
		"hdnea=st=1~exp=1700000000~acl=/" + url.PathEscape(resource) + "*~hmac=" + digest[:40]:         digest[:40],
		"ts=1700000000&sign=" + hex.EncodeToString(agora[:]):                                           hex.EncodeToString(agora[:]),
		"auth=" + encode([]byte(`{"alg":"RS256","kid":"k"}`)) + "." + encode(claims) + "." + signature: signature,
	}
}

func FuzzScrub(f *testing.F) {
	for _, s := range ordinary() {
		f.Add(s, "secret", "stream", "")
	}
	f.Add("GET https://e.example/x.m3u8", "8a123c7b", "big/event", " failed")
	f.Add("eyJhbGciOiJub25lIn0.eyJleHAiOjF9.", "k", "r", ".x.y")
	f.Add("-----BEGIN PRIVATE KEY-----auth=x", "k", "r", "-----END PRIVATE KEY-----sign=1")
	f.Add("secret=eyJhbGciOiJub25lIn0.e hmac=0auth=", "k", "r", "token=[REDACTED]key=0123456789abcdef")
	f.Fuzz(func(t *testing.T, before, secret, resource, after string) {
		once := obs.Scrub(before + after)
		if twice := obs.Scrub(once); twice != once {
			t.Errorf("scrubbing again changes %q to %q", once, twice)
		}
		for token, telltale := range issued(secret, resource) {
			if strings.Contains(before+after, telltale) {
				continue
			}
			for _, text := range []string{
				before + "?" + token + after, before + "&" + token + after,
				before + "?next=" + url.QueryEscape("https://e/x?"+token) + after,
				before + `{"url":"https://e/x?` + strings.ReplaceAll(token, "&", `\u0026`) + `"}` + after,
			} {
				got := obs.Scrub(text)
				if strings.Contains(got, telltale) {
					t.Errorf("%q is left in %q", telltale, got)
				}
				if again := obs.Scrub(got); again != got {
					t.Errorf("scrubbing again changes %q to %q", got, again)
				}
			}
		}
	})
}

func BenchmarkScrub(b *testing.B) {
	for name, s := range map[string]string{
		"method":  "/tokensvc.v1.PlaybackService/SignPlayback",
		"id":      "big-event",
		"error":   "rpc error: code = DeadlineExceeded desc = context deadline exceeded while reading keys",
		"url":     "https://example.com/1/aBcDeFgH/big-event/hls/live/playlist.m3u8?quality=high",
		"a token": "https://example.com/1/aBcDeFgH/x.m3u8?hdnts=exp=1700000000~hmac=" + hex64,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				obs.Scrub(s)
			}
		})
	}
}

// TestScrubFragments puts together what the rules look for, in any order, so that what one rule leaves
// can become the match of another.
func TestScrubFragments(t *testing.T) {
	t.Parallel()
	fragments := []string{
		"hmac", "hdnts", "auth", "sign", "token", "secret", "key", "=", "%3D", "%253d", `\u003d`, ":", "&", "%26", `\u0026`, "?", " ", `"`, `\"`, "'", "[REDACTED]",
		"eyJ", "eyA", "ewo", ".", "-", "_", "/", "+", "~", "abc", "ABC", "012", "0fa1b2c3d4e5f607", "AAAAbbbb1111cccc2222", `"d":"`, "hmac=0", "\n",
		"-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", strings.Repeat("aB0", 15)[:43] + "=", "MI" + strings.Repeat("aB0/", 40), "é", "\xff",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(fragments), 0, 12).Draw(t, "fragments"), "")
		once := obs.Scrub(text)
		if twice := obs.Scrub(once); twice != once {
			t.Fatalf("%q\nonce  %q\ntwice %q", text, once, twice)
		}
		for token, telltale := range issued("k", "r") {
			if got := obs.Scrub(text + "&" + token); strings.Contains(got, telltale) {
				t.Fatalf("%q is left in %q", telltale, got)
			}
		}
	})
}
