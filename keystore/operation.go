package keystore

import (
	"fmt"
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
)

// Step is where an operation stands. Steps only go forward, except Minting to Intent after a sweep and
// a cut that is put off.
type Step string

// Steps, in order. Overlap: Intent, Minting, Minted, Draining. Cut: Scheduled, Applying, Applied. Pair:
// Applying, Applied, Draining, Voiding.
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
	// confirmed set.
	Applying Step = "applying"
	// Applied: the set is confirmed by the provider's API, not by its edges; UseAfter waits for them.
	Applied Step = "applied"
	// Draining: the new key signs; the old one's tokens are still accepted until its RetireAfter.
	Draining Step = "draining"
	// Voiding: the old slot is being overwritten by a value that nobody uses.
	Voiding Step = "voiding"
)

// Operation is one change of a target's key at its provider, journaled step by step: intent before
// effect, result before use, use before retire, delete before forget. A target has at most one open
// operation.
type Operation struct {
	// ID is a UUIDv7; keys at the provider carry it as their name where they can have one.
	ID   string
	Kind Kind
	Mode Mode
	// Immediate operations wait for nothing: tokens break on purpose.
	Immediate bool
	// From and To are key versions; From is 0 when there was no active key.
	From, To int
	Step     Step
	// CutAt is the horizon of the old key, and CutUntil when replicas may sign with it again if the
	// operation has not moved on by then (Cut).
	CutAt, CutUntil time.Time
	// UseAfter is when the edges know the new key.
	UseAfter time.Time
	// Seen are the provider's keys when the intent was written (Overlap).
	Seen []string
	// Void is the sealed value that ends the old slot (Pair).
	Void []byte
	// Tries counts failures of the present step; NotBefore is when to try again.
	Tries     int
	NotBefore time.Time
	// LastError is the class and code of the last failure, without any text of the provider.
	LastError string
	// Alarm says what a person has to look at; empty when nothing.
	Alarm string
	// Outcome is empty while the operation is open, then "done", "superseded" or "abandoned".
	Outcome string

	StartedAt, UpdatedAt, ClosedAt time.Time
}

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
	next := map[Mode]map[Step][]Step{
		Overlap: {Intent: {Minting}, Minting: {Minted, Intent}, Minted: {Draining}},
		Cut:     {Scheduled: {Scheduled, Applying}, Applying: {Applied}},
		Pair:    {Applying: {Applied}, Applied: {Draining}, Draining: {Voiding}},
	}
	for _, legal := range next[mode][from] {
		if legal == to {
			return nil
		}
	}
	return fmt.Errorf("%w: a %s operation cannot go from %s to %s", ErrIllegal, mode, from, to)
}
