package keystore

import (
	"fmt"
	"slices"
	"time"
)

// Target is what one signing key protects at a provider.
type Target struct {
	// ID is the caller's name for the target: 1 to 63 of a-z, 0-9 and "-", beginning with a letter.
	ID string
	// Provider is one of Providers.
	Provider string
	// Scheme is the token format the target's keys sign.
	Scheme string
	// Account names a provider account of the config file; empty for imported keys only.
	Account string
	// Description is free text for people, at most 256 bytes.
	Description string
	// Options are the settings of the scheme that hold for the whole target.
	Options SchemeOptions
	// Resources are the provider's ids of what the key protects: one, or two for a pair whose slots are
	// used in turn. Empty where keys are imported only.
	Resources []string
	// Policy says when and how the target's key is rotated.
	Policy Policy
	// MaxTokenLifetime is T, the longest life of any token of this target, rounding included.
	MaxTokenLifetime time.Duration
	// LongLivedUntil is when tokens have died that may live longer than MaxTokenLifetime: they were
	// signed before it was lowered, or by the former owner of an adopted secret. Zero where there never
	// were any. It only moves forward; see Succeed.
	LongLivedUntil time.Time
	// Managed targets stand in the config file; the API shows them read-only.
	Managed   bool
	CreatedAt time.Time
	UpdatedAt time.Time
}

// SchemeOptions are settings that the edge applies to every token of a target. Each scheme reads its
// own and ignores the rest; the zero value is every scheme's default.
type SchemeOptions struct {
	// EdgeAuthTokenName is the parameter name of the token (EdgeAuth); "" means hdnts.
	EdgeAuthTokenName string `json:"edge_auth_token_name,omitempty"`
	// EdgeAuthAlgorithm is sha256 (the default), sha1 or md5 (EdgeAuth).
	EdgeAuthAlgorithm string `json:"edge_auth_algorithm,omitempty"`
	// EdgeAuthEscapeEarly is "escape token input" of Property Manager (EdgeAuth).
	EdgeAuthEscapeEarly bool `json:"edge_auth_escape_early,omitempty"`
	// AgoraForm is md5 (the default) or mid16 (Agora).
	AgoraForm string `json:"agora_form,omitempty"`
}

// Values of Key.Origin.
const (
	OriginImport   = "import"
	OriginDev      = "dev"
	OriginRotation = "rotation"
)

// Key is one version of a target's signing key.
type Key struct {
	// Version counts from 1 within a target and is never reused.
	Version int
	State   State
	// KID is the key's name in tokens; empty where the scheme has none.
	KID string
	// Fingerprint identifies the key without telling anything of a secret.
	Fingerprint string
	// Sealed is the encrypted secret. Only pending keys may lack it; destroyed keys have none.
	Sealed []byte
	// Origin says where the key came from: OriginImport, OriginDev or OriginRotation.
	Origin string
	// Slot is the index into the target's Resources of the place that holds the key: 0, or 1 in a pair.
	Slot int
	// VoidFingerprint is that of the value that ended this key's slot in a pair, so that it is told from
	// a stranger's; empty where there is none.
	VoidFingerprint string
	// UseAfter is when the provider's edges know the key. Zero means at once.
	UseAfter time.Time
	// Horizon is the last moment at which a token of this key can still be accepted; no token outlives
	// it, and none is signed from then on. Zero means that no cut is scheduled.
	Horizon time.Time
	// HorizonEnds is when the horizon counts no more, since nobody has carried out its cut: the key
	// signs again. Zero means that the horizon holds.
	HorizonEnds time.Time
	// RetireAfter is when the last token of a retiring key has died.
	RetireAfter time.Time
	// DestroyAfter is when the rollback window of a retired key ends.
	DestroyAfter time.Time

	CreatedAt   time.Time
	ActivatedAt time.Time
	RetiredAt   time.Time
	DestroyedAt time.Time
}

// Record is a target with all its key versions, in ascending order. It is the unit of change.
type Record struct {
	Target Target
	Keys   []Key
	// Operation is the one that is open; nil when none is.
	Operation *Operation
	// Closed are operations that this change closes. The store moves them to its history; a record that
	// is read has none.
	Closed []Operation
	// Orphans are in quarantine until a person, or the rule of a sole owner, decides on them.
	Orphans []Orphan
	// Protections are the resources whose token checking was switched on, where the provider does not show it.
	Protections []Protection
	// NextRotation is when the next scheduled rotation is due; zero when none is scheduled.
	NextRotation time.Time
	// Revision grows with every committed change of the record.
	Revision int64
}

// Clone returns a deep copy.
func (r Record) Clone() Record {
	r.Target.Resources = slices.Clone(r.Target.Resources)
	r.Keys = slices.Clone(r.Keys)
	for i := range r.Keys {
		r.Keys[i].Sealed = slices.Clone(r.Keys[i].Sealed)
	}
	if r.Operation != nil {
		op := r.Operation.clone()
		r.Operation = &op
	}
	r.Closed = slices.Clone(r.Closed)
	for i := range r.Closed {
		r.Closed[i] = r.Closed[i].clone()
	}
	r.Orphans = slices.Clone(r.Orphans)
	r.Protections = slices.Clone(r.Protections)
	return r
}

// Secrets calls yield for every sealed secret of the record, with its binding and a pointer to its
// bytes.
func (r *Record) Secrets(yield func(Binding, *[]byte) bool) {
	for i := range r.Keys {
		k := &r.Keys[i]
		if len(k.Sealed) > 0 && !yield(Binding{Target: r.Target.ID, Version: k.Version}, &k.Sealed) {
			return
		}
	}
	if op := r.Operation; op != nil && len(op.Void) > 0 {
		yield(op.VoidBinding(), &op.Void)
	}
}

// Key returns a pointer into the record, or an error wrapping ErrNotFound.
func (r *Record) Key(version int) (*Key, error) {
	for i := range r.Keys {
		if r.Keys[i].Version == version {
			return &r.Keys[i], nil
		}
	}
	return nil, fmt.Errorf("key %s/%d: %w", r.Target.ID, version, ErrNotFound)
}

// Active returns the key that signs, or nil.
func (r *Record) Active() *Key {
	for i := range r.Keys {
		if r.Keys[i].State == Active {
			return &r.Keys[i]
		}
	}
	return nil
}

// Named returns the first key that bears a name in tokens and is not destroyed, or nil. No key is found
// under the empty name.
func (r *Record) Named(kid string) *Key {
	for i := range r.Keys {
		if k := &r.Keys[i]; kid != "" && k.KID == kid && k.State != Destroyed {
			return k
		}
	}
	return nil
}

// NextVersion is the version that the next key gets.
func (r *Record) NextVersion() int {
	if len(r.Keys) == 0 {
		return 1
	}
	return r.Keys[len(r.Keys)-1].Version + 1
}
