package killtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
)

const (
	maxBlows  = 3
	maxFaults = 2
	// maxStrikes bounds the first fault, and half of it the second: the job waits twice as long after each.
	maxStrikes = 3
	// striking is how long after the beginning a blow may fall: every rotation takes longer.
	striking = 6500 * time.Millisecond
	maxPause = 1500 * time.Millisecond
	maxLag   = 20 * time.Millisecond
)

// blow is one kill: some time after the beginning, or where the provider makes a change.
type blow struct {
	victim Victim
	pause  time.Duration // before the new life
	after  time.Duration // since the beginning; or, where event is above 0,
	event  int           // on which side of a change of the provider's state, counted from 1: odd before, even after
	lag    time.Duration // since that
}

func (b blow) String() string {
	when := fmt.Sprintf("%s after the beginning", b.after)
	if b.event > 0 {
		side := "after"
		if b.event%2 == 1 {
			side = "before"
		}
		when = fmt.Sprintf("%s %s change %d at the provider", b.lag, side, (b.event+1)/2)
	}
	return fmt.Sprintf("kill %s %s, for %s", b.victim, when, b.pause)
}

// trouble is what befalls a world while its key is rotated.
type trouble struct {
	blows []blow
	rules []fault.Rule

	mu      sync.Mutex
	over    bool
	events  int
	kills   int
	falling sync.WaitGroup
}

// drawTrouble draws the trouble of one run. The first blow falls for sure.
func drawTrouble(rng *rand.Rand, e *exhibit) *trouble {
	t := &trouble{}
	changes := map[Kind]int{Minter: 3, Setter: 1, Pair: 2}[e.kind]
	for i := range 1 + rng.IntN(maxBlows) {
		b := blow{victim: []Victim{OfSync, OfSync, OfServe, OfBoth}[rng.IntN(4)], pause: upTo(rng, maxPause)}
		switch {
		case i > 0 && rng.IntN(4) > 0:
			sides := 2 * changes
			if rng.IntN(2) == 0 {
				sides = 2 // of the first change: the new key
			}
			b.event, b.victim = 1+rng.IntN(sides), []Victim{OfSync, OfSync, OfBoth}[rng.IntN(3)]
			if rng.IntN(2) == 0 {
				b.lag = upTo(rng, maxLag)
			}
		case rng.IntN(4) == 0: // about the command itself
			b.after = upTo(rng, maxLag)
		default:
			b.after = upTo(rng, striking)
		}
		t.blows = append(t.blows, b)
	}
	for i := range rng.IntN(maxFaults + 1) {
		t.rules = append(t.rules, drawFault(rng, e, maxStrikes>>i))
	}
	return t
}

func drawFault(rng *rand.Rand, e *exhibit, strikes int) fault.Rule {
	calls := e.writes
	if rng.IntN(4) == 0 {
		calls = e.reads
	}
	faults := []fault.Fault{
		fault.LostBefore(), fault.LostAfter(), fault.LostAfter(), fault.Reset(), fault.Truncated(),
		fault.Throttled("1"), fault.Throttled(""), fault.Conflict(), fault.HTML(http.StatusBadGateway),
		fault.Status(http.StatusInternalServerError), fault.Status(http.StatusServiceUnavailable).AfterEffect(), fault.Slow(maxCall / 4),
	}
	// A client repeats by itself what is safe to repeat; not all of several strikes get through to the job.
	return fault.Rule{Call: calls[rng.IntN(len(calls))], From: 1 + rng.IntN(2), Times: 1 + rng.IntN(strikes), Fault: faults[rng.IntN(len(faults))]}
}

// tell writes the plan down.
func (t *trouble) tell(log func(who, line string)) {
	for _, b := range t.blows {
		log("plan", b.String())
	}
	for _, r := range t.rules {
		f := r.Fault
		log("plan", fmt.Sprintf("break %q from call %d on, %d times: status %d, abort %t, reset %t, truncate %t, delay %s, after the effect %t",
			r.Call, r.From, r.Times, f.Status, f.Abort, f.Reset, f.Truncate, f.Delay, f.After))
	}
}

// begin lets the trouble loose on a world.
func (t *trouble) begin(ctx context.Context, w *World) {
	w.Plan.Add(t.rules...)
	w.Plan.Observe(func(e fault.Event) { t.changed(ctx, w, e) })
	for _, b := range t.blows {
		if b.event == 0 {
			t.falling.Go(func() { t.fall(ctx, w, b, b.after) })
		}
	}
}

// changed strikes on one side of a change at the provider, in the call that makes it.
func (t *trouble) changed(ctx context.Context, w *World, e fault.Event) {
	t.mu.Lock()
	t.events++
	event, over := t.events, t.over
	t.mu.Unlock()
	if over {
		return
	}
	side := map[fault.Phase]string{fault.Before: "before", fault.After: "after"}[e.Phase]
	w.o.Log("provider", side+" "+e.Effect)
	for _, b := range t.blows {
		switch {
		case b.event != event:
		case b.lag == 0:
			t.fall(ctx, w, b, 0)
		default:
			t.falling.Go(func() { t.fall(ctx, w, b, b.lag) })
		}
	}
}

func (t *trouble) fall(ctx context.Context, w *World, b blow, after time.Duration) {
	if sleep(ctx, after) != nil {
		return
	}
	t.mu.Lock()
	over := t.over
	t.mu.Unlock()
	if over {
		return
	}
	w.o.Log("world", b.String())
	killed := w.Kill(ctx, b.victim, b.pause)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kills += killed
}

// end lets nothing more happen, waits until all that was killed runs again, and returns how many kills there were.
func (t *trouble) end(w *World) (kills int) {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.falling.Wait()
	w.AwaitRestarts()
	w.Plan.Clear()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kills
}

// upTo draws a time below limit.
func upTo(rng *rand.Rand, limit time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(limit)))
}
