package rotate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/keystore"
)

const (
	lifetime = 6 * time.Hour
	hour     = time.Hour
)

func start() time.Time { return time.Date(2031, 2, 3, 12, 0, 0, 0, time.UTC) }

func at(d time.Duration) time.Time { return start().Add(d) }

func minterFacts() rotate.Facts {
	return rotate.Facts{
		Traits:    provider.Traits{Propagation: time.Minute, MaxCall: 30 * time.Second},
		Abilities: rotate.Abilities{Mint: true, Label: true}, Checked: start(),
	}
}

func setterFacts() rotate.Facts {
	f := minterFacts()
	f.Abilities, f.Traits.Slots = rotate.Abilities{Set: true, Inspect: true}, 1
	return f
}

func key(version int, s keystore.State) keystore.Key {
	k := keystore.Key{Version: version, State: s, Sealed: []byte("x"), Fingerprint: strings.Repeat("f", version), ActivatedAt: at(-hour)}
	switch s {
	case keystore.Pending:
		k.ActivatedAt = time.Time{}
	case keystore.Retiring:
		k.RetireAfter = at(hour)
	case keystore.Retired:
		k.DestroyAfter = at(2 * hour)
	default:
	}
	return k
}

func record(providerName string, resources int, op *keystore.Operation, keys ...keystore.Key) keystore.Record {
	r := keystore.Record{
		Target: keystore.Target{
			ID: "event", Provider: providerName, Account: "main", Resources: []string{"one", "two"}[:resources], MaxTokenLifetime: lifetime,
			Policy: keystore.Policy{Every: 24 * hour},
		},
		Keys: keys, Operation: op, NextRotation: at(3 * hour),
	}
	if op != nil {
		op.ID, op.Kind, op.Target = "op", keystore.Rotate, "event"
		op.Mode = r.Target.Mode()
	}
	return r
}

// TestPlan: what is next in each situation. "Then" is the action, "look" when to look again.
func TestPlan(t *testing.T) {
	active, pending, retiring, retired := key(1, keystore.Active), key(2, keystore.Pending), key(1, keystore.Retiring), key(1, keystore.Retired)
	newer := key(2, keystore.Active)
	dead := retiring
	dead.RetireAfter = at(0)
	due := func(r *keystore.Record, _ *rotate.Facts) { r.NextRotation = at(-time.Minute) }
	type change = func(*keystore.Record, *rotate.Facts)
	minter := func(op *keystore.Operation, keys ...keystore.Key) keystore.Record {
		return record("qencode", 1, op, keys...)
	}
	setter := func(op *keystore.Operation, keys ...keystore.Key) keystore.Record {
		return record("wowza", 1, op, keys...)
	}
	pair := func(op *keystore.Operation, keys ...keystore.Key) keystore.Record {
		return record("agora", 2, op, keys...)
	}
	replacing := func(op *keystore.Operation, keys ...keystore.Key) keystore.Record {
		r := record("qencode", 1, op, keys...)
		r.Operation.Mode = keystore.Replace
		return r
	}
	at1to2 := func(s keystore.Step) *keystore.Operation { return &keystore.Operation{From: 1, To: 2, Step: s} }
	scheduled := func(cut time.Duration) *keystore.Operation {
		op := at1to2(keystore.Scheduled)
		op.CutAt, op.CutUntil = at(cut), at(cut+15*time.Minute)
		return op
	}
	for name, c := range map[string]struct {
		r      keystore.Record
		change change
		then   rotate.Action
		look   time.Time
		alarm  string
		cut    time.Time
	}{
		"imported by hand":                {r: minter(nil, active), change: func(r *keystore.Record, _ *rotate.Facts) { r.Target.Account = "" }, then: rotate.Wait},
		"no resource":                     {r: minter(nil, active), change: func(r *keystore.Record, _ *rotate.Facts) { r.Target.Resources = nil }, then: rotate.Wait},
		"static provider":                 {r: minter(nil, active), change: func(_ *keystore.Record, f *rotate.Facts) { f.Abilities = rotate.Abilities{} }, then: rotate.Wait},
		"not due":                         {r: minter(nil, active), then: rotate.Wait, look: at(5 * time.Minute)},
		"due":                             {r: minter(nil, active), change: due, then: rotate.Begin},
		"due, provider not looked at":     {r: minter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) { due(r, f); f.Checked = time.Time{} }, then: rotate.Check},
		"due, provider was unreachable":   {r: setter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) { due(r, f); f.Finding = rotate.Unreachable }, then: rotate.Check},
		"due, backing off":                {r: setter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) { due(r, f); f.NotBefore = at(time.Minute) }, then: rotate.Wait, look: at(time.Minute)},
		"on command only":                 {r: minter(nil, active), change: func(r *keystore.Record, _ *rotate.Facts) { r.Target.Policy.Every = 0 }, then: rotate.Wait, look: at(5 * time.Minute)},
		"due, window opens later":         {r: minter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) { due(r, f); r.Target.Policy.Window = "12:04-13:00" }, then: rotate.Wait, look: at(4 * time.Minute)},
		"due, window open":                {r: minter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) { due(r, f); r.Target.Policy.Window = "11:00-13:00" }, then: rotate.Begin},
		"no key yet":                      {r: minter(nil), then: rotate.Begin},
		"first period counts from use":    {r: minter(nil, active), change: func(r *keystore.Record, _ *rotate.Facts) { r.NextRotation = time.Time{}; r.Target.Policy.Every = hour }, then: rotate.Begin},
		"active key gone at the provider": {r: minter(nil, active), change: func(_ *keystore.Record, f *rotate.Facts) { f.Finding = rotate.Missing }, then: rotate.Begin, alarm: "does not list"},
		"quarantine is full": {r: minter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) {
			due(r, f)
			r.Orphans = []keystore.Orphan{{KID: "a"}, {KID: "b"}, {KID: "c"}}
		}, then: rotate.Wait, look: at(5 * time.Minute), alarm: "3 keys in quarantine"},
		"an orphan waits for a person": {r: minter(nil, active), change: func(r *keystore.Record, _ *rotate.Facts) { r.Orphans = []keystore.Orphan{{KID: "a"}} }, then: rotate.Wait, look: at(5 * time.Minute), alarm: "1 keys in quarantine"},
		"an orphan of a sole owner": {r: minter(nil, active), change: func(r *keystore.Record, _ *rotate.Facts) {
			r.Orphans, r.Target.Policy.SoleOwner = []keystore.Orphan{{KID: "a"}}, true
		}, then: rotate.RevokeOrphan},

		"minter: intent":           {r: minter(at1to2(keystore.Intent), active, pending), then: rotate.Mint},
		"minter: intent, too many": {r: minter(at1to2(keystore.Intent), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Orphans = make([]keystore.Orphan, 3) }, then: rotate.Wait, look: at(5 * time.Minute), alarm: "no more are made"},
		"minter: in doubt":         {r: minter(at1to2(keystore.Minting), active, pending), then: rotate.Sweep},
		"minter: in doubt, the call may be under way": {
			r: minter(at1to2(keystore.Minting), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.NotBefore = at(30 * time.Second) },
			then: rotate.Wait, look: at(30 * time.Second),
		},
		"minter: minted":           {r: minter(at1to2(keystore.Minted), active, pending), then: rotate.Label},
		"minter: labelled":         {r: minter(at1to2(keystore.Minted), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.UseAfter = at(time.Minute) }, then: rotate.Wait, look: at(time.Minute)},
		"minter: settled":          {r: minter(at1to2(keystore.Minted), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.UseAfter = at(0) }, then: rotate.Activate},
		"minter: immediate":        {r: minter(at1to2(keystore.Minted), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.Immediate = true }, then: rotate.Activate},
		"minter: draining":         {r: minter(at1to2(keystore.Draining), retiring, newer), change: func(_ *keystore.Record, f *rotate.Facts) { f.Checked = at(hour) }, then: rotate.Wait, look: at(hour)},
		"minter: drained":          {r: minter(at1to2(keystore.Draining), dead, newer), then: rotate.Revoke},
		"minter: drained at once":  {r: minter(at1to2(keystore.Draining), retiring, newer), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.Immediate = true }, then: rotate.Revoke},
		"minter: first key in use": {r: minter(&keystore.Operation{To: 1, Step: keystore.Draining}, active), then: rotate.Finish},
		"minter: retired by hand":  {r: minter(at1to2(keystore.Draining), retired, newer), then: rotate.Finish},
		"minter: left by another":  {r: minter(nil, dead, newer), then: rotate.Revoke},
		"minter: a second key is refused": {r: minter(at1to2(keystore.Intent), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) {
			r.Operation.Alarm, r.Operation.NotBefore = "needs_replace: …", at(time.Minute)
		}, then: rotate.Wait, look: at(time.Minute), alarm: "needs_replace"},

		"replace: scheduled":               {r: replacing(scheduled(hour), active, pending), change: func(_ *keystore.Record, f *rotate.Facts) { f.Checked = at(hour) }, then: rotate.Wait, look: at(hour - 90*time.Second)},
		"replace: near":                    {r: replacing(scheduled(time.Minute), active, pending), change: func(_ *keystore.Record, f *rotate.Facts) { f.Checked = at(-hour) }, then: rotate.Check},
		"replace: near, unreachable":       {r: replacing(scheduled(time.Minute), active, pending), change: func(_ *keystore.Record, f *rotate.Facts) { f.Finding = rotate.Unreachable }, then: rotate.PutOff, alarm: "put off"},
		"replace: near, gone already":      {r: replacing(scheduled(time.Minute), active, pending), change: func(_ *keystore.Record, f *rotate.Facts) { f.Finding = rotate.Missing }, then: rotate.Wait, look: at(75 * time.Second), alarm: "does not list"},
		"replace: come":                    {r: replacing(scheduled(-15*time.Second), active, pending), then: rotate.Apply},
		"replace: come too late":           {r: replacing(scheduled(-15*time.Minute), active, pending), then: rotate.PutOff, cut: at(lifetime + 30*time.Second)},
		"replace: immediate":               {r: replacing(scheduled(hour), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.Immediate = true }, then: rotate.Apply},
		"replace: deleted perhaps":         {r: replacing(at1to2(keystore.Applying), active, pending), then: rotate.Revoke},
		"replace: deleted perhaps, failed": {r: replacing(at1to2(keystore.Applying), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.NotBefore = at(30 * time.Second) }, then: rotate.Wait, look: at(30 * time.Second)},
		"replace: room is made":            {r: replacing(at1to2(keystore.Intent), active, pending), then: rotate.Mint},
		"replace: in doubt":                {r: replacing(at1to2(keystore.Minting), active, pending), then: rotate.Sweep},
		"replace: minted":                  {r: replacing(at1to2(keystore.Minted), active, pending), then: rotate.Label},
		"replace: settled":                 {r: replacing(at1to2(keystore.Minted), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.UseAfter = at(0) }, then: rotate.Activate},
		"replace: nothing is compared while the key is away": {r: replacing(at1to2(keystore.Minted), active, pending), change: func(r *keystore.Record, f *rotate.Facts) {
			r.Operation.UseAfter, f.Checked = at(time.Minute), at(-hour)
		}, then: rotate.Wait, look: at(time.Minute)},

		"rollback window has ended": {r: minter(nil, retired, newer), change: func(r *keystore.Record, _ *rotate.Facts) { r.Keys[0].DestroyAfter = at(0) }, then: rotate.Destroy},
		"a look from time to time":  {r: setter(nil, active), change: func(_ *keystore.Record, f *rotate.Facts) { f.Checked = at(-5 * time.Minute) }, then: rotate.Check},
		"cannot be read": {r: setter(nil, active), change: func(_ *keystore.Record, f *rotate.Facts) {
			f.Checked, f.Abilities.Inspect = at(-5*time.Minute), false
		}, then: rotate.Reassert},

		"cut: due": {r: setter(nil, active), change: due, then: rotate.Begin, cut: at(lifetime + 30*time.Second)},
		"cut: due, in a window": {
			r: setter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) { due(r, f); r.Target.Policy.Window = "02:00-04:00" },
			then: rotate.Begin, cut: time.Date(2031, 2, 4, 2, 0, 0, 0, time.UTC),
		},
		"cut: due, tokens of a former signer live longer": {
			r: setter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) { due(r, f); r.Target.LongLivedUntil = at(48 * hour) },
			then: rotate.Begin, cut: at(48*hour + 30*time.Second),
		},
		"cut: first key":                    {r: setter(nil), then: rotate.Begin, cut: at(0)},
		"cut: scheduled":                    {r: setter(scheduled(hour), active, pending), change: func(_ *keystore.Record, f *rotate.Facts) { f.Checked = at(hour) }, then: rotate.Wait, look: at(hour - 90*time.Second)},
		"cut: near":                         {r: setter(scheduled(time.Minute), active, pending), change: func(_ *keystore.Record, f *rotate.Facts) { f.Checked = at(-hour) }, then: rotate.Check},
		"cut: near, all is well":            {r: setter(scheduled(time.Minute), active, pending), then: rotate.Wait, look: at(75 * time.Second)},
		"cut: near, and a stranger":         {r: setter(scheduled(time.Minute), active, pending), change: func(_ *keystore.Record, f *rotate.Facts) { f.Finding = rotate.Foreign }, then: rotate.PutOff, alarm: "put off"},
		"cut: near, unreachable":            {r: setter(scheduled(time.Minute), active, pending), change: func(_ *keystore.Record, f *rotate.Facts) { f.Finding = rotate.Unreachable }, then: rotate.PutOff, alarm: "put off"},
		"cut: come, not for the slowest":    {r: setter(scheduled(-10*time.Second), active, pending), then: rotate.Wait, look: at(5 * time.Second)},
		"cut: come":                         {r: setter(scheduled(-15*time.Second), active, pending), then: rotate.Apply},
		"cut: come, last failed":            {r: setter(scheduled(-time.Minute), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.NotBefore = at(time.Minute) }, then: rotate.Wait, look: at(time.Minute)},
		"cut: replicas may sign again soon": {r: setter(scheduled(-15*time.Minute+45*time.Second), active, pending), then: rotate.PutOff, cut: at(lifetime + 30*time.Second)},
		"cut: taken back":                   {r: setter(at1to2(keystore.Scheduled), active, pending), then: rotate.ScheduleCut, cut: at(lifetime + 30*time.Second)},
		"cut: taken back, still a stranger": {r: setter(at1to2(keystore.Scheduled), active, pending), change: func(_ *keystore.Record, f *rotate.Facts) { f.Finding = rotate.Foreign }, then: rotate.Wait, look: at(5 * time.Minute), alarm: "somebody else"},
		"cut: immediate":                    {r: setter(scheduled(hour), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.Immediate = true }, then: rotate.Apply},
		"cut: in doubt":                     {r: setter(at1to2(keystore.Applying), active, pending), then: rotate.Set},
		"cut: rejected once": {r: setter(at1to2(keystore.Applying), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) {
			r.Operation.Tries, r.Operation.LastError = 1, "rejected 422"
		}, then: rotate.Set},
		"cut: rejected for good": {r: setter(at1to2(keystore.Applying), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) {
			r.Operation.Tries, r.Operation.LastError = 2, "rejected 422"
		}, then: rotate.Restore},
		"cut: neither is taken": {r: setter(at1to2(keystore.Applying), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) {
			r.Operation.Tries, r.Operation.LastError = 3, "rejected 422"
		}, then: rotate.Set},
		"cut: throttled": {r: setter(at1to2(keystore.Applying), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) {
			r.Operation.Tries, r.Operation.LastError = 2, "throttled 429"
		}, then: rotate.Set},
		"cut: the first secret is rejected": {r: setter(&keystore.Operation{To: 1, Step: keystore.Applying, Tries: 2, LastError: "rejected 422"}, key(1, keystore.Pending)), then: rotate.Set},
		"cut: confirmed":                    {r: setter(at1to2(keystore.Applied), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.UseAfter = at(time.Minute) }, then: rotate.Wait, look: at(time.Minute)},
		"cut: confirmed, a probe could tell": {r: setter(at1to2(keystore.Applied), active, pending), change: func(r *keystore.Record, f *rotate.Facts) {
			r.Operation.UseAfter = at(time.Minute)
			f.Abilities.Probe = true
		}, then: rotate.Probe},
		"cut: confirmed, the next probe": {r: setter(at1to2(keystore.Applied), active, pending), change: func(r *keystore.Record, f *rotate.Facts) {
			r.Operation.UseAfter, f.Abilities.Probe, f.Probed, f.ProbedKey = at(time.Minute), true, at(0), 2
		}, then: rotate.Wait, look: at(2 * time.Second)},
		"cut: confirmed, probes accepted": {r: setter(at1to2(keystore.Applied), active, pending), change: func(r *keystore.Record, f *rotate.Facts) {
			r.Operation.UseAfter, f.Abilities.Probe, f.Probes, f.ProbedKey = at(time.Minute), true, 3, 2
		}, then: rotate.Activate},
		"cut: confirmed, probes of another key": {r: setter(at1to2(keystore.Applied), active, pending), change: func(r *keystore.Record, f *rotate.Facts) {
			r.Operation.UseAfter, f.Abilities.Probe, f.Probes, f.ProbedKey = at(time.Minute), true, 3, 1
		}, then: rotate.Probe},
		"cut: opens on apply": {r: setter(at1to2(keystore.Applied), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) {
			r.Operation.UseAfter, r.Target.Policy.OpenOnApply = at(time.Minute), true
		}, then: rotate.Activate},
		"cut: edges know the key":     {r: setter(at1to2(keystore.Applied), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.UseAfter = at(0) }, then: rotate.Activate},
		"cut: restored":               {r: setter(at1to2(keystore.Applied), active, key(2, keystore.Destroyed)), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.UseAfter = at(time.Minute) }, then: rotate.Wait, look: at(time.Minute)},
		"cut: edges know the old key": {r: setter(at1to2(keystore.Applied), active, key(2, keystore.Destroyed)), then: rotate.Reopen},
		"drift: an older secret":      {r: setter(nil, active), change: func(_ *keystore.Record, f *rotate.Facts) { f.Finding = rotate.Older }, then: rotate.Reassert},
		"drift: switched off":         {r: setter(nil, active), change: func(_ *keystore.Record, f *rotate.Facts) { f.Finding = rotate.Missing }, then: rotate.Reassert},
		"drift: a stranger":           {r: setter(nil, active), change: func(_ *keystore.Record, f *rotate.Facts) { f.Finding = rotate.Foreign }, then: rotate.Wait, look: at(5 * time.Minute), alarm: "somebody else"},
		"drift: a stranger, re-assert": {r: setter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) {
			f.Finding, r.Target.Policy.OnDrift = rotate.Foreign, keystore.DriftReassert
		}, then: rotate.Reassert, alarm: "somebody else"},
		"drift: a stranger, adopt": {r: setter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) {
			f.Finding, r.Target.Policy.OnDrift = rotate.Foreign, keystore.DriftAdopt
		}, then: rotate.AdoptForeign, alarm: "somebody else"},
		"drift: a stranger in the slot of a pair, adopt": {r: pair(nil, active), change: func(r *keystore.Record, f *rotate.Facts) {
			f.Finding, r.Target.Policy.OnDrift = rotate.Foreign, keystore.DriftAdopt
		}, then: rotate.AdoptForeign, alarm: "somebody else"},
		"drift: a stranger in a pair that is rotated": {r: pair(at1to2(keystore.Applied), active, pending), change: func(r *keystore.Record, f *rotate.Facts) {
			r.Operation.UseAfter, f.Finding, r.Target.Policy.OnDrift = at(time.Minute), rotate.Foreign, keystore.DriftAdopt
		}, then: rotate.Wait, look: at(time.Minute), alarm: "somebody else"},
		"drift: a stranger before a rotation": {r: setter(nil, active), change: func(r *keystore.Record, f *rotate.Facts) { due(r, f); f.Finding = rotate.Foreign }, then: rotate.Wait, look: at(5 * time.Minute), alarm: "somebody else"},

		"pair: idle slot":                        {r: pair(at1to2(keystore.Applying), active, pending), then: rotate.Set},
		"pair: confirmed":                        {r: pair(at1to2(keystore.Applied), active, pending), change: func(r *keystore.Record, _ *rotate.Facts) { r.Operation.UseAfter = at(time.Minute) }, then: rotate.Wait, look: at(time.Minute)},
		"pair: edges know the key":               {r: pair(at1to2(keystore.Applied), active, pending), then: rotate.Activate},
		"pair: draining":                         {r: pair(at1to2(keystore.Draining), retiring, newer), change: func(_ *keystore.Record, f *rotate.Facts) { f.Checked = at(hour) }, then: rotate.Wait, look: at(hour)},
		"pair: drained":                          {r: pair(at1to2(keystore.Draining), dead, newer), then: rotate.Void},
		"pair: voiding":                          {r: pair(at1to2(keystore.Voiding), dead, newer), then: rotate.Void},
		"pair: first key in use":                 {r: pair(&keystore.Operation{To: 1, Step: keystore.Draining}, active), then: rotate.Finish},
		"pair: due, the other slot still drains": {r: pair(nil, retiring, newer), change: due, then: rotate.Wait, look: at(5 * time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			f := minterFacts()
			if c.r.Target.Provider != "qencode" {
				f = setterFacts()
			}
			if c.change != nil {
				c.change(&c.r, &f)
			}
			d := rotate.Plan(c.r, f, rotate.DefaultTiming(), start())
			if d.Action != c.then || d.Why == "" {
				t.Fatalf("%s (%s), want %s", d.Action, d.Why, c.then)
			}
			if !c.look.IsZero() && !d.At.Equal(c.look) {
				t.Errorf("look again at %s, want %s: %s", d.At, c.look, d.Why)
			}
			if !d.CutAt.Equal(c.cut) {
				t.Errorf("cut at %s, want %s", d.CutAt, c.cut)
			}
			if (c.alarm == "") != (d.Alarm == "") || !strings.Contains(d.Alarm, c.alarm) {
				t.Errorf("alarm %q, want %q", d.Alarm, c.alarm)
			}
		})
	}
}
