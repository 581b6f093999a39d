package recipe

import (
	"slices"
	"strings"
)

// Step is one command of a document.
type Step struct {
	// Line is where the command begins, from 1.
	Line    int
	Command string
	// Shown is what the document says that it prints.
	Shown string

	from, to int // the lines of Shown, from 0
}

// Document is a text with console blocks.
type Document struct {
	// Name is how faults call it: its path.
	Name  string
	Steps []Step

	lines []string
}

const (
	fence  = "```"
	prompt = "$ "
	more   = ">"
)

// Parse reads the steps of a document.
func Parse(name, text string) *Document {
	d := &Document{Name: name, lines: strings.Split(text, "\n")}
	inside, typing := false, false
	for i, line := range d.lines {
		switch {
		case strings.HasPrefix(line, fence):
			inside, typing = line == fence+"console", false
		case !inside:
		case strings.HasPrefix(line, prompt):
			d.Steps = append(d.Steps, Step{Line: i + 1, Command: line[len(prompt):], from: i + 1, to: i + 1})
			typing = true
		case len(d.Steps) == 0: // printed by nothing
		default:
			step := &d.Steps[len(d.Steps)-1]
			rest, goesOn := strings.CutPrefix(line, more)
			if typing = typing && goesOn; typing {
				step.Command += "\n" + strings.TrimPrefix(rest, " ")
				step.from = i + 1
			} else {
				step.Shown += line + "\n"
			}
			step.to = i + 1
		}
	}
	return d
}

// show writes what a step printed into the document.
func (d *Document) show(step int, printed string) {
	s := &d.Steps[step]
	var lines []string
	if printed = strings.Trim(printed, "\n"); printed != "" {
		lines = strings.Split(printed, "\n")
	}
	grown := len(lines) - (s.to - s.from)
	d.lines = slices.Replace(d.lines, s.from, s.to, lines...)
	s.to += grown
	s.Shown = printed
	for i := step + 1; i < len(d.Steps); i++ {
		later := &d.Steps[i]
		later.Line, later.from, later.to = later.Line+grown, later.from+grown, later.to+grown
	}
}

// Text returns the document with what Run has rewritten.
func (d *Document) Text() string { return strings.Join(d.lines, "\n") }
