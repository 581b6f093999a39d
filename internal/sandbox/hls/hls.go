// Package hls is a small real HLS stream: eight seconds of a test pattern with a beep, in four segments of
// two seconds (H.264 and AAC in MPEG-TS), served as video on demand and, looped, as a live stream.
//
// It is an origin: it knows nothing of tokens. Playlists and segments follow RFC 8216. Everything is a
// function of the arguments; the live stream follows the clock it is given, so that any number of edges,
// and one that was restarted, serve the same stream.
package hls

import (
	"bytes"
	"embed"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Names of the files of a stream.
const (
	// MediaPlaylist is the name of the playlist that lists the segments.
	MediaPlaylist = "chunklist.m3u8"
	// ContentTypePlaylist is the media type of playlists.
	ContentTypePlaylist = "application/vnd.apple.mpegurl"
	// ContentTypeSegment is the media type of segments.
	ContentTypeSegment = "video/mp2t"

	segmentPrefix = "media_"
	segmentSuffix = ".ts"
)

// SegmentDuration is the length of each segment.
const SegmentDuration = 2 * time.Second

const (
	loopSegments   = 4 // segments in the loop
	windowSegments = 6 // segments that a live playlist lists
	graceSegments  = 6 // segments that stay open behind the window, for players that lag
)

//go:embed vod
var vod embed.FS

// Master returns the multivariant playlist: one variant, whose media playlist is at the URI media.
func Master(media string) []byte {
	return []byte("#EXTM3U\n" +
		"#EXT-X-VERSION:3\n" +
		"#EXT-X-INDEPENDENT-SEGMENTS\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS=\"avc1.42c00c,mp4a.40.2\",RESOLUTION=256x144,FRAME-RATE=15.000\n" +
		media + "\n")
}

// Media returns the media playlist: the whole loop once with an end for video on demand, else the window
// that is live at now. Segment URIs are relative to the playlist.
func Media(live bool, now time.Time) ([]byte, error) {
	if live {
		return livePlaylist(now), nil
	}
	b, err := vod.ReadFile("vod/" + MediaPlaylist)
	if err != nil {
		return nil, fmt.Errorf("read the playlist of the test stream: %w", err)
	}
	return b, nil
}

// livePlaylist lists the last windowSegments segments that are complete at now. Segment number n covers the
// two seconds from n*SegmentDuration after the Unix epoch. Every loopSegments segments the loop starts
// again, with a discontinuity.
func livePlaylist(now time.Time) []byte {
	first, last := window(now)
	var b bytes.Buffer
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%d\n", int(SegmentDuration.Seconds()))
	// RFC 8216, 4.3.3.3: this counts the discontinuity tags that have left the playlist. A tag leaves with
	// the segment it stands before.
	fmt.Fprintf(&b, "#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-DISCONTINUITY-SEQUENCE:%d\n", first, (first-1)/loopSegments)
	for n := first; n <= last; n++ {
		if n%loopSegments == 0 {
			b.WriteString("#EXT-X-DISCONTINUITY\n")
		}
		if n == first || n%loopSegments == 0 {
			at := time.Unix(0, 0).Add(time.Duration(n) * SegmentDuration).UTC()
			fmt.Fprintf(&b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", at.Format("2006-01-02T15:04:05.000Z"))
		}
		fmt.Fprintf(&b, "#EXTINF:%.6f,\n%s%d%s\n", SegmentDuration.Seconds(), segmentPrefix, n, segmentSuffix)
	}
	return b.Bytes()
}

// window returns the numbers of the first and last segment of the live playlist at now.
func window(now time.Time) (first, last int64) {
	current := now.Unix() / int64(SegmentDuration.Seconds())
	last = max(current-1, windowSegments)
	return last - windowSegments + 1, last
}

// SegmentNumber reads the number out of a segment's file name, for example 3 out of media_3.ts. It accepts
// the one spelling that playlists use and nothing else.
func SegmentNumber(name string) (int64, bool) {
	digits, ok := strings.CutPrefix(name, segmentPrefix)
	if !ok {
		return 0, false
	}
	if digits, ok = strings.CutSuffix(digits, segmentSuffix); !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != digits {
		return 0, false
	}
	return n, true
}

// Segment returns segment number n. It reports false where there is none: past the end of the loop for
// video on demand; not yet complete at now, or long gone, for live.
func Segment(live bool, n int64, now time.Time) ([]byte, bool) {
	if live {
		first, last := window(now)
		if n < first-graceSegments || n > last {
			return nil, false
		}
		n %= loopSegments
	}
	if n < 0 || n >= loopSegments {
		return nil, false
	}
	b, err := vod.ReadFile("vod/" + segmentPrefix + strconv.FormatInt(n, 10) + segmentSuffix)
	return b, err == nil
}

// WithQuery returns the playlist with query (for example "auth=…") put behind each URI line, as an edge does
// whose tokens must follow from a playlist to its children. The playlists of this package have URIs on lines
// of their own only, none in attributes, and none with a query.
func WithQuery(playlist []byte, query string) []byte {
	if query == "" {
		return playlist
	}
	var b bytes.Buffer
	for line := range bytes.Lines(playlist) {
		uri := bytes.TrimRight(line, "\n")
		b.Write(uri)
		if len(uri) > 0 && uri[0] != '#' {
			b.WriteString("?" + query)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
