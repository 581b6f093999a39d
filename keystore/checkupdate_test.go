package keystore_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tokensvc/tokensvc/keystore"
)

func TestCheckTarget(t *testing.T) {
	good := record("wowza").Target
	for _, id := range []string{"a", "a-b", "a1", "big-event-2031", strings.Repeat("a", 63)} {
		x := good
		x.ID = id
		if err := keystore.CheckTarget(x); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range []string{"", "-a", "a-", "1a", "A", "a_b", "a.b", "a/b", "a b", "a\n", "a\x00", "ä", "aä", strings.Repeat("a", 64), strings.Repeat("b", 100_000)} {
		x := good
		x.ID = id
		err := keystore.CheckTarget(x)
		if !errors.Is(err, keystore.ErrIllegal) {
			t.Errorf("%.20q: %v, want ErrIllegal", id, err)
		} else if len(err.Error()) > 600 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

// TestCheckUpdate begins with a record of every state and breaks one rule at a time.
func TestCheckUpdate(t *testing.T) {
	before := record("qencode", keystore.Destroyed, keystore.Retired, keystore.Retiring, keystore.Active, keystore.Pending)
	before.Keys[0].KID, before.Keys[3].KID = "first", "signs"
	if err := keystore.CheckUpdate(before, before.Clone()); err != nil {
		t.Fatalf("no change: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*keystore.Record)
		legal  bool
	}{
		"description":         {func(r *keystore.Record) { r.Target.Description = "x" }, true},
		"lifetime":            {func(r *keystore.Record) { r.Target.MaxTokenLifetime = time.Hour }, true},
		"rewrapped":           {func(r *keystore.Record) { r.Keys[3].Sealed = []byte("other bytes") }, true},
		"cut":                 {func(r *keystore.Record) { r.Keys[3].Horizon = start() }, true},
		"new key":             {func(r *keystore.Record) { r.Add(keystore.Key{}, start()) }, true},
		"new key after a gap": {func(r *keystore.Record) { r.Add(keystore.Key{}, start()).Version = 50 }, true},
		"swap of the active":  {func(r *keystore.Record) { r.Keys[2].State, r.Keys[3].State = keystore.Active, keystore.Retiring }, true},

		"protected":               {func(r *keystore.Record) { r.Protections = []keystore.Protection{{Resource: "a"}, {Resource: "b"}} }, true},
		"protected twice":         {func(r *keystore.Record) { r.Protections = []keystore.Protection{{Resource: "a"}, {Resource: "a"}} }, false},
		"protected, but not what": {func(r *keystore.Record) { r.Protections = []keystore.Protection{{}} }, false},
		"a third protected": {func(r *keystore.Record) {
			r.Protections = []keystore.Protection{{Resource: "a"}, {Resource: "b"}, {Resource: "c"}}
		}, false},

		"a name given":       {func(r *keystore.Record) { r.Keys[4].KID = "next" }, true},
		"a tombstone's name": {func(r *keystore.Record) { r.Add(keystore.Key{KID: "first"}, start()) }, true},

		"a new key of a name in use": {func(r *keystore.Record) { r.Add(keystore.Key{KID: "signs"}, start()) }, false},
		"a name in use given":        {func(r *keystore.Record) { r.Keys[4].KID = "signs" }, false},
		"an older key named alike":   {func(r *keystore.Record) { r.Keys[2].KID = "signs" }, false},
		"another name":               {func(r *keystore.Record) { r.Keys[3].KID = "other" }, false},
		"name lost":                  {func(r *keystore.Record) { r.Keys[3].KID = "" }, false},
		"malformed id":               {func(r *keystore.Record) { r.Target.ID = "Event" }, false},
		"other id":                   {func(r *keystore.Record) { r.Target.ID = "other" }, false},
		"other provider":             {func(r *keystore.Record) { r.Target.Provider = "wowza" }, false},
		"other scheme":               {func(r *keystore.Record) { r.Target.Scheme = "other" }, false},
		"last key gone":              {func(r *keystore.Record) { r.Keys = r.Keys[:4] }, false},
		"first key gone":             {func(r *keystore.Record) { r.Keys = r.Keys[1:] }, false},
		"tombstone replaced":         {func(r *keystore.Record) { r.Keys[0] = keystore.Key{Version: 6, State: keystore.Pending} }, false},
		"renumbered":                 {func(r *keystore.Record) { r.Keys[4].Version = 6 }, false},
		"version used again":         {func(r *keystore.Record) { r.Add(keystore.Key{}, start()).Version = 1 }, false},
		"version below the last":     {func(r *keystore.Record) { r.Add(keystore.Key{}, start()).Version = 5 }, false},
		"second active":              {func(r *keystore.Record) { r.Keys[4].State = keystore.Active }, false},
		"new key second active": {func(r *keystore.Record) {
			*r.Add(keystore.Key{}, start()) = keystore.Key{Version: 6, State: keystore.Active, Sealed: []byte("x")}
		}, false},
		"new key retiring": {func(r *keystore.Record) {
			*r.Add(keystore.Key{}, start()) = keystore.Key{Version: 6, State: keystore.Retiring, Sealed: []byte("x")}
		}, false},
		"new key destroyed":        {func(r *keystore.Record) { r.Add(keystore.Key{}, start()).State = keystore.Destroyed }, false},
		"new key without state":    {func(r *keystore.Record) { r.Add(keystore.Key{}, start()).State = 0 }, false},
		"unknown state":            {func(r *keystore.Record) { r.Keys[4].State = 77 }, false},
		"risen from destruction":   {func(r *keystore.Record) { r.Keys[0].State, r.Keys[0].Sealed = keystore.Pending, []byte("x") }, false},
		"risen from retirement":    {func(r *keystore.Record) { r.Keys[1].State, r.Keys[3].State = keystore.Active, keystore.Retiring }, false},
		"tombstone with bytes":     {func(r *keystore.Record) { r.Keys[0].Sealed = []byte("x") }, false},
		"destroyed, bytes kept":    {func(r *keystore.Record) { r.Keys[1].State = keystore.Destroyed }, false},
		"active without bytes":     {func(r *keystore.Record) { r.Keys[3].Sealed = nil }, false},
		"retiring without bytes":   {func(r *keystore.Record) { r.Keys[2].Sealed = nil }, false},
		"retired without bytes":    {func(r *keystore.Record) { r.Keys[1].Sealed = nil }, false},
		"another secret":           {func(r *keystore.Record) { r.Keys[4].Fingerprint = "other" }, false},
		"fingerprint lost":         {func(r *keystore.Record) { r.Keys[0].Fingerprint = "" }, false},
		"active straight to grave": {func(r *keystore.Record) { r.Keys[3].State, r.Keys[3].Sealed = keystore.Destroyed, nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			after := before.Clone()
			c.change(&after)
			err := keystore.CheckUpdate(before, after)
			if c.legal != (err == nil) || err != nil && !errors.Is(err, keystore.ErrIllegal) {
				t.Fatalf("got %v; legal is %v", err, c.legal)
			}
		})
	}

	withoutBytes := record("qencode", keystore.Pending)
	withoutBytes.Keys[0].Sealed, withoutBytes.Keys[0].Fingerprint = nil, ""
	after := withoutBytes.Clone()
	after.Keys[0].Sealed, after.Keys[0].Fingerprint = []byte("minted"), "f"
	if err := keystore.CheckUpdate(withoutBytes, after); err != nil {
		t.Fatalf("a pending key gets its bytes: %v", err)
	}
	fresh := record("qencode", keystore.Active)
	if err := keystore.CheckUpdate(record("qencode"), fresh); err != nil {
		t.Fatalf("a key added and activated in one change: %v", err)
	}
}

// TestAnyLife: whatever is asked of a record in whatever order, an accepted change is one that stores
// take, a refused one changes nothing, and versions only grow.
func TestAnyLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := record(rapid.SampledFrom(keystore.Providers()).Draw(t, "provider"))
		now := start()
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Hour)).Draw(t, "later")))
			before := r.Clone()
			version := rapid.IntRange(1, len(r.Keys)+1).Draw(t, "version")
			force := rapid.Bool().Draw(t, "force")
			var err error
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				r.Add(keystore.Key{Sealed: []byte("x"), Fingerprint: strconv.Itoa(len(r.Keys))}, now)
			case 1:
				err = r.Activate(version, now, timing())
			case 2:
				err = r.Retire(version, force, now, timing())
			case 3:
				err = r.Destroy(version, force, now)
			case 4:
				err = r.ScheduleCut(version, now.Add(time.Minute), force, now, timing())
			}
			if err != nil {
				if !errors.Is(err, keystore.ErrIllegal) && !errors.Is(err, keystore.ErrNotFound) {
					t.Fatalf("an error of no class: %v", err)
				}
				if fmt.Sprint(before) != fmt.Sprint(r) {
					t.Fatalf("a refused change left traces: %v", err)
				}
				continue
			}
			if err := keystore.CheckUpdate(before, r); err != nil {
				t.Fatalf("from %s to %s: %v", statesOf(before), statesOf(r), err)
			}
		}
	})
}
