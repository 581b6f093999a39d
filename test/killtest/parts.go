package killtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// part is one of the two processes, in its present life.
type part struct {
	name string

	mu      sync.Mutex
	running *process      // nil while it is down
	watched chan struct{} // closed when nobody watches running any more
}

// start gives a part a new life.
func (w *World) start(ctx context.Context, p *part, line func(string), args ...string) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return nil, fmt.Errorf("%s runs already", p.name)
	}
	started, err := launch(ctx, w.o.Binary, append(args, "--config", w.config), w.environ, func(text string) {
		w.o.Log(p.name, text)
		line(text)
	})
	if err != nil {
		return nil, err
	}
	p.running, p.watched = started, make(chan struct{})
	go w.watch(p, started, p.watched)
	return started, nil
}

// watch notices a process that ends although nobody ended it.
func (w *World) watch(p *part, started *process, done chan<- struct{}) {
	defer close(done)
	<-started.ended
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == started {
		p.running = nil
		w.accident("%s ended by itself: %v", p.name, started.err)
	}
}

// take makes a part be down, and returns what ran.
func (p *part) take() (running *process, watched <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	running, watched = p.running, p.watched
	p.running = nil
	return running, watched
}

// Victim names whom a kill hits.
type Victim int

// The victims of a kill.
const (
	OfSync Victim = iota + 1
	OfServe
	OfBoth
)

// String implements fmt.Stringer.
func (v Victim) String() string {
	switch v {
	case OfSync:
		return "sync"
	case OfServe:
		return "serve"
	default:
		return "serve and sync"
	}
}

// Kill ends processes with SIGKILL and has them start again after a pause. It returns when they are dead, and
// reports how many it killed: one that is down is not killed again.
func (w *World) Kill(ctx context.Context, v Victim, pause time.Duration) int {
	type life struct {
		part  *part
		start func(context.Context) error
	}
	var lives []life
	if v != OfServe {
		lives = append(lives, life{&w.sync, w.StartSync})
	}
	if v != OfSync {
		lives = append(lives, life{&w.serve, w.StartServe})
	}
	killed := 0
	for _, l := range lives {
		running, watched := l.part.take()
		if running == nil {
			continue
		}
		running.kill()
		<-watched
		killed++
		w.o.Log("world", "killed "+l.part.name)
		w.restarting.Go(func() {
			if sleep(ctx, pause) != nil {
				return
			}
			if err := l.start(ctx); err != nil && !errors.Is(err, errKilled) { // whoever killed it starts it again
				w.accident("%s does not start again: %v", l.part.name, err)
			}
		})
	}
	return killed
}

// AwaitRestarts waits until everything that was killed runs again.
func (w *World) AwaitRestarts() { w.restarting.Wait() }

// StopProcesses asks both processes to end, and waits for them.
func (w *World) StopProcesses() error {
	var errs []error
	for _, p := range []*part{&w.sync, &w.serve} {
		running, watched := p.take()
		if running == nil {
			continue
		}
		if err := running.stop(patience); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.name, err))
		}
		<-watched
	}
	return errors.Join(errs...)
}

// sleep waits for d, or errs because ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
