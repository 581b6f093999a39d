package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/tokens"
)

// maxGrantLine bounds a line of an import, in bytes.
const maxGrantLine = 64 << 10

// grantRow is a line of an import: a column of CSV or a member of JSON for each field.
type grantRow struct {
	Viewer         string   `json:"viewer"`
	Playback       string   `json:"playback"`
	Product        string   `json:"product"`
	Start          string   `json:"start"`
	End            string   `json:"end"`
	MaxPlays       int32    `json:"max_plays"`
	MaxSessions    int32    `json:"max_sessions"`
	MaxDevices     int32    `json:"max_devices"`
	Countries      []string `json:"countries"`
	Networks       []string `json:"networks"`
	Order          string   `json:"order"`
	IdempotencyKey string   `json:"idempotency_key"`
}

// grantColumns are the columns that CSV may have, in any order.
func grantColumns() []string {
	return []string{
		"viewer", "playback", "product", "start", "end", "max_plays", "max_sessions", "max_devices", "countries", "networks", "order", "idempotency_key",
	}
}

// set reads a cell. Lists are separated by spaces or semicolons.
func (r *grantRow) set(column, cell string) error {
	number := func(to *int32) error {
		if cell == "" {
			return nil
		}
		n, err := strconv.ParseInt(cell, 10, 32)
		if errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("%s: %q is too large", column, tokens.Clip(cell))
		}
		if err != nil {
			return fmt.Errorf("%s: %q is not a whole number", column, tokens.Clip(cell))
		}
		*to = int32(n)
		return nil
	}
	list := func() []string { return strings.FieldsFunc(cell, func(c rune) bool { return c == ' ' || c == ';' }) }
	switch column {
	case "viewer":
		r.Viewer = cell
	case "playback":
		r.Playback = cell
	case "product":
		r.Product = cell
	case "start":
		r.Start = cell
	case "end":
		r.End = cell
	case "max_plays":
		return number(&r.MaxPlays)
	case "max_sessions":
		return number(&r.MaxSessions)
	case "max_devices":
		return number(&r.MaxDevices)
	case "countries":
		r.Countries = list()
	case "networks":
		r.Networks = list()
	case "order":
		r.Order = cell
	case "idempotency_key":
		r.IdempotencyKey = cell
	}
	return nil
}

// request turns a row into a call.
func (r *grantRow) request() (*tokensvcv1.CreateGrantRequest, error) {
	g := &tokensvcv1.Grant{Viewer: r.Viewer, OrderId: r.Order}
	switch {
	case r.Playback != "" && r.Product != "":
		return nil, errors.New("playback and product are both there; a grant has one of them")
	case r.Playback != "":
		g.Subject = &tokensvcv1.Grant_PlaybackId{PlaybackId: r.Playback}
	case r.Product != "":
		g.Subject = &tokensvcv1.Grant_ProductId{ProductId: r.Product}
	default:
		return nil, errors.New("one of playback and product is required")
	}
	var err error
	if g.StartTime, err = timeFlag("start:", r.Start); err != nil {
		return nil, err
	}
	if g.EndTime, err = timeFlag("end:", r.End); err != nil {
		return nil, err
	}
	if r.MaxPlays != 0 || r.MaxSessions != 0 || r.MaxDevices != 0 || len(r.Countries) > 0 || len(r.Networks) > 0 {
		g.Limits = &tokensvcv1.GrantLimits{MaxPlays: r.MaxPlays, MaxSessions: r.MaxSessions, MaxDevices: r.MaxDevices, Countries: r.Countries, Networks: r.Networks}
	}
	key := r.IdempotencyKey
	if key == "" {
		key = r.key()
	}
	return &tokensvcv1.CreateGrantRequest{Grant: g, IdempotencyKey: key}, nil
}

// key names a row by what stands in it, so that it is imported once however often it comes. The order stands
// in front: keys near each other are stored near each other.
func (r *grantRow) key() string {
	text, err := json.Marshal(r)
	if err != nil {
		return "" // strings and numbers always have a JSON form
	}
	sum := sha256.Sum256(text)
	key := hex.EncodeToString(sum[:16])
	if r.Order != "" && len(r.Order) <= 64 {
		return r.Order + "/" + key
	}
	return key
}

// grantLine is one line of the input: a call to make, or why there is none.
type grantLine struct {
	number  int
	text    string
	request *tokensvcv1.CreateGrantRequest
	fault   error
}

// grantLines reads lines. One that is broken says nothing of the next.
type grantLines struct {
	in      *bufio.Reader
	parse   func(text string) (*grantRow, error)
	number  int
	read    int64 // bytes
	started bool
	csv     bool
}

func newGrantLines(r io.Reader, csv bool) *grantLines {
	l := &grantLines{in: bufio.NewReaderSize(r, maxGrantLine), csv: csv, parse: parseGrantJSON}
	return l
}

// next returns the next line that is not empty; io.EOF behind the last. Other errors end the input.
func (l *grantLines) next() (grantLine, error) {
	if l.csv && !l.started {
		if err := l.header(); err != nil {
			return grantLine{}, err
		}
	}
	l.started = true
	for {
		text, err := l.line()
		line := grantLine{number: l.number, text: text}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			line.fault = fmt.Errorf("longer than %d bytes", maxGrantLine)
			return line, nil
		case err != nil:
			return line, err
		case strings.TrimSpace(text) == "":
			continue
		}
		row, err := l.parse(text)
		if err == nil {
			line.request, err = row.request()
		}
		line.fault = err
		return line, nil
	}
}

// line reads a line without its end. Of one that is too long, the front comes with bufio.ErrBufferFull.
func (l *grantLines) line() (string, error) {
	raw, err := l.in.ReadSlice('\n')
	l.read += int64(len(raw))
	if errors.Is(err, io.EOF) && len(raw) > 0 {
		err = nil
	}
	if err == nil || errors.Is(err, bufio.ErrBufferFull) {
		l.number++
	}
	if l.number == 1 {
		raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	}
	text := strings.TrimRight(string(raw), "\r\n")
	for rest := err; errors.Is(rest, bufio.ErrBufferFull); {
		raw, rest = l.in.ReadSlice('\n')
		l.read += int64(len(raw))
	}
	return text, err
}

// header reads the names of the columns.
func (l *grantLines) header() error {
	text, err := l.line()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty; CSV begins with a line of column names")
	}
	if err != nil {
		return err
	}
	columns, err := splitCSV(text)
	if err != nil {
		return fmt.Errorf("line 1: %w", err)
	}
	for i, name := range columns {
		columns[i] = strings.TrimSpace(name)
		if !slices.Contains(grantColumns(), columns[i]) {
			return fmt.Errorf("line 1: there is no column %q; the first line names columns, separated by commas: %s", tokens.Clip(name), strings.Join(grantColumns(), ", "))
		}
		if slices.Contains(columns[:i], columns[i]) {
			return fmt.Errorf("line 1: column %q is there twice", columns[i])
		}
	}
	if !slices.Contains(columns, "viewer") || !slices.Contains(columns, "playback") && !slices.Contains(columns, "product") {
		return errors.New("line 1: want a column viewer, and playback or product")
	}
	l.parse = func(text string) (*grantRow, error) { return parseGrantCSV(columns, text) }
	return nil
}

func parseGrantCSV(columns []string, text string) (*grantRow, error) {
	cells, err := splitCSV(text)
	if err != nil {
		return nil, err
	}
	if len(cells) != len(columns) {
		return nil, fmt.Errorf("has %d columns, and the first line %d", len(cells), len(columns))
	}
	row := &grantRow{}
	for i, cell := range cells {
		if err := row.set(columns[i], cell); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// splitCSV splits one line as RFC 4180 has it. A quoted cell ends on its line: no value of a grant may hold a
// line break, and a quote too many is not to swallow the lines behind it.
func splitCSV(line string) ([]string, error) {
	if !strings.Contains(line, `"`) {
		return strings.Split(line, ","), nil
	}
	var cells []string
	for {
		if !strings.HasPrefix(line, `"`) {
			cell, rest, more := strings.Cut(line, ",")
			if strings.Contains(cell, `"`) {
				return nil, fmt.Errorf("column %d has a quote in a cell that is not quoted", len(cells)+1)
			}
			cells = append(cells, cell)
			if !more {
				return cells, nil
			}
			line = rest
			continue
		}
		cell, rest, err := quotedCell(line[1:])
		if err != nil {
			return nil, fmt.Errorf("column %d: %w", len(cells)+1, err)
		}
		cells = append(cells, cell)
		if rest == "" {
			return cells, nil
		}
		line = rest[1:]
	}
}

// quotedCell reads a cell behind its first quote, and returns what follows: nothing, or a comma and more.
func quotedCell(text string) (cell, rest string, err error) {
	var b strings.Builder
	for {
		part, after, closed := strings.Cut(text, `"`)
		if !closed {
			return "", "", errors.New("a quoted cell does not end on its line")
		}
		b.WriteString(part)
		switch {
		case after == "" || after[0] == ',':
			return b.String(), after, nil
		case after[0] == '"':
			b.WriteByte('"')
			text = after[1:]
		default:
			return "", "", errors.New("something stands behind the closing quote")
		}
	}
}
