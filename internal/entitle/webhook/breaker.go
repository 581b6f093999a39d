package webhook

import (
	"sync"
	"time"
)

const (
	// tripAfter is how many failures in a row stop the questions.
	tripAfter = 5
	// pause is for how long; one question is tried after it.
	pause = 5 * time.Second
)

// breaker spares a web hook that keeps failing, and the callers the wait for it. It is ours and not a library's
// because time is a parameter here: its whole behavior can be tested without waiting.
type breaker struct {
	mu       sync.Mutex
	failures int
	// until is when the next question may be tried; zero while there are fewer than tripAfter failures.
	until time.Time
}

// wait returns how long no question may be asked, and 0 where one may. After a pause one caller is let through;
// the others wait for what it learns.
func (b *breaker) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return 0
	}
	if left := b.until.Sub(now); left > 0 {
		return left
	}
	b.until = now.Add(pause)
	return 0
}

// report notes how a question ended, and returns whether that has stopped further ones.
func (b *breaker) report(now time.Time, ok bool) (tripped bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		b.failures, b.until = 0, time.Time{}
		return false
	}
	b.failures++
	if b.failures < tripAfter {
		return false
	}
	b.until = now.Add(pause)
	return b.failures == tripAfter
}
