package rotate

import (
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// Breaks says in words which live tokens the open operation of a record ends before their time.
func Breaks(r keystore.Record, now time.Time) string {
	op := r.Operation
	if op == nil || op.From == 0 {
		return "no token"
	}
	old, err := r.Key(op.From)
	if err != nil || old.State != keystore.Active && old.State != keystore.Retiring {
		return "no token"
	}
	until := old.RetireAfter
	if until.IsZero() {
		until = now.Add(r.Target.LongestLife(now))
	}
	switch {
	case op.Immediate && now.Before(until):
		return fmt.Sprintf("every token of key %d that is alive, until %s at the latest", op.From, stamp(until))
	case op.Mode == keystore.Cut && r.Target.Policy.OpenOnApply:
		return fmt.Sprintf("tokens of key %d that edges learn late of, since the target opens on apply", op.To)
	default:
		return "no token"
	}
}
