package signer

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/tokens"
)

// Counts is what a signer has counted since it was made.
type Counts struct {
	// Signs counts calls of Sign by scheme and reason. The scheme is empty where no target was found, the reason
	// where a credential was handed out; INTERNAL stands for all that is no refusal.
	Signs map[string]map[tokens.Reason]uint64
	// SignsRefused and ChecksRefused are those that the queues of the pools had no room for.
	SignsRefused, ChecksRefused uint64
	// Shared and Proven are the uses of the two caches.
	Shared, Proven CacheCounts
}

// CacheCounts are the uses of a cache.
type CacheCounts struct{ Hits, Misses uint64 }

// Counts returns what has been counted so far.
func (s *Signer) Counts() Counts {
	return Counts{
		Signs: s.outcomes.counts(), SignsRefused: s.pool.refused.Load(), ChecksRefused: s.checks.refused.Load(),
		Shared: s.shared.uses.counts(), Proven: s.proven.uses.counts(),
	}
}

// reasons are those that outcomes tells apart.
func reasons() []tokens.Reason {
	return []tokens.Reason{
		tokens.NotFound, tokens.NoActiveKey, tokens.KeyCutover, tokens.SnapshotStale, tokens.Overloaded, tokens.Unavailable,
		tokens.NotEntitled, tokens.LifetimeTooLong, tokens.InvalidArgument, tokens.Timeout, tokens.Internal,
	}
}

// outcomes counts calls of Sign by scheme. Its keys never change, so that it needs no lock.
type outcomes map[string]*outcome

type outcome struct {
	signed  atomic.Uint64
	refused map[tokens.Reason]*atomic.Uint64 // its keys never change either
}

func newOutcomes() outcomes {
	all := make(outcomes)
	for _, scheme := range append(schemes.Names(), "") {
		all[scheme] = &outcome{refused: make(map[tokens.Reason]*atomic.Uint64)}
		for _, reason := range reasons() {
			all[scheme].refused[reason] = &atomic.Uint64{}
		}
	}
	return all
}

func (o outcomes) count(scheme string, err error) {
	of := o[scheme]
	if err == nil {
		of.signed.Add(1)
		return
	}
	if n := of.refused[outcomeOf(err)]; n != nil {
		n.Add(1)
		return
	}
	of.refused[tokens.Internal].Add(1)
}

func (o outcomes) counts() map[string]map[tokens.Reason]uint64 {
	all := make(map[string]map[tokens.Reason]uint64, len(o))
	for scheme, of := range o {
		all[scheme] = map[tokens.Reason]uint64{"": of.signed.Load()}
		for reason, n := range of.refused {
			all[scheme][reason] = n.Load()
		}
	}
	return all
}

func outcomeOf(err error) tokens.Reason {
	if refused, ok := errors.AsType[*Error](err); ok {
		return refused.Reason
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return tokens.Timeout
	}
	return tokens.ReasonOf(err)
}

// uses counts the uses of a cache.
type uses struct{ hits, misses atomic.Uint64 }

func (u *uses) count(hit bool) {
	if hit {
		u.hits.Add(1)
		return
	}
	u.misses.Add(1)
}

func (u *uses) counts() CacheCounts { return CacheCounts{Hits: u.hits.Load(), Misses: u.misses.Load()} }
