package tokens_test

import (
	"testing"

	"github.com/tokensvc/tokensvc/tokens"
)

func TestAppendQuery(t *testing.T) {
	cases := []struct{ name, url, want string }{
		{"no query", "https://h/a.m3u8", "https://h/a.m3u8?t=1~2"},
		{"a query", "https://h/a.m3u8?x=1", "https://h/a.m3u8?x=1&t=1~2"},
		{"an empty query", "https://h/a.m3u8?", "https://h/a.m3u8?t=1~2"},
		{"a query with an open end", "https://h/a.m3u8?x=1&", "https://h/a.m3u8?x=1&t=1~2"},
		{"a value that ends in a question mark", "https://h/a.m3u8?x=?", "https://h/a.m3u8?x=?&t=1~2"},
		{"a query that is a question mark", "https://h/a.m3u8??", "https://h/a.m3u8??&t=1~2"},
		{"a path that ends in an ampersand", "https://h/a&", "https://h/a&?t=1~2"},
		{"a fragment", "https://h/a.m3u8#f", "https://h/a.m3u8?t=1~2#f"},
		{"a query and a fragment", "https://h/a.m3u8?x=1#f?y", "https://h/a.m3u8?x=1&t=1~2#f?y"},
		{"an empty fragment", "https://h/a.m3u8#", "https://h/a.m3u8?t=1~2#"},
		{"a relative URL", "/1/id/playlist.m3u8", "/1/id/playlist.m3u8?t=1~2"},
		{"nothing", "", "?t=1~2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := tokens.AppendQuery(c.url, "t=1~2"); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestFindQuery(t *testing.T) {
	cases := []struct {
		url, value string
		count      int
	}{
		{"https://h/a?t=1~2", "1~2", 1},
		{"https://h/a?x=1&t=a%2Bb#t=3", "a%2Bb", 1},
		{"https://h/a?t=1&t=2", "2", 2},
		{"https://h/a?t", "", 1},
		{"https://h/a?T=1&%74=1&tt=1", "", 0},
		{"https://h/t=1", "", 0},
	}
	for _, c := range cases {
		if value, count := tokens.FindQuery(c.url, "t"); value != c.value || count != c.count {
			t.Errorf("%s: %q %d times, want %q %d times", c.url, value, count, c.value, c.count)
		}
	}
}

func TestCarriesQuery(t *testing.T) {
	for url, want := range map[string]bool{
		"https://h/a?auth=x": true, "https://h/a?x=1&auth=": true, "https://h/a?auth": true, "https://h/a?AUTH=x": true,
		"https://h/a?%61uth=x": true, "https://h/a?x=1;auth=x": true, "https://h/a?a%55th=x": true,
		"https://h/a": false, "https://h/a?": false, "https://h/auth=x": false, "https://h/a?author=x": false, "https://h/a?x=auth": false, "https://h/a#auth=x": false,
	} {
		if got := tokens.CarriesQuery(url, "auth"); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
}

func TestRawPath(t *testing.T) {
	for url, want := range map[string]string{
		"https://h/a/b%2Fc?x=/y#/z": "/a/b%2Fc", "https://h:8443/": "/", "https://h": "", "https://h?x=1": "", "/a/b?x": "/a/b", "": "",
	} {
		if got := tokens.RawPath(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
