package rotate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// Config is what an Executor works with. Store, Sealer, Providers, Clock and Log are required.
type Config struct {
	Store  keystore.Store
	Sealer keystore.Sealer
	// Providers returns the adapter for a target, with the account of its configuration.
	Providers func(keystore.Target) (provider.Provider, error)
	Clock     func() time.Time
	Timing    Timing
	Log       *slog.Logger
	// Prober asks an edge whether it accepts a URL; nil means to wait for P instead.
	Prober Prober
	// Jitter returns a number in [0, 1); nil means none.
	Jitter func() float64
	// Observe is told of every step; it must not block. Nil means nobody.
	Observe func(Event)
	// Crash is told of every point before and after a durable write and a change at a provider. Tests
	// end the process there. Nil means nobody.
	Crash func(point string)
	// Parallel is how many targets are worked on at once; 0 means 8.
	Parallel int
}

// Event is one step that was carried out, for metrics, audit and those who watch.
type Event struct {
	Target, Provider string
	Operation        string
	Step             keystore.Step // after the action
	Action           Action
	Why              string
	// Class is that of a failure, empty when the step went well. RequestID is what the provider calls the
	// failed call, where it told: its support asks for it.
	Class, RequestID string
	At               time.Time
}

// Executor carries plans out. It is safe for concurrent use; several processes may run one each.
type Executor struct {
	store     keystore.Store
	sealer    keystore.Sealer
	starter   Starter
	providers func(keystore.Target) (provider.Provider, error)
	clock     func() time.Time
	timing    Timing
	prober    Prober
	log       *slog.Logger
	jitter    func() float64
	observe   func(Event)
	crash     func(string)
	parallel  int
	holder    string
	tally     *tally

	mu    sync.Mutex
	facts map[string]*memory
}

// memory is what this process knows of one target. Its lock is held for the length of a step.
type memory struct {
	sync.Mutex
	Facts
	compared int       // the active key that Finding is about; 0 for none
	failures int       // in a row, outside of operations
	rest     time.Time // the loop looks at the target again then
	restWhy  string
}

// New returns an executor with a name of its own, so that no other takes its leases for theirs.
func New(c Config) *Executor {
	e := &Executor{
		store: c.Store, sealer: c.Sealer, starter: Starter{Sealer: c.Sealer, Timing: c.Timing}, providers: c.Providers, clock: c.Clock,
		timing: c.Timing, prober: c.Prober, log: c.Log, jitter: c.Jitter, observe: c.Observe, crash: c.Crash,
		parallel: c.Parallel, holder: "rotate-" + rand.Text(), tally: newTally(), facts: map[string]*memory{},
	}
	if e.jitter == nil {
		e.jitter = func() float64 { return 0 }
	}
	if e.observe == nil {
		e.observe = func(Event) {}
	}
	if e.crash == nil {
		e.crash = func(string) {}
	}
	if e.parallel <= 0 {
		e.parallel = 8
	}
	return e
}

// Result is what a step came to.
type Result struct {
	Target string
	// Decision is what was planned; its Action was carried out if Done.
	Decision Decision
	Done     bool
	// Held means that another process has the target's lease; look again at Decision.At.
	Held bool
	// Record is the target's record as the step left it.
	Record keystore.Record
}

// Plan says what is next for a record, by what this process knows. The comparison with the provider that is due
// every few minutes is left out: it would hide what people ask for.
func (e *Executor) Plan(r keystore.Record) (Decision, error) {
	m := e.memory(r.Target.ID)
	m.Lock()
	defer m.Unlock()
	_, d, err := e.plan(m, r)
	if err == nil && d.Action == Check {
		facts := m.Facts
		facts.Checked = e.clock()
		d = Plan(r, facts, e.timing, e.clock())
	}
	if err == nil && d.Action != Wait && e.clock().Before(m.rest) {
		d = Decision{Action: Wait, At: m.rest, Why: m.restWhy, Alarm: d.Alarm, Breaks: d.Breaks, Ends: d.Ends, EndsAt: d.EndsAt}
	}
	return d, err
}

func (e *Executor) plan(m *memory, r keystore.Record) (provider.Provider, Decision, error) {
	if r.Target.Account == "" {
		return nil, Plan(r, m.Facts, e.timing, e.clock()), nil
	}
	p, err := e.providers(r.Target)
	if err != nil {
		return nil, Decision{}, fmt.Errorf("provider of target %s: %w", r.Target.ID, err)
	}
	m.Traits, m.Abilities = p.Traits(), AbilitiesOf(p)
	m.Abilities.Probe = e.prober != nil && r.Target.Policy.ProbeURL != ""
	m.doubt(&r)
	return p, Plan(r, m.Facts, e.timing, e.clock()), nil
}

// found remembers what comparing the provider with a record has shown.
func (m *memory) found(f Finding, r *keystore.Record, now time.Time) {
	m.Finding, m.Checked, m.compared = f, now, activeVersion(r)
}

// doubt forgets a finding about another key than the active one: a second process has activated a key since,
// and what the slot held before says nothing of what it holds now.
func (m *memory) doubt(r *keystore.Record) {
	canCheck := m.Abilities.Inspect || m.Abilities.Mint
	if canCheck && m.compared != activeVersion(r) {
		m.found(Agrees, r, time.Time{})
	}
}

func activeVersion(r *keystore.Record) int {
	if active := r.Active(); active != nil {
		return active.Version
	}
	return 0
}

func (e *Executor) memory(target string) *memory {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.facts[target]
	if m == nil {
		m = &memory{}
		e.facts[target] = m
	}
	return m
}

// forget drops what is known of targets that are gone.
func (e *Executor) forget(records []keystore.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.facts, func(id string, _ *memory) bool {
		return !slices.ContainsFunc(records, func(r keystore.Record) bool { return r.Target.ID == id })
	})
}

// Step does what is next for a target, if anything: at most one change at its provider. It errs when the
// store or the provider fails; the failure is in the journal then, and the next step comes after a
// pause.
func (e *Executor) Step(ctx context.Context, target string) (Result, error) {
	return e.step(ctx, target, time.Time{})
}

// step is Step, scheduling no cut later than latestCut unless that is zero.
func (e *Executor) step(ctx context.Context, target string, latestCut time.Time) (Result, error) {
	m := e.memory(target)
	m.Lock()
	defer m.Unlock()
	result := Result{Target: target}
	record, err := e.store.Get(ctx, target)
	if err != nil {
		return result, fmt.Errorf("rotate target %s: %w", target, err)
	}
	result.Record = record
	if _, result.Decision, err = e.planFresh(ctx, m, record); err != nil {
		return result, err
	}
	result.Decision = limitCut(result.Decision, latestCut)
	if result.Decision.Action == Wait {
		return result, nil
	}
	if err := ctx.Err(); err != nil {
		return result, err
	}
	fence, err := e.store.Lease(ctx, target, e.holder, e.timing.lease(m.Traits))
	if errors.Is(err, keystore.ErrConflict) {
		result.Held = true
		result.Decision.At = e.clock().Add(heldPause)
		return result, nil
	}
	if err != nil {
		return result, fmt.Errorf("rotate target %s: %w", target, err)
	}
	return e.leased(context.WithoutCancel(ctx), m, result, fence, latestCut)
}

// leased plans again, now that nobody else can change the record, and carries it out. A step that has
// begun is not ended by its caller: its own deadlines do.
func (e *Executor) leased(ctx context.Context, m *memory, result Result, fence keystore.Fence, latestCut time.Time) (Result, error) {
	began := e.clock()
	record, err := e.store.Get(ctx, result.Target)
	if err != nil {
		return result, errors.Join(err, e.store.Release(ctx, result.Target, fence))
	}
	p, decision, err := e.planFresh(ctx, m, record)
	if err != nil {
		return result, errors.Join(err, e.store.Release(ctx, result.Target, fence))
	}
	s := &session{
		Executor: e, m: m, target: record.Target, record: record, provider: p, fence: fence,
		ends: began.Add(e.timing.lease(m.Traits)),
	}
	result.Decision = limitCut(decision, latestCut)
	if result.Decision.Action != Wait {
		err = s.do(ctx, result.Decision)
		result.Done = err == nil
		if err != nil {
			err = errors.Join(err, s.failed(ctx, result.Decision, err))
		} else {
			m.failures, m.NotBefore, m.LastError = 0, time.Time{}, ""
		}
		s.tell(result.Decision, err)
	}
	result.Record = s.record
	if releaseErr := e.store.Release(ctx, result.Target, fence); releaseErr != nil {
		e.log.Warn("lease not given back; it runs out", "target", result.Target, "error", releaseErr)
	}
	if err != nil {
		return result, fmt.Errorf("%s of target %s: %w", result.Decision.Action, result.Target, err)
	}
	return result, nil
}

// limitCut takes back what would schedule a cut that nobody stays for.
func limitCut(d Decision, latest time.Time) Decision {
	if latest.IsZero() || d.CutAt.IsZero() || !d.CutAt.After(latest) {
		return d
	}
	if d.Action == PutOff {
		d.CutAt = time.Time{}
		d.Why += "; no other is scheduled, since this run ends before it"
		return d
	}
	return Decision{
		Action: Wait, Alarm: d.Alarm, CutAt: d.CutAt,
		Why: fmt.Sprintf("a rotation is due, but its cut would come at %s, after this run has ended; none is scheduled. Let the run wait longer, or run without end", stamp(d.CutAt)),
	}
}

// Start opens an operation and leaves it to Step. Another process that is at work on the target is
// keystore.ErrConflict; what may not be is keystore.ErrIllegal.
func (e *Executor) Start(ctx context.Context, target string, q Request) (keystore.Record, error) {
	if err := e.checkRollback(ctx, target, q); err != nil {
		return keystore.Record{}, err
	}
	fence, err := e.store.Lease(ctx, target, "start-"+rand.Text(), e.timing.StoreMargin)
	if err != nil {
		return keystore.Record{}, err
	}
	r, err := e.store.Update(ctx, target, fence, func(r *keystore.Record) error { return e.starter.Start(r, q, e.clock()) })
	return r, errors.Join(err, e.store.Release(ctx, target, fence))
}

// checkRollback refuses to go back to a key that its provider does not list any more.
func (e *Executor) checkRollback(ctx context.Context, target string, q Request) error {
	if q.Kind != keystore.Rollback {
		return nil
	}
	r, err := e.store.Get(ctx, target)
	if err != nil {
		return err
	}
	old, err := rollbackTo(&r, q.Version)
	if err != nil || r.Target.Mode() != keystore.Overlap || r.Target.Account == "" || len(r.Target.Resources) == 0 {
		return err
	}
	p, err := e.providers(r.Target)
	if err != nil {
		return fmt.Errorf("provider of target %s: %w", target, err)
	}
	minter, ok := p.(provider.Minter)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.timing.maxCall(p.Traits()))
	defer cancel()
	listed, err := minter.List(ctx, r.Target.Resources[0])
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(listed, func(l provider.Listed) bool { return l.KID == old.KID }) {
		return fmt.Errorf("%w: the provider does not list key %d any more; rotate instead", keystore.ErrIllegal, old.Version)
	}
	return nil
}
