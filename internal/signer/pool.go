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

// Pool runs costly work of one kind on a fixed number of workers behind a bounded queue, so that it
// never crowds out HMAC work. A job that cannot be served in time is refused at once instead of being
// queued. Signatures and checks have a pool each: they differ in cost by two orders of magnitude, and
// who floods one must not close the other.
type Pool struct {
	work    work
	jobs    chan *job
	workers int
	maxWait time.Duration
	waiting atomic.Int64 // jobs queued or running
	cost    atomic.Int64 // moving average of a job, in nanoseconds
	refused atomic.Uint64
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

// work is what all jobs of a pool are.
type work struct {
	// cost is the guess for a job before the first has been measured.
	cost time.Duration
	// queue names the line, and relief says how to make it shorter.
	queue, relief string
}

// signatures are RSA-4096 signatures of crypto/rsa.
func signatures() work {
	return work{
		cost: 8 * time.Millisecond, queue: "signing queue",
		relief: "give the playback an expiry_granularity so that viewers share tokens, or add replicas",
	}
}

// checks are verifications of such signatures.
func checks() work {
	return work{cost: 200 * time.Microsecond, queue: "queue of checks", relief: "verify at the edge, or add replicas"}
}

// NewPool starts workers for signatures. queue bounds the jobs that wait; maxWait bounds the wait of a
// caller without a deadline. Close ends them.
func NewPool(workers, queue int, maxWait time.Duration) *Pool {
	return newPool(signatures(), workers, queue, maxWait)
}

func newPool(w work, workers, queue int, maxWait time.Duration) *Pool {
	p := &Pool{work: w, jobs: make(chan *job, queue), workers: workers, maxWait: maxWait}
	p.cost.Store(int64(w.cost))
	for range workers {
		p.done.Go(p.run)
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

// Queued returns how many signatures, and checks of signatures, run or wait.
func (s *Signer) Queued() (signatures, checks int) {
	return int(s.pool.waiting.Load()), int(s.checks.waiting.Load())
}

// estimate is how long a job that comes now would take to finish.
func (p *Pool) estimate() time.Duration {
	ahead := p.waiting.Load() + 1
	return time.Duration(p.cost.Load() * ahead / int64(p.workers))
}

func (p *Pool) overloaded(wait time.Duration) *Error {
	p.refused.Add(1)
	return refuse(tokens.Overloaded, max(wait, 100*time.Millisecond),
		"the %s would take %s; retry later, %s", p.work.queue, wait.Round(time.Millisecond), p.work.relief)
}

func (p *Pool) run() {
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
			err = fmt.Errorf("panic (%T) in a pool\n%s", r, debug.Stack())
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
