package rotate

import (
	"maps"
	"sync"
)

// Tally counts the steps of an Executor since it was made.
type Tally struct {
	// Steps are those that went well, by Action, and Failures the others, by class: both small sets.
	Steps, Failures map[string]uint64
}

// tally is a Tally that counts. Every class stands in it from the beginning, so that a rate is known of each.
type tally struct {
	mu sync.Mutex
	t  Tally
}

func newTally() *tally {
	t := &tally{t: Tally{Steps: map[string]uint64{}, Failures: map[string]uint64{}}}
	for _, class := range []string{classRejected, classThrottled, classDenied, classAmbiguous, classForeign, classInternal} {
		t.t.Failures[class] = 0
	}
	return t
}

func (t *tally) count(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Class != "" {
		t.t.Failures[e.Class]++
		return
	}
	t.t.Steps[string(e.Action)]++
}

// Tally returns what has been counted so far.
func (e *Executor) Tally() Tally {
	e.tally.mu.Lock()
	defer e.tally.mu.Unlock()
	return Tally{Steps: maps.Clone(e.tally.t.Steps), Failures: maps.Clone(e.tally.t.Failures)}
}
