package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// How often an import shows how far it is.
const (
	redraw     = 100 * time.Millisecond // the bar on a terminal
	nextReport = 5 * time.Second        // the next line elsewhere
	barWidth   = 30
)

// importProgress shows how far an import is: a bar on a terminal, a line now and then elsewhere.
type importProgress struct {
	w     io.Writer
	size  int64 // of the input in bytes; 0 where nobody knows
	live  bool
	began time.Time
	last  time.Time
	drawn bool
}

// show is told of each part that is done.
func (p *importProgress) show(r *importReport, read int64, now time.Time) error {
	if p.began.IsZero() {
		p.began, p.last = now, now
	}
	every := nextReport
	if p.live {
		every = redraw
	}
	if now.Sub(p.last) < every {
		return nil
	}
	p.last = now
	text := fmt.Sprintf("%d lines, %d refused, %.0f lines/s", r.Lines, r.Refused, float64(r.Lines)/now.Sub(p.began).Seconds())
	if p.size > 0 {
		share := min(float64(read)/float64(p.size), 1)
		text = fmt.Sprintf("%3.0f %%  %s", 100*share, text)
		if p.live {
			full := int(share * barWidth)
			text = strings.Repeat("█", full) + strings.Repeat("░", barWidth-full) + " " + text
		}
	}
	var err error
	if p.live {
		p.drawn = true
		_, err = fmt.Fprintf(p.w, "\r\x1b[2K%s", text)
	} else {
		_, err = fmt.Fprintln(p.w, text)
	}
	return err
}

// clear takes the bar away, so that something else can be said.
func (p *importProgress) clear() error {
	if !p.drawn {
		return nil
	}
	p.drawn = false
	_, err := io.WriteString(p.w, "\r\x1b[2K")
	return err
}
