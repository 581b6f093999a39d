package session_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/internal/session"
)

// answers is a Store that does as it is told.
type answers struct {
	session.Store

	err   error
	ended []session.Session
	one   session.Session
	done  session.Revocation
}

func (a *answers) Open(context.Context, session.Session, session.Bounds, time.Time) (session.Session, []session.Session, error) {
	return session.Session{}, a.ended, a.err
}

func (a *answers) Extend(context.Context, string, session.Extension, time.Time) (session.Session, error) {
	return a.one, a.err
}

func (a *answers) Stop(context.Context, string, session.End, time.Time) (session.Session, error) {
	return a.one, a.err
}

func (a *answers) Revoke(context.Context, session.Revocation, time.Time) (session.Revocation, error) {
	return a.done, a.err
}

// TestCountedCountsWhatHappened: what was opened and ended once, and why not.
func TestCountedCountsWhatHappened(t *testing.T) {
	now := time.Date(2031, 2, 3, 12, 0, 0, 0, time.UTC)
	store := &answers{ended: make([]session.Session, 2)}
	c := &session.Counted{Store: store}
	open := func(err error) {
		store.err = err
		if _, _, got := c.Open(t.Context(), session.Session{}, session.Bounds{}, now); !errors.Is(got, err) {
			t.Errorf("%v, want %v", got, err)
		}
	}
	open(nil)
	open(&session.LimitError{})
	open(session.ErrRevoked)
	open(errors.New("disk full"))
	store.err = session.ErrEnded
	_, _ = c.Extend(t.Context(), "s", session.Extension{}, now)
	store.err = nil
	_, _ = c.Extend(t.Context(), "s", session.Extension{}, now)
	store.one = session.Session{End: session.Stopped, EndedAt: now}
	_, _ = c.Stop(t.Context(), "s", session.Stopped, now)
	_, _ = c.Stop(t.Context(), "s", session.Stopped, now.Add(time.Second)) // it had ended before
	store.done.SessionsEnded = 5
	_, _ = c.Revoke(t.Context(), session.Revocation{}, now)
	want := session.Counts{
		Opened: 1, Limit: 1, Revoked: 1, Gone: 1, Failed: 1,
		Ended: map[session.End]uint64{session.Stopped: 1, session.Evicted: 2, session.Ended: 5},
	}
	if diff := cmp.Diff(want, c.Counts()); diff != "" {
		t.Error(diff)
	}
}
