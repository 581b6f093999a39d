package rotate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// heldPause is the wait for another process's lease. Most are short: the hint that an operation was opened may
// come before the lease under which it was opened is given back.
const heldPause = 250 * time.Millisecond

// Loop works on all targets until ctx ends, and returns when nothing is under way any more. It looks at
// every hint of the store, at every moment a plan names, and at least every Poll. A target that fails or
// takes long does not stop the others.
func (e *Executor) Loop(ctx context.Context) error {
	l := &loop{Executor: e, working: map[string]bool{}, done: make(chan string)}
	defer l.wait.Wait()
	hints := e.store.Watch(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			l.drain()
			return nil
		case _, open := <-hints:
			if !open {
				hints = nil
				continue
			}
		case id := <-l.done:
			delete(l.working, id)
		case <-timer.C:
		}
		timer.Reset(l.round(ctx))
	}
}

// loop is the state of one Loop.
type loop struct {
	*Executor
	working map[string]bool // only Loop's goroutine touches it
	done    chan string
	wait    sync.WaitGroup
	pruneAt time.Time
}

// round begins work on the targets that have something to do, and returns when to look again.
func (l *loop) round(ctx context.Context) time.Duration {
	poll := l.timing.Poll + time.Duration(l.jitter()*float64(l.timing.Poll)/4)
	records, err := l.store.List(ctx, keystore.Page{})
	if err != nil {
		if ctx.Err() == nil {
			l.log.Warn("targets not read; rotation waits", "error", err)
		}
		return poll
	}
	l.forget(records)
	if now := l.clock(); !now.Before(l.pruneAt) {
		l.pruneAt = now.Add(pruneEvery)
		l.prune(ctx)
	}
	next, cuts := l.clock().Add(poll), cutsOf(records)
	for i := range records {
		id := records[i].Target.ID
		if l.working[id] {
			continue
		}
		l.noteCuts(id, cuts[records[i].Target.Account])
		d, err := l.Plan(records[i])
		switch {
		case err != nil:
			l.log.Warn("target cannot be planned", "target", id, "error", err)
		case d.Action == Wait:
			next = earlier(next, d.At)
		case len(l.working) < l.parallel:
			l.working[id] = true
			l.wait.Go(func() { l.work(ctx, id) })
		}
	}
	return max(next.Sub(l.clock()), time.Millisecond)
}

// work does the steps of one target that are due.
func (l *loop) work(ctx context.Context, id string) {
	for ctx.Err() == nil {
		result, err := l.Step(ctx, id)
		switch {
		case err != nil:
			l.rest(id, l.clock().Add(l.timing.RetryBase), "the last step failed")
		case result.Held:
			l.rest(id, result.Decision.At, "another process is at work on the target")
		}
		if err != nil || !result.Done {
			break
		}
	}
	l.done <- id
}

// rest keeps a target from being looked at again at once.
func (l *loop) rest(id string, until time.Time, why string) {
	m := l.memory(id)
	m.Lock()
	defer m.Unlock()
	m.rest, m.restWhy = until, why
}

// drain waits for work that is under way; a step ends by its own deadlines.
func (l *loop) drain() {
	for len(l.working) > 0 {
		delete(l.working, <-l.done)
	}
}

// Options say how long Once may stay.
type Options struct {
	// MaxWait is how far ahead a cut may lie that the run schedules or waits for.
	MaxWait time.Duration
}

// Report is what one run came to for one target.
type Report struct {
	Target string
	// Steps are the actions that were carried out.
	Steps []Action
	// Last is what the target waits for.
	Last Decision
	// Waits means that an operation is open, or due and not begun.
	Waits bool
	// Err is the failure that ended the run.
	Err error
}

// Once does what is due and returns, for cron: one report for each target, in order of id. It stays with a
// cut that it schedules, or finds due within MaxWait, until signing is open again; it schedules no cut
// that lies further ahead, and says so. Its error is that of reading the targets, or of ctx.
func (e *Executor) Once(ctx context.Context, o Options) ([]Report, error) {
	records, err := e.store.List(ctx, keystore.Page{})
	if err != nil {
		return nil, fmt.Errorf("read targets: %w", err)
	}
	reports := make([]Report, len(records))
	until := e.clock().Add(o.MaxWait)
	var wait sync.WaitGroup
	for i := range records {
		// All at once: one that waits for its cut must not hold up the others.
		wait.Go(func() { reports[i] = e.once(ctx, records[i].Target.ID, until) })
	}
	wait.Wait()
	e.prune(ctx)
	return reports, ctx.Err()
}

func (e *Executor) once(ctx context.Context, target string, until time.Time) Report {
	report := Report{Target: target}
	for {
		result, err := e.step(ctx, target, until)
		report.Last, report.Err = result.Decision, err
		if result.Done {
			report.Steps = append(report.Steps, result.Decision.Action)
			continue
		}
		op := result.Record.Operation
		report.Waits = op != nil || result.Held || !result.Decision.CutAt.IsZero()
		if ctx.Err() != nil || !staysFor(op, until) && !result.Held {
			return report
		}
		if result.Held && !e.clock().Before(until) {
			report.Err = fmt.Errorf("%w: another process is at work on target %s", keystore.ErrConflict, target)
			return report
		}
		at := result.Decision.At
		if err != nil || at.IsZero() {
			at = e.clock().Add(e.timing.RetryBase)
		}
		if err := sleep(ctx, at.Sub(e.clock())); err != nil {
			return report
		}
	}
}

// staysFor reports whether a run has to stay with an operation: viewers wait for its cut.
func staysFor(op *keystore.Operation, until time.Time) bool {
	if op == nil || !op.Mode.Cuts() {
		return false
	}
	return op.Step != keystore.Scheduled || !op.CutAt.IsZero() && !op.CutAt.After(until)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, time.Millisecond))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Failed joins the failures of reports.
func Failed(reports []Report) error {
	var failures []error
	for i := range reports {
		if err := reports[i].Err; err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}
