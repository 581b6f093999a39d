package wowza

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// playbackURL reads the HLS playback URL of a target from either shape: a string up to v1.6, lists by protocol
// from v1.7 on. It is empty where there is none.
func playbackURL(single string, lists json.RawMessage) string {
	if single != "" {
		return single
	}
	var named struct {
		HLS []struct {
			Name string `json:"name"`
			URL  string `json:"url"`
		} `json:"hls"`
	}
	if json.Unmarshal(lists, &named) != nil {
		return ""
	}
	for _, u := range named.HLS {
		if u.Name == "default" {
			return u.URL
		}
	}
	if len(named.HLS) > 0 {
		return named.HLS[0].URL
	}
	return ""
}

// StreamID returns the stream id that viewer tokens sign. No field of the API carries it: it is the second part
// of the playback URL's path, https://HOST/1/STREAM_ID/NAME/hls/live/playlist.m3u8, where the first is 1 (live),
// 2 (VOD) or 5 (an origin of the customer's). It is opaque and returned as it stands.
func StreamID(playback string) (string, error) {
	u, err := url.Parse(playback)
	if err != nil || u.Host == "" {
		return "", errors.New("playback URL: want https://HOST/1/STREAM_ID/…")
	}
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	if len(parts) < 3 || !slices.Contains([]string{"1", "2", "5"}, parts[0]) || parts[1] == "" {
		return "", errors.New("playback URL: want a path /1/STREAM_ID/…, /2/STREAM_ID/… or /5/STREAM_ID/…")
	}
	return parts[1], nil
}
