package keystore

import (
	"fmt"
	"slices"
	"time"
)

// Kind is what an operation is for.
type Kind string

// Kinds of operations.
const (
	// Rotate replaces the active key by a new one.
	Rotate Kind = "rotate"
	// Adopt takes over a secret that stands at the provider already.
	Adopt Kind = "adopt"
	// Rollback makes an earlier key the active one again.
	Rollback Kind = "rollback"
)

// Mode is how the old key makes room for the new one.
type Mode string

// Modes of rotation.
const (
	// Overlap: the provider makes the key and accepts both until the old one's tokens have died (Qencode).
	Overlap Mode = "overlap"
	// Cut: one slot; tokens shorten towards the cut, signing pauses, the slot is overwritten (Wowza, Agora).
	Cut Mode = "cut"
	// Pair: two slots used in turn; the set goes to the idle one (two Agora domains, two Wowza targets).
	Pair Mode = "pair"
	// Replace: the provider makes the key and turned out to accept one at a time; tokens shorten towards the
	// cut, signing pauses, the old key is deleted and a new one made. Only operations have it, since somebody
	// has to ask for it each time.
	Replace Mode = "replace"
)

// Cuts reports whether signing pauses for the mode: from its cut until the new key is in use.
func (m Mode) Cuts() bool { return m == Cut || m == Replace }

// Mints reports whether the provider makes the new key.
func (m Mode) Mints() bool { return m == Overlap || m == Replace }

// Step is where an operation stands. Steps only go forward, except Minting to Intent after a sweep and
// a cut that is put off.
type Step string

// Steps, in order. Overlap: Intent, Minting, Minted, Draining. Cut: Scheduled, Applying, Applied. Pair:
// Applying, Applied, Draining, Voiding. Replace: Scheduled, Applying, Intent, Minting, Minted.
const (
	// Intent: decided and written down; the provider has not been touched.
	Intent Step = "intent"
	// Minting: a key may have been asked for. Found after a crash, it is in doubt.
	Minting Step = "minting"
	// Minted: the secret is sealed in the store, and waits for UseAfter.
	Minted Step = "minted"
	// Scheduled: the new secret is sealed, and the old key has a horizon.
	Scheduled Step = "scheduled"
	// Applying: the slot holds the old or the new secret; nobody knows which. The only way out is a
	// confirmed set. In mode Replace the old key is being deleted.
	Applying Step = "applying"
	// Applied: the set is confirmed by the provider's API, not by its edges; UseAfter waits for them.
	Applied Step = "applied"
	// Draining: the new key signs; the old one's tokens are still accepted until its RetireAfter.
	Draining Step = "draining"
	// Voiding: the old slot is being overwritten by a value that nobody uses.
	Voiding Step = "voiding"
)

// Outcomes of a closed operation.
const (
	// OutcomeDone: the new key is in use, and nothing is left to do at the provider.
	OutcomeDone = "done"
	// OutcomeSuperseded: a more urgent operation took its place.
	OutcomeSuperseded = "superseded"
	// OutcomeAbandoned: it was given up; the old key goes on.
	OutcomeAbandoned = "abandoned"
)

// OperationRetention is how long closed operations stay in the history.
const OperationRetention = 90 * 24 * time.Hour

// Operation is one change of a target's key at its provider, journaled step by step: intent before
// effect, result before use, use before retire, delete before forget. A target has at most one open
// operation.
type Operation struct {
	// ID is a UUIDv7; keys at the provider carry it as their name where they can have one.
	ID string
	// Target is the id of the target; Begin sets it.
	Target string
	Kind   Kind
	Mode   Mode
	// Immediate operations wait for nothing: tokens break on purpose.
	Immediate bool
	// From and To are key versions; From is 0 when there was no active key.
	From, To int
	Step     Step
	// CutAt is the horizon of the old key, and CutUntil when replicas may sign with it again if the
	// operation has not moved on by then (Cut, Replace).
	CutAt, CutUntil time.Time
	// UseAfter is when the edges know the new key.
	UseAfter time.Time
	// Seen are the provider's keys when the intent was written (Overlap, Replace).
	Seen []string
	// Void is the sealed value that ends the old slot (Pair), under VoidBinding. Closed operations have
	// none.
	Void []byte
	// Tries counts failures of the present step; NotBefore is when to try again.
	Tries     int
	NotBefore time.Time
	// LastError is the class and code of the last failure, without any text of the provider.
	LastError string
	// Alarm says what a person has to look at; empty when nothing.
	Alarm string
	// Outcome is empty while the operation is open, then OutcomeDone, OutcomeSuperseded or
	// OutcomeAbandoned.
	Outcome string

	StartedAt, UpdatedAt, ClosedAt time.Time
}

// VoidBinding is what Void is sealed under: the key whose slot it ends.
func (op *Operation) VoidBinding() Binding { return Binding{Target: op.Target, Version: op.From} }

func (op *Operation) clone() Operation {
	c := *op
	c.Seen, c.Void = slices.Clone(op.Seen), slices.Clone(op.Void)
	return c
}

// Closed reports whether nobody signs for the target until the operation goes on.
func (op *Operation) Closed() bool { return op.Mode.Cuts() && op.Step != Scheduled && op.Outcome == "" }

// inDoubt reports whether the provider may hold something else than the store can tell, or already
// holds no old secret any more in the only slot.
func (op *Operation) inDoubt() bool {
	return op.Step == Minting || op.Mode.Cuts() && op.Step != Scheduled
}

// activated reports whether the step comes after the activation of the new key.
func (s Step) activated() bool { return s == Draining || s == Voiding }

// Orphan is a key at the provider that this store may have caused and whose secret it does not hold.
type Orphan struct {
	KID     string
	FoundAt time.Time
	// Operation is the one that was in doubt.
	Operation string
}

// CheckStep returns an error wrapping ErrIllegal unless an operation of the mode may go from one step to
// the other.
func CheckStep(mode Mode, from, to Step) error {
	if !slices.Contains(stepsAfter(mode, from), to) {
		return fmt.Errorf("%w: a %s operation cannot go from %s to %s", ErrIllegal, mode, from, to)
	}
	return nil
}

func stepsAfter(mode Mode, from Step) []Step {
	switch mode {
	case Overlap:
		return map[Step][]Step{Intent: {Minting}, Minting: {Minted, Intent}, Minted: {Draining}}[from]
	case Cut:
		return map[Step][]Step{Scheduled: {Scheduled, Applying}, Applying: {Applied}}[from]
	case Pair:
		return map[Step][]Step{Applying: {Applied}, Applied: {Draining}, Draining: {Voiding}}[from]
	case Replace:
		return map[Step][]Step{Scheduled: {Scheduled, Applying}, Applying: {Intent}, Intent: {Minting}, Minting: {Minted, Intent}}[from]
	default:
		return nil
	}
}

// firstSteps are those at which an operation may begin. An operation in doubt hands its step on to the
// one that supersedes it; a rollback to a key that the provider still accepts has only to drain; an
// adopted secret stands in its slot already.
func firstSteps(op *Operation) []Step {
	switch op.Mode {
	case Overlap:
		if op.Kind == Rollback {
			return []Step{Draining}
		}
		return []Step{Intent}
	case Cut:
		if op.Kind == Adopt {
			return []Step{Applied}
		}
		if op.Immediate {
			return []Step{Scheduled, Applying}
		}
		return []Step{Scheduled}
	case Pair:
		switch op.Kind {
		case Adopt:
			return []Step{Applied}
		case Rollback:
			return []Step{Applying, Draining}
		case Rotate:
		}
		return []Step{Applying}
	case Replace:
		return []Step{Scheduled}
	default:
		return nil
	}
}

// lastSteps are those at which an operation may be closed as done.
func lastSteps(op *Operation) []Step {
	switch op.Mode {
	case Overlap:
		return []Step{Draining}
	case Cut:
		return []Step{Applied}
	case Pair:
		if op.From == 0 || op.Kind == Adopt { // an adopted secret has ended the old one itself
			return []Step{Draining, Voiding}
		}
		return []Step{Voiding}
	case Replace:
		return []Step{Minted}
	default:
		return nil
	}
}
