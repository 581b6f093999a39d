package wowza_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// signRaw signs any text as the format does, for tokens that no door of the package makes.
func signRaw(secret, emitted, stream string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(emitted + "~stream_id=" + stream))
	return emitted + "~hmac=" + hex.EncodeToString(mac.Sum(nil))
}

func TestVerify(t *testing.T) {
	t.Parallel()
	exp := nowSeconds + 3600
	plain := signRaw(secretText, fmt.Sprintf("exp=%d", exp), streamID)
	bound := signRaw(secretText, fmt.Sprintf("ip=2001:db8::1~exp=%d", exp), streamID)
	started := signRaw(secretText, fmt.Sprintf("st=%d~exp=%d", nowSeconds+10, exp), streamID)
	recorded := signRaw(secretText, fmt.Sprintf("vod=VODA~exp=%d", exp), streamID)
	for name, test := range map[string]struct {
		p      tokens.Presented
		at     time.Duration
		reason tokens.Reason
	}{
		"the right recording":        {tokens.Presented{Token: recorded, VODStreamID: "VODA"}, 0, ""},
		"another recording":          {tokens.Presented{Token: recorded, VODStreamID: "OTHER"}, 0, tokens.PathNotCovered},
		"a live stream":              {tokens.Presented{Token: recorded, VODStreamID: wowza.Live}, 0, tokens.PathNotCovered},
		"a recording not known":      {tokens.Presented{Token: recorded}, 0, ""},
		"a token for all recordings": {tokens.Presented{Token: plain, VODStreamID: "OTHER"}, 0, ""},
		"good":                       {tokens.Presented{Token: plain}, 0, ""},
		"in the second of expiry":    {tokens.Presented{Token: plain}, time.Hour + 999*time.Millisecond, ""},
		"a second later":             {tokens.Presented{Token: plain}, time.Hour + time.Second, tokens.Expired},
		"at the end of the leeway":   {tokens.Presented{Token: plain, Leeway: 10 * time.Second}, time.Hour + 10*time.Second, ""},
		"after the leeway":           {tokens.Presented{Token: plain, Leeway: 10 * time.Second}, time.Hour + 11*time.Second, tokens.Expired},
		"negative leeway is none":    {tokens.Presented{Token: plain, Leeway: -time.Minute}, time.Hour, ""},
		"before the start":           {tokens.Presented{Token: started}, 9 * time.Second, tokens.NotYetValid},
		"at the start":               {tokens.Presented{Token: started}, 10 * time.Second, ""},
		"before it within leeway":    {tokens.Presented{Token: started, Leeway: time.Second}, 9 * time.Second, ""},
		"longer than the cap":        {tokens.Presented{Token: plain, MaxLifetime: time.Hour - time.Second}, 0, tokens.LifetimeTooLong},
		"as long as the cap":         {tokens.Presented{Token: plain, MaxLifetime: time.Hour}, 0, ""},
		"another stream":             {tokens.Presented{Token: plain, Resource: "other"}, 0, tokens.BadSignature},
		"stream in other case":       {tokens.Presented{Token: plain, Resource: strings.ToLower(streamID)}, 0, tokens.BadSignature},
		"bound, right client":        {tokens.Presented{Token: bound, ClientIP: "2001:db8::1"}, 0, ""},
		"bound, client in long form": {tokens.Presented{Token: bound, ClientIP: "2001:0DB8:0::1"}, 0, ""},
		"bound, other client":        {tokens.Presented{Token: bound, ClientIP: "2001:db8::2"}, 0, tokens.IPMismatch},
		"bound, no client":           {tokens.Presented{Token: bound}, 0, tokens.IPMismatch},
		"no expiry":                  {tokens.Presented{Token: signRaw(secretText, "vod=x", streamID)}, 0, tokens.NoExpiry},
		"empty expiry":               {tokens.Presented{Token: signRaw(secretText, "exp=", streamID)}, 0, tokens.NoExpiry},
		"milliseconds":               {tokens.Presented{Token: signRaw(secretText, fmt.Sprintf("exp=%d000", exp), streamID)}, 0, tokens.Malformed},
		"sign in expiry":             {tokens.Presented{Token: signRaw(secretText, "exp=+1600000000", streamID)}, 0, tokens.Malformed},
		"leading zero":               {tokens.Presented{Token: signRaw(secretText, fmt.Sprintf("exp=0%d", exp), streamID)}, 0, tokens.Malformed},
		"expiry beyond 64 bits":      {tokens.Presented{Token: signRaw(secretText, "exp=99999999999999999999", streamID)}, 0, tokens.Malformed},
		"two expiries":               {tokens.Presented{Token: signRaw(secretText, fmt.Sprintf("vod=x~exp=9999999999~exp=%d", exp), streamID)}, 0, tokens.Malformed},
		"unknown field":              {tokens.Presented{Token: signRaw(secretText, fmt.Sprintf("exp=%d~acl=/*", exp), streamID)}, 0, tokens.Malformed},
		"another order":              {tokens.Presented{Token: signRaw(secretText, fmt.Sprintf("vod=x~st=1~exp=%d", exp), streamID)}, 0, tokens.Malformed},
		"a range of addresses":       {tokens.Presented{Token: signRaw(secretText, fmt.Sprintf("ip=10.0.0.0/8~exp=%d", exp), streamID), ClientIP: "10.0.0.1"}, 0, tokens.Malformed},
		"wrong secret":               {tokens.Presented{Token: signRaw(strings.ToUpper(secretText), fmt.Sprintf("exp=%d", exp), streamID)}, 0, tokens.BadSignature},
		"expired and forged":         {tokens.Presented{Token: signRaw("other", "exp=1", streamID)}, 0, tokens.BadSignature},
		"empty":                      {tokens.Presented{}, 0, tokens.Malformed},
		"MAC alone":                  {tokens.Presented{Token: plain[strings.Index(plain, "hmac="):]}, 0, tokens.Malformed},
		"MAC cut short":              {tokens.Presented{Token: plain[:len(plain)-2]}, 0, tokens.Malformed},
		"MAC of SHA-1 length":        {tokens.Presented{Token: plain[:len(plain)-24]}, 0, tokens.WrongAlgorithm},
		"MAC in upper case":          {tokens.Presented{Token: strings.ReplaceAll(strings.ToUpper(plain), "EXP=", "exp=")}, 0, tokens.Malformed},
		"text behind the MAC":        {tokens.Presented{Token: plain + "~"}, 0, tokens.Malformed},
		"field behind the MAC":       {tokens.Presented{Token: plain + "~exp=9999999999"}, 0, tokens.Malformed},
		"two MACs":                   {tokens.Presented{Token: plain + plain[strings.Index(plain, "~hmac"):]}, 0, tokens.Malformed},
		"parameter name in front":    {tokens.Presented{Token: "hdnts=" + plain}, 0, tokens.Malformed},
		"percent-encoded":            {tokens.Presented{Token: strings.ReplaceAll(plain, "~", "%7E")}, 0, tokens.Malformed},
		"NUL":                        {tokens.Presented{Token: "\x00"}, 0, tokens.Malformed},
		"huge":                       {tokens.Presented{Token: strings.Repeat("a=b~", 1<<18) + plain}, 0, tokens.Malformed},
		"many fields":                {tokens.Presented{Token: manyFields() + plain}, 0, tokens.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.p.Resource == "" {
				test.p.Resource = streamID
			}
			err := testKey(t).Verify(test.p, after(test.at))
			if tokens.ReasonOf(err) != test.reason || (err != nil) != (test.reason != "") {
				t.Fatalf("got %v (%s), want reason %q", err, tokens.ReasonOf(err), test.reason)
			}
			if err != nil && !errors.Is(err, tokens.ErrRefused) {
				t.Errorf("class of %v", err)
			}
		})
	}
}

func manyFields() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "f%d=x~", i)
	}
	return b.String()
}

func TestVerifyNeedsTheStreamID(t *testing.T) {
	t.Parallel()
	p := tokens.Presented{Token: signRaw(secretText, "exp=1600000000", "")}
	if err := testKey(t).Verify(p, clock()); tokens.ReasonOf(err) != tokens.BadSignature {
		t.Errorf("got %v", err)
	}
}

func TestVerifyCompatKeepsWhatMatters(t *testing.T) {
	t.Parallel()
	const secret = "not hex"
	for name, test := range map[string]struct {
		secret, emitted string
		reason          tokens.Reason
	}{
		"blank in secret":   {secret, "exp=1600000000", tokens.InvalidKey},
		"empty secret":      {" \n", "exp=1600000000", tokens.InvalidKey},
		"odd secret":        {"abc", "exp=1600000000", ""},
		"other order":       {"abc", "vod=x~st=1~exp=1600000000", ""},
		"unknown field":     {"abc", "exp=1600000000~foo=bar", ""},
		"value with ~":      {"abc", "vod=a~b~exp=1600000000", ""},
		"expired":           {"abc", "exp=1500000000", tokens.Expired},
		"repeated":          {"abc", "exp=1600000000~exp=1600000001", tokens.Malformed},
		"eternal":           {"abc", "vod=x", tokens.NoExpiry},
		"a MAC in a value":  {"abc", "vod=x~hmac=00~exp=1600000000", tokens.Malformed},
		"nothing but value": {"abc", "x~exp=1600000000", tokens.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := tokens.Presented{Token: signRaw(test.secret, test.emitted, streamID), Resource: streamID}
			err := wowza.VerifyCompat(tokens.NewSecret([]byte(test.secret)), p, clock())
			if tokens.ReasonOf(err) != test.reason || (err != nil) != (test.reason != "") {
				t.Errorf("got %v, want %q", err, test.reason)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	secret, err := hex.DecodeString(secretText)
	if err != nil {
		t.Fatal(err)
	}
	plain := signRaw(secretText, "exp=1578425641", streamID)
	for name, test := range map[string]struct {
		token string
		check string
		hint  string
	}{
		"decoded secret":  {signRaw(string(secret), "exp=1578425641", streamID), "signature", "decoded from hex"},
		"other case":      {signRaw(strings.ToUpper(secretText), "exp=1578425641", streamID), "signature", "case"},
		"line end":        {signRaw(secretText+"\n", "exp=1578425641", streamID), "signature", "line end"},
		"another secret":  {signRaw("x", "exp=1578425641", streamID), "signature", "another secret"},
		"name in front":   {"hdnts=" + plain, "format", "parameter name"},
		"whole URL":       {"https://a.example/1/x/playlist.m3u8?hdnts=" + plain, "format", "whole URL"},
		"percent-encoded": {strings.NewReplacer("~", "%7E", "=", "%3D").Replace(plain), "format", "percent-encoded"},
		"upper-case MAC":  {plain[:20] + strings.ToUpper(plain[20:]), "format", "upper case"},
		"milliseconds":    {signRaw(secretText, "exp=1578425641000", streamID), "format", "milliseconds"},
		"expired":         {signRaw(secretText, "exp=1578422040", streamID), "expiry", "1 s ago"},
		"not yet":         {signRaw(secretText, "st=1578422051~exp=1578425641", streamID), "start", "in 10 s"},
		"eternal":         {signRaw(secretText, "vod=x", streamID), "expiry", "no exp"},
		"EdgeAuth field":  {signRaw(secretText, "exp=1578425641~acl=/*", streamID), "format", "no field"},
		"other client":    {signRaw(secretText, "ip=192.0.2.9~exp=1578425641", streamID), "ip", "another address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := wowza.Scheme{}.Explain(tokens.Presented{Token: test.token, Resource: streamID, ClientIP: "192.0.2.1"}, clock(), testKey(t))
			for _, check := range got.Checks {
				if check.Name != test.check {
					continue
				}
				if check.Outcome != tokens.Failed || !strings.Contains(check.Message, test.hint) {
					t.Errorf("got %+v, want a hint at %q", check, test.hint)
				}
				return
			}
			t.Errorf("no check %s in %+v", test.check, got.Checks)
		})
	}
}

func TestExplainAGoodToken(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	p := fullParams()
	token, err := key.Token(p, clock())
	if err != nil {
		t.Fatal(err)
	}
	presented := tokens.Presented{Token: token, Resource: streamID, ClientIP: "2001:db8::1", MaxLifetime: 2 * time.Hour}
	got := wowza.Scheme{}.Explain(presented, clock(), key)
	if err := got.Err(); err != nil {
		t.Error(err)
	}
	var names []string
	for _, f := range got.Fields {
		names = append(names, f.Name)
	}
	if text := strings.Join(names, " "); text != "ip st vod exp hmac" {
		t.Errorf("fields %s", text)
	}
	without := wowza.Scheme{}.Explain(presented, clock())
	if err := without.Err(); err != nil {
		t.Error(err)
	}
	for _, check := range without.Checks {
		if check.Name == "signature" && check.Outcome != tokens.NotChecked {
			t.Errorf("without a key: %+v", check)
		}
	}
}

func TestExplainTellsNoMAC(t *testing.T) {
	t.Parallel()
	good := signRaw(secretText, "exp=1578425641", streamID)
	mac := good[len(good)-64:]
	forged := good[:len(good)-64] + strings.Repeat("0", 64)
	got := wowza.Scheme{}.Explain(tokens.Presented{Token: forged, Resource: streamID}, clock(), testKey(t))
	if strings.Contains(fmt.Sprintf("%+v", got), mac) {
		t.Error("the explanation holds the MAC that would be accepted")
	}
}

func presentedFor(token string) tokens.Presented {
	return tokens.Presented{Token: token, Resource: streamID}
}

func TestExplainComparesTheRecording(t *testing.T) {
	t.Parallel()
	token := signRaw(secretText, "vod=VODA~exp=1578425641", streamID)
	for asked, want := range map[string]tokens.Outcome{"VODA": tokens.Passed, "OTHER": tokens.Failed, "": tokens.NotChecked} {
		e := wowza.Scheme{}.Explain(tokens.Presented{Token: token, Resource: streamID, VODStreamID: asked}, clock(), testKey(t))
		i := slices.IndexFunc(e.Checks, func(c tokens.Check) bool { return c.Name == "resource" })
		if i < 0 || e.Checks[i].Outcome != want || want == tokens.Failed && e.Checks[i].Reason != tokens.PathNotCovered {
			t.Errorf("asked for %q: %+v", asked, e.Checks)
		}
	}
}

func TestReadPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]wowza.Path{
		"/1/abc/name/hls/live/playlist.m3u8": {StreamID: "abc", VODStreamID: wowza.Live},
		"/2/abc/name/hls/VODA/playlist.m3u8": {StreamID: "abc", VODStreamID: "VODA"},
		"/1/abc/playlist.m3u8":               {StreamID: "abc"},
		"/2/abc/name/dash/VODA/manifest.mpd": {StreamID: "abc"},
	} {
		if got, ok := wowza.ReadPath(path); !ok || got != want {
			t.Errorf("%s: %+v, %v", path, got, ok)
		}
	}
	for _, path := range []string{"", "/", "/3/abc/name/x", "/1/abc", "1/abc/name/hls/live/x", "x/1/abc/d"} {
		if got, ok := wowza.ReadPath(path); ok || got != (wowza.Path{}) {
			t.Errorf("%s: %+v, %v", path, got, ok)
		}
	}
}
