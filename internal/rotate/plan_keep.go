package rotate

import (
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// housekeeping decides what else there is to do while the operation, or the next one, waits.
func (p *planner) housekeeping(waiting Decision) Decision {
	backOff := p.now.Before(p.f.NotBefore)
	for i := range p.r.Keys {
		k := &p.r.Keys[i]
		d, at := p.keep(k)
		if d.Action != "" && (!backOff || d.Action == Destroy) {
			return d
		}
		waiting.At = earlier(waiting.At, at)
	}
	if backOff {
		waiting.At = earlier(waiting.At, p.f.NotBefore)
		return waiting
	}
	if p.r.Target.Policy.SoleOwner && len(p.r.Orphans) > 0 {
		d := p.act(RevokeOrphan, 0, "the target has a sole owner, so a key that nobody holds is our own")
		d.Orphan = p.r.Orphans[0].KID
		return d
	}
	if !p.comparable() {
		return waiting
	}
	next := p.f.Checked.Add(p.t.CheckEvery)
	if !p.now.Before(next) {
		if !p.canCheck() {
			return p.act(Reassert, p.r.Active().Version, "the slot cannot be read; the active secret is written again from time to time")
		}
		return p.act(Check, 0, "from time to time the provider is compared with the record")
	}
	if d := p.drift(); d.Action != Wait {
		return d
	}
	waiting.At = earlier(waiting.At, next)
	return waiting
}

// keep decides about one old key. Without an action it returns when to look at it again, if ever.
func (p *planner) keep(k *keystore.Key) (Decision, time.Time) {
	op := p.r.Operation
	switch k.State {
	case keystore.Retiring:
		if !p.f.Abilities.Mint || op != nil && (op.Step == keystore.Draining && op.From == k.Version || op.To == k.Version) {
			return Decision{}, time.Time{}
		}
		if p.now.Before(k.RetireAfter) {
			return Decision{}, k.RetireAfter
		}
		return p.act(Revoke, k.Version, "the last token of key %d has died", k.Version), time.Time{}
	case keystore.Retired:
		if p.now.Before(k.DestroyAfter) {
			return Decision{}, k.DestroyAfter
		}
		return p.act(Destroy, k.Version, "the rollback window of key %d has ended", k.Version), time.Time{}
	default:
		return Decision{}, time.Time{}
	}
}

// comparable reports whether the provider should hold what the record says now.
func (p *planner) comparable() bool {
	if p.r.Active() == nil {
		return false
	}
	op := p.r.Operation
	return op == nil || !op.Closed()
}

// drift decides about a slot that does not hold the active key, or a minted key that is not listed.
func (p *planner) drift() Decision {
	active := p.r.Active()
	if !p.f.Abilities.Set || p.f.Finding == Agrees || p.f.Finding == Unreachable {
		return p.wait(time.Time{}, "the provider holds what the record says")
	}
	if p.f.Finding == Foreign {
		switch p.r.Target.Policy.OnDrift {
		case keystore.DriftAdopt:
			if p.r.Operation == nil {
				return p.act(AdoptForeign, 0, "somebody else has set the secret, and the policy takes it over")
			}
		case keystore.DriftReassert:
			if active != nil {
				return p.act(Reassert, active.Version, "somebody else has set the secret, and the policy writes ours again")
			}
		}
		return p.wait(p.f.Checked.Add(p.t.CheckEvery), "somebody else has set the secret; adopt it, or rotate with the policy %s", keystore.DriftReassert)
	}
	if active == nil {
		return p.wait(time.Time{}, "no key of ours is active")
	}
	return p.act(Reassert, active.Version, "the slot does not hold the active key: %s", p.f.Finding)
}

// alarm says what a person has to look at.
func (p *planner) alarm() string {
	op := p.r.Operation
	switch {
	case op != nil && op.Alarm != "":
		return op.Alarm
	case len(p.r.Orphans) >= keystore.MaxOrphans:
		return fmt.Sprintf("%d keys in quarantine: the provider loses answers, or somebody else makes keys; no more are made", len(p.r.Orphans))
	case p.f.Finding == Foreign:
		return "somebody else has set the secret of the target at its provider"
	case p.f.Finding == Missing && p.f.Abilities.Mint:
		return "the provider does not list the active key"
	case len(p.r.Orphans) > 0 && !p.r.Target.Policy.SoleOwner:
		return fmt.Sprintf("%d keys in quarantine", len(p.r.Orphans))
	default:
		return ""
	}
}
