package envelope_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
)

// records is a Lister of what it holds.
type records []keystore.Record

func (r records) List(_ context.Context, p keystore.Page) ([]keystore.Record, error) {
	from := 0
	for from < len(r) && r[from].Target.ID <= p.After {
		from++
	}
	to := len(r)
	if p.Limit > 0 {
		to = min(to, from+p.Limit)
	}
	return r[from:to], nil
}

// add seals n keys of a new target under the named master key.
func (r *records) add(t *testing.T, masterKey string, n int) {
	t.Helper()
	e := newEnvelope(t, masterKeys(t, masterKey))
	record := keystore.Record{Target: keystore.Target{ID: fmt.Sprintf("target-%04d", len(*r))}}
	for version := 1; version <= n; version++ {
		sealed, err := e.Seal(keystore.Binding{Target: record.Target.ID, Version: version}, tokens.NewSecret([]byte("x")))
		if err != nil {
			t.Fatal(err)
		}
		record.Keys = append(record.Keys, keystore.Key{Version: version, State: keystore.Pending, Sealed: sealed})
	}
	record.Keys = append(record.Keys, keystore.Key{Version: n + 1, State: keystore.Destroyed})
	*r = append(*r, record)
}

func TestWanted(t *testing.T) {
	var store records
	if ids, err := envelope.Wanted(t.Context(), store); err != nil || len(ids) != 0 {
		t.Fatalf("an empty store wants %v, %v", ids, err)
	}
	store.add(t, "unused", 0)
	if ids, err := envelope.Wanted(t.Context(), store); err != nil || len(ids) != 0 {
		t.Fatalf("a store of destroyed keys wants %v, %v", ids, err)
	}
	for range 450 { // more than two pages
		store.add(t, "b", 1)
	}
	store.add(t, "a", 2)
	ids, err := envelope.Wanted(t.Context(), store)
	if err != nil || !slices.Equal(ids, []string{"a", "b"}) {
		t.Fatalf("wants %v, %v; want [a b]", ids, err)
	}
	store[3].Keys[0].Sealed = []byte("rubbish")
	if _, err := envelope.Wanted(t.Context(), store); !errors.Is(err, keystore.ErrTampered) || !strings.Contains(err.Error(), "target-0003/1") {
		t.Fatalf("got %v, want ErrTampered that names the key", err)
	}
}

func TestCheck(t *testing.T) {
	var store records
	for range 3 {
		store.add(t, "first", 2)
	}
	store.add(t, "second", 1)
	good := masterKeys(t, "first", "second")
	if err := newEnvelope(t, good).Check(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if err := newEnvelope(t, good).Check(t.Context(), records(nil)); err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		keys   envelope.MasterKeys
		damage func(records)
		want   error
		says   []string
		not    error
	}{
		"missing key": {
			keys: masterKeys(t, "second"), want: keystore.ErrUnknownMasterKey,
			says: []string{"6 secrets", `"first"`, "target-0000/1", "at hand are second"},
		},
		"wrong value": {
			keys: read(t, "first:"+value("x")+"\nsecond:"+value("second")), want: envelope.ErrWrongMasterKey,
			says: []string{"none of the 6 secrets", `"first"`},
		},
		"moved": {
			keys: good, want: keystore.ErrTampered, not: envelope.ErrWrongMasterKey,
			damage: func(r records) { r[0].Keys[0].Sealed = r[1].Keys[0].Sealed },
			says:   []string{"1 of 6", "target-0000/1"},
		},
		"rubbish": {
			keys: good, want: keystore.ErrTampered, not: envelope.ErrWrongMasterKey,
			damage: func(r records) { r[3].Keys[0].Sealed = []byte("rubbish") },
			says:   []string{"1 of 1", "target-0003/1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			broken := make(records, len(store))
			for i := range store {
				broken[i] = store[i].Clone()
			}
			if c.damage != nil {
				c.damage(broken)
			}
			err := newEnvelope(t, c.keys).Check(t.Context(), broken)
			if !errors.Is(err, c.want) || c.not != nil && errors.Is(err, c.not) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%q does not say %q", err, says)
				}
			}
		})
	}
}
