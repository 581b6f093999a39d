package playback_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
)

func TestCheckAlternate(t *testing.T) {
	t.Parallel()
	pair := []string{"a", "b"}
	wowza := keystore.Target{ID: "live", Provider: "wowza", Scheme: schemes.WowzaHdnts, MaxTokenLifetime: time.Hour}
	agora := keystore.Target{ID: "room", Provider: "agora", Scheme: schemes.AgoraTimestamp, MaxTokenLifetime: time.Hour}
	qencode := keystore.Target{ID: "vod", Provider: "qencode", Scheme: schemes.QencodeJWT, MaxTokenLifetime: time.Hour}
	cases := []struct {
		name      string
		target    keystore.Target
		resources []string
		alternate *playback.Alternate
		vod       string
		want      string // part of the error; empty for none
	}{
		{"one resource", wowza, pair[:1], nil, "", ""},
		{"a pair without", wowza, pair, nil, "", "alternate: required"},
		{"a pair with", wowza, pair, &playback.Alternate{URL: "https://h/1/T/x.m3u8", StreamID: "T"}, "", ""},
		{"ahead of the pair", wowza, nil, &playback.Alternate{URL: "https://h/1/T/x.m3u8", StreamID: "T"}, "", ""},
		{"without its stream", wowza, pair, &playback.Alternate{URL: "https://h/1/T/x.m3u8"}, "", "stream_id is needed"},
		{"a stream that could inject", wowza, pair, &playback.Alternate{URL: "https://h/1/T/x.m3u8", StreamID: "T~exp=9"}, "", "stream_id"},
		{"no URL", wowza, pair, &playback.Alternate{URL: "x.m3u8", StreamID: "T"}, "", "alternate: url: want an absolute"},
		{"a URL with a token", wowza, pair, &playback.Alternate{URL: "https://h/1/T/x.m3u8?hdnts=1", StreamID: "T"}, "", "already"},
		{"a recording", wowza, pair, &playback.Alternate{URL: "https://h/1/T/x.m3u8", StreamID: "T"}, "v", "vod_stream_id out"},
		{"agora", agora, pair, &playback.Alternate{URL: "https://b/live/x/playlist.m3u8"}, "", ""},
		{"agora with a stream", agora, pair, &playback.Alternate{URL: "https://b/live/x/playlist.m3u8", StreamID: "T"}, "", "only there"},
		{"no slots", qencode, pair[:1], &playback.Alternate{URL: "https://b/x.m3u8"}, "", "no second slot"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.target.Resources = c.resources
			p := playback.Playback{ID: "p", TargetID: c.target.ID, URL: "https://h/1/S/x.m3u8", TTL: time.Minute, Alternate: c.alternate}
			switch c.target.Provider {
			case "wowza":
				p.Hdnts = &playback.Hdnts{StreamID: "S", VODStreamID: c.vod}
			case "agora":
				p.URL, p.Agora = "https://a/live/x/playlist.m3u8", &playback.Agora{}
			default:
				p.Qencode = &playback.Qencode{URI: "x"}
			}
			err := playback.Check(p, c.target, time.Now())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
