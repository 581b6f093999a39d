package keystore_test

import (
	"errors"
	"testing"

	"github.com/tokensvc/tokensvc/keystore"
)

func states() []keystore.State {
	return []keystore.State{keystore.StateUnspecified, keystore.Pending, keystore.Active, keystore.Retiring, keystore.Retired, keystore.Destroyed}
}

// TestMoves holds the whole table: a move that is not named is illegal.
func TestMoves(t *testing.T) {
	type move struct{ from, to keystore.State }
	legal := map[move]bool{
		{keystore.Pending, keystore.Active}:    true,
		{keystore.Pending, keystore.Destroyed}: true,
		{keystore.Active, keystore.Retiring}:   true,
		{keystore.Active, keystore.Retired}:    true,
		{keystore.Retiring, keystore.Active}:   true,
		{keystore.Retiring, keystore.Retired}:  true,
		{keystore.Retired, keystore.Destroyed}: true,
	}
	for _, from := range append(states(), 77) {
		for _, to := range append(states(), 77) {
			err := keystore.CheckMove(from, to)
			if legal[move{from, to}] != (err == nil) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			if err != nil && !errors.Is(err, keystore.ErrIllegal) {
				t.Errorf("%s to %s: %v is not ErrIllegal", from, to, err)
			}
		}
	}
}

func TestStateNames(t *testing.T) {
	for _, s := range states()[1:] {
		got, err := keystore.ParseState(s.String())
		if err != nil || got != s {
			t.Errorf("%s reads back as %s, %v", s, got, err)
		}
	}
	for _, name := range []string{"", "unspecified", "Active", "active ", "state(77)", keystore.State(77).String()} {
		if s, err := keystore.ParseState(name); err == nil {
			t.Errorf("%q reads as %s", name, s)
		}
	}
	var zero keystore.State
	if zero != keystore.StateUnspecified || zero.String() != "unspecified" {
		t.Errorf("the zero state is %s", zero)
	}
}
