package schemes_test

import (
	"errors"
	"testing"

	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

func TestEveryProviderHasItsScheme(t *testing.T) {
	seen := map[string]bool{}
	for _, provider := range keystore.Providers() {
		name, err := schemes.OfProvider(provider)
		if err != nil {
			t.Errorf("%s: %v", provider, err)
			continue
		}
		s, err := schemes.New(name, keystore.SchemeOptions{})
		if err != nil || s.Name() != name {
			t.Errorf("%s: %v, %v", name, s, err)
		}
		seen[name] = true
	}
	for _, name := range schemes.Names() {
		if !seen[name] {
			t.Errorf("no provider checks %s", name)
		}
	}
	for _, err := range []error{second(schemes.OfProvider("acme")), second(schemes.New("rot13", keystore.SchemeOptions{}))} {
		if !errors.Is(err, tokens.ErrInvalidParams) || tokens.ReasonOf(err) != tokens.InvalidArgument {
			t.Errorf("%v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestPresentReadsWhatPlacePlaced(t *testing.T) {
	hdnea := keystore.SchemeOptions{EdgeAuthTokenName: "hdnea"}
	for _, c := range []struct {
		scheme, token, url, placed, resource string
		options                              keystore.SchemeOptions
	}{
		{scheme: schemes.WowzaHdnts, token: "exp=1~hmac=ab", url: "https://h/1/S/n/a.m3u8", placed: "https://h/1/S/n/a.m3u8?hdnts=exp=1~hmac=ab", resource: "S"},
		{scheme: schemes.WowzaHdnts, token: "exp=1~hmac=ab", url: "https://h/1/S/n/a.m3u8?q=1", placed: "https://h/1/S/n/a.m3u8?q=1&hdnts=exp=1~hmac=ab", resource: "S"},
		{scheme: schemes.WowzaHdnts, token: "exp=1~hmac=ab", url: "https://h/other/a.m3u8", placed: "https://h/other/a.m3u8?hdnts=exp=1~hmac=ab"},
		{scheme: schemes.AkamaiEdgeAuth, token: "exp=1~acl=/a/*~hmac=ab", url: "https://h/a/b%20c", placed: "https://h/a/b%20c?hdnts=exp=1~acl=/a/*~hmac=ab", resource: "/a/b%20c"},
		{scheme: schemes.AkamaiEdgeAuth, token: "exp=1~hmac=ab", url: "https://h/a", placed: "https://h/a?hdnea=exp=1~hmac=ab", resource: "/a", options: hdnea},
		{scheme: schemes.QencodeJWT, token: "eyJh.eyJl.c2ln", url: "https://h/abc.m3u8", placed: "https://h/abc.m3u8?auth=eyJh.eyJl.c2ln", resource: "abc"},
		{scheme: schemes.QencodeJWT, token: "eyJh.eyJl.c2ln", url: "https://h/dir/film.mp4", placed: "https://h/dir/film.mp4?auth=eyJh.eyJl.c2ln", resource: "dir/film.mp4"},
		{scheme: schemes.AgoraTimestamp, token: "ts=1&sign=0123456789abcdef0123456789abcdef", url: "https://h/live/x.flv", placed: "https://h/live/x.flv?ts=1&sign=0123456789abcdef0123456789abcdef", resource: "/live/x.flv"},
	} {
		if got := schemes.Place(c.scheme, c.options, c.url, c.token); got != c.placed {
			t.Errorf("%s: placed as %s, want %s", c.scheme, got, c.placed)
		}
		p, err := schemes.Present(c.scheme, c.options, c.placed, "", "192.0.2.1")
		if err != nil || p.Token != c.token || p.Resource != c.resource || p.ClientIP != "192.0.2.1" {
			t.Errorf("%s: %s reads as %+v, %v; want token %s, resource %q", c.scheme, c.placed, p, err, c.token, c.resource)
		}
		if p, err = schemes.Present(c.scheme, c.options, c.placed, "named", ""); err != nil || p.Resource != "named" {
			t.Errorf("%s: a resource that is given: %+v, %v", c.scheme, p, err)
		}
		if p, err = schemes.Present(c.scheme, c.options, c.token, "", ""); err != nil || p.Token != c.token || p.Resource != "" {
			t.Errorf("%s: the token alone: %+v, %v", c.scheme, p, err)
		}
		if name := schemes.QueryName(c.scheme, c.options); name != "" {
			if p, err = schemes.Present(c.scheme, c.options, name+"="+c.token, "", ""); err != nil || p.Token != c.token {
				t.Errorf("%s: the parameter alone: %+v, %v", c.scheme, p, err)
			}
		}
	}
	if got := schemes.Place(schemes.WowzaHdnts, keystore.SchemeOptions{}, "", "t"); got != "" {
		t.Errorf("without a URL: %q", got)
	}
}

func TestPresentRefusesURLsWithoutOneToken(t *testing.T) {
	for _, name := range schemes.Names() {
		parameter := schemes.QueryName(name, keystore.SchemeOptions{})
		for _, url := range []string{
			"https://h/live/x.flv", "https://h/live/x.flv?", "https://h/live/x.flv?other=1", "https://h/%zz?" + parameter + "=x",
			"https://h/live/x.flv?" + parameter + "=x&" + parameter + "=y", "https://h/live/x.flv?ts=1&ts=2&sign=3",
		} {
			if p, err := schemes.Present(name, keystore.SchemeOptions{}, url, "", ""); !errors.Is(err, tokens.ErrRefused) || tokens.ReasonOf(err) != tokens.Malformed {
				t.Errorf("%s: %s reads as %+v, %v", name, url, p, err)
			}
		}
	}
}

func TestDetect(t *testing.T) {
	for token, want := range map[string]string{
		"exp=1~hmac=ab":                           schemes.WowzaHdnts,
		"hdnts=exp=1~vod=v~hmac=ab":               schemes.WowzaHdnts,
		"https://h/1/S/a.m3u8?hdnts=exp=1~hmac=a": schemes.WowzaHdnts,
		"exp=1~acl=/a/*~hmac=ab":                  schemes.AkamaiEdgeAuth,
		"exp=1~id=x~hmac=ab":                      schemes.AkamaiEdgeAuth,
		"https://h/a?hdnea=exp=1~hmac=a":          schemes.AkamaiEdgeAuth,
		"eyJh.eyJl.c2ln":                          schemes.QencodeJWT,
		"https://h/a.m3u8?auth=eyJh.eyJl.c2ln":    schemes.QencodeJWT,
		"ts=1&sign=ab":                            schemes.AgoraTimestamp,
		"rtmp://h/live/x?ts=1&sign=ab":            schemes.AgoraTimestamp,
	} {
		if got, err := schemes.Detect(token); err != nil || got != want {
			t.Errorf("%s looks like %q, %v; want %s", token, got, err, want)
		}
	}
	for _, token := range []string{"", "x", "a.b.c", "https://h/a", "\x00"} {
		if got, err := schemes.Detect(token); !errors.Is(err, tokens.ErrInvalidParams) {
			t.Errorf("%q looks like %s, %v", token, got, err)
		}
	}
}
