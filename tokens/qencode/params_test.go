package qencode_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

func TestURIs(t *testing.T) {
	key := prepare(t, testKeys(t)[smallKeyID].material())
	for uri, ok := range map[string]bool{
		playbackID: true, "path/to/video.mp4": true, "path/to/": true, "a b/ü.mp4": true, "a+b&c=d~e,f.mp4": true, "100%.mp4": true, ".hidden": true, "a..b": true,
		strings.Repeat("a", 1024): true,
		"":                        false, "/": false, "/path": false, "path//to": false, "path/to//": false, ".": false, "..": false, "a/../b": false, "a/./b": false, "../": false,
		"a%20b": false, "%2e%2e/x": false, "a?b": false, "a#b": false, `a\b`: false, "a\nb": false, "a\x7f": false, "a\u0085": false, "\xff": false, "a\ufffd": false,
		strings.Repeat("a", 1025): false,
	} {
		c, err := key.Sign(qencode.Params{URI: uri, Expire: now().Add(time.Hour)}, now())
		if (err == nil) != ok {
			t.Errorf("%.60q: %v", uri, err)
		}
		if err != nil {
			continue
		}
		if err := key.Verify(tokens.Presented{Token: c.Token, Resource: uri}, now()); err != nil {
			t.Errorf("%.60q: %v", uri, err)
		}
	}
	if _, err := key.Sign(qencode.Params{URI: "a", WholeBucket: true, Expire: now().Add(time.Hour)}, now()); tokens.ReasonOf(err) != tokens.InvalidArgument {
		t.Errorf("a uri for the whole bucket: %v", err)
	}
}

func TestURLsWithToken(t *testing.T) {
	key := prepare(t, testKeys(t)[smallKeyID].material())
	sign := func(uri, url string) (tokens.Credential, error) {
		return key.Sign(qencode.Params{URI: uri, Expire: now().Add(time.Hour), URL: url}, now())
	}
	for _, url := range []string{"https://h/a.m3u8", "https://h:8443/a.m3u8?x=1&y=%2F", "http://h/a.m3u8#f", "https://h"} {
		c, err := sign(playbackID, url)
		if err != nil || c.URL != tokens.AppendQuery(url, "auth="+c.Token) {
			t.Errorf("%s became %s, %v", url, c.URL, err)
		}
		if token, err := qencode.Split(c.URL); err != nil || token != c.Token {
			t.Errorf("%s: split %q, %v", url, token, err)
		}
	}
	for _, url := range []string{
		"a.m3u8", "/a.m3u8", "//h/a", "ftp://h/a", "https:///a", "https://u:p@h/a", "https://h/a b", "https://h/ü", "https://h/a\n", "https://h/%zz",
		"https://h/a?auth=x", "https://h/a?AUTH=x", "https://h/a?%61uth=x", "https://h/a?x=1;auth=2", "https://h/a?x=%zz", "https://h/" + strings.Repeat("a", 8192),
	} {
		if _, err := sign(playbackID, url); tokens.ReasonOf(err) != tokens.InvalidArgument {
			t.Errorf("%.60s: %v", url, err)
		}
	}
	for uri, ok := range map[string]bool{"path/to": false, "path": false, "path/to/": true, "path/to/v.mp4": true, "path/to/v": false, "pa": false, "other": true} {
		if _, err := sign(uri, "https://h/path/to/v.mp4"); (err == nil) != ok {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestTheURLOfALivePlaylistBeginsWithItsURI(t *testing.T) {
	key := prepare(t, testKeys(t)[smallKeyID].material())
	for url, ok := range map[string]bool{
		"https://live.example/" + playbackID + ".m3u8":      true,
		"https://live.example/" + playbackID + "-b.m3u8":    false,
		"https://live.example/" + playbackID + ".m3u8.bak":  false,
		"https://live.example/" + playbackID + "%2Dsecret":  false,
		"https://live.example/other/" + playbackID + ".mp4": true,
	} {
		_, err := key.Sign(qencode.Params{URI: playbackID, Expire: now().Add(time.Hour), URL: url}, now())
		if (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}
