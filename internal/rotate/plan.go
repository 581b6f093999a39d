package rotate

import (
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// planner holds what the parts of Plan share.
type planner struct {
	r   *keystore.Record
	f   Facts
	t   Timing
	now time.Time
}

// Plan says what is next for a target and why. It only reads r.
func Plan(r keystore.Record, f Facts, t Timing, now time.Time) Decision {
	p := &planner{r: &r, f: f, t: t, now: now}
	if why := p.unmanaged(); why != "" {
		return Decision{Action: Wait, Why: why, Breaks: breaksNothing}
	}
	var d Decision
	if r.Operation != nil {
		d = p.operation()
	} else {
		d = p.begin()
	}
	if d.Action == Wait {
		d = p.housekeeping(d)
	}
	if d.Alarm == "" {
		d.Alarm = p.alarm()
	}
	d.Breaks = p.breaks()
	d.Ends, d.EndsAt = p.ends(d.CutAt)
	return d
}

// unmanaged says why nothing can be done for a target at its provider, or "".
func (p *planner) unmanaged() string {
	a := p.f.Abilities
	switch {
	case p.r.Target.Account == "":
		return "the target names no account; its keys are imported by hand"
	case len(p.r.Target.Resources) == 0:
		return "the target names no resource at its provider"
	case !a.Mint && !a.Set:
		return "the provider has no API for keys; they are imported by hand"
	case p.r.Target.Mode() == keystore.Overlap && !a.Mint, p.r.Target.Mode() != keystore.Overlap && !a.Set:
		return fmt.Sprintf("the adapter cannot rotate in mode %s", p.r.Target.Mode())
	default:
		return ""
	}
}

func (p *planner) wait(at time.Time, format string, args ...any) Decision {
	return Decision{Action: Wait, At: at, Why: fmt.Sprintf(format, args...)}
}

func (p *planner) act(a Action, key int, format string, args ...any) Decision {
	return Decision{Action: a, Key: key, Why: fmt.Sprintf(format, args...)}
}

// due returns when the next rotation is scheduled; zero when none is.
func (p *planner) due() time.Time {
	every := p.r.Target.Policy.Every
	switch active := p.r.Active(); {
	case p.f.Abilities.Mint && p.f.Finding == Missing && active != nil:
		return p.now
	case every == 0:
		return time.Time{}
	case active == nil:
		return p.now
	case !p.r.NextRotation.IsZero():
		return p.r.NextRotation
	default:
		return active.ActivatedAt.Add(every)
	}
}

// begin decides about a new rotation.
func (p *planner) begin() Decision {
	due := p.due()
	cut := p.r.Target.Mode() == keystore.Cut
	switch {
	case due.IsZero():
		return p.wait(time.Time{}, "rotated on command only")
	case p.now.Before(due):
		return p.wait(due, "the next rotation is due at %s", stamp(due))
	case p.now.Before(p.f.NotBefore):
		return p.wait(p.f.NotBefore, "the last try failed (%s); the next is at %s", p.f.LastError, stamp(p.f.NotBefore))
	}
	if opens := p.r.Target.Policy.NextOpening(p.now); !cut && opens.After(p.now) && p.f.Finding != Missing {
		return p.wait(opens, "a rotation is due; its window opens at %s", stamp(opens))
	}
	if d, ok := p.preflight(); ok {
		return d
	}
	d := p.act(Begin, 0, "a rotation is due since %s", stamp(due))
	if p.r.Active() == nil {
		d.Why = "no key signs for the target yet"
	} else if p.f.Finding == Missing {
		d.Why = "the provider does not list the active key"
	}
	if cut {
		d.CutAt = p.nextCut()
		d.Why += "; the cut comes at " + stamp(d.CutAt)
	}
	return d
}

// preflight returns what has to come before a rotation can begin.
func (p *planner) preflight() (Decision, bool) {
	if p.r.Target.Mode() == keystore.Overlap && len(p.r.Orphans) >= keystore.MaxOrphans {
		return p.wait(time.Time{}, "%d keys are in quarantine; no more are made until somebody decides on them", len(p.r.Orphans)), true
	}
	if p.canCheck() && (p.f.Finding == Unreachable || !p.now.Before(p.f.Checked.Add(p.t.CheckEvery))) {
		return p.act(Check, 0, "a rotation is due; the provider has to hold what the record says"), true
	}
	if p.f.Abilities.Set {
		switch p.f.Finding {
		case Foreign:
			return p.drift(), true
		case Missing, Older:
			if p.r.Active() != nil {
				return p.drift(), true
			}
		case Unreachable, Agrees:
		}
	}
	if p.r.Target.Mode() == keystore.Pair {
		for i := range p.r.Keys {
			if k := &p.r.Keys[i]; k.State == keystore.Retiring && p.now.Before(k.RetireAfter) {
				return p.wait(k.RetireAfter, "tokens of key %d live in the other slot until %s", k.Version, stamp(k.RetireAfter)), true
			}
		}
	}
	return Decision{}, false
}

// canCheck reports whether the provider can be compared with the record.
func (p *planner) canCheck() bool { return p.f.Abilities.Inspect || p.f.Abilities.Mint }

// nextCut is the earliest time at which a cut breaks no token, within the target's window and not together with
// one of the same account.
func (p *planner) nextCut() time.Time {
	if p.r.Active() == nil {
		return p.now
	}
	return p.behind(p.r.Target.Policy.NextOpening(p.now.Add(p.t.SnapshotMaxAge + p.r.Target.LongestLife(p.now))))
}

// operation decides about the open operation.
func (p *planner) operation() Decision {
	switch p.r.Operation.Mode {
	case keystore.Overlap:
		return p.overlap()
	case keystore.Cut:
		return p.cut()
	case keystore.Pair:
		return p.pair()
	case keystore.Replace:
		return p.replace()
	default:
		return p.wait(time.Time{}, "operation %s has the unknown mode %q", p.r.Operation.ID, p.r.Operation.Mode)
	}
}

// pausing returns the back-off of the open operation.
func (p *planner) pausing() (Decision, bool) {
	op := p.r.Operation
	if !p.now.Before(op.NotBefore) {
		return Decision{}, false
	}
	return p.wait(op.NotBefore, "%s failed %d times (%s); the next try is at %s", op.Step, op.Tries, op.LastError, stamp(op.NotBefore)), true
}

// settle waits until the edges know the new key, then goes on with next.
func (p *planner) settle(next Decision) Decision {
	op := p.r.Operation
	probed := p.f.ProbedKey == op.To
	switch {
	case op.Immediate || !p.now.Before(op.UseAfter):
		return next
	case p.f.Abilities.Probe && probed && p.f.Probes >= p.t.Probes:
		next.Why = fmt.Sprintf("the edge accepted %d probes in a row", p.f.Probes)
		return next
	case !p.f.Abilities.Probe:
		return p.wait(op.UseAfter, "the edges may not know key %d before %s", op.To, stamp(op.UseAfter))
	case probed && p.now.Before(p.f.Probed.Add(p.t.ProbeEvery)):
		return p.wait(earlier(op.UseAfter, p.f.Probed.Add(p.t.ProbeEvery)), "the next probe of key %d", op.To)
	default:
		return p.act(Probe, op.To, "whether an edge knows key %d", op.To)
	}
}

// stamp writes a time for people.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// earlier returns the earlier of two times; a zero time counts as none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
