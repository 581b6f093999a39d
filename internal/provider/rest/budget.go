package rest

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// errBudget means that the account's budget does not allow a call before its deadline.
var errBudget = errors.New("the rate budget of the account is used up")

// Budget is the rate that one account may send at, shared by all its clients and goroutines.
type Budget struct {
	limiter *rate.Limiter

	mu    sync.Mutex
	until time.Time
}

// NewBudget returns a budget of perSecond tries, of which burst may go at once.
func NewBudget(perSecond float64, burst int) *Budget {
	return &Budget{limiter: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// hold keeps all clients of the account quiet until a moment: the provider asked for it.
func (b *Budget) hold(until time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.until) {
		b.until = until
	}
}

// take waits for the account's turn. It fails at once if that would come after the deadline.
func (b *Budget) take(ctx context.Context, now, deadline time.Time, sleep func(context.Context, time.Duration) error) error {
	if b == nil {
		return ctx.Err()
	}
	b.mu.Lock()
	held := b.until.Sub(now)
	b.mu.Unlock()
	turn := b.limiter.ReserveN(now, 1)
	wait := max(turn.DelayFrom(now), held)
	if !turn.OK() || now.Add(wait).After(deadline) {
		turn.CancelAt(now)
		return errBudget
	}
	if wait <= 0 {
		return ctx.Err()
	}
	if err := sleep(ctx, wait); err != nil {
		turn.CancelAt(now)
		return err
	}
	return nil
}
