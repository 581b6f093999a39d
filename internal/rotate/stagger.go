package rotate

import (
	"context"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// Cut is a pause in signing of one target: scheduled, or under way.
type Cut struct {
	Target    string
	At, Until time.Time
	// Closed means that it is under way, and ends when its operation goes on.
	Closed bool
}

// cutsOf returns the cuts of records, by account. A first key, before which nothing was signed, is none.
func cutsOf(records []keystore.Record) map[string][]Cut {
	cuts := map[string][]Cut{}
	for i := range records {
		op, account := records[i].Operation, records[i].Target.Account
		if op == nil || op.From == 0 || !op.Closed() && op.CutAt.IsZero() {
			continue
		}
		cuts[account] = append(cuts[account], Cut{Target: op.Target, At: op.CutAt, Until: op.CutUntil, Closed: op.Closed()})
	}
	return cuts
}

// reserve is how long no other target of the account is cut from a cut on: for as long as it may be carried out,
// and until signing is open again.
func (t Timing) reserve(p provider.Traits) time.Duration { return max(t.cutWindow(), t.Blackout(p)) }

// meets reports whether a cut at a moment would come together with that of another target of the account.
func (p *planner) meets(at time.Time, other Cut) (bool, time.Time) {
	until := other.At.Add(p.t.reserve(p.f.Traits))
	if other.Until.After(until) {
		until = other.Until
	}
	if reopens := p.now.Add(p.t.Blackout(p.f.Traits)); other.Closed && reopens.After(until) {
		until = reopens
	}
	together := other.Target != p.r.Target.ID && at.Before(until) && other.At.Before(at.Add(p.t.reserve(p.f.Traits)))
	return together, until
}

// behind moves a cut to where it meets no other, within the target's window.
func (p *planner) behind(at time.Time) time.Time {
	for moved := true; moved; {
		moved = false
		for _, other := range p.f.Cuts {
			if together, until := p.meets(at, other); together {
				at, moved = p.r.Target.Policy.NextOpening(until), true
			}
		}
	}
	return at
}

// inTheWay returns the target whose cut comes first where the scheduled one would meet it, or "". One that is
// under way does; of two that wait, the earlier one, then the one whose id comes first.
func (p *planner) inTheWay() string {
	at := p.r.Operation.CutAt
	for _, other := range p.f.Cuts {
		first := other.Closed || other.At.Before(at) || other.At.Equal(at) && other.Target < p.r.Target.ID
		if together, _ := p.meets(at, other); together && first {
			return other.Target
		}
	}
	return ""
}

// planFresh is plan, with the account's other cuts as they stand now where a cut is ahead.
func (e *Executor) planFresh(ctx context.Context, m *memory, r keystore.Record) (provider.Provider, Decision, error) {
	p, d, err := e.plan(m, r)
	scheduled := r.Operation != nil && r.Operation.From != 0 && !r.Operation.CutAt.IsZero()
	if err != nil || r.Active() == nil || d.CutAt.IsZero() && !scheduled {
		return p, d, err
	}
	records, err := e.store.List(ctx, keystore.Page{})
	if err != nil {
		return p, d, err
	}
	m.Cuts = cutsOf(records)[r.Target.Account]
	return e.plan(m, r)
}

// noteCuts remembers the cuts of a target's account.
func (e *Executor) noteCuts(target string, cuts []Cut) {
	m := e.memory(target)
	m.Lock()
	defer m.Unlock()
	m.Cuts = cuts
}
