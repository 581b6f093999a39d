package hls_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/hls"
)

func TestVODPlaylistListsEverySegmentOnce(t *testing.T) {
	b, err := hls.Stream{}.Media(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if !strings.HasPrefix(text, "#EXTM3U\n") || !strings.HasSuffix(text, "#EXT-X-ENDLIST\n") {
		t.Errorf("not a closed playlist:\n%s", text)
	}
	uris := uriLines(text)
	if len(uris) != 4 {
		t.Fatalf("%d segments, want 4: %q", len(uris), uris)
	}
	want := fmt.Sprintf("#EXTINF:%.6f,", hls.SegmentDuration.Seconds())
	if got := strings.Count(text, want); got != len(uris) {
		t.Errorf("%d lines %q, want %d: the live playlist states this duration too", got, want, len(uris))
	}
	for i, uri := range uris {
		n, ok := hls.SegmentNumber(uri)
		if !ok || n != int64(i) {
			t.Fatalf("SegmentNumber(%q) = %d, %v; want %d", uri, n, ok, i)
		}
		seg, ok := hls.Stream{}.Segment(n, time.Time{})
		if !ok || len(seg)%188 != 0 || len(seg) == 0 || seg[0] != 0x47 {
			t.Errorf("segment %d is not MPEG-TS (%d bytes, found %v)", n, len(seg), ok)
		}
	}
	if _, ok := (hls.Stream{}).Segment(4, time.Time{}); ok {
		t.Error("segment 4 exists past the end")
	}
	if _, ok := (hls.Stream{}).Segment(-1, time.Time{}); ok {
		t.Error("segment -1 exists")
	}
}

// live is a live playlist as a player reads it: for each sequence number the discontinuity count and URI.
type live struct {
	first    int64
	segments map[int64]string
}

func parseLive(t *testing.T, text string) live {
	t.Helper()
	var seq, disc int64
	out := live{segments: map[int64]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#EXT-X-MEDIA-SEQUENCE:"):
			scan(t, line, "#EXT-X-MEDIA-SEQUENCE:%d", &seq)
			out.first = seq
		case strings.HasPrefix(line, "#EXT-X-DISCONTINUITY-SEQUENCE:"):
			scan(t, line, "#EXT-X-DISCONTINUITY-SEQUENCE:%d", &disc)
		case line == "#EXT-X-DISCONTINUITY":
			disc++
		case line == "#EXT-X-ENDLIST":
			t.Error("a live playlist has an end")
		case line != "" && !strings.HasPrefix(line, "#"):
			out.segments[seq] = fmt.Sprintf("%s in run %d", line, disc)
			seq++
		}
	}
	return out
}

func scan(t *testing.T, line, format string, into *int64) {
	t.Helper()
	if _, err := fmt.Sscanf(line, format, into); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
}

// A segment keeps its URI and its discontinuity number for as long as it is listed (RFC 8216, 6.2.1), and
// the window moves on by one segment in each two seconds.
func TestLivePlaylistSlides(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	stream := hls.Stream{Live: true, Start: start}
	seen := map[int64]string{}
	var last live
	for s := range 60 {
		now := start.Add(time.Duration(s) * time.Second)
		b, err := stream.Media(now)
		if err != nil {
			t.Fatal(err)
		}
		p := parseLive(t, string(b))
		if len(p.segments) != 6 {
			t.Fatalf("at %d s: %d segments, want 6", s, len(p.segments))
		}
		if s > 0 {
			if want := last.first + int64((s+1)%2); p.first != want {
				t.Fatalf("at %d s the window starts at %d, want %d", s, p.first, want)
			}
		}
		for n, desc := range p.segments {
			if before, ok := seen[n]; ok && before != desc {
				t.Fatalf("at %d s segment %d is %q, and was %q", s, n, desc, before)
			}
			seen[n] = desc
			uri, _, _ := strings.Cut(desc, " ")
			num, ok := hls.SegmentNumber(uri)
			if !ok || num != n {
				t.Fatalf("segment %d is named %q", n, uri)
			}
			if _, ok := stream.Segment(n, now); !ok {
				t.Fatalf("segment %d is listed at %d s but is not there", n, s)
			}
		}
		last = p
	}
	runs := map[string]int{}
	for _, desc := range seen {
		_, run, _ := strings.Cut(desc, " in ")
		runs[run]++
	}
	for run, n := range runs {
		if n > 4 {
			t.Errorf("%s has %d segments; the loop has 4", run, n)
		}
	}
}

func TestLiveSegmentsComeAndGo(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	stream := hls.Stream{Live: true, Start: start}
	const n = 6 // the first segment behind the first window
	if _, ok := stream.Segment(n, start.Add(hls.SegmentDuration-1)); ok {
		t.Error("a segment is there before it is complete")
	}
	if _, ok := stream.Segment(n, start.Add(hls.SegmentDuration)); !ok {
		t.Error("a complete segment is missing")
	}
	if _, ok := stream.Segment(n, start.Add(time.Minute)); ok {
		t.Error("a segment is still there after a minute")
	}
	a, _ := stream.Segment(n, start.Add(hls.SegmentDuration))
	b, _ := stream.Segment(n+4, start.Add(5*hls.SegmentDuration))
	if !bytes.Equal(a, b) {
		t.Error("the loop does not repeat")
	}
	if c, _ := stream.Segment(n+1, start.Add(5*hls.SegmentDuration)); bytes.Equal(a, c) {
		t.Error("two segments of the loop are the same")
	}
	// A clock that is set back shows the first window, not an empty one.
	back, err := stream.Media(start.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if p := parseLive(t, string(back)); p.first != 0 || len(p.segments) != 6 {
		t.Errorf("before the start: %d segments from %d on", len(p.segments), p.first)
	}
}

func TestSegmentNumberIsStrict(t *testing.T) {
	for _, name := range []string{
		"", "media_.ts", "media_01.ts", "media_+1.ts", "media_-1.ts", "media_1.ts.ts",
		"media_1", "Media_1.ts", "media_1.TS", "media_0x1.ts", "media_99999999999999999999.ts", "chunklist.m3u8",
	} {
		if n, ok := hls.SegmentNumber(name); ok {
			t.Errorf("SegmentNumber(%q) = %d, want a refusal", name, n)
		}
	}
}

func TestWithQuery(t *testing.T) {
	got := string(hls.WithQuery(hls.Master("chunklist.m3u8"), "auth=a.b.c"))
	if uris := uriLines(got); len(uris) != 1 || uris[0] != "chunklist.m3u8?auth=a.b.c" {
		t.Errorf("URIs %q in\n%s", uris, got)
	}
	if strings.Count(got, "auth=") != 1 {
		t.Errorf("a tag was rewritten:\n%s", got)
	}
	plain := hls.Master("x")
	if !bytes.Equal(hls.WithQuery(plain, ""), plain) {
		t.Error("an empty query changes the playlist")
	}
}

func uriLines(playlist string) []string {
	var out []string
	for line := range strings.Lines(playlist) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}
