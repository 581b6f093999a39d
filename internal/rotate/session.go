package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// errMoved: somebody changed the record although we have the lease; plan again.
var errMoved = fmt.Errorf("%w: the record changed under the lease", keystore.ErrConflict)

// errLate: too little of the lease is left for a call. Nothing has been sent.
var errLate = errors.New("the lease is too short for the call now; nothing was sent")

// session is one step under a lease.
type session struct {
	*Executor
	m        *memory
	target   keystore.Target
	record   keystore.Record // as last committed
	provider provider.Provider
	fence    keystore.Fence
	ends     time.Time // of the lease
}

// commit changes the record durably. Point names it for tests.
func (s *session) commit(ctx context.Context, point string, fn func(r *keystore.Record, now time.Time) error) error {
	s.crash("before " + point)
	r, err := s.store.Update(ctx, s.target.ID, s.fence, func(r *keystore.Record) error {
		if r.Revision != s.record.Revision {
			return errMoved
		}
		return fn(r, s.clock())
	})
	if err != nil {
		return err
	}
	s.record = r
	s.crash("after " + point)
	return nil
}

// call makes one call to the provider, with a deadline of its own. It has to end, and as much time again
// to pass, before the lease does.
func (s *session) call(ctx context.Context, fn func(context.Context) error) error {
	limit := s.timing.maxCall(s.m.Traits)
	if s.clock().Add(2 * limit).After(s.ends) {
		return errLate
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return fn(ctx)
}

// effect is a call that changes something at the provider.
func (s *session) effect(ctx context.Context, point string, fn func(context.Context) error) error {
	s.crash("before " + point)
	err := s.call(ctx, fn)
	s.crash("after " + point)
	return err
}

// do carries one action out.
func (s *session) do(ctx context.Context, d Decision) error {
	switch d.Action {
	case Wait:
		return nil
	case Begin:
		return s.begin(ctx, d)
	case Mint:
		return s.mint(ctx)
	case Sweep:
		return s.sweep(ctx)
	case Label:
		return s.label(ctx)
	case Probe:
		return s.probe(ctx, d.Key)
	case Activate:
		return s.activate(ctx)
	case Revoke:
		return s.revoke(ctx, d.Key)
	case RevokeOrphan:
		return s.revokeOrphan(ctx, d.Orphan)
	case Finish:
		return s.commit(ctx, "finish", func(r *keystore.Record, now time.Time) error { return r.Close(keystore.OutcomeDone, now) })
	case ScheduleCut, PutOff:
		return s.schedule(ctx, d)
	case Apply:
		return s.apply(ctx)
	case Set:
		return s.set(ctx)
	case Restore:
		return s.restore(ctx)
	case Reopen:
		return s.commit(ctx, "reopen", func(r *keystore.Record, now time.Time) error { return r.Close(keystore.OutcomeAbandoned, now) })
	case Void:
		return s.void(ctx)
	case Check:
		return s.check(ctx)
	case Reassert:
		return s.reassert(ctx)
	case AdoptForeign:
		return s.adoptForeign(ctx)
	case Destroy:
		return s.commit(ctx, "destroy", func(r *keystore.Record, now time.Time) error { return r.Destroy(d.Key, false, now) })
	default:
		return fmt.Errorf("unknown action %q", d.Action)
	}
}

// failed remembers a failure: in the journal where the action belongs to the operation, else in memory.
func (s *session) failed(ctx context.Context, d Decision, err error) error {
	lost := errors.Is(err, keystore.ErrFenced) || errors.Is(err, keystore.ErrConflict) || errors.Is(err, keystore.ErrNotFound)
	if lost || s.record.Operation == nil || !ofOperation(d.Action) {
		s.m.failures++
		s.m.NotBefore = s.clock().Add(s.pause(err, s.m.failures, false, s.m.Facts))
		s.m.LastError = describe(err)
		return nil
	}
	return s.commit(ctx, "failure", func(r *keystore.Record, now time.Time) error {
		s.note(r.Operation, err, s.m.Facts, now)
		return nil
	})
}

// ofOperation reports whether failures of an action are counted in the open operation.
func ofOperation(a Action) bool {
	switch a {
	case Mint, Sweep, Set, Apply, Restore, Void, Activate, Finish, Reopen, ScheduleCut, PutOff:
		return true
	default:
		return false
	}
}

// tell logs and reports a step.
func (s *session) tell(d Decision, err error) {
	event := Event{Target: s.target.ID, Provider: s.target.Provider, Action: d.Action, Why: d.Why, At: s.clock()}
	if op := s.record.Operation; op != nil {
		event.Operation, event.Step = op.ID, op.Step
	}
	if err != nil {
		event.Class = Class(err)
		if failure, ok := errors.AsType[*provider.Error](err); ok {
			event.RequestID = failure.RequestID
		}
		s.log.Warn("rotation step failed", "target", event.Target, "action", string(d.Action), "operation", event.Operation, "class", event.Class, "error", err)
	} else {
		s.log.Info("rotation step", "target", event.Target, "action", string(d.Action), "why", d.Why, "operation", event.Operation, "step", string(event.Step))
	}
	s.tally.count(event)
	s.observe(event)
}
