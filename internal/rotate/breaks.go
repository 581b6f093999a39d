package rotate

import (
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// breaksNothing is Decision.Breaks of an operation that no viewer notices.
const breaksNothing = "no token"

// breaks says in words which live tokens and playing sessions the open operation, or the next one, ends before
// their time.
func (p *planner) breaks() string {
	op := p.ahead()
	old := p.ending(op)
	if old == nil {
		return breaksNothing
	}
	until := old.RetireAfter
	if until.IsZero() {
		until = p.now.Add(p.r.Target.LongestLife(p.now))
	}
	bound := p.f.Traits.CookieBound
	switch {
	case op.Immediate && p.now.Before(until):
		text := fmt.Sprintf("every token of key %d that is alive, until %s at the latest", op.From, stamp(until))
		if bound {
			text += ", and the sessions that they opened"
		}
		return text
	case op.Mode == keystore.Cut && bound:
		return p.cutTokens() + fmt.Sprintf("; every session of key %d ends at the cut%s: 403 until its player signs again", op.From, moment(" of ", op.CutAt))
	case op.Mode == keystore.Cut:
		return p.cutTokens()
	case op.Mode == keystore.Pair && bound:
		return breaksNothing + fmt.Sprintf("; sessions of key %d that have not signed again end with its slot%s", op.From, moment(" at ", old.RetireAfter))
	default:
		return breaksNothing
	}
}

// ends returns the key that the open operation, or the next one, ends, and when; 0 where it ends none. next is the
// cut that the decision schedules.
func (p *planner) ends(next time.Time) (version int, at time.Time) {
	op := p.ahead()
	old := p.ending(op)
	switch {
	case old == nil:
		return 0, time.Time{}
	case op.Immediate:
		return old.Version, p.now
	case !op.Mode.Cuts():
		return old.Version, old.RetireAfter
	case next.IsZero():
		return old.Version, op.CutAt
	default:
		return old.Version, next
	}
}

// ending is the key that an operation ends, while its tokens count; nil where there is none.
func (p *planner) ending(op keystore.Operation) *keystore.Key {
	if op.From == 0 {
		return nil
	}
	old, err := p.r.Key(op.From)
	if err != nil || old.State != keystore.Active && old.State != keystore.Retiring {
		return nil
	}
	return old
}

// ahead is the open operation, or what the next rotation will be.
func (p *planner) ahead() keystore.Operation {
	if p.r.Operation != nil {
		return *p.r.Operation
	}
	next := keystore.Operation{Mode: p.r.Target.Mode()}
	if active := p.r.Active(); active != nil {
		next.From = active.Version
	}
	return next
}

// cutTokens says which tokens a cut ends.
func (p *planner) cutTokens() string {
	if p.r.Target.Policy.OpenOnApply {
		return "tokens of the new key that edges learn late of, since the target opens on apply"
	}
	return breaksNothing
}

// moment is a time with the words before it, or nothing while it is not known.
func moment(words string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return words + stamp(t)
}
