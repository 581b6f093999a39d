package obs

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Calls counts calls by method and code, and how long they took. Its methods are named when it is made: a call of
// any other counts for "other", so that nobody makes series by inventing names. It takes no lock.
type Calls struct {
	codes   []string
	methods map[string]*method
	other   *method
}

// callBuckets is how many buckets the histogram has.
const callBuckets = 9

// callBounds are the upper bounds of the histogram's buckets.
func callBounds() [callBuckets]time.Duration {
	return [...]time.Duration{
		100 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond,
		50 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second,
	}
}

type method struct {
	codes []atomic.Uint64                // as those of Calls
	took  [callBuckets + 1]atomic.Uint64 // by the bound that they kept; the last kept none
	sum   atomic.Int64                   // nanoseconds
}

// NewCalls returns a counter of calls of the methods, as in "/tokensvc.v1.KeyService/GetKey", that end with one of
// the codes, which are named in the order of their numbers.
func NewCalls(methods, codes []string) *Calls {
	c := &Calls{codes: codes, methods: make(map[string]*method, len(methods)), other: newMethod(codes)}
	for _, name := range methods {
		c.methods[name] = newMethod(codes)
	}
	return c
}

func newMethod(codes []string) *method { return &method{codes: make([]atomic.Uint64, len(codes))} }

// Count counts a call that has ended with the code of a number. It panics where there is no such code.
func (c *Calls) Count(name string, code int, took time.Duration) {
	m := c.methods[name]
	if m == nil {
		m = c.other
	}
	m.codes[code].Add(1)
	bounds := callBounds()
	at := 0
	for at < len(bounds) && took > bounds[at] {
		at++
	}
	m.took[at].Add(1)
	m.sum.Add(int64(took))
}

// Samples returns what was counted by code and how long calls took, with the values of further labels before the
// method's and the code's. Methods that nobody has called have no samples.
func (c *Calls) Samples(labels ...string) (byCode, took []Sample) {
	byCode, took = c.samples(c.other, byCode, took, append(slices.Clone(labels), "other"))
	for name, m := range c.methods {
		byCode, took = c.samples(m, byCode, took, append(slices.Clone(labels), strings.TrimPrefix(name, "/")))
	}
	return byCode, took
}

func (c *Calls) samples(m *method, byCode, took []Sample, labels []string) (codesOut, tookOut []Sample) {
	for i, code := range c.codes {
		if n := m.codes[i].Load(); n > 0 {
			byCode = append(byCode, Sample{Labels: append(slices.Clone(labels), code), Count: n})
		}
	}
	// The sum of the buckets is the count: read one by one while calls go on, they would disagree with another.
	s := Sample{Labels: labels, Sum: time.Duration(m.sum.Load()).Seconds(), Buckets: make(map[float64]uint64, callBuckets)}
	for i, bound := range callBounds() {
		s.Count += m.took[i].Load()
		s.Buckets[bound.Seconds()] = s.Count
	}
	s.Count += m.took[callBuckets].Load()
	if s.Count > 0 {
		took = append(took, s)
	}
	return byCode, took
}
