package signer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Key is one version of a target's key, ready to sign.
type Key struct {
	tokens.Key
	// Ref is "TARGET/VERSION".
	Ref     string
	Version int
	State   keystore.State
	// Horizon is zero when no cut is scheduled.
	Horizon time.Time
	// HorizonEnds is when the horizon counts no more; zero when it holds.
	HorizonEnds time.Time
	// Slot is the place at the provider that holds the key: 0, or 1 in a pair.
	Slot int

	living *living
}

// Target is a target with the keys that could be opened.
type Target struct {
	keystore.Target
	Scheme tokens.Scheme
	// Active signs; nil when no key does.
	Active *Key
	// Broken names the active key where it could not be opened.
	Broken string
	// Keys holds every version that has bytes, oldest first.
	Keys []*Key

	revision int64
	whole    bool          // every key could be opened
	uncapped time.Duration // the target's own MaxTokenLifetime
}

// Snapshot is an immutable view of all targets.
type Snapshot struct {
	targets map[string]*Target
	living  map[string]*living // by the refs of keys
	seen    time.Time
}

// Target returns a target, or nil.
func (s *Snapshot) Target(id string) *Target { return s.targets[id] }

// All calls yield for every target, in no order.
func (s *Snapshot) All(yield func(*Target) bool) {
	for _, t := range s.targets {
		if !yield(t) {
			return
		}
	}
}

// Keyring follows a Store and keeps the snapshot. Run owns the only background work.
type Keyring struct {
	store  keystore.Store
	sealer keystore.Sealer
	now    func() time.Time
	log    *slog.Logger
	since  time.Time // when it began to count what is handed out

	maxLifetime time.Duration // 0: no cap but the targets' own

	snapshot atomic.Pointer[Snapshot]
	mu       sync.Mutex        // one refresh at a time
	faults   map[string]string // of the last refresh: the target or key left out, and why
}

// NewKeyring returns a keyring without a snapshot; call Refresh before use.
func NewKeyring(store keystore.Store, sealer keystore.Sealer, now func() time.Time, log *slog.Logger) *Keyring {
	return &Keyring{store: store, sealer: sealer, now: now, log: log, since: now()}
}

// LimitLifetime caps the lifetime of every token, whatever its target allows. Call it before Refresh.
func (k *Keyring) LimitLifetime(longest time.Duration) { k.maxLifetime = longest }

// Snapshot returns the current snapshot, or nil before the first Refresh.
func (k *Keyring) Snapshot() *Snapshot { return k.snapshot.Load() }

// Age returns how long ago the snapshot was last known to equal the store.
func (k *Keyring) Age() time.Duration {
	s := k.snapshot.Load()
	if s == nil {
		return time.Duration(1<<63 - 1)
	}
	return k.now().Sub(s.seen)
}

// Refresh reads the store and swaps the snapshot. Targets that did not change keep their prepared
// keys. A key that cannot be opened is left out, and logged when that changes; it does not stop the
// others. The error is that of the store; the snapshot then stays as it was and grows old.
func (k *Keyring) Refresh(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := k.now()
	records, err := k.store.List(ctx, keystore.Page{})
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	old := k.snapshot.Load()
	next := &Snapshot{targets: make(map[string]*Target, len(records)), living: livings(records, old), seen: seen}
	before := k.faults
	k.faults = make(map[string]string)
	for _, r := range records {
		var known *Target
		if old != nil {
			known = old.targets[r.Target.ID]
		}
		if known != nil && known.revision == r.Revision && known.whole {
			next.targets[r.Target.ID] = known
			continue
		}
		t, err := k.open(r, known, next.living)
		if err != nil {
			k.faults[r.Target.ID] = err.Error()
			continue
		}
		next.targets[r.Target.ID] = t
	}
	k.snapshot.Store(next)
	k.logFaults(before)
	return nil
}

// logFaults tells what has come and gone since the refresh before.
func (k *Keyring) logFaults(before map[string]string) {
	for what, why := range k.faults {
		if before[what] != why {
			k.log.Error("left out of the keyring", "key", what, "error", why)
		}
	}
	for what := range before {
		if _, still := k.faults[what]; !still {
			k.log.Info("no longer left out of the keyring", "key", what)
		}
	}
}

// open prepares the keys of a record, taking over what before has prepared already and what is counted for
// the keys.
func (k *Keyring) open(r keystore.Record, before *Target, living map[string]*living) (*Target, error) {
	scheme, err := schemes.New(r.Target.Scheme, r.Target.Options)
	if err != nil {
		return nil, err
	}
	t := &Target{Target: r.Target, Scheme: scheme, revision: r.Revision, whole: true, uncapped: r.Target.MaxTokenLifetime}
	if k.maxLifetime > 0 {
		t.MaxTokenLifetime = min(t.MaxTokenLifetime, k.maxLifetime)
	}
	for i := range r.Keys {
		stored := &r.Keys[i]
		if len(stored.Sealed) == 0 {
			continue
		}
		ref := Ref(r.Target.ID, stored.Version)
		prepared, err := k.prepare(r.Target, scheme, stored, before)
		if err != nil {
			t.whole = false
			k.faults[ref] = fmt.Sprintf("%s key: %v", stored.State, err)
			if stored.State == keystore.Active {
				t.Broken = ref
			}
			continue
		}
		key := &Key{
			Key: prepared, Ref: ref, Version: stored.Version,
			State: stored.State, Horizon: stored.Horizon, HorizonEnds: stored.HorizonEnds, Slot: stored.Slot, living: living[ref],
		}
		t.Keys = append(t.Keys, key)
		if stored.State == keystore.Active {
			t.Active = key
		}
	}
	return t, nil
}

// prepare opens one key, or takes it over from before when the secret and the scheme's options are
// the same.
func (k *Keyring) prepare(target keystore.Target, scheme tokens.Scheme, stored *keystore.Key, before *Target) (tokens.Key, error) {
	if before != nil && before.Options == target.Options {
		for _, b := range before.Keys {
			if b.Version == stored.Version && b.Fingerprint() == stored.Fingerprint && b.ID() == stored.KID {
				return b.Key, nil
			}
		}
	}
	secret, err := k.sealer.Open(keystore.Binding{Target: target.ID, Version: stored.Version}, stored.Sealed)
	if err != nil {
		return nil, err
	}
	// Whether a short secret is admitted was decided on import.
	prepared, err := scheme.Prepare(tokens.Material{ID: stored.KID, Secret: secret, AllowShort: true})
	if err != nil {
		return nil, err
	}
	if prepared.Fingerprint() != stored.Fingerprint {
		return nil, errors.New("the opened key does not have the fingerprint it was stored under")
	}
	return prepared, nil
}

// Ref names a key as "TARGET/VERSION".
func Ref(target string, version int) string { return fmt.Sprintf("%s/%d", target, version) }

// Run refreshes on every hint of the store, and at least every poll, until ctx ends.
func (k *Keyring) Run(ctx context.Context, poll time.Duration) error {
	keystore.Follow(ctx, k.store.Watch(ctx), poll, k.Refresh, func(err error) {
		k.log.Warn("keyring not refreshed; the snapshot grows old", "age", k.Age().Round(time.Millisecond).String(), "error", err)
	})
	return nil
}
