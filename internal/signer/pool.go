package signer

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Pool runs costly signatures on a fixed number of workers behind a bounded queue, so that they never
// crowd out HMAC work. A job that cannot be served in time is refused at once instead of being queued.
type Pool struct {
	jobs    chan *job
	workers int
	maxWait time.Duration
	waiting atomic.Int64 // jobs queued or running
	cost    atomic.Int64 // moving average of a job, in nanoseconds
	done    sync.WaitGroup

	mu     sync.RWMutex // held for writing only to close
	closed bool
}

type job struct {
	ctx      context.Context //nolint:containedctx // a queued job belongs to its request
	run      func()
	finished chan struct{}
	ran      bool
	err      error // a panic of run
}

// initialCost is the guess for a job before the first has been measured: one RSA-4096 signature of
// crypto/rsa.
const initialCost = 8 * time.Millisecond

// NewPool starts workers. queue bounds the jobs that wait; maxWait bounds the wait of a caller without
// a deadline. Close ends them.
func NewPool(workers, queue int, maxWait time.Duration) *Pool {
	p := &Pool{jobs: make(chan *job, queue), workers: workers, maxWait: maxWait}
	p.cost.Store(int64(initialCost))
	for range workers {
		p.done.Go(p.work)
	}
	return p
}

// Close waits for the jobs that were accepted. Later jobs are refused.
func (p *Pool) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.jobs)
	}
	p.mu.Unlock()
	p.done.Wait()
}

// Do runs fn on a worker and waits for it. It refuses with reason OVERLOADED when the queue is full or
// too long for the deadline of ctx, and returns ctx.Err() when ctx ends first; fn is then not run,
// unless a worker has begun it.
func (p *Pool) Do(ctx context.Context, fn func()) error {
	j := &job{ctx: ctx, run: fn, finished: make(chan struct{})}
	if err := p.submit(j, remaining(ctx)); err != nil {
		return err
	}
	select {
	case <-j.finished:
		if !j.ran {
			return ctx.Err()
		}
		return j.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// submit queues j, or refuses it when it could not be finished within the time allowed (0: no limit
// but the pool's own).
func (p *Pool) submit(j *job, allowed time.Duration) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return refuse(tokens.Unavailable, time.Second, "the service is shutting down")
	}
	if allowed == 0 || allowed > p.maxWait {
		allowed = p.maxWait
	}
	if wait := p.estimate(); wait > allowed {
		return p.overloaded(wait)
	}
	p.waiting.Add(1)
	select {
	case p.jobs <- j:
		return nil
	default:
		p.waiting.Add(-1)
		return p.overloaded(p.estimate())
	}
}

// estimate is how long a job that comes now would take to finish.
func (p *Pool) estimate() time.Duration {
	ahead := p.waiting.Load() + 1
	return time.Duration(p.cost.Load() * ahead / int64(p.workers))
}

func (p *Pool) overloaded(wait time.Duration) *Error {
	return refuse(tokens.Overloaded, max(wait, 100*time.Millisecond),
		"the signing queue would take %s; retry later, give the playback an expiry_granularity so that viewers share tokens, or add replicas", wait.Round(time.Millisecond))
}

func (p *Pool) work() {
	deprioritise()
	for j := range p.jobs {
		if j.ctx.Err() == nil {
			began := time.Now() //nolint:forbidigo // measures work, decides nothing about tokens
			j.err = contain(j.run)
			j.ran = true
			p.measured(time.Since(began)) //nolint:forbidigo // as above
		}
		p.waiting.Add(-1)
		close(j.finished)
	}
}

// contain runs fn and turns a panic into an error with its stack, so that one request cannot end the
// process from a worker. What was panicked with may hold anything and is left out.
func contain(fn func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic (%T) while signing\n%s", r, debug.Stack())
		}
	}()
	fn()
	return nil
}

// measured folds a job's cost into the average; a lost update between workers does no harm.
func (p *Pool) measured(d time.Duration) {
	old := p.cost.Load()
	p.cost.Store(old + (int64(d)-old)/8)
}
