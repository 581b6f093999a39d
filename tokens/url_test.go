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
