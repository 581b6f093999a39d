package offline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/offline"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/tokens"
)

// base returns a line of each scheme that both doors sign.
func base(t testing.TB) map[string]string {
	t.Helper()
	pem, err := json.Marshal(qencodeKeys(t)["11111111-2222-4333-8444-555555555555"]["private_key"])
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		schemes.WowzaHdnts:     goodLine,
		schemes.AkamaiEdgeAuth: `{"name":"good","secret_hex":"aabbccddeeff0011","now":1578422041,"fields":{"mode":"acl","path":["/a/*","/b"],"window_seconds":60}}`,
		schemes.AgoraTimestamp: `{"name":"good","secret":"test0key","now":1578422041,"fields":{"url":"https://a.example.com/live/s.flv?x=1","ts":1578422101}}`,
		schemes.QencodeJWT: `{"name":"good","key_id":"11111111-2222-4333-8444-555555555555","private_key":` + string(pem) +
			`,"now":1578422041,"fields":{"uri":"b7f2","exp":1578422101}}`,
	}
}

// edit replaces one text in a line and fails where it is not there.
func edit(t testing.TB, line, old, replacement string) string {
	t.Helper()
	if !strings.Contains(line, old) {
		t.Fatalf("%s holds no %s", line, old)
	}
	return strings.Replace(line, old, replacement, 1)
}

func TestBothDoorsSignTheBase(t *testing.T) {
	t.Parallel()
	for scheme, line := range base(t) {
		strict, compat := open(t, scheme, false).Token([]byte(line)), open(t, scheme, true).Token([]byte(line))
		if strict.Err != nil || compat.Err != nil || strict.Credential.Token != compat.Credential.Token || strict.Credential.Token == "" {
			t.Errorf("%s: %v and %v", scheme, strict, compat)
		}
	}
	answer := open(t, schemes.AgoraTimestamp, false).Token([]byte(base(t)[schemes.AgoraTimestamp]))
	if want := "https://a.example.com/live/s.flv?x=1&" + answer.Credential.Token; answer.Credential.URL != want {
		t.Errorf("got %s, want %s", answer.Credential.URL, want)
	}
}

func TestOpenRefusesOtherSchemes(t *testing.T) {
	t.Parallel()
	_, err := offline.Open("akamai", offline.Options{Now: clock})
	if tokens.ReasonOf(err) != tokens.InvalidArgument || !strings.Contains(err.Error(), schemes.AkamaiEdgeAuth) {
		t.Errorf("got %v", err)
	}
}

func TestNamesAreEchoedAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ members, want string }{
		{`"name":"a"`, `"a"`},
		{`"name":""`, `""`},
		{`"name":"<b>&\u2028\u0041\\ \"é","id":1`, `"<b>&\u2028\u0041\\ \"é"`},
		{`"name":"\ud800"`, `"\ud800"`},
		{`"name":12345678901234567890.10`, `12345678901234567890.10`},
		{`"id":-0.5e3`, `-0.5e3`},
		{`"id":"i","name":null`, `"i"`},
		{`"x":1`, `null`},
	} {
		line := edit(t, goodLine, `"name":"good"`, c.members)
		for _, compat := range []bool{false, true} {
			door := open(t, schemes.WowzaHdnts, compat)
			var out bytes.Buffer
			if _, err := door.Tokens(strings.NewReader(line+"\n"+strings.Replace(line, `"secret"`, `"sekret"`, 1)), &out); err != nil {
				t.Fatal(err)
			}
			signed, refused, _ := strings.Cut(out.String(), "\n")
			if !strings.HasPrefix(signed, `{"name":`+c.want+`,"token":"exp=`) || !strings.HasPrefix(refused, `{"name":`+c.want+`,"error":{"reason":"INVALID_KEY"`) {
				t.Errorf("%s: %s", c.members, out.String())
			}
		}
	}
	for _, members := range []string{`"name":true`, `"name":["a"]`, `"name":{}`, `"id":[]`, `"name":"a","name":"b"`} {
		answer := open(t, schemes.WowzaHdnts, true).Token([]byte(edit(t, goodLine, `"name":"good"`, members)))
		if answer.Name != nil || tokens.ReasonOf(answer.Err) != tokens.InvalidArgument || !answer.Object {
			t.Errorf("%s: %+v", members, answer)
		}
	}
}

// TestMembers is the contract's text on members and times, sentence by sentence. want is the reason, ""
// being a token, for the strict and for the byte-exact door.
func TestMembers(t *testing.T) {
	t.Parallel()
	const (
		w, a, q, g = schemes.WowzaHdnts, schemes.AkamaiEdgeAuth, schemes.QencodeJWT, schemes.AgoraTimestamp
		bad        = "INVALID_ARGUMENT"
	)
	lines := base(t)
	cases := []struct {
		name, scheme, old, new string
		strict, compat         string
	}{
		{"an unknown member of the line", w, `"now"`, `"signed":{"a":[1]},"expect":null,"now"`, "", ""},
		{"an unknown member of the line, twice", w, `"now"`, `"note":1,"note":2,"now"`, "", ""},
		{"an unknown field", w, `"lifetime"`, `"ipp":"203.0.113.7","lifetime"`, bad, ""},
		{"an unknown field in other case", w, `"lifetime"`, `"IP":"203.0.113.7","lifetime"`, bad, ""},
		{"hdnts has no url", w, `"lifetime"`, `"url":"https://x/","lifetime"`, bad, ""},
		{"an unknown field", a, `"mode"`, `"acl":"/*","mode"`, bad, ""},
		{"an unknown field", q, `"uri"`, `"URI":"x","uri"`, bad, ""},
		{"an unknown field", g, `"ts"`, `"key":"x","ts"`, bad, ""},
		{"a known member twice", w, `"now"`, `"secret":"8a123c7b730600eb92360640ce91a32d","now"`, bad, bad},
		{"a known field twice", w, `"lifetime"`, `"lifetime":1,"lifetime"`, bad, bad},
		{"a known field twice by an escape", w, `"lifetime"`, `"l\u0069fetime":1,"lifetime"`, bad, bad},
		{"no fields", w, `"fields"`, `"field"`, bad, bad},

		{"secret as a number", w, `"secret":"8a123c7b730600eb92360640ce91a32d"`, `"secret":12345678`, bad, bad},
		{"secret null", w, `"secret":"8a123c7b730600eb92360640ce91a32d"`, `"secret":null`, bad, bad},
		{"no secret", w, `"secret":"8a123c7b730600eb92360640ce91a32d",`, ``, "INVALID_KEY", "INVALID_KEY"},
		{"secret with blanks around", w, `"secret":"`, `"secret":" \n`, "", ""},
		{"secret with a blank inside", w, `"secret":"8a12`, `"secret":"8a12 `, "INVALID_KEY", "INVALID_KEY"},
		{"secret that is not hex", w, `"secret":"8a12`, `"secret":"zzzz`, "INVALID_KEY", ""},
		{"a short secret", w, `8a123c7b730600eb92360640ce91a32d`, `8a`, "", ""},
		{"secret_hex with a blank", a, `aabbccddeeff0011`, `aabbccddeeff0011 `, "INVALID_KEY", "INVALID_KEY"},
		{"a short key", a, `aabbccddeeff0011`, `aa`, "", ""},
		{"the other scheme's key member", a, `secret_hex`, `secret`, "INVALID_KEY", "INVALID_KEY"},
		{"half of a pair in the secret", g, `test0key`, `test0key\ud800`, bad, bad},
		{"no key id", q, `key_id`, `kid`, "INVALID_KEY", "INVALID_KEY"},
		{"a damaged key", q, `MII`, `MIJ`, "INVALID_KEY", "INVALID_KEY"},

		{"fields as a list", w, `{"stream_id":"NUtjdHdsc3g4Z21L","lifetime":2000}`, `[]`, bad, bad},
		{"fields null", w, `{"stream_id":"NUtjdHdsc3g4Z21L","lifetime":2000}`, `null`, bad, bad},
		{"stream id as a number", w, `"NUtjdHdsc3g4Z21L"`, `7`, bad, bad},
		{"ip null", w, `"lifetime"`, `"ip":null,"lifetime"`, bad, bad},
		{"ip empty", w, `"lifetime"`, `"ip":"","lifetime"`, "", ""},
		{"ip as a list", w, `"lifetime"`, `"ip":["203.0.113.7"],"lifetime"`, bad, bad},
		{"ip of another form", w, `"lifetime"`, `"ip":"2001:DB8::1","lifetime"`, bad, ""},
		{"path as an object", a, `["/a/*","/b"]`, `{}`, bad, bad},
		{"path with a number in it", a, `"/b"`, `1`, bad, bad},
		{"path with a list in it", a, `"/b"`, `["/b"]`, bad, bad},
		{"an empty list", a, `["/a/*","/b"]`, `[]`, bad, bad},
		{"no path", a, `"path":["/a/*","/b"],`, ``, bad, bad},
		{"one path", a, `["/a/*","/b"]`, `"/a/*"`, "", ""},
		{"a list for a URL token", a, `"acl"`, `"url"`, bad, bad},
		{"a URL token", a, `"acl","path":["/a/*","/b"]`, `"url","path":"/a/x.ts"`, "", ""},
		{"no mode", a, `"mode":"acl",`, ``, bad, bad},
		{"another mode", a, `"acl"`, `"ACL"`, bad, bad},
		{"escape_early as text", a, `"mode"`, `"escape_early":"true","mode"`, bad, bad},
		{"escape_early as a number", a, `"mode"`, `"escape_early":1,"mode"`, bad, bad},
		{"escape_early", a, `"mode"`, `"escape_early":false,"mode"`, "", ""},
		{"salt as a number", a, `"mode"`, `"salt":1,"mode"`, bad, bad},
		{"algorithm in capitals", a, `"mode"`, `"algorithm":"SHA1","mode"`, "", ""},
		{"another algorithm", a, `"mode"`, `"algorithm":"sha512","mode"`, bad, bad},
		{"a token name", a, `"mode"`, `"token_name":"__token__","mode"`, "", ""},
		{"a token name that breaks the query", a, `"mode"`, `"token_name":"a&b","mode"`, bad, ""},
		{"a long delimiter", a, `"mode"`, `"field_delimiter":"~~","mode"`, bad, ""},

		{"now as text", w, `1578422041`, `"1578422041"`, "", ""},
		{"now as the word", w, `1578422041`, `"NOW"`, "", ""},
		{"now empty", w, `1578422041`, `""`, "", ""},
		{"no now", w, `"now":1578422041,`, ``, "", ""},
		{"now 0", w, `1578422041`, `0`, "", ""},
		{"now negative", w, `1578422041`, `-1`, bad, bad},
		{"now with a fraction", w, `1578422041`, `1578422041.5`, bad, bad},
		{"now null", w, `1578422041`, `null`, bad, bad},
		{"now in other text", w, `1578422041`, `"tomorrow"`, bad, bad},

		{"start as the word", w, `"lifetime"`, `"start_time":"nOw","lifetime"`, "", ""},
		{"start as the word with blanks", w, `"lifetime"`, `"start_time":" now","lifetime"`, bad, bad},
		{"start empty", w, `"lifetime"`, `"start_time":"","lifetime"`, "", ""},
		{"start in digits", w, `"lifetime"`, `"start_time":"1578422040","lifetime"`, "", ""},
		{"start with leading zeros", w, `"lifetime"`, `"start_time":"001578422040","lifetime"`, "", ""},
		{"start with a sign", w, `"lifetime"`, `"start_time":"+1578422040","lifetime"`, bad, bad},
		{"start with a fraction in text", w, `"lifetime"`, `"start_time":"1578422040.0","lifetime"`, bad, bad},
		{"start in other digits", w, `"lifetime"`, `"start_time":"١٢٣","lifetime"`, bad, bad},
		{"start true", w, `"lifetime"`, `"start_time":true,"lifetime"`, bad, bad},
		{"start null", w, `"lifetime"`, `"start_time":null,"lifetime"`, bad, bad},
		{"start as a list", w, `"lifetime"`, `"start_time":[1],"lifetime"`, bad, bad},
		{"start 0", w, `"lifetime"`, `"start_time":0,"lifetime"`, bad, bad},
		{"end as the word", w, `"lifetime":2000`, `"end_time":"now"`, bad, bad},
		{"end in digits", w, `"lifetime":2000`, `"end_time":"1578424041"`, "", ""},
		{"end empty", w, `"lifetime"`, `"end_time":"","lifetime"`, "", ""},
		{"end in the past", w, `"lifetime":2000`, `"end_time":1578422040`, bad, ""},
		{"end in milliseconds", w, `"lifetime":2000`, `"end_time":1578424041000`, bad, bad},
		{"end in milliseconds", a, `"window_seconds":60`, `"end_time":1578424041000`, bad, ""},
		{"no end", w, `"lifetime":2000`, `"ip":""`, "NO_EXPIRY", "NO_EXPIRY"},
		{"a fraction of zero", w, `2000`, `2000.0`, bad, bad},
		{"an exponent", w, `2000`, `2e3`, bad, bad},
		{"lifetime in digits", w, `2000`, `"2000"`, "", ""},
		{"lifetime as the word", w, `2000`, `"now"`, bad, bad},
		{"a lifetime past all numbers", w, `2000`, `99999999999999999999`, bad, bad},
		{"a lifetime past all times", w, `2000`, `999999999999999999`, bad, bad},
		{"window in digits", a, `60`, `"60"`, "", ""},
		{"exp as a fraction", q, `1578422101`, `1578422101.25`, bad, bad},
		{"exp as an object", q, `1578422101`, `{}`, bad, bad},
		{"no exp", q, `,"exp":1578422101`, ``, "NO_EXPIRY", ""},
		{"nbf 0", q, `"exp"`, `"nbf":0,"exp"`, bad, ""},
		{"nbf long ago", q, `"exp"`, `"nbf":-62135596800,"exp"`, bad, ""},
		{"ts as the word", g, `1578422101`, `"now"`, bad, bad},
		{"no ts", g, `,"ts":1578422101`, ``, "NO_EXPIRY", "NO_EXPIRY"},
		{"ts long ago", g, `1578422101`, `-62135596800`, "NO_EXPIRY", ""},

		{"over a day", w, `2000`, `86401`, "LIFETIME_TOO_LONG", ""},
		{"a day", w, `2000`, `86400`, "", ""},
		{"over the line's cap", w, `"now"`, `"max_lifetime_seconds":1999,"now"`, "LIFETIME_TOO_LONG", ""},
		{"the line's cap", w, `"now"`, `"max_lifetime_seconds":2000,"now"`, "", ""},
		{"a cap over all numbers", w, `"now"`, `"max_lifetime_seconds":999999999999999999,"now"`, "", ""},
		{"over the line's cap", a, `"now"`, `"max_lifetime_seconds":59,"now"`, "LIFETIME_TOO_LONG", ""},
		{"over the line's cap", q, `"now"`, `"max_lifetime_seconds":59,"now"`, "LIFETIME_TOO_LONG", ""},
		{"over the line's cap", g, `"now"`, `"max_lifetime_seconds":59,"now"`, "LIFETIME_TOO_LONG", ""},
		{"over a day", a, `60`, `86401`, "LIFETIME_TOO_LONG", ""},
		{"over a day", q, `1578422101`, `1578508442`, "LIFETIME_TOO_LONG", ""},
		{"over a day", g, `1578422101`, `1578508442`, "LIFETIME_TOO_LONG", ""},
		{"a cap of 0", w, `"now"`, `"max_lifetime_seconds":0,"now"`, bad, bad},
		{"a cap as text", w, `"now"`, `"max_lifetime_seconds":"2000","now"`, bad, bad},

		{"an empty uri", q, `"uri":"b7f2"`, `"uri":""`, bad, ""},
		{"an empty uri allowed in words", q, `"uri":"b7f2"`, `"uri":"","whole_bucket":true`, "", ""},
		{"no uri allowed in words", q, `"uri":"b7f2"`, `"whole_bucket":true`, "", ""},
		{"a uri beside the word", q, `"uri":"b7f2"`, `"uri":"b7f2","whole_bucket":true`, "", ""},
		{"no uri", q, `"uri":"b7f2",`, ``, bad, bad},
		{"whole_bucket as text", q, `"uri":"b7f2"`, `"uri":"","whole_bucket":"true"`, bad, bad},
		{"claims", q, `"exp"`, `"claims":{"z":1.50,"a":[true,null]},"exp"`, "", ""},
		{"claims as a list", q, `"exp"`, `"claims":[],"exp"`, bad, bad},
		{"claims as text", q, `"exp"`, `"claims":"{}","exp"`, bad, bad},
		{"claims null", q, `"exp"`, `"claims":null,"exp"`, bad, bad},
		{"a claim twice", q, `"exp"`, `"claims":{"a":1,"a":2},"exp"`, bad, bad},
		{"a claim that takes over", q, `"exp"`, `"claims":{"exp":1},"exp"`, bad, bad},
		{"another form", g, `"ts"`, `"form":"md16","ts"`, bad, bad},
		{"the short form", g, `"ts"`, `"form":"mid16","ts"`, "", ""},
		{"no url", g, `"url":"https://a.example.com/live/s.flv?x=1",`, ``, bad, bad},
	}
	for _, c := range cases {
		line := []byte(edit(t, lines[c.scheme], c.old, c.new))
		for door, want := range map[bool]string{false: c.strict, true: c.compat} {
			answer := open(t, c.scheme, door).Token(line)
			if got := string(tokens.ReasonOf(answer.Err)); got != want || (answer.Err == nil) != (want == "") || string(answer.Name) != `"good"` {
				t.Errorf("%s: %s, compat %t: got %v, want %q", c.scheme, c.name, door, answer.Err, want)
			}
		}
	}
}

func TestTheStrictDoorNamesTheUnknownField(t *testing.T) {
	t.Parallel()
	answer := open(t, schemes.WowzaHdnts, false).Token([]byte(edit(t, goodLine, `"lifetime"`, `"ipp":"203.0.113.7","lifetime"`)))
	const want = "fields.ipp: unknown; there are end_time, ip, lifetime, start_time, stream_id, vod_stream_id"
	if answer.Err == nil || answer.Err.Error() != want {
		t.Errorf("got %v, want %s", answer.Err, want)
	}
}

// TestKeysOfLinesAreNotMixedUp alternates between two keys, of which the door keeps one.
func TestKeysOfLinesAreNotMixedUp(t *testing.T) {
	t.Parallel()
	keys := qencodeKeys(t)
	var lines, checks []entry
	ids := []string{"11111111-2222-4333-8444-555555555555", "e52f59d7-e65c-4036-81c6-0163403a1a88"}
	for i := range 6 {
		id := ids[i/2%2]
		lines = append(lines, entry{"key_id": id, "private_key": keys[id]["private_key"], "now": 1735689600, "fields": entry{"uri": "u", "exp": 1735689700 + i}})
	}
	lines = append(lines, entry{"key_id": ids[0], "private_key": keys[ids[1]]["private_key"], "now": 1735689600, "fields": entry{"uri": "u", "exp": 1735689700}})
	for _, compat := range []bool{false, true} {
		checks = checks[:0]
		for i, answer := range sign(t, open(t, schemes.QencodeJWT, compat), lines...) {
			id := text(lines[i], "key_id")
			checks = append(checks, entry{"key_id": id, "public_key": keys[id]["public_key"], "token": answer.Token, "resource": "u", "now": 1735689600})
		}
		for i, answer := range verify(t, open(t, schemes.QencodeJWT, compat), checks...) {
			if want := i < 6; answer.OK != want {
				t.Errorf("compat %t, line %d: %+v", compat, i, answer)
			}
		}
	}
}

func TestVerifyRefusesMembersOfTheWrongType(t *testing.T) {
	t.Parallel()
	for scheme, samples := range allSamples(t) {
		var good entry
		for _, s := range samples {
			if s.token != "" && s.odd == "" {
				good = with(s.edge, entry{"token": s.token, "url": text(s.edge, "url")})
				break
			}
		}
		members := []string{"token", "url", "now", "client_ip", "leeway_seconds", "max_lifetime_seconds", "name"}
		for member := range good {
			members = append(members, member)
		}
		if scheme == schemes.AkamaiEdgeAuth {
			members = append(members, "path", "salt", "algorithm", "field_delimiter", "acl_delimiter", "escape_early", "token_name")
		}
		door := open(t, scheme, true)
		for _, member := range members {
			for _, value := range []any{[]int{1}, entry{}} {
				if got := verify(t, door, with(good, entry{member: value}))[0]; got.Reason != "INVALID_ARGUMENT" {
					t.Errorf("%s: %s as %v: got %+v", scheme, member, value, got)
				}
			}
		}
	}
}

func TestAnswersShowNoSecret(t *testing.T) {
	t.Parallel()
	for scheme, line := range base(t) {
		for _, compat := range []bool{false, true} {
			door := open(t, scheme, compat)
			for _, old := range []string{`"now"`, `"fields"`} {
				for _, value := range []string{`"secret":"CANARY"`, `"secret":["CANARY"]`, `"secret_hex":"CANARY"`, `"private_key":"CANARY"`, `"public_key":"CANARY"`, `"salt":"CANARY\u0000"`} {
					member, _, _ := strings.Cut(value, ":")
					input := strings.Replace(line, member+":", `"was":`, 1)
					input = edit(t, input, old, value+","+old)
					for _, answer := range []any{door.Token([]byte(input)), door.Verify([]byte(input))} {
						shown, err := json.Marshal(answer)
						if err != nil {
							t.Fatal(err)
						}
						if strings.Contains(string(shown), "CANARY") || strings.Contains(fmt.Sprintf("%+v", answer), "CANARY") {
							t.Errorf("%s: %s", scheme, shown)
						}
					}
				}
			}
		}
	}
}
