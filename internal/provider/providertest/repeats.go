package providertest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
)

// repeats strikes the call once: what may be repeated goes well in the end, what may not is sent once.
func (s *suite) repeats(t *testing.T) {
	for _, c := range []faultCase{
		{"lost before the effect", fault.LostBefore(), provider.ErrAmbiguous},
		{"lost after the effect", fault.LostAfter(), provider.ErrAmbiguous},
		{"bad gateway after the effect", fault.HTML(502).AfterEffect(), provider.ErrAmbiguous},
		{"unavailable", fault.Status(503), provider.ErrAmbiguous},
		{"gateway time-out", fault.Status(504), provider.ErrAmbiguous},
		{"throttled", fault.Throttled(""), provider.ErrThrottled},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := s.start(t)
			f.stand.Plan.Add(fault.Rule{Call: s.call.Name, Fault: c.fault})
			err := s.do(t, f)
			sent := f.stand.Plan.Count(s.call.Name)
			if s.call.Repeat != rest.Once {
				checkClass(t, err, nil)
				if sent < 2 {
					t.Errorf("sent %d times, want a second try", sent)
				}
				return
			}
			checkClass(t, err, c.want)
			if sent != 1 {
				t.Errorf("sent %d times; this call must never be repeated", sent)
			}
		})
	}
}

// inDoubt loses the answer to the first try and denies all that follow: a call with an effect may have been
// applied, whatever the last answer says.
func (s *suite) inDoubt(t *testing.T) {
	f := s.start(t)
	f.stand.Plan.Add(
		fault.Rule{Call: s.call.Name, Fault: fault.LostAfter()},
		fault.Rule{Call: s.call.Name, From: 2, Times: fault.Forever, Fault: fault.Status(403)})
	want := provider.ErrAmbiguous
	if s.call.Repeat == rest.ReadOnly {
		want = provider.ErrDenied
	}
	checkClass(t, s.do(t, f), want)
}

// retryAfter checks that a wait that the provider asks for is kept, and that nobody waits for a day.
func (s *suite) retryAfter(t *testing.T) {
	t.Run("a day is not waited for", func(t *testing.T) {
		f := s.start(t)
		f.stand.Plan.Add(fault.Rule{Call: s.call.Name, Fault: fault.Throttled("86400")})
		err := s.do(t, f)
		checkClass(t, err, provider.ErrThrottled)
		var failure *provider.Error
		if errors.As(err, &failure) && failure.RetryAfter != 24*time.Hour {
			t.Errorf("RetryAfter = %v, want the day that the provider asked for", failure.RetryAfter)
		}
		if sent := f.stand.Plan.Count(s.call.Name); sent != 1 {
			t.Errorf("sent %d times within the wait that the provider asked for", sent)
		}
	})
	t.Run("nothing is sent too early", func(t *testing.T) {
		f := s.start(t)
		f.stand.Plan.Add(fault.Rule{Call: s.call.Name, Fault: fault.Throttled("1")})
		err := s.do(t, f)
		f.mu.Lock()
		longest := slices.Max(append(f.slept, 0))
		f.mu.Unlock()
		if sent := f.stand.Plan.Count(s.call.Name); sent > 1 && longest < time.Second {
			t.Errorf("sent again after a wait of %v, the provider asked for 1s", longest)
		}
		if err != nil {
			checkClass(t, err, provider.ErrThrottled)
		}
	})
}
