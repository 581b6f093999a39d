package keystore

import (
	"fmt"
	"slices"

	"github.com/tokensvc/tokensvc/tokens"
)

// CheckUpdate holds the rules that every Store applies before it commits a change of a record. It
// wraps ErrIllegal.
func CheckUpdate(before, after Record) error {
	if err := CheckTarget(after.Target); err != nil {
		return err
	}
	if after.Target.ID != before.Target.ID {
		return fmt.Errorf("%w: a target keeps its id", ErrIllegal)
	}
	if after.Target.Provider != before.Target.Provider || after.Target.Scheme != before.Target.Scheme {
		return fmt.Errorf("%w: a target keeps its provider and scheme", ErrIllegal)
	}
	if err := checkKeys(before, after); err != nil {
		return err
	}
	if err := checkJournal(before, after); err != nil {
		return err
	}
	if err := checkOrphans(after); err != nil {
		return err
	}
	return checkProtections(after)
}

func checkKeys(before, after Record) error {
	if len(after.Keys) < len(before.Keys) {
		return fmt.Errorf("%w: key versions are never removed, only destroyed", ErrIllegal)
	}
	active, last := 0, 0
	for i, k := range after.Keys {
		if i < len(before.Keys) {
			if err := checkSuccessor(before.Keys[i], k); err != nil {
				return err
			}
		} else if k.State != Pending && k.State != Active {
			return fmt.Errorf("%w: a new key begins as pending", ErrIllegal)
		}
		if named := i >= len(before.Keys) || before.Keys[i].KID != k.KID; named {
			if err := checkName(after, k); err != nil {
				return err
			}
		}
		if k.Version <= last {
			return fmt.Errorf("%w: key versions only grow", ErrIllegal)
		}
		last = k.Version
		if err := checkKey(k); err != nil {
			return err
		}
		if k.State == Active {
			active++
		}
	}
	if active > 1 {
		return fmt.Errorf("%w: at most one key of a target is active", ErrIllegal)
	}
	return nil
}

// checkName refuses a name that another key of the record has: tokens and edges tell keys by it alone.
func checkName(r Record, k Key) error {
	if k.KID == "" || k.State == Destroyed {
		return nil
	}
	for _, other := range r.Keys {
		if other.KID == k.KID && other.Version != k.Version && other.State != Destroyed {
			return fmt.Errorf("%w: key %d cannot have the name %q of key %d, which is %s", ErrIllegal, k.Version, tokens.Clip(k.KID), other.Version, other.State)
		}
	}
	return nil
}

func checkSuccessor(before, after Key) error {
	if after.Version != before.Version {
		return fmt.Errorf("%w: key versions are never renumbered", ErrIllegal)
	}
	if after.State != before.State {
		if err := CheckMove(before.State, after.State); err != nil {
			return err
		}
	}
	if before.Fingerprint != "" && after.Fingerprint != before.Fingerprint {
		return fmt.Errorf("%w: a key version keeps its secret", ErrIllegal)
	}
	if before.KID != "" && after.KID != before.KID {
		return fmt.Errorf("%w: a key version keeps its name", ErrIllegal)
	}
	if len(before.Sealed) > 0 && len(after.Sealed) == 0 && after.State != Destroyed {
		return fmt.Errorf("%w: key %d loses its bytes only when it is destroyed", ErrIllegal, after.Version)
	}
	return nil
}

func checkKey(k Key) error {
	if !slices.Contains([]State{Pending, Active, Retiring, Retired, Destroyed}, k.State) {
		return fmt.Errorf("%w: key %d has no valid state", ErrIllegal, k.Version)
	}
	if k.State == Destroyed && len(k.Sealed) > 0 {
		return fmt.Errorf("%w: a destroyed key holds no bytes", ErrIllegal)
	}
	if k.State != Pending && k.State != Destroyed && len(k.Sealed) == 0 {
		return fmt.Errorf("%w: key %d is %s and must hold its bytes", ErrIllegal, k.Version, k.State)
	}
	if k.Slot < 0 || k.Slot >= maxResources {
		return fmt.Errorf("%w: key %d has slot %d; there are 0 and 1", ErrIllegal, k.Version, k.Slot)
	}
	if !k.HorizonEnds.IsZero() && (k.Horizon.IsZero() || !k.HorizonEnds.After(k.Horizon)) {
		return fmt.Errorf("%w: the horizon of key %d ends before it begins", ErrIllegal, k.Version)
	}
	return nil
}
