package signer

import (
	"sync/atomic"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// living counts the tokens that were handed out with one key, by when they expire. Tokens are kept
// nowhere, so this is all that can tell how many a rotation would end. It is bounded and takes no lock;
// what it says is never less than there are.
//
// Expiries are counted in buckets that are as wide as the lifetime is long: 16 seconds for a quarter of
// an hour, an eighth of the lifetime at most.
type living struct {
	fingerprint string // of the key
	levels      [livingLevels]atomic.Pointer[[livingBuckets]atomic.Uint64]
	latest      atomic.Int64 // the last expiry, in Unix seconds
}

const (
	livingLevels  = 7  // the last one has room for lifetimes of 8 years
	livingBuckets = 64 // of one level
	livingFinest  = 4  // buckets of the first level are 1<<livingFinest seconds wide
	livingCoarser = 3  // and those of the next 1<<livingCoarser times as wide

	// A bucket holds the low bits of the index that it counts for above its count.
	livingCountBits = 40
	livingCountMask = 1<<livingCountBits - 1
)

// add counts a token that expires at exp.
func (l *living) add(exp, now time.Time) {
	end := exp.Unix()
	level := livingLevel(end - now.Unix())
	index := livingIndex(end, level)
	bucket := &l.buckets(level)[index%livingBuckets]
	for {
		old := bucket.Load()
		if livingReaches(old, index) { // later than index only where the clock was set back
			bucket.Add(1)
			break
		}
		if bucket.CompareAndSwap(old, index<<livingCountBits|1) {
			break
		}
	}
	for latest := l.latest.Load(); latest < end && !l.latest.CompareAndSwap(latest, end); {
		latest = l.latest.Load()
	}
}

// aliveAt returns the most tokens that may be alive at a time, of those handed out until now.
func (l *living) aliveAt(t time.Time) int64 {
	at := t.Unix()
	if l.latest.Load() <= at {
		return 0
	}
	var sum int64
	for level := range l.levels {
		buckets := l.levels[level].Load()
		if buckets == nil {
			continue
		}
		first := livingIndex(at, level)
		for i := range buckets {
			if held := buckets[i].Load(); livingReaches(held, first) {
				sum += int64(held & livingCountMask)
			}
		}
	}
	return sum
}

// buckets returns those of a level, making them for the first token.
func (l *living) buckets(level int) *[livingBuckets]atomic.Uint64 {
	if known := l.levels[level].Load(); known != nil {
		return known
	}
	l.levels[level].CompareAndSwap(nil, new([livingBuckets]atomic.Uint64))
	return l.levels[level].Load()
}

// livingLevel returns the finest level whose buckets reach as far as a lifetime, in seconds: neither end of
// it need be the end of a bucket.
func livingLevel(lifetime int64) int {
	level := 0
	for level < livingLevels-1 && lifetime>>livingWidth(level) > livingBuckets-2 {
		level++
	}
	return level
}

// livingWidth returns the logarithm of the seconds that a bucket of a level is wide.
func livingWidth(level int) int { return livingFinest + level*livingCoarser }

// livingIndex returns the index of the bucket that a Unix time falls into.
func livingIndex(at int64, level int) uint64 { return uint64(max(at, 0)) >> livingWidth(level) }

// livingReaches reports whether what a bucket holds counts for an index or for a later one.
func livingReaches(held, index uint64) bool {
	const low = 1<<(64-livingCountBits) - 1
	return held != 0 && (held>>livingCountBits-index)&low <= low/2
}

// livings takes over what is counted for the keys of the records, and begins for the new ones, by their
// refs. A target that was deleted and made again counts anew.
func livings(records []keystore.Record, before *Snapshot) map[string]*living {
	all := make(map[string]*living)
	for i := range records {
		for n := range records[i].Keys {
			key := &records[i].Keys[n]
			if len(key.Sealed) == 0 {
				continue
			}
			ref := Ref(records[i].Target.ID, key.Version)
			if before != nil {
				all[ref] = before.living[ref]
			}
			if known := all[ref]; known == nil || known.fingerprint != key.Fingerprint {
				all[ref] = &living{fingerprint: key.Fingerprint}
			}
		}
	}
	return all
}

// Alive says how many tokens of a target's key may be alive at a time, of those that this process has
// handed out since another time: never fewer than there are.
func (s *Signer) Alive(targetID string, version int, at time.Time) (count int64, since time.Time) {
	snapshot := s.keys.Snapshot()
	if snapshot == nil {
		return 0, s.keys.since
	}
	l := snapshot.living[Ref(targetID, version)]
	if l == nil {
		return 0, s.keys.since
	}
	return l.aliveAt(at), s.keys.since
}
