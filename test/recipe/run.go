//go:build unix

package recipe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Options say how a document is run. Dir and Env are required.
type Options struct {
	// Dir is the folder that the commands run in.
	Dir string
	// Env is their environment.
	Env []string
	// Timeout bounds each command; 0 means two minutes.
	Timeout time.Duration
	// Instead returns what is run in the place of a command, "" for nothing. Nil means that each is run as it
	// stands.
	Instead func(command string) string
	// Ready waits until the services that a command has put into the background answer. Nil means not to wait.
	Ready func(ctx context.Context) error
	// Unshown lets commands print something of which the document shows nothing.
	Unshown bool
	// Update writes what was printed into the document wherever it shows something else.
	Update bool
}

// Fault is a place where a document is wrong.
type Fault struct {
	File    string
	Line    int
	Command string
	// Text says what is wrong.
	Text string
}

// String returns what a person has to know to find it.
func (f Fault) String() string {
	return fmt.Sprintf("%s:%d: $ %s\n%s", f.File, f.Line, f.Command, f.Text)
}

const defaultTimeout = 2 * time.Minute

// Run runs the commands of a document and returns its faults. A command that fails is the last that is run. The
// error is of the running itself.
func Run(ctx context.Context, d *Document, o Options) (faults []Fault, err error) {
	scratch, err := os.MkdirTemp("", "recipe-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	s, err := openShell(o.Dir, scratch, o.Env)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	for i := range d.Steps {
		step := d.Steps[i]
		fault := func(text string) {
			faults = append(faults, Fault{File: d.Name, Line: step.Line, Command: step.Command, Text: text})
		}
		command := step.Command
		if o.Instead != nil {
			command = o.Instead(command)
		}
		if command == "" {
			continue
		}
		printed, code, err := s.step(ctx, command, o)
		if err != nil {
			fault(fmt.Sprintf("%v; it printed:\n%s", err, printed))
			return faults, nil
		}
		unshown := o.Unshown && step.Shown == ""
		switch {
		case unshown, Matches(step.Shown, printed):
		case o.Update:
			d.show(i, printed)
		default:
			fault("it prints something else (-shown +printed):\n" + diff(step.Shown, printed))
		}
		if code != 0 && !asksForCode(d.Steps, i+1) {
			fault(fmt.Sprintf("exit %d; it printed:\n%s", code, printed))
			return faults, nil
		}
	}
	return faults, nil
}

// step runs one command, and waits for what it starts.
func (s *shell) step(ctx context.Context, command string, o Options) (printed string, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	printed, code, err = s.run(ctx, command)
	if err == nil && o.Ready != nil && strings.HasSuffix(command, "&") {
		err = o.Ready(ctx)
	}
	return printed, code, err
}

// asksForCode reports whether a step shows the exit code of the one before.
func asksForCode(steps []Step, i int) bool {
	return i < len(steps) && strings.TrimSpace(steps[i].Command) == "echo $?"
}
