// Package fault makes stand-ins of providers fail on purpose: by script, at a chosen call, before or after the
// call took effect. A Plan is HTTP middleware in front of any stand-in; the stand-in tells it what it changes
// through Effect, so that tests see every effect in order.
package fault

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Forever as Rule.Times means that the rule never ends.
const Forever = -1

// Rule says which calls a fault strikes.
type Rule struct {
	// Call is the name of the calls to count, as the stand-in names them; empty counts every call.
	Call string
	// From is the first of those calls to strike, counted from 1 from the moment the rule is added; 0 means 1.
	From int
	// Times is how many calls to strike from there; 0 means one, Forever all.
	Times int
	Fault Fault
}

// Effect phases, for an Event.
const (
	Before Phase = iota + 1
	After
)

// Phase says on which side of an effect an Event is.
type Phase int

// Event is one side of an effect on a provider's state.
type Event struct {
	// Call is the name of the call, and Effect what it changes, in the stand-in's words.
	Call, Effect string
	Phase        Phase
}

type rule struct {
	Rule

	seen int
}

// Plan is a script of faults. It may be used and changed by many goroutines.
type Plan struct {
	now func() time.Time

	mu        sync.Mutex
	rules     []*rule
	calls     []string
	skew      time.Duration
	observers []func(Event)
}

// New returns a plan without faults. now is the clock of the stand-in.
func New(now func() time.Time) *Plan { return &Plan{now: now} }

// Add appends rules. Where several strike the same call, the first added counts.
func (p *Plan) Add(rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range rules {
		r.From = max(r.From, 1)
		if r.Times == 0 {
			r.Times = 1
		}
		p.rules = append(p.rules, &rule{Rule: r})
	}
}

// Clear removes all rules and forgets the calls seen; the clock and the observers stay.
func (p *Plan) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules, p.calls = nil, nil
}

// Calls returns the names of the calls that arrived, in order.
func (p *Plan) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Count returns how many calls of this name arrived; an empty name counts all.
func (p *Plan) Count(call string) int {
	n := 0
	for _, c := range p.Calls() {
		if call == "" || c == call {
			n++
		}
	}
	return n
}

// SetSkew sets how far the stand-in's clock is ahead of the real one.
func (p *Plan) SetSkew(ahead time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.skew = ahead
}

// Now is the stand-in's clock, with its skew.
func (p *Plan) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now().Add(p.skew)
}

// Observe calls f on both sides of every effect from now on, in the goroutine that makes the effect.
func (p *Plan) Observe(f func(Event)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.observers = append(p.observers, f)
}

// next counts a call and returns the fault that strikes it.
func (p *Plan) next(call string) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, call)
	var found *Fault
	for _, r := range p.rules {
		if r.Call != "" && r.Call != call {
			continue
		}
		r.seen++
		struck := r.seen >= r.From && (r.Times == Forever || r.seen < r.From+r.Times)
		if struck && found == nil {
			found = &r.Fault
		}
	}
	if found == nil {
		return Fault{After: true}
	}
	return *found
}

func (p *Plan) tell(e Event) {
	p.mu.Lock()
	observers := slices.Clone(p.observers)
	p.mu.Unlock()
	for _, f := range observers {
		f(e)
	}
}

type contextKey struct{}

type current struct {
	plan *Plan
	call string
}

// Effect makes a change of a stand-in's state, and tells the observers of the plan in whose handler ctx is. It
// must not be called while holding a lock that an observer may want. Outside of a plan it only makes the change.
func Effect(ctx context.Context, what string, change func()) {
	c, ok := ctx.Value(contextKey{}).(current)
	if !ok {
		change()
		return
	}
	c.plan.tell(Event{Call: c.call, Effect: what, Phase: Before})
	change()
	c.plan.tell(Event{Call: c.call, Effect: what, Phase: After})
}
