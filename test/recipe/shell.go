//go:build unix

package recipe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// endGrace is how long what runs in the background may take to end when it is told to.
const endGrace = 20 * time.Second

// shell is one bash that commands are typed into.
type shell struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *output
	script string // the file that holds what is typed
	last   int    // exit code of the command before
	exited chan struct{}
}

// output collects what a shell and its children print.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	grew chan struct{}
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.grew <- struct{}{}:
	default:
	}
	return o.buf.Write(p)
}

// cut returns what stands before mark, and the rest of its line, and forgets all that.
func (o *output) cut(mark string) (before, line string, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before, rest, found := strings.Cut(o.buf.String(), mark)
	line, rest, complete := strings.Cut(rest, "\n")
	if !found || !complete {
		return "", "", false
	}
	o.buf.Reset()
	o.buf.WriteString(rest)
	return before, line, true
}

// take returns all that was printed and forgets it.
func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.buf.Reset()
	return o.buf.String()
}

// openShell starts a bash in a folder, in a process group of its own. Close must follow.
func openShell(dir, scratch string, env []string) (*shell, error) {
	s := &shell{out: &output{grew: make(chan struct{}, 1)}, script: filepath.Join(scratch, "typed"), exited: make(chan struct{})}
	// It ends by Close, which waits for its children too.
	s.cmd = exec.CommandContext(context.Background(), "bash", "--noprofile", "--norc", "-o", "pipefail")
	s.cmd.Dir, s.cmd.Env = dir, env
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.WaitDelay = time.Second // a child may hold its output open
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // it is ended by a signal, or by exit in a document
		close(s.exited)
	}()
	return s, nil
}

// run types a command and returns what it prints until it ends, and its exit code.
func (s *shell) run(ctx context.Context, command string) (printed string, code int, err error) {
	if err := os.WriteFile(s.script, []byte(command+"\n"), 0o600); err != nil {
		return "", 0, err
	}
	mark := "<" + rand.Text() + ">"
	typed := fmt.Sprintf("(exit %d)\n. %s </dev/null\nprintf '%%s%%d\\n' '%s' \"$?\"\n", s.last, s.script, mark)
	if _, err := io.WriteString(s.in, typed); err != nil {
		return s.out.take(), 0, fmt.Errorf("the shell has ended: %w", err)
	}
	for {
		if printed, line, found := s.out.cut(mark); found {
			s.last, err = strconv.Atoi(line)
			return printed, s.last, err
		}
		select {
		case <-s.out.grew:
		case <-s.exited:
			return s.out.take(), 0, errors.New("the command ended the shell")
		case <-ctx.Done():
			// What does not end cannot be left behind, nor be typed over.
			err := errors.Join(fmt.Errorf("it did not end in time: %w", ctx.Err()), s.kill(syscall.SIGTERM))
			return s.out.take(), 0, err
		}
	}
}

// close ends what runs in the background, then the shell, and whatever is left by force.
func (s *shell) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), endGrace)
	defer cancel()
	var err error
	select {
	case <-s.exited: // by a command of the document
	default:
		if _, _, failed := s.run(ctx, "jobs -p | xargs -r kill 2>/dev/null; wait"); failed != nil {
			err = fmt.Errorf("what the document left running did not end: %w", failed)
		}
	}
	return errors.Join(err, s.kill(syscall.SIGKILL))
}

// kill sends a signal to the shell and all that it has started, if there is any of it, and waits for the shell.
func (s *shell) kill(signal syscall.Signal) error {
	err := syscall.Kill(-s.cmd.Process.Pid, signal)
	<-s.exited
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
