package rotate

import (
	"fmt"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// triesBeforeRestore is how often a provider has to reject a new secret before the old one is restored.
const triesBeforeRestore = 2

// overlap: the provider makes the key and accepts both until the old one's tokens have died.
func (p *planner) overlap() Decision {
	op := p.r.Operation
	if d, pausing := p.pausing(); pausing {
		return d
	}
	switch op.Step {
	case keystore.Intent:
		if n := len(p.r.Orphans); n >= keystore.MaxOrphans {
			return p.wait(time.Time{}, "%d keys are in quarantine; no more are made until somebody decides on them", n)
		}
		return p.act(Mint, op.To, "the intent is written down")
	case keystore.Minting:
		return p.act(Sweep, op.To, "a key may have been made whose secret nobody has heard")
	case keystore.Minted:
		if op.UseAfter.IsZero() && !op.Immediate {
			return p.act(Label, op.To, "the key is safe; at the provider it carries the operation's name")
		}
		return p.settle(p.act(Activate, op.To, "the edges know key %d", op.To))
	default:
		return p.draining(Revoke)
	}
}

// draining ends the old key with end once its tokens have died.
func (p *planner) draining(end Action) Decision {
	op := p.r.Operation
	old, err := p.r.Key(op.From)
	switch {
	case err != nil:
		return p.act(Finish, 0, "there was no key before")
	case old.State != keystore.Retiring && op.Mode == keystore.Overlap:
		return p.act(Finish, old.Version, "key %d is %s", old.Version, old.State)
	case old.State == keystore.Retiring && !op.Immediate && p.now.Before(old.RetireAfter):
		return p.wait(old.RetireAfter, "tokens of key %d live until %s", old.Version, stamp(old.RetireAfter))
	default:
		return p.act(end, old.Version, "no token of key %d is needed any more", old.Version)
	}
}

// cut: one slot; tokens shorten towards the cut, signing pauses, the slot is overwritten.
func (p *planner) cut() Decision {
	op := p.r.Operation
	switch op.Step {
	case keystore.Scheduled:
		return p.scheduled()
	case keystore.Applying:
		if d, pausing := p.pausing(); pausing {
			return d
		}
		if rejected(op) && op.Tries >= triesBeforeRestore && op.Tries%2 == 0 && op.From != 0 {
			return p.act(Restore, op.From, "the provider rejected key %d %d times; signing is closed", op.To, op.Tries)
		}
		return p.act(Set, op.To, "the slot holds the old or the new secret; signing stays closed until a set is confirmed")
	default:
		if restored(p.r) {
			if p.now.Before(op.UseAfter) {
				return p.wait(op.UseAfter, "the edges may not know the restored key %d before %s", op.From, stamp(op.UseAfter))
			}
			return p.act(Reopen, op.From, "key %d is back in its slot", op.From)
		}
		activate := p.act(Activate, op.To, "the edges know key %d", op.To)
		if p.r.Target.Policy.OpenOnApply {
			activate.Why = "the target opens on apply"
			return activate
		}
		return p.settle(activate)
	}
}

// rejected reports whether the last call of the operation's step was refused for good.
func rejected(op *keystore.Operation) bool { return strings.HasPrefix(op.LastError, classRejected) }

// restored reports whether the open operation has put the old secret back into its slot.
func restored(r *keystore.Record) bool {
	to, err := r.Key(r.Operation.To)
	return err == nil && r.Operation.Step == keystore.Applied && to.State == keystore.Destroyed
}

// scheduled: the new secret is sealed; the old key signs up to the cut.
func (p *planner) scheduled() Decision {
	op := p.r.Operation
	if op.Immediate {
		if d, pausing := p.pausing(); pausing {
			return d
		}
		return p.act(Apply, op.To, "at once: tokens of key %d break on purpose", op.From)
	}
	applyFrom := op.CutAt.Add(p.t.ClockSkew)
	applyUntil := op.CutUntil.Add(-p.t.SnapshotMaxAge - p.t.ClockSkew)
	ahead := op.CutAt.Add(-p.t.lead(p.f.Traits))
	switch {
	case op.CutAt.IsZero():
		return p.reschedule()
	case !p.now.Before(applyUntil):
		return p.putOff("the cut of %s was not carried out in time", stamp(op.CutAt))
	case !p.cuttable() && !p.f.Checked.Before(ahead) && p.now.Before(op.CutAt) && op.From != 0:
		d := p.putOff("the cut of %s could not work: the slot is %s", stamp(op.CutAt), p.f.Finding)
		d.Alarm = "a cut was put off: the slot is " + string(p.f.Finding)
		return d
	case p.inTheWay() != "":
		return p.putOff("the cut of %s would come together with that of target %s of the same account", stamp(op.CutAt), p.inTheWay())
	case p.refused(ahead) >= p.t.Probes:
		d := p.putOff("the cut of %s could not be told to work: the edge refuses tokens of the present key %d", stamp(op.CutAt), op.From)
		d.Alarm = fmt.Sprintf("a cut was put off: the edge refuses tokens of the present key %d", op.From)
		return d
	case !p.now.Before(applyFrom):
		if d, pausing := p.pausing(); pausing {
			d.At = earlier(d.At, applyUntil)
			return d
		}
		return p.act(Apply, op.To, "the cut has come; %s", dependsOn(op))
	case p.canCheck() && !p.now.Before(ahead) && p.f.Checked.Before(ahead):
		return p.act(Check, 0, "whether the cut of %s can work", stamp(op.CutAt))
	case p.f.Abilities.Probe && !p.now.Before(ahead) && p.now.Before(op.CutAt) && (p.probedBefore(ahead) || p.refused(ahead) > 0):
		if next := p.f.Probed.Add(p.t.ProbeEvery); !p.probedBefore(ahead) && p.now.Before(next) {
			return p.wait(earlier(next, applyFrom), "the next probe of key %d, which an edge refused", op.From)
		}
		return p.act(Probe, op.From, "whether an edge accepts the present key, so that a later refusal can be told from this one")
	case p.canCheck() && p.now.Before(ahead):
		return p.wait(ahead, "%s", untilCut(op))
	default:
		return p.wait(applyFrom, "%s", untilCut(op))
	}
}

// untilCut says what happens before a cut.
func untilCut(op *keystore.Operation) string {
	if op.From == 0 {
		return fmt.Sprintf("no key signs yet; key %d is written at %s", op.To, stamp(op.CutAt))
	}
	return fmt.Sprintf("tokens of key %d shorten towards the cut at %s", op.From, stamp(op.CutAt))
}

// dependsOn says what a cut that has come ends.
func dependsOn(op *keystore.Operation) string {
	if op.From == 0 {
		return "no key signs yet"
	}
	return fmt.Sprintf("no live token depends on key %d", op.From)
}

// probedBefore reports whether the old key, if there is one, has not been probed since a moment.
func (p *planner) probedBefore(since time.Time) bool {
	from := p.r.Operation.From
	return from != 0 && (p.f.ProbedKey != from || p.f.Probed.Before(since))
}

// refused returns how often in a row an edge has refused the old key since a moment. An edge that gives no answer,
// or has no stream now, says nothing of the key.
func (p *planner) refused(since time.Time) int {
	if p.r.Operation.From == 0 || p.probedBefore(since) {
		return 0
	}
	return p.f.Refusals
}

// cuttable reports whether a cut would find what it replaces. A key that its provider does not list is deleted
// already.
func (p *planner) cuttable() bool {
	return p.f.Finding == Agrees || p.f.Finding == Older || p.f.Finding == Missing && p.f.Abilities.Mint
}

// reschedule gives an operation that has no cut a new one, once the provider is as it should be.
func (p *planner) reschedule() Decision {
	if d, pausing := p.pausing(); pausing {
		return d
	}
	if p.now.Before(p.f.NotBefore) {
		return p.wait(p.f.NotBefore, "the last try failed (%s); the next is at %s", p.f.LastError, stamp(p.f.NotBefore))
	}
	if d, ok := p.preflight(); ok {
		return d
	}
	d := p.act(ScheduleCut, p.r.Operation.From, "the operation has no cut")
	d.CutAt = p.nextCut()
	return d
}

// putOff moves the cut; where the provider is in the way it takes the cut back.
func (p *planner) putOff(format string, args ...any) Decision {
	d := p.act(PutOff, p.r.Operation.From, format, args...)
	if p.cuttable() {
		d.CutAt = p.nextCut()
	}
	return d
}

// replace: the provider takes no key beside the old one, which is deleted while nobody signs.
func (p *planner) replace() Decision {
	op := p.r.Operation
	switch op.Step {
	case keystore.Scheduled:
		return p.scheduled()
	case keystore.Applying:
		if d, pausing := p.pausing(); pausing {
			return d
		}
		return p.act(Revoke, op.From, "key %d makes room; signing is closed until a new one is made", op.From)
	default:
		return p.overlap()
	}
}

// pair: the set goes to the idle slot, which no live token uses.
func (p *planner) pair() Decision {
	op := p.r.Operation
	if d, pausing := p.pausing(); pausing {
		return d
	}
	switch op.Step {
	case keystore.Applying:
		return p.act(Set, op.To, "nobody uses the idle slot")
	case keystore.Applied:
		return p.settle(p.act(Activate, op.To, "the edges know key %d", op.To))
	case keystore.Draining:
		return p.draining(Void)
	default:
		return p.act(Void, op.From, "the slot of key %d is being overwritten", op.From)
	}
}
