// Package hls is a small real HLS stream: eight seconds of a test pattern with a beep, in four segments of
// two seconds (H.264 and AAC in MPEG-TS), served as video on demand and, looped, as a live stream.
//
// It is an origin: it knows nothing of tokens. Playlists and segments follow RFC 8216. Everything is a
// function of the arguments; the live stream follows the clock it is given.
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

// Stream is the test stream, whole or live. The zero Stream is video on demand.
type Stream struct {
	// Live loops the stream without end. Else it is the loop once, with an end.
	Live bool
	// Start is when a live stream shows its first full window. Segments are counted from there and not from
	// the Unix epoch: players keep tables by discontinuity number, and large numbers make them slow.
	Start time.Time
}

// Media returns the media playlist: for video on demand all segments, for live those of the window at now.
// Segment URIs are relative to the playlist.
func (s Stream) Media(now time.Time) ([]byte, error) {
	if s.Live {
		return s.livePlaylist(now), nil
	}
	b, err := vod.ReadFile("vod/" + MediaPlaylist)
	if err != nil {
		return nil, fmt.Errorf("read the playlist of the test stream: %w", err)
	}
	return b, nil
}

// livePlaylist lists the window at now. Every loopSegments segments the loop starts again, with a
// discontinuity.
func (s Stream) livePlaylist(now time.Time) []byte {
	head := s.head(now)
	var b bytes.Buffer
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%d\n", int(SegmentDuration.Seconds()))
	// RFC 8216, 4.3.3.3: this counts the discontinuity tags that have left the playlist. A tag leaves with
	// the segment it stands before, and segment 0 has none.
	fmt.Fprintf(&b, "#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-DISCONTINUITY-SEQUENCE:%d\n", head, max(head-1, 0)/loopSegments)
	for n := head; n < head+windowSegments; n++ {
		joint := n > 0 && n%loopSegments == 0
		if joint {
			b.WriteString("#EXT-X-DISCONTINUITY\n")
		}
		if joint || n == head {
			at := s.Start.Add(time.Duration(n-windowSegments) * SegmentDuration).UTC()
			fmt.Fprintf(&b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", at.Format("2006-01-02T15:04:05.000Z"))
		}
		fmt.Fprintf(&b, "#EXTINF:%.6f,\n%s%d%s\n", SegmentDuration.Seconds(), segmentPrefix, n, segmentSuffix)
	}
	return b.Bytes()
}

// head returns the number of the first segment in the window at now. The last segment of the window is the
// newest one that is complete.
func (s Stream) head(now time.Time) int64 {
	return max(0, int64(now.Sub(s.Start)/SegmentDuration))
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
func (s Stream) Segment(n int64, now time.Time) ([]byte, bool) {
	if s.Live {
		head := s.head(now)
		if n < head-graceSegments || n >= head+windowSegments {
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
