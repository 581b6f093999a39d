package rotate

import (
	"context"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// begin opens a scheduled rotation.
func (s *session) begin(ctx context.Context, d Decision) error {
	return s.commit(ctx, "begin", func(r *keystore.Record, now time.Time) error {
		if err := s.starter.Start(r, Request{Kind: keystore.Rotate, facts: s.m.Facts}, now); err != nil {
			return err
		}
		r.Operation.Alarm = d.Alarm
		return nil
	})
}

// schedule gives the operation a cut, or takes the one it has back. The time is reckoned from the commit
// on, not from the plan.
func (s *session) schedule(ctx context.Context, d Decision) error {
	return s.commit(ctx, string(d.Action), func(r *keystore.Record, now time.Time) error {
		op := r.Operation
		op.Alarm = d.Alarm
		if d.CutAt.IsZero() {
			return r.CancelCut(now)
		}
		op.Tries, op.NotBefore, op.LastError = 0, time.Time{}, ""
		p := planner{r: r, f: s.m.Facts, t: s.timing, now: now}
		at := p.nextCut()
		return r.Schedule(at, at.Add(s.timing.cutWindow()), now, s.timing.Timing)
	})
}

// activate lets the new key sign, and its predecessor leave, in one change.
func (s *session) activate(ctx context.Context) error {
	err := s.commit(ctx, "activate", func(r *keystore.Record, now time.Time) error {
		if err := r.ActivateTo(now, s.timing.Timing); err != nil {
			return err
		}
		if every := r.Target.Policy.Every; every > 0 {
			r.NextRotation = now.Add(every - time.Duration(s.jitter()*float64(every)/10))
		}
		return nil
	})
	if err == nil {
		s.m.found(Agrees, &s.record, s.clock())
	}
	return err
}
