package playback_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
)

// A playback is refused where its URL shows that its tokens would open something else.
func TestCheckComparesTheURLWithTheBinding(t *testing.T) {
	t.Parallel()
	hdnts := func(stream, vod string) playback.Playback {
		return playback.Playback{Hdnts: &playback.Hdnts{StreamID: stream, VODStreamID: vod}}
	}
	acl := func(paths ...string) playback.Playback {
		return playback.Playback{EdgeAuth: &playback.EdgeAuth{ACL: paths}}
	}
	urlPath := func(path string) playback.Playback {
		return playback.Playback{EdgeAuth: &playback.EdgeAuth{URLPath: path}}
	}
	uri := func(uri string) playback.Playback { return playback.Playback{Qencode: &playback.Qencode{URI: uri}} }
	const bucket, live = "https://b.media-storage.us-west.qencode.com", "https://play-cam1.qencode.com/qhls/qlive/playlist.m3u8"
	for _, c := range []struct {
		p    playback.Playback
		url  string
		want string // part of the error; empty for none
	}{
		{hdnts("abc", ""), "https://h/1/abc/n/hls/live/playlist.m3u8", ""},
		{hdnts("WRONG", ""), "https://h/1/abc/n/hls/live/playlist.m3u8", `url: is that of stream "abc", and stream_id is "WRONG"`},
		{hdnts("abc", "VODA"), "https://h/2/abc/n/hls/VODA/playlist.m3u8", ""},
		{hdnts("abc", ""), "https://h/2/abc/n/hls/VODA/playlist.m3u8", ""},
		{hdnts("abc", "OTHER"), "https://h/2/abc/n/hls/VODA/playlist.m3u8", `url: is that of the recording "VODA"`},
		{hdnts("abc", "VODA"), "https://h/1/abc/n/hls/live/playlist.m3u8", "url: is that of a live stream"},
		{hdnts("abc", ""), "https://own.example/watch/42", ""},
		{hdnts("abc", ""), "rtmp://h/1/abc/n", "must begin with https://"},

		{acl("/vod/film/*"), "https://h/vod/film/a.m3u8?x=1", ""},
		{acl("/other/*", "/vod/film/a.m3u8"), "https://h/vod/film/a.m3u8", ""},
		{acl("/vod/film/*"), "https://h/vod/other/a.m3u8", `url: has the path "/vod/other/a.m3u8", which no acl covers`},
		{acl("/vod/film/*"), "https://h/vod/film/../other/a.m3u8", "which no acl covers"},
		{acl("/*"), "https://h", ""},
		{urlPath("/vod/a.m3u8"), "https://h/vod/a.m3u8", ""},
		{urlPath("/vod/a.m3u8"), "https://h/vod/%61.m3u8", ""},
		{urlPath("/vod/b.m3u8"), "https://h/vod/a.m3u8", `url: has the path "/vod/a.m3u8", and url_path is "/vod/b.m3u8"`},

		{uri("cam1"), live, ""},
		{uri("CAM1"), live, ""},
		{uri("cam2"), live, `url: is that of the playback id "cam1"`},
		{uri("cam1"), "https://live.example/cam1.m3u8", ""},
		{uri("cam2"), "https://live.example/cam1.m3u8", `url: has the path "cam1.m3u8", which the uri "cam2" does not open`},
		{uri("cam1"), "https://live.example/hls/cam1/index.m3u8", ""},
		{uri("path/to/v.mp4"), bucket + "/path/to/v.mp4", ""},
		{uri("path/to/"), bucket + "/path/to/v.mp4", ""},
		{uri("a b+.mp4"), bucket + "/a%20b%2B.mp4", ""},
		{uri("path/to"), bucket + "/path/to-secret.mp4", "uri: is a bare prefix"},
		{uri("path/other/"), bucket + "/path/to/v.mp4", "does not open"},
		{uri("cam1"), bucket + "/path/to/v.mp4", "does not open"},
		{uri("path/other.mp4"), "https://files.example/path/to/v.mp4", "does not open"},
		{uri("cam1"), "https://live.example/cam1.m3u8?%61uth=x", "auth already"},
		{playback.Playback{Qencode: &playback.Qencode{WholeBucket: true}}, bucket + "/path/to/v.mp4", ""},
	} {
		target := keystore.Target{ID: "t", MaxTokenLifetime: time.Hour}
		switch {
		case c.p.Hdnts != nil:
			target.Provider, target.Scheme = "wowza", schemes.WowzaHdnts
		case c.p.EdgeAuth != nil:
			target.Provider, target.Scheme = "akamai", schemes.AkamaiEdgeAuth
		default:
			target.Provider, target.Scheme = "qencode", schemes.QencodeJWT
		}
		c.p.ID, c.p.TargetID, c.p.URL, c.p.TTL = "p", target.ID, c.url, time.Minute
		err := playback.Check(c.p, target, time.Now())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v %+v %+v at %s: got %v, want %q", c.p.Hdnts, c.p.EdgeAuth, c.p.Qencode, c.url, err, c.want)
		}
	}
	second := hdnts("abc", "")
	second.ID, second.TargetID, second.URL, second.TTL = "p", "t", "https://h/1/abc/n/hls/live/playlist.m3u8", time.Minute
	second.Alternate = &playback.Alternate{URL: "https://h/1/abc/n/hls/live/playlist.m3u8", StreamID: "def"}
	target := keystore.Target{ID: "t", Provider: "wowza", Scheme: schemes.WowzaHdnts, MaxTokenLifetime: time.Hour}
	if err := playback.Check(second, target, time.Now()); err == nil || !strings.Contains(err.Error(), `stream "abc"`) {
		t.Errorf("an alternate of another stream: %v", err)
	}
}
