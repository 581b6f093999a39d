package rotate

import (
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
)

// Action is what a step does.
type Action string

// Actions. Each changes the record, the provider, or the record and then the provider; none changes
// the provider twice.
const (
	// Wait does nothing until Decision.At.
	Wait Action = "wait"
	// Begin opens a rotation. For a cut it schedules the cut too.
	Begin Action = "begin"
	// Mint asks the provider for a key.
	Mint Action = "mint"
	// Sweep looks for a key that the provider may have made unheard.
	Sweep Action = "sweep"
	// Label gives the new key its operation as a name.
	Label Action = "label"
	// Set writes the new secret into its slot.
	Set Action = "set"
	// Probe asks an edge whether it knows the new key.
	Probe Action = "probe"
	// Activate lets the new key sign.
	Activate Action = "activate"
	// Revoke deletes an old key at the provider and retires it.
	Revoke Action = "revoke"
	// Void overwrites the slot of the old key with a value that nobody uses, and retires the key.
	Void Action = "void"
	// Finish closes an operation that has nothing left to do.
	Finish Action = "finish"
	// ScheduleCut gives an open operation its cut.
	ScheduleCut Action = "schedule cut"
	// PutOff moves a cut that cannot be carried out in time; without a new time it takes it back.
	PutOff Action = "put off"
	// Apply closes signing and writes the new secret into the only slot.
	Apply Action = "apply"
	// Restore writes the old secret back, since the provider refuses the new one.
	Restore Action = "restore"
	// Reopen lets the old key sign again after it was restored.
	Reopen Action = "reopen"
	// RevokeOrphan deletes a key in quarantine of a target with a sole owner.
	RevokeOrphan Action = "revoke orphan"
	// Check compares the provider with the record.
	Check Action = "check"
	// Reassert writes the active secret again.
	Reassert Action = "re-assert"
	// AdoptForeign takes over the secret that somebody else has set.
	AdoptForeign Action = "adopt"
	// Destroy wipes a retired key whose rollback window has ended.
	Destroy Action = "destroy"
)

// Decision is what is next for a target.
type Decision struct {
	Action Action
	// Why says it for people.
	Why string
	// At is when to look again (Wait); zero means when the record changes.
	At time.Time
	// Key is the version that the action is about; 0 where it is about none.
	Key int
	// CutAt is the cut that Begin, ScheduleCut and PutOff schedule; zero where there is none.
	CutAt time.Time
	// Orphan is the key that RevokeOrphan deletes.
	Orphan string
	// Alarm says what a person has to look at; empty when nothing.
	Alarm string
	// Breaks says in words which live tokens and playing sessions the open operation, or the next one, ends
	// before their time.
	Breaks string
	// Ends is the key that the open operation, or the next one, ends, and EndsAt is when; 0 where it ends none. A
	// zero EndsAt is not known yet, and comes when none of the key's tokens is alive.
	Ends   int
	EndsAt time.Time
}

// Abilities are what a provider's adapter, and the edge probe, can do for a target.
type Abilities struct {
	Mint, Set, Label, Inspect, Probe bool
}

// AbilitiesOf tells what an adapter can do.
func AbilitiesOf(p provider.Provider) Abilities {
	var a Abilities
	_, a.Mint = p.(provider.Minter)
	_, a.Set = p.(provider.Setter)
	_, a.Label = p.(provider.Labeller)
	_, a.Inspect = p.(provider.Inspector)
	return a
}

// Finding is what comparing the provider with the record has shown.
type Finding string

// Findings.
const (
	// Agrees: the provider holds what the record says.
	Agrees Finding = ""
	// Missing: the slot is empty, or the provider does not list the active key.
	Missing Finding = "missing"
	// Older: the slot holds an earlier key of ours, or a value of ours that ends a slot.
	Older Finding = "older"
	// Foreign: the slot holds what somebody else has set.
	Foreign Finding = "foreign"
	// Unreachable: the provider could not be asked.
	Unreachable Finding = "unreachable"
)

// Facts are what one process knows of a target beyond its record. They may be lost at any time.
type Facts struct {
	Traits    provider.Traits
	Abilities Abilities
	// Checked is when this process last compared the provider with the record; zero means never.
	Checked time.Time
	Finding Finding
	// Probes counts accepted probes in a row of the key ProbedKey, and Refusals refused ones; Probed is when the
	// last one was.
	Probes, Refusals, ProbedKey int
	Probed                      time.Time
	// Cuts are those of the account's targets, this one's own included.
	Cuts []Cut
	// NotBefore ends a back-off that no operation's journal holds; LastError is its cause.
	NotBefore time.Time
	LastError string
}
