package killtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// errKilled: a process was killed before it had started.
var errKilled = errors.New("killed at its start")

// process is a running tokensvc.
type process struct {
	cmd    *exec.Cmd
	killed atomic.Bool
	ended  chan struct{} // closed when it has ended and all that it printed was seen
	err    error         // how; to be read after ended
}

// launch starts the binary. Everything it prints goes to line, in whole lines, also after a kill.
func launch(ctx context.Context, binary string, args, environ []string, line func(string)) (*process, error) {
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), binary, args...) //nolint:gosec // whoever runs the test names the binary
	p.cmd.Env = append(plainEnvironment(), environ...)
	out := &lines{each: line}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// kill ends the process as a crash would, and waits for it.
func (p *process) kill() {
	p.killed.Store(true)
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
}

// stop asks the process to end, and waits for it.
func (p *process) stop(patience time.Duration) error {
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended by itself
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.ended:
		return p.err
	case <-timer.C:
		p.kill()
		return fmt.Errorf("it did not end within %s of being asked to", patience)
	}
}

// plainEnvironment is the environment without settings of tokensvc.
func plainEnvironment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TOKENSVC") {
			env = append(env, v)
		}
	}
	return env
}

// lines is a writer that hands whole lines on.
type lines struct {
	each func(string)

	mu   sync.Mutex
	rest []byte
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(b), nil
		}
		l.each(string(line))
		l.rest = rest
	}
}
