package offline

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tokensvc/tokensvc/tokens"
)

// MaxLine is the longest line that is read, in bytes, without its line end. Longer ones are answered
// with an error and passed over.
const MaxLine = 1 << 20

// Tally counts what a stream held, blank lines left out.
type Tally struct {
	Lines int
	// NotObjects counts the lines that were no JSON object, or too long to see.
	NotObjects int
}

// Tokens answers every line of in with a line of out, in order, each before the next is read. The
// error is one of reading or writing; refused lines are answers.
func (d *Door) Tokens(in io.Reader, out io.Writer) (Tally, error) {
	return answerLines(in, out, func(line []byte, fault error) (any, bool) {
		if fault != nil {
			return TokenAnswer{Err: fault}, false
		}
		answer := d.Token(line)
		return answer, answer.Object
	})
}

// Verifications is Tokens for verifying.
func (d *Door) Verifications(in io.Reader, out io.Writer) (Tally, error) {
	return answerLines(in, out, func(line []byte, fault error) (any, bool) {
		if fault != nil {
			return VerifyAnswer{Err: fault}, false
		}
		answer := d.Verify(line)
		return answer, answer.Object
	})
}

// answerLines writes one answer for each line. answer gets the line, or the fault of one that could
// not be read, and says whether it was an object.
func answerLines(in io.Reader, out io.Writer, answer func(line []byte, fault error) (reply any, isObject bool)) (Tally, error) {
	var tally Tally
	lines := lineReader{in: bufio.NewReaderSize(in, 64<<10)}
	for {
		line, tooLong, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return tally, nil
		case err != nil:
			return tally, fmt.Errorf("read line %d: %w", tally.Lines+1, err)
		}
		var fault error
		if tooLong {
			fault = tokens.ParamError(tokens.RequestTooLarge, "line", "longer than %d bytes", MaxLine)
		} else if len(bytes.Trim(line, " \t\r")) == 0 {
			continue
		}
		reply, isObject := answer(line, fault)
		tally.Lines++
		if !isObject {
			tally.NotObjects++
		}
		text, err := marshal(reply)
		if err != nil {
			return tally, fmt.Errorf("answer line %d: %w", tally.Lines, err)
		}
		if _, err := out.Write(append(text, '\n')); err != nil {
			return tally, fmt.Errorf("write the answer to line %d: %w", tally.Lines, err)
		}
	}
}

// lineReader reads lines of up to MaxLine bytes in bounded memory.
type lineReader struct {
	in   *bufio.Reader
	line []byte
}

// next returns a line without its line end, valid until the next call, or tells that it is too long.
// The last line needs no line end.
func (r *lineReader) next() (line []byte, tooLong bool, err error) {
	r.line = r.line[:0]
	for read := 0; ; {
		part, err := r.in.ReadSlice('\n')
		read += len(part)
		part = bytes.TrimSuffix(part, []byte{'\n'})
		if tooLong = tooLong || len(r.line)+len(part) > MaxLine; !tooLong {
			r.line = append(r.line, part...)
		}
		switch {
		case err == nil, errors.Is(err, io.EOF) && read > 0:
			return r.line, tooLong, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, err
		}
	}
}

// marshal writes JSON on one line with <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}
