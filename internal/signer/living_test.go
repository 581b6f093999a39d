package signer

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLivingIsNeverTooLowAndHardlyTooHigh: whatever is handed out while the clock goes on, what is alive at any
// later time is counted in full, and a token for an eighth of its lifetime too long at most.
func TestLivingIsNeverTooLowAndHardlyTooHigh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type token struct{ signed, ends int64 }
		var (
			all  []token
			l    living
			now  = rapid.Int64Range(0, 4e9).Draw(t, "now")
			live = func(at int64, longer func(token) int64) (n int64) {
				for _, one := range all {
					if one.ends+longer(one) > at {
						n++
					}
				}
				return n
			}
		)
		for range rapid.IntRange(1, 200).Draw(t, "tokens") {
			now += rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 100), rapid.Int64Range(0, 1e7)).Draw(t, "later")
			lifetime := rapid.OneOf(rapid.Int64Range(1, 100), rapid.Int64Range(1, 24*3600), rapid.Int64Range(1, 3e7)).Draw(t, "lifetime")
			all = append(all, token{now, now + lifetime})
			l.add(time.Unix(now+lifetime, 0), time.Unix(now, 0))
			at := now + rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 1e5), rapid.Int64Range(0, 3e7)).Draw(t, "at")
			got := l.aliveAt(time.Unix(at, 0))
			least := live(at, func(token) int64 { return 0 })
			most := live(at, func(one token) int64 { return max(16, (one.ends-one.signed)/7) })
			if got < least || got > most {
				t.Fatalf("%d alive in %d s; want %d to %d", got, at-now, least, most)
			}
		}
		last := int64(0)
		for _, one := range all {
			last = max(last, one.ends)
		}
		if got := l.aliveAt(time.Unix(last, 0)); got != 0 {
			t.Fatalf("%d alive when the last has expired", got)
		}
	})
}

// TestLivingCountsWhenTheClockIsSetBack: a bucket that counts for later is not begun anew.
func TestLivingCountsWhenTheClockIsSetBack(t *testing.T) {
	var l living
	began := time.Unix(1_900_000_000, 0)
	ahead := began.Add(livingBuckets << livingFinest * time.Second)
	l.add(ahead.Add(time.Minute), ahead)
	l.add(began.Add(time.Minute), began)
	if got := l.aliveAt(began); got != 2 {
		t.Errorf("%d alive, want 2", got)
	}
}

// TestLivingCountsEveryTokenOfAllSigners: also those that begin a bucket together.
func TestLivingCountsEveryTokenOfAllSigners(t *testing.T) {
	const signers, each = 8, 2000
	var l living
	began := time.Unix(1_900_000_000, 0)
	var group sync.WaitGroup
	for range signers {
		group.Go(func() {
			for i := range each {
				now := began.Add(time.Duration(i) * time.Second / 4)
				l.add(now.Add(10*time.Minute), now)
			}
		})
	}
	group.Wait()
	if got := l.aliveAt(began); got != signers*each {
		t.Errorf("%d alive, want %d", got, signers*each)
	}
}

// TestLivingTakesNoMemoryPerToken: nothing is allocated once a lifetime of the kind has been seen.
func TestLivingTakesNoMemoryPerToken(t *testing.T) {
	var l living
	now := time.Unix(1_900_000_000, 0)
	l.add(now.Add(time.Hour), now)
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Second)
		l.add(now.Add(time.Hour), now)
	}); n != 0 {
		t.Errorf("%.1f allocations for each token", n)
	}
}

func BenchmarkLivingAdd(b *testing.B) {
	var l living
	now := time.Unix(1_900_000_000, 0)
	b.ReportAllocs()
	b.RunParallel(func(loop *testing.PB) {
		for loop.Next() {
			l.add(now.Add(time.Hour), now)
		}
	})
}
