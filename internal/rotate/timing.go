package rotate

import (
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// Timing holds the terms of rotation. Any value above 0 is legal.
type Timing struct {
	keystore.Timing
	// Propagation is P, how long edges take to learn a change, where a provider's traits do not say.
	Propagation time.Duration
	// MaxCall bounds one call to a provider, where its traits do not say.
	MaxCall time.Duration
	// CutWindow is W: how long replicas keep signing closed after a cut's time while nobody carries it
	// out. It has to be longer than C + 2 S.
	CutWindow time.Duration
	// CheckEvery is how often a provider is compared with the record.
	CheckEvery time.Duration
	// Poll is how often the store is read while nothing hints at a change.
	Poll time.Duration
	// RetryBase and RetryCap bound the exponential back-off of one target.
	RetryBase, RetryCap time.Duration
	// ClosedRetryCap is the cap while signing is closed.
	ClosedRetryCap time.Duration
	// StoreMargin is what a step may spend on the store besides its calls.
	StoreMargin time.Duration
	// ProbeEvery is the pause between two probes, and Probes how many accepted ones in a row will do.
	ProbeEvery time.Duration
	Probes     int
	// ForeignLifetime is how long the tokens of a stranger may live whose secret is taken over without
	// anybody saying it.
	ForeignLifetime time.Duration
}

// DefaultTiming returns the documented defaults.
func DefaultTiming() Timing {
	return Timing{
		Timing: keystore.DefaultTiming(), Propagation: time.Minute, MaxCall: 30 * time.Second,
		CutWindow: 15 * time.Minute, CheckEvery: 5 * time.Minute, Poll: 30 * time.Second,
		RetryBase: 5 * time.Second, RetryCap: 15 * time.Minute, ClosedRetryCap: 30 * time.Second,
		StoreMargin: 10 * time.Second, ProbeEvery: 2 * time.Second, Probes: 3, ForeignLifetime: 24 * time.Hour,
	}
}

func (t Timing) propagation(p provider.Traits) time.Duration {
	if p.Propagation > 0 {
		return p.Propagation
	}
	return t.Propagation
}

func (t Timing) maxCall(p provider.Traits) time.Duration {
	if p.MaxCall > 0 {
		return p.MaxCall
	}
	return t.MaxCall
}

// Blackout is how long signing stays closed when a cut goes well: S + call + P + C.
func (t Timing) Blackout(p provider.Traits) time.Duration {
	return t.ClockSkew + t.maxCall(p) + t.propagation(p) + t.SnapshotMaxAge
}

// lease is how long the lease of one step lasts. A step makes at most one read and one change, each of
// at most MaxCall; the last MaxCall is silence, so that whoever gets a lease that ran out finds no call
// of the former holder under way.
func (t Timing) lease(p provider.Traits) time.Duration { return t.StoreMargin + 3*t.maxCall(p) }

// cutWindow is W, and never too short to carry a cut out.
func (t Timing) cutWindow() time.Duration {
	return max(t.CutWindow, t.SnapshotMaxAge+3*t.ClockSkew+time.Second)
}

// lead is how long before a cut the provider is asked whether the cut can work.
func (t Timing) lead(p provider.Traits) time.Duration { return 2*t.maxCall(p) + t.SnapshotMaxAge }

// backoff is the pause after a failure, before jitter. Tries counts from 1.
func (t Timing) backoff(tries int, limit time.Duration) time.Duration {
	d := t.RetryBase
	for range min(tries-1, 30) {
		d = min(2*d, limit)
	}
	return min(d, limit)
}
