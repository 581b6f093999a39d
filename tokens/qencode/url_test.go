package qencode_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

func TestBuildersOfURLs(t *testing.T) {
	type result struct {
		url string
		err error
	}
	of := func(url string, err error) result { return result{url, err} }
	for name, c := range map[string]struct {
		got  result
		want string // empty: refused
	}{
		"live":                           {of(qencode.LiveURL(playbackID)), "https://play-b7f2c9e0a1d34e5f.qencode.com/qhls/qlive/playlist.m3u8"},
		"live, no id":                    {of(qencode.LiveURL("")), ""},
		"live, a dot":                    {of(qencode.LiveURL("a.evil.com/")), ""},
		"live, a final hyphen":           {of(qencode.LiveURL("a-")), ""},
		"live, 59 characters":            {of(qencode.LiveURL(strings.Repeat("a", 59))), ""},
		"live domain":                    {of(qencode.LiveDomainURL("live.mydomain.com", playbackID)), "https://live.mydomain.com/b7f2c9e0a1d34e5f.m3u8"},
		"live domain, a slash in the id": {of(qencode.LiveDomainURL("live.mydomain.com", "../a")), ""},
		"live domain, one label":         {of(qencode.LiveDomainURL("localhost", playbackID)), ""},
		"live domain, a port":            {of(qencode.LiveDomainURL("live.mydomain.com:1", playbackID)), ""},
		"live domain, a user":            {of(qencode.LiveDomainURL("a@live.mydomain.com", playbackID)), ""},
		"live domain, a final dot":       {of(qencode.LiveDomainURL("live.mydomain.com.", playbackID)), ""},
		"bucket":                         {of(qencode.BucketURL("my-bucket", "us-west", "path/to/video.mp4")), "https://my-bucket.media-storage.us-west.qencode.com/path/to/video.mp4"},
		"bucket, a key to escape":        {of(qencode.BucketURL("b", "eu-central", "a b/ü+&=100%.mp4")), "https://b.media-storage.eu-central.qencode.com/a%20b/%C3%BC%2B&=100%25.mp4"},
		"bucket, a dot in its name":      {of(qencode.BucketURL("my.bucket", "us-west", "k")), ""},
		"bucket, no region":              {of(qencode.BucketURL("b", "", "k")), ""},
		"bucket, a path for a region":    {of(qencode.BucketURL("b", "evil.com/", "k")), ""},
		"bucket, no key":                 {of(qencode.BucketURL("b", "us-west", "")), ""},
		"bucket, a prefix":               {of(qencode.BucketURL("b", "us-west", "path/")), ""},
		"bucket, dot segments":           {of(qencode.BucketURL("b", "us-west", "a/../b")), ""},
		"bucket domain":                  {of(qencode.BucketDomainURL("media.mydomain.com", "path/to/video.mp4")), "https://media.mydomain.com/path/to/video.mp4"},
		"bucket domain, no domain":       {of(qencode.BucketDomainURL("", "k")), ""},
		"bucket domain, a leading slash": {of(qencode.BucketDomainURL("media.mydomain.com", "/k")), ""},
	} {
		if c.got.url != c.want || (c.got.err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, c.got.url, c.got.err, c.want)
		}
		if c.got.err != nil && !errors.Is(c.got.err, tokens.ErrInvalidParams) {
			t.Errorf("%s: %v", name, c.got.err)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	for _, url := range []string{"", "https://h/a", "https://h/a?x=1", "https://h/a?auth=a&auth=a", "https://h/a#?auth=a"} {
		if token, err := qencode.Split(url); tokens.ReasonOf(err) != tokens.Malformed || token != "" {
			t.Errorf("%s: %q, %v", url, token, err)
		}
	}
}
