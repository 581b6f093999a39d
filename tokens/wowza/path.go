package wowza

import "strings"

// Path is what the path of a playback URL shows.
type Path struct {
	// StreamID is what tokens are signed for.
	StreamID string
	// VODStreamID is the recording that is played, Live for a live stream, or "" where the path does
	// not show it.
	VODStreamID string
}

// Live stands in the path of a live stream where that of a recording has its VOD stream id.
const Live = "live"

// ReadPath reads /1/STREAM_ID/NAME/hls/live/… and /2/STREAM_ID/NAME/hls/VOD_STREAM_ID/…, also where
// what follows NAME is of another form. It reports false for other paths.
func ReadPath(path string) (Path, bool) {
	parts := strings.Split(path, "/")
	if len(parts) < 4 || parts[0] != "" || (parts[1] != "1" && parts[1] != "2") {
		return Path{}, false
	}
	out := Path{StreamID: parts[2]}
	if len(parts) > 6 && parts[4] == "hls" {
		out.VODStreamID = parts[5]
	}
	return out, true
}
