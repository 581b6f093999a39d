package entitle

import (
	"context"
	"sync/atomic"
)

// Counted is a Checker that counts the answers of another. It is safe for concurrent use.
type Counted struct {
	Checker

	allowed, refused, unknown atomic.Uint64
}

// Check implements Checker.
func (c *Counted) Check(ctx context.Context, r Request) (Decision, error) {
	d, err := c.Checker.Check(ctx, r)
	switch {
	case err != nil:
		c.unknown.Add(1)
	case d.Allowed:
		c.allowed.Add(1)
	default:
		c.refused.Add(1)
	}
	return d, err
}

// Counts returns how many checks let a viewer in, how many did not, and to how many nobody knew the answer.
func (c *Counted) Counts() (allowed, refused, unknown uint64) {
	return c.allowed.Load(), c.refused.Load(), c.unknown.Load()
}
