package keystore

import (
	"errors"
	"fmt"
)

// State is where a key version stands in its life. The zero State is invalid.
//
//	          activate              retire                 retire             destroy
//	PENDING ───────────▶ ACTIVE ───────────▶ RETIRING ───────────▶ RETIRED ───────────▶ DESTROYED
//	   │                   │  ◀── rollback ──    │                    ▲
//	   │                   └── single slot ───────────────────────────┘
//	   └── abandon ──▶ DESTROYED
type State uint8

// States of a key version.
const (
	// StateUnspecified is the zero State; no stored key has it.
	StateUnspecified State = iota
	// Pending keys are stored but do not sign yet.
	Pending
	// Active signs new tokens. At most one key of a target is active.
	Active
	// Retiring keys sign nothing; the provider still accepts their tokens until the last has died.
	Retiring
	// Retired keys are no longer accepted; their bytes are kept for rollback.
	Retired
	// Destroyed keys have lost their bytes; the tombstone stays, so that a version is never reused.
	Destroyed
)

// String returns the lower-case name.
func (s State) String() string {
	switch s {
	case StateUnspecified:
		return "unspecified"
	case Pending:
		return "pending"
	case Active:
		return "active"
	case Retiring:
		return "retiring"
	case Retired:
		return "retired"
	case Destroyed:
		return "destroyed"
	default:
		return fmt.Sprintf("state(%d)", uint8(s))
	}
}

// ParseState is the inverse of State.String for stored states.
func ParseState(name string) (State, error) {
	for s := Pending; s <= Destroyed; s++ {
		if s.String() == name {
			return s, nil
		}
	}
	return StateUnspecified, fmt.Errorf("unknown key state %q", name)
}

// Sentinels that Store methods owe; see each method.
var (
	// ErrNotFound: no such target or key version.
	ErrNotFound = errors.New("not found")
	// ErrIllegal: the change would break a rule of the key life cycle.
	ErrIllegal = errors.New("illegal change")
	// ErrFenced: the lease behind the fence has been lost to another holder or has run out.
	ErrFenced = errors.New("lease lost")
	// ErrConflict: it exists already, or another holder has the lease.
	ErrConflict = errors.New("conflict")
	// ErrUnknownMasterKey: the sealed bytes name a master key that is not at hand.
	ErrUnknownMasterKey = errors.New("unknown master key")
	// ErrUnavailable: the store does not answer now; the same call may succeed later.
	ErrUnavailable = errors.New("the store is not available")
	// ErrTampered: sealed bytes that do not open under the master key they name.
	ErrTampered = errors.New("sealed secret does not open")
)

// CheckMove returns an error wrapping ErrIllegal unless a key may move from one state to the other.
// Staying is no move.
func CheckMove(from, to State) error {
	legal := false
	switch from {
	case Pending:
		legal = to == Active || to == Destroyed
	case Active:
		legal = to == Retiring || to == Retired
	case Retiring:
		legal = to == Active || to == Retired
	case Retired:
		legal = to == Destroyed
	case StateUnspecified, Destroyed:
	}
	if !legal {
		return fmt.Errorf("%w: a key cannot move from %s to %s", ErrIllegal, from, to)
	}
	return nil
}
