package keystore

import (
	"fmt"
	"slices"

	"github.com/tokensvc/tokensvc/tokens"
)

// Bounds of what a journal holds.
const (
	// MaxOrphans is how many orphans a target may have before no more keys are made for it: a provider
	// that loses answers must not be filled with keys.
	MaxOrphans = 3

	orphansKept  = 100 // one sweep may find more than MaxOrphans
	maxSeen      = 10_000
	maxVoid      = 4096
	maxLastError = 256
	maxAlarm     = 1024
)

// checkJournal holds the rules of operations: at most one is open, it goes one legal step at a time, it
// leaves by being closed, and its keys stand where its step says.
func checkJournal(before, after Record) error {
	old, open := before.Operation, after.Operation
	if old != nil || open != nil {
		if !slices.Equal(before.Target.Resources, after.Target.Resources) || before.Target.Account != after.Target.Account {
			return fmt.Errorf("%w: the account and the resources of target %s cannot change while an operation is open", ErrIllegal, after.Target.ID)
		}
	}
	seen := map[string]bool{}
	for i := range after.Closed {
		op := &after.Closed[i]
		if seen[op.ID] {
			return fmt.Errorf("%w: operation %s is closed twice", ErrIllegal, op.ID)
		}
		seen[op.ID] = true
		if err := checkClosed(op, before, after); err != nil {
			return err
		}
	}
	if open != nil {
		if seen[open.ID] {
			return fmt.Errorf("%w: operation %s is both open and closed", ErrIllegal, open.ID)
		}
		if err := checkOpen(open, old, after); err != nil {
			return err
		}
	}
	if old != nil && !seen[old.ID] && (open == nil || open.ID != old.ID) {
		return fmt.Errorf("%w: operation %s is open; close it or let another one supersede it", ErrIllegal, old.ID)
	}
	return checkActivation(before, after)
}

// checkOperation holds what is true of any operation of a record.
func checkOperation(op *Operation, r Record) error {
	switch {
	case op.ID == "" || !validTargetID("o"+op.ID):
		return fmt.Errorf("%w: %q is no operation id; use a UUID in lower case", ErrIllegal, tokens.Clip(op.ID))
	case op.Target != r.Target.ID:
		return fmt.Errorf("%w: operation %s is one of target %q", ErrIllegal, op.ID, tokens.Clip(op.Target))
	case !slices.Contains([]Kind{Rotate, Adopt, Rollback}, op.Kind):
		return fmt.Errorf("%w: operation %s has no valid kind", ErrIllegal, op.ID)
	case !slices.Contains(steps(op.Mode), op.Step):
		return fmt.Errorf("%w: operation %s of mode %q has no step %q", ErrIllegal, op.ID, tokens.Clip(string(op.Mode)), tokens.Clip(string(op.Step)))
	case op.From == op.To:
		return fmt.Errorf("%w: operation %s has one key for both its old and its new one", ErrIllegal, op.ID)
	case op.StartedAt.IsZero():
		return fmt.Errorf("%w: operation %s has no beginning", ErrIllegal, op.ID)
	case op.Tries < 0 || len(op.Seen) > maxSeen || len(op.Void) > maxVoid || len(op.LastError) > maxLastError || len(op.Alarm) > maxAlarm:
		return fmt.Errorf("%w: operation %s holds more than its bounds", ErrIllegal, op.ID)
	}
	if _, err := r.Key(op.To); err != nil {
		return fmt.Errorf("%w: operation %s: %w", ErrIllegal, op.ID, err)
	}
	if op.From == 0 {
		return nil
	}
	if _, err := r.Key(op.From); err != nil {
		return fmt.Errorf("%w: operation %s: %w", ErrIllegal, op.ID, err)
	}
	return nil
}

func steps(m Mode) []Step {
	switch m {
	case Overlap:
		return []Step{Intent, Minting, Minted, Draining}
	case Cut:
		return []Step{Scheduled, Applying, Applied}
	case Pair:
		return []Step{Applying, Applied, Draining, Voiding}
	case Replace:
		return []Step{Scheduled, Applying, Intent, Minting, Minted}
	default:
		return nil
	}
}

func checkOpen(op, old *Operation, after Record) error {
	if err := checkOperation(op, after); err != nil {
		return err
	}
	if op.Outcome != "" || !op.ClosedAt.IsZero() {
		return fmt.Errorf("%w: operation %s is open and has an outcome", ErrIllegal, op.ID)
	}
	if old != nil && old.ID == op.ID {
		if err := checkSameOperation(old, op); err != nil {
			return err
		}
	}
	to, err := after.Key(op.To)
	if err != nil {
		return err
	}
	restored := op.Mode == Cut && op.Step == Applied && to.State == Destroyed
	if !op.Step.activated() && to.State != Pending && !restored || op.Step.activated() && to.State == Pending {
		return fmt.Errorf("%w: operation %s is open at %s, where its key %d cannot be %s", ErrIllegal, op.ID, op.Step, op.To, to.State)
	}
	if to.State == Pending && len(to.Sealed) == 0 && (!op.Mode.Mints() || op.Step == Minted) {
		return fmt.Errorf("%w: operation %s is at %s and its key %d holds no secret", ErrIllegal, op.ID, op.Step, op.To)
	}
	if op.Step == Voiding && len(op.Void) == 0 {
		return fmt.Errorf("%w: operation %s ends a slot with a value that is not sealed first", ErrIllegal, op.ID)
	}
	active := after.Active()
	if active == nil || active.Version == op.To && op.Step.activated() {
		return nil
	}
	if active.Version != op.From || op.Step.activated() {
		return fmt.Errorf("%w: operation %s is open; only its own keys %d and %d can be active, not %d", ErrIllegal, op.ID, op.From, op.To, active.Version)
	}
	return checkHorizon(op, active)
}

// checkHorizon: nobody signs with the old key of a cut beyond what the operation says.
func checkHorizon(op *Operation, old *Key) error {
	if !op.Mode.Cuts() {
		return nil
	}
	if op.Step == Scheduled {
		if !op.CutAt.IsZero() && (!old.Horizon.Equal(op.CutAt) || !old.HorizonEnds.Equal(op.CutUntil)) {
			return fmt.Errorf("%w: the horizon of key %d is not that of operation %s", ErrIllegal, old.Version, op.ID)
		}
		return nil
	}
	if old.Horizon.IsZero() || !old.HorizonEnds.IsZero() {
		return fmt.Errorf("%w: operation %s is at %s; key %d must not sign until a set is confirmed", ErrIllegal, op.ID, op.Step, old.Version)
	}
	return nil
}

func checkClosed(op *Operation, before, after Record) error {
	if err := checkOperation(op, after); err != nil {
		return err
	}
	if op.ClosedAt.IsZero() || len(op.Void) > 0 {
		return fmt.Errorf("%w: a closed operation has the time of its end and holds no sealed value", ErrIllegal)
	}
	if old := before.Operation; old != nil && old.ID == op.ID {
		if err := checkSameOperation(old, op); err != nil {
			return err
		}
	}
	return checkClose(op, before, op.Outcome)
}

// checkSameOperation compares two states of one operation.
func checkSameOperation(before, after *Operation) error {
	if before.Kind != after.Kind || before.Mode != after.Mode || before.From != after.From || before.To != after.To || !before.StartedAt.Equal(after.StartedAt) {
		return fmt.Errorf("%w: operation %s keeps its kind, mode, keys and beginning", ErrIllegal, before.ID)
	}
	if before.Immediate && !after.Immediate {
		return fmt.Errorf("%w: operation %s was immediate and cannot wait again", ErrIllegal, before.ID)
	}
	if !slices.Equal(before.Seen, after.Seen) && after.Step != Intent {
		return fmt.Errorf("%w: operation %s changes its inventory only with a new intent", ErrIllegal, before.ID)
	}
	if before.Step == after.Step {
		return nil
	}
	return CheckStep(after.Mode, before.Step, after.Step)
}

// checkActivation: while operations are about, only they make keys active.
func checkActivation(before, after Record) error {
	active := after.Active()
	if active == nil || before.Operation == nil && after.Operation == nil && len(after.Closed) == 0 {
		return nil
	}
	if was := before.Active(); was != nil && was.Version == active.Version {
		return nil
	}
	if op := after.Operation; op != nil {
		began := before.Operation == nil && op.From == active.Version
		if began || op.To == active.Version && op.Step.activated() {
			return nil
		}
	}
	for i := range after.Closed {
		if op := &after.Closed[i]; op.Outcome == OutcomeDone && op.To == active.Version {
			return nil
		}
	}
	return fmt.Errorf("%w: an operation of target %s is open; it alone activates keys, and not %d", ErrIllegal, after.Target.ID, active.Version)
}

func checkOrphans(r Record) error {
	if len(r.Orphans) > orphansKept {
		return fmt.Errorf("%w: target %s has %d orphans; at most %d are kept", ErrIllegal, r.Target.ID, len(r.Orphans), orphansKept)
	}
	kids := map[string]bool{}
	for _, o := range r.Orphans {
		if !validName(o.KID) {
			return fmt.Errorf("%w: %q is no name of a key at a provider", ErrIllegal, tokens.Clip(o.KID))
		}
		if kids[o.KID] {
			return fmt.Errorf("%w: orphan %q is there twice", ErrIllegal, tokens.Clip(o.KID))
		}
		kids[o.KID] = true
	}
	for i := range r.Keys {
		if k := &r.Keys[i]; k.KID != "" && kids[k.KID] {
			return fmt.Errorf("%w: key %d of target %s is no orphan", ErrIllegal, k.Version, r.Target.ID)
		}
	}
	return nil
}
