package wowza_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

const (
	secretText = "8a123c7b730600eb92360640ce91a32d"
	streamID   = "NUtjdHdsc3g4Z21L"
	nowSeconds = 1_578_422_041
)

func clock() time.Time { return time.Unix(nowSeconds, 0) }

func after(d time.Duration) time.Time { return clock().Add(d) }

func testKey(t testing.TB) *wowza.Key {
	t.Helper()
	key, err := wowza.NewKey(tokens.Material{Secret: tokens.NewSecret([]byte(secretText))})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func fullParams() wowza.Params {
	return wowza.Params{
		StreamID: streamID, VODStreamID: "rqcbmfjl", IP: netip.MustParseAddr("2001:db8::1"),
		Start: after(-time.Minute), Expire: after(time.Hour),
		URL: "https://a.example/2/" + streamID + "/x/hls/rqcbmfjl/playlist.m3u8",
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	p := fullParams()
	got, err := testKey(t).Sign(p, clock())
	if err != nil {
		t.Fatal(err)
	}
	prefix := fmt.Sprintf("ip=2001:db8::1~st=%d~vod=rqcbmfjl~exp=%d~hmac=", nowSeconds-60, nowSeconds+3600)
	if !strings.HasPrefix(got.Token, prefix) || len(got.Token) != len(prefix)+64 {
		t.Errorf("token %s", got.Token)
	}
	if want := p.URL + "?hdnts=" + got.Token; got.URL != want {
		t.Errorf("url %s\nwant %s", got.URL, want)
	}
	if !got.ExpiresAt.Equal(p.Expire) {
		t.Errorf("expires at %s, want %s", got.ExpiresAt, p.Expire)
	}
	viaPointer, err := testKey(t).Sign(&p, clock())
	if err != nil || !cmp.Equal(got, viaPointer) {
		t.Errorf("a pointer signs %v, %v", viaPointer, err)
	}
}

func TestStrictRefusesParams(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*wowza.Params)
		field  string
		reason tokens.Reason
	}{
		"no stream id":          {func(p *wowza.Params) { p.StreamID = "" }, "stream_id", tokens.InvalidArgument},
		"delimiter in stream":   {func(p *wowza.Params) { p.StreamID = "a~b" }, "stream_id", tokens.InvalidArgument},
		"slash in stream":       {func(p *wowza.Params) { p.StreamID = "a/b" }, "stream_id", tokens.InvalidArgument},
		"line end in stream":    {func(p *wowza.Params) { p.StreamID = "a\n" }, "stream_id", tokens.InvalidArgument},
		"NUL in stream":         {func(p *wowza.Params) { p.StreamID = "a\x00" }, "stream_id", tokens.InvalidArgument},
		"non-ASCII stream":      {func(p *wowza.Params) { p.StreamID = "é" }, "stream_id", tokens.InvalidArgument},
		"long stream":           {func(p *wowza.Params) { p.StreamID = strings.Repeat("a", 129) }, "stream_id", tokens.InvalidArgument},
		"forged expiry in vod":  {func(p *wowza.Params) { p.VODStreamID = "x~exp=9999999999" }, "vod_stream_id", tokens.InvalidArgument},
		"equals in vod":         {func(p *wowza.Params) { p.VODStreamID = "x=" }, "vod_stream_id", tokens.InvalidArgument},
		"ampersand in vod":      {func(p *wowza.Params) { p.VODStreamID = "x&y" }, "vod_stream_id", tokens.InvalidArgument},
		"zone":                  {func(p *wowza.Params) { p.IP = netip.MustParseAddr("fe80::1%eth0") }, "ip", tokens.InvalidArgument},
		"no expiry":             {func(p *wowza.Params) { p.Expire = time.Time{} }, "expire", tokens.NoExpiry},
		"expiry is now":         {func(p *wowza.Params) { p.Expire = clock(); p.Start = time.Time{} }, "expire", tokens.InvalidArgument},
		"milliseconds":          {func(p *wowza.Params) { p.Expire = time.Unix(nowSeconds*1000, 0) }, "expire", tokens.InvalidArgument},
		"start of milliseconds": {func(p *wowza.Params) { p.Start = time.Unix(nowSeconds*1000, 0) }, "start", tokens.InvalidArgument},
		"start at expiry":       {func(p *wowza.Params) { p.Start = p.Expire }, "start", tokens.InvalidArgument},
		"start at zero":         {func(p *wowza.Params) { p.Start = time.Unix(0, 0) }, "start", tokens.InvalidArgument},
		"over a day":            {func(p *wowza.Params) { p.Expire = after(24*time.Hour + time.Second) }, "expire", tokens.LifetimeTooLong},
		"over a cap of ours":    {func(p *wowza.Params) { p.MaxLifetime = time.Minute }, "expire", tokens.LifetimeTooLong},
		"blank in the URL":      {func(p *wowza.Params) { p.URL = "https://a.example/a b" }, "url", tokens.InvalidArgument},
		"URL of another kind":   {func(p *wowza.Params) { p.URL = "javascript:x" }, "url", tokens.InvalidArgument},
		"URL with a token":      {func(p *wowza.Params) { p.URL += "?x=1&hdnts=y" }, "url", tokens.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := fullParams()
			test.change(&p)
			got, err := testKey(t).Sign(p, clock())
			if !errors.Is(err, tokens.ErrInvalidParams) || tokens.ReasonOf(err) != test.reason {
				t.Fatalf("got %v, %v; want reason %s", got, err, test.reason)
			}
			var e *tokens.Error
			if errors.As(err, &e) && e.Field != test.field {
				t.Errorf("field %q, want %q", e.Field, test.field)
			}
			if got != (tokens.Credential{}) {
				t.Errorf("a refused call made %v", got)
			}
		})
	}
}

func TestSignRefusesForeignParams(t *testing.T) {
	t.Parallel()
	if _, err := testKey(t).Sign(foreignParams{}, clock()); !errors.Is(err, tokens.ErrInvalidParams) {
		t.Errorf("got %v", err)
	}
}

type foreignParams struct{}

func (foreignParams) SchemeName() string { return "other" }

func TestMappedIPv4IsBoundAsIPv4(t *testing.T) {
	t.Parallel()
	p := fullParams()
	p.IP = netip.MustParseAddr("::ffff:192.0.2.1")
	token, err := testKey(t).Token(p, clock())
	if err != nil || !strings.HasPrefix(token, "ip=192.0.2.1~") {
		t.Errorf("got %s, %v", token, err)
	}
}

func TestStrictParamsRefuseAddressesOfAnotherForm(t *testing.T) {
	t.Parallel()
	end := int64(nowSeconds + 60)
	for _, ip := range []string{"192.0.2.0/24", "[2001:db8::1]", "2001:DB8::1", "2001:db8:0::1", "::ffff:1.2.3.4", "fe80::1%eth0", "1.2.3.4,5.6.7.8", "1.2.3.4 ", "01.2.3.4", "1.2.3.4~x", "x"} {
		if _, err := (wowza.CompatParams{StreamID: "s", IP: ip, EndTime: &end}).Strict(clock()); !errors.Is(err, tokens.ErrInvalidParams) {
			t.Errorf("%s: got %v", ip, err)
		}
	}
}

func TestCheckKey(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secret string
		short  bool
		good   bool
	}{
		"32 digits":           {secretText, false, true},
		"16 digits":           {"0123456789abcdef", false, true},
		"upper case":          {strings.ToUpper(secretText), false, true},
		"14 digits":           {"12345678ABCDEF", false, false},
		"14 digits, allowed":  {"12345678ABCDEF", true, true},
		"2 digits, allowed":   {"ab", true, true},
		"1 digit, allowed":    {"a", true, false},
		"empty, allowed":      {"", true, false},
		"odd":                 {secretText[:31], false, false},
		"34 digits":           {secretText + "ab", false, false},
		"not hex":             {"demosecret123abc", false, false},
		"line end":            {secretText[:30] + "\r\n", false, false},
		"blank in front":      {" " + secretText[1:], false, false},
		"full-width digits":   {strings.Repeat("０", 8), false, false},
		"colons between them": {"8a:12:3c:7b:73:06", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := tokens.Material{Secret: tokens.NewSecret([]byte(test.secret)), AllowShort: test.short}
			err := wowza.Scheme{}.CheckKey(m)
			if (err == nil) != test.good {
				t.Fatalf("got %v", err)
			}
			if err != nil && (!errors.Is(err, tokens.ErrInvalidKey) || tokens.ReasonOf(err) != tokens.InvalidKey) {
				t.Errorf("class and reason of %v", err)
			}
			if err != nil && len(test.secret) > 2 && strings.Contains(err.Error(), test.secret) {
				t.Errorf("the error shows the secret: %v", err)
			}
			if _, prepareErr := (wowza.Scheme{}).Prepare(m); (prepareErr == nil) != test.good {
				t.Errorf("Prepare: %v", prepareErr)
			}
		})
	}
	if err := (wowza.Scheme{}).CheckKey(tokens.Material{ID: "kid", Secret: tokens.NewSecret([]byte(secretText))}); err == nil {
		t.Error("a key id was taken")
	}
}

func TestKeyShowsNothing(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	if _, err := key.Token(fullParams(), clock()); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{key, &key, struct{ k *wowza.Key }{key}} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, secretText) || strings.Contains(text, fmt.Sprintf("%x", secretText)) {
				t.Errorf("%s shows the secret", verb)
			}
		}
	}
	if key.ID() != "" || key.Public() != nil || key.Fingerprint() == "" {
		t.Errorf("id %q, public %v, fingerprint %q", key.ID(), key.Public(), key.Fingerprint())
	}
}
