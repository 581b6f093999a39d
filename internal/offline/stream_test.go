package offline_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tokensvc/tokensvc/internal/offline"
	"github.com/tokensvc/tokensvc/internal/schemes"
)

const (
	goodLine   = `{"name":"good","secret":"8a123c7b730600eb92360640ce91a32d","now":1578422041,"fields":{"stream_id":"NUtjdHdsc3g4Z21L","lifetime":2000}}`
	goodAnswer = `{"name":"good","token":"exp=1578424041~hmac=7d6cf83aac1f78d0723894dd479c04443084983c4d538d9cff8ec623e66d7100"}` + "\n"
	verifyLine = `{"name":"good","secret":"8a123c7b730600eb92360640ce91a32d","now":1578424041,"stream_id":"NUtjdHdsc3g4Z21L",` +
		`"token":"exp=1578424041~hmac=7d6cf83aac1f78d0723894dd479c04443084983c4d538d9cff8ec623e66d7100"}`
	verifyAnswerLine = `{"name":"good","ok":true}` + "\n"

	notObject       = `{"name":null,"error":{"reason":"INVALID_ARGUMENT","message":"line: not a JSON object in UTF-8; give one whole object on one line"}}` + "\n"
	verifyNotObject = `{"name":null,"ok":false,"reason":"INVALID_ARGUMENT","message":"line: not a JSON object in UTF-8; give one whole object on one line"}` + "\n"
	tooLong         = `{"name":null,"error":{"reason":"REQUEST_TOO_LARGE","message":"line: longer than 1048576 bytes"}}` + "\n"
	verifyTooLong   = `{"name":null,"ok":false,"reason":"REQUEST_TOO_LARGE","message":"line: longer than 1048576 bytes"}` + "\n"
)

// padded returns the good line made as long as length with a member that nobody reads.
func padded(length int) string {
	const before, after = `{"note":"`, `",`
	return before + strings.Repeat("x", length-len(before)-len(after)-len(goodLine)+1) + after + goodLine[1:]
}

func TestFraming(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, in, want string
		tally          offline.Tally
	}{
		{"nothing", "", "", offline.Tally{}},
		{"blank lines", "\n \t\r\n\r\n\n  ", "", offline.Tally{}},
		{"one line", goodLine + "\n", goodAnswer, offline.Tally{Lines: 1}},
		{"no line end at the end", goodLine, goodAnswer, offline.Tally{Lines: 1}},
		{"CRLF and blanks around", "  " + goodLine + " \r\n\n" + goodLine + "\r\n", goodAnswer + goodAnswer, offline.Tally{Lines: 2}},
		{"the longest line", padded(offline.MaxLine) + "\n", goodAnswer, offline.Tally{Lines: 1}},
		{"the longest line at the end", padded(offline.MaxLine), goodAnswer, offline.Tally{Lines: 1}},
		{"a byte too long", padded(offline.MaxLine+1) + "\n" + goodLine + "\n", tooLong + goodAnswer, offline.Tally{Lines: 2, NotObjects: 1}},
		{"far too long at the end", goodLine + "\n" + strings.Repeat("{", 5<<20), goodAnswer + tooLong, offline.Tally{Lines: 2, NotObjects: 1}},
		{"a blank line that is too long", strings.Repeat(" ", 2<<20) + "\n" + goodLine, tooLong + goodAnswer, offline.Tally{Lines: 2, NotObjects: 1}},
		{
			"no objects",
			"[]\nnull\n1\n\"x\"\ntrue\n{\n}\n{}{}\n{},\n{'a':1}\n" + goodLine + " x\n\xef\xbb\xbf{}\n{\"name\":\"\xff\"}\n\x00\n" + goodLine + "\n",
			strings.Repeat(notObject, 14) + goodAnswer,
			offline.Tally{Lines: 15, NotObjects: 14},
		},
		{"an object of very deep arrays", `{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}\n", notObject, offline.Tally{Lines: 1, NotObjects: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			readers := map[string]io.Reader{"whole": strings.NewReader(c.in), "halves": iotest.HalfReader(strings.NewReader(c.in)), "last with EOF": iotest.DataErrReader(strings.NewReader(c.in))}
			if len(c.in) < 10_000 {
				readers["bytes"] = iotest.OneByteReader(strings.NewReader(c.in))
			}
			for reading, in := range readers {
				var out bytes.Buffer
				tally, err := open(t, schemes.WowzaHdnts, false).Tokens(in, &out)
				if err != nil || tally != c.tally || out.String() != c.want {
					t.Errorf("%s: %+v, %v\n got %.400s\nwant %.400s", reading, tally, err, out.String(), c.want)
				}
			}
			var out bytes.Buffer
			in := strings.ReplaceAll(c.in, goodLine[1:], verifyLine[1:])
			if len(in) != len(c.in) && strings.Contains(c.name, "long") {
				return // the two lines differ in length
			}
			want := strings.NewReplacer(goodAnswer, verifyAnswerLine, notObject, verifyNotObject, tooLong, verifyTooLong).Replace(c.want)
			tally, err := open(t, schemes.WowzaHdnts, false).Verifications(strings.NewReader(in), &out)
			if err != nil || tally != c.tally || out.String() != want {
				t.Errorf("verify: %+v, %v\n got %.400s\nwant %.400s", tally, err, out.String(), want)
			}
		})
	}
}

func TestFaultsOfReadingAndWritingEndTheStream(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	var out bytes.Buffer
	tally, err := open(t, schemes.WowzaHdnts, false).Tokens(io.MultiReader(strings.NewReader(goodLine+"\n"+goodLine), iotest.ErrReader(broken)), &out)
	if !errors.Is(err, broken) || tally.Lines != 1 || out.String() != goodAnswer {
		t.Errorf("reading: %+v, %v, %s", tally, err, out.String())
	}
	full, w := io.Pipe()
	if err := full.CloseWithError(broken); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, schemes.WowzaHdnts, false).Tokens(strings.NewReader(goodLine), w); !errors.Is(err, broken) {
		t.Errorf("writing: %v", err)
	}
}

// TestEachAnswerComesBeforeTheNextLineIsSent holds a conversation over the stream.
func TestEachAnswerComesBeforeTheNextLineIsSent(t *testing.T) {
	t.Parallel()
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	done := make(chan error, 1)
	door := open(t, schemes.WowzaHdnts, false)
	go func() {
		_, err := door.Tokens(inRead, outWrite)
		done <- errors.Join(err, outWrite.Close())
	}()
	replies := bufio.NewReader(outRead)
	for range 3 {
		if _, err := io.WriteString(inWrite, goodLine+"\n"); err != nil {
			t.Fatal(err)
		}
		if reply, err := replies.ReadString('\n'); err != nil || reply != goodAnswer {
			t.Fatalf("%q, %v", reply, err)
		}
	}
	if err := inWrite.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// source writes numbered lines without end.
type source struct {
	left, next int
	rest       []byte
}

func (s *source) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.left == 0 {
			return 0, io.EOF
		}
		s.left--
		s.rest = fmt.Appendf(nil, "%s\n", strings.Replace(goodLine, `"good"`, strconv.Itoa(s.next), 1))
		s.next++
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// sink checks that answers come in order and close behind their lines.
type sink struct {
	from    *source
	answers int
	peak    uint64
	fault   string
}

func (s *sink) Write(p []byte) (int, error) {
	want := strings.Replace(goodAnswer, `"good"`, strconv.Itoa(s.answers), 1)
	if string(p) != want && s.fault == "" {
		s.fault = fmt.Sprintf("answer %d is %s", s.answers, p)
	}
	s.answers++
	if ahead := s.from.next - s.answers; ahead > (64<<10)/len(goodLine)+1 && s.fault == "" {
		s.fault = fmt.Sprintf("%d lines were read ahead", ahead)
	}
	if s.answers%25_000 == 0 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		s.peak = max(s.peak, m.HeapAlloc)
	}
	return len(p), nil
}

// TestAHundredThousandLinesFlow measures the heap, so nothing runs beside it.
func TestAHundredThousandLinesFlow(t *testing.T) {
	const lines = 100_000
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	in := &source{left: lines}
	out := &sink{from: in}
	tally, err := open(t, schemes.WowzaHdnts, false).Tokens(in, out)
	if err != nil || tally.Lines != lines || out.answers != lines || out.fault != "" {
		t.Fatalf("%+v, %v: %s", tally, err, out.fault)
	}
	if grown := int64(out.peak) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func BenchmarkTokens(b *testing.B) {
	door := open(b, schemes.WowzaHdnts, false)
	in := &source{left: b.N}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := door.Tokens(in, io.Discard); err != nil {
		b.Fatal(err)
	}
}
