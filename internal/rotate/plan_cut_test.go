package rotate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/keystore"
)

// cutOp is an operation of the target event that is scheduled to cut key 1 after a time.
func cutOp(after time.Duration) *keystore.Operation {
	return &keystore.Operation{From: 1, To: 2, Step: keystore.Scheduled, CutAt: at(after), CutUntil: at(after + 15*time.Minute)}
}

// TestPlanStaggersCuts: two targets of one account are never cut together. Event is the target that is planned.
func TestPlanStaggersCuts(t *testing.T) {
	active, pending := key(1, keystore.Active), key(2, keystore.Pending)
	soonest := lifetime + 30*time.Second
	beside := func(id string, from, until time.Duration) rotate.Cut {
		return rotate.Cut{Target: id, At: at(from), Until: at(until)}
	}
	underWay := func(from time.Duration) rotate.Cut {
		c := beside("arena", from, from+15*time.Minute)
		c.Closed = true
		return c
	}
	for name, c := range map[string]struct {
		op     *keystore.Operation
		window string
		cuts   []rotate.Cut
		then   rotate.Action
		cut    time.Duration
	}{
		"alone":                       {then: rotate.Begin, cut: soonest},
		"its own cut":                 {cuts: []rotate.Cut{beside("event", soonest, soonest+hour)}, then: rotate.Begin, cut: soonest},
		"one that is over before":     {cuts: []rotate.Cut{beside("arena", soonest-15*time.Minute, soonest)}, then: rotate.Begin, cut: soonest},
		"one that begins after":       {cuts: []rotate.Cut{beside("arena", soonest+15*time.Minute, soonest+30*time.Minute)}, then: rotate.Begin, cut: soonest},
		"one at the same time":        {cuts: []rotate.Cut{beside("arena", soonest, soonest+15*time.Minute)}, then: rotate.Begin, cut: soonest + 15*time.Minute},
		"one that begins meanwhile":   {cuts: []rotate.Cut{beside("zoo", soonest+14*time.Minute, soonest+29*time.Minute)}, then: rotate.Begin, cut: soonest + 29*time.Minute},
		"a row of them, in any order": {cuts: []rotate.Cut{beside("c", soonest+20*time.Minute, soonest+35*time.Minute), beside("b", soonest+5*time.Minute, soonest+20*time.Minute)}, then: rotate.Begin, cut: soonest + 35*time.Minute},
		"out of the window": {
			window: "18:00-18:10", cuts: []rotate.Cut{beside("arena", soonest, soonest+15*time.Minute)},
			then: rotate.Begin, cut: 30 * hour, // 18:00 of the next day
		},

		"scheduled, and the other comes first": {op: cutOp(2 * hour), cuts: []rotate.Cut{beside("zoo", 2*hour-time.Minute, 2*hour+14*time.Minute)}, then: rotate.PutOff, cut: soonest},
		"scheduled, and comes first":           {op: cutOp(2 * hour), cuts: []rotate.Cut{beside("arena", 2*hour+time.Minute, 2*hour+16*time.Minute)}, then: rotate.Wait},
		"the same moment, later in the order":  {op: cutOp(2 * hour), cuts: []rotate.Cut{beside("arena", 2*hour, 2*hour+15*time.Minute)}, then: rotate.PutOff, cut: soonest},
		"the same moment, first in the order":  {op: cutOp(2 * hour), cuts: []rotate.Cut{beside("zoo", 2*hour, 2*hour+15*time.Minute)}, then: rotate.Wait},
		"put off behind the others": {
			op: cutOp(2 * hour), cuts: []rotate.Cut{beside("arena", 2*hour, 2*hour+15*time.Minute), beside("zoo", soonest, soonest+15*time.Minute)},
			then: rotate.PutOff, cut: soonest + 15*time.Minute,
		},
		"one is overdue and under way":            {op: cutOp(time.Minute), cuts: []rotate.Cut{underWay(-hour)}, then: rotate.PutOff, cut: soonest},
		"one is under way when ours has come":     {op: cutOp(-15 * time.Second), cuts: []rotate.Cut{underWay(-hour)}, then: rotate.PutOff, cut: soonest},
		"one is under way, and over before":       {op: cutOp(hour), cuts: []rotate.Cut{underWay(-time.Minute)}, then: rotate.Wait},
		"ours is under way; others are their own": {op: &keystore.Operation{From: 1, To: 2, Step: keystore.Applying}, cuts: []rotate.Cut{underWay(-time.Minute)}, then: rotate.Set},
	} {
		t.Run(name, func(t *testing.T) {
			r := record("wowza", 1, c.op, active, pending)
			if c.op == nil {
				r.Keys, r.NextRotation = r.Keys[:1], at(-time.Minute)
			}
			r.Target.Policy.Window = c.window
			f := setterFacts()
			f.Cuts = c.cuts
			d := rotate.Plan(r, f, rotate.DefaultTiming(), start())
			if d.Action != c.then || d.Alarm != "" {
				t.Fatalf("%s (%s), alarm %q; want %s", d.Action, d.Why, d.Alarm, c.then)
			}
			if c.cut != 0 && !d.CutAt.Equal(at(c.cut)) {
				t.Errorf("cut in %s, want %s: %s", d.CutAt.Sub(start()), c.cut, d.Why)
			}
			if c.then == rotate.PutOff && !strings.Contains(d.Why, "of the same account") {
				t.Errorf("why %q", d.Why)
			}
		})
	}
}

// TestPlanProbesBeforeACut: an edge that refuses the present key is something to be looked at, not to be cut over.
func TestPlanProbesBeforeACut(t *testing.T) {
	active, pending := key(1, keystore.Active), key(2, keystore.Pending)
	soonest := lifetime + 30*time.Second
	for name, c := range map[string]struct {
		cut   time.Duration
		facts func(*rotate.Facts)
		then  rotate.Action
		look  time.Duration
		alarm string
	}{
		"not near":                        {cut: hour, then: rotate.Wait, look: hour - 90*time.Second},
		"near":                            {cut: time.Minute, then: rotate.Probe},
		"near, the slot comes first":      {cut: time.Minute, facts: func(f *rotate.Facts) { f.Checked = at(-hour) }, then: rotate.Check},
		"near, probed for the cut before": {cut: time.Minute, facts: func(f *rotate.Facts) { f.ProbedKey, f.Probes, f.Probed = 1, 1, at(-hour) }, then: rotate.Probe},
		"near, another key was probed":    {cut: time.Minute, facts: func(f *rotate.Facts) { f.ProbedKey, f.Probes, f.Probed = 2, 1, at(0) }, then: rotate.Probe},
		"near, accepted":                  {cut: time.Minute, facts: func(f *rotate.Facts) { f.ProbedKey, f.Probes, f.Probed = 1, 1, at(0) }, then: rotate.Wait, look: 75 * time.Second},
		"near, no answer":                 {cut: time.Minute, facts: func(f *rotate.Facts) { f.ProbedKey, f.Probed = 1, at(0) }, then: rotate.Wait, look: 75 * time.Second},
		"near, refused once":              {cut: time.Minute, facts: func(f *rotate.Facts) { f.ProbedKey, f.Refusals, f.Probed = 1, 1, at(0) }, then: rotate.Wait, look: 2 * time.Second},
		"near, refused once, again":       {cut: time.Minute, facts: func(f *rotate.Facts) { f.ProbedKey, f.Refusals, f.Probed = 1, 1, at(-2*time.Second) }, then: rotate.Probe},
		"near, refused":                   {cut: time.Minute, facts: func(f *rotate.Facts) { f.ProbedKey, f.Refusals, f.Probed = 1, 3, at(0) }, then: rotate.PutOff, alarm: "the edge refuses tokens of the present key 1"},
		"refused for the cut before":      {cut: hour, facts: func(f *rotate.Facts) { f.ProbedKey, f.Refusals, f.Probed = 1, 3, at(0) }, then: rotate.Wait, look: hour - 90*time.Second},
		"come":                            {cut: -15 * time.Second, then: rotate.Apply},
		"come, accepted":                  {cut: -15 * time.Second, facts: func(f *rotate.Facts) { f.ProbedKey, f.Probes, f.Probed = 1, 1, at(-time.Minute) }, then: rotate.Apply},
	} {
		t.Run(name, func(t *testing.T) {
			f := setterFacts()
			f.Abilities.Probe = true
			if c.cut > 10*time.Minute {
				f.Checked = at(c.cut)
			}
			if c.facts != nil {
				c.facts(&f)
			}
			d := rotate.Plan(record("wowza", 1, cutOp(c.cut), active, pending), f, rotate.DefaultTiming(), start())
			if d.Action != c.then {
				t.Fatalf("%s (%s), want %s", d.Action, d.Why, c.then)
			}
			if c.look != 0 && !d.At.Equal(at(c.look)) {
				t.Errorf("look again in %s, want %s: %s", d.At.Sub(start()), c.look, d.Why)
			}
			if d.Action == rotate.Probe && d.Key != 1 {
				t.Errorf("key %d is probed", d.Key)
			}
			if d.Action == rotate.PutOff && !d.CutAt.Equal(at(soonest)) {
				t.Errorf("put off to %s", d.CutAt)
			}
			if (c.alarm == "") != (d.Alarm == "") || !strings.Contains(d.Alarm, c.alarm) {
				t.Errorf("alarm %q, want %q", d.Alarm, c.alarm)
			}
		})
	}
	first := record("wowza", 1, &keystore.Operation{To: 1, Step: keystore.Scheduled, CutAt: at(0), CutUntil: at(15 * time.Minute)}, key(1, keystore.Pending))
	f := setterFacts()
	f.Abilities.Probe = true
	if d := rotate.Plan(first, f, rotate.DefaultTiming(), start()); d.Action == rotate.Probe {
		t.Error("without a present key something is probed")
	}
}
