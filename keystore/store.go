package keystore

import (
	"context"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Fence is proof of a lease. It grows with every lease of a target, so that a writer who has lost its
// lease is refused.
type Fence int64

// Page asks for part of a list, in the order of id that the list says.
type Page struct {
	// After is the id behind which to go on; "" begins at the front.
	After string
	// Limit is the most records to return; 0 means all.
	Limit int
}

// Store keeps targets and their keys. It is safe for concurrent use, also by several processes.
// Records that go in or come out share no memory with the store. Times are kept to the microsecond, in
// UTC. Keystoretest.Run is its suite.
//
// The store stamps CreatedAt in Create, and UpdatedAt and LongLivedUntil with every change, by its own
// clock (see Succeed); what callers write in the first two does not count. A revision is never used twice, not even by a target that was deleted and
// made again.
type Store interface {
	History
	// Create adds a target without keys. ErrConflict: the id is taken. ErrIllegal (CheckTarget).
	Create(ctx context.Context, t Target) (Record, error)
	// Get returns one record. ErrNotFound.
	Get(ctx context.Context, target string) (Record, error)
	// List returns records in ascending order of id.
	List(ctx context.Context, p Page) ([]Record, error)
	// Update runs fn on a copy of the record and commits what it leaves, all or nothing. fn runs
	// again, on a fresh copy, when the record has changed meanwhile; it may itself change the store. An
	// error of fn is returned as it is and changes nothing. The returned record is the committed one,
	// its Revision grown. What fn leaves in Closed goes to the history; an operation whose id was used
	// before is ErrIllegal. ErrNotFound, ErrFenced, ErrIllegal (CheckUpdate); ErrConflict: the record
	// changed under fn again and again.
	Update(ctx context.Context, target string, fence Fence, fn func(*Record) error) (Record, error)
	// Delete removes a target all of whose keys are destroyed, without an open operation and without
	// orphans. ErrNotFound, ErrFenced, ErrIllegal.
	Delete(ctx context.Context, target string, fence Fence) error
	// Lease gives holder the right to change the target for ttl, by the store's clock. A holder that
	// has the lease gets a new fence, which ends the old one. ErrNotFound; ErrConflict: another holder
	// has it; ErrIllegal: an empty holder or a ttl that is not positive.
	Lease(ctx context.Context, target, holder string, ttl time.Duration) (Fence, error)
	// Release gives a lease back early. A lost lease is no error.
	Release(ctx context.Context, target string, fence Fence) error
	// Watch sends a hint after changes of any record, by this process or another, within a second;
	// several changes may share one. It is a hint: readers poll too. The channel closes when ctx ends.
	Watch(ctx context.Context) <-chan struct{}
}

// History is the part of a Store that reads operations, open and closed ones.
type History interface {
	// Operation returns one operation, open or closed. ErrNotFound.
	Operation(ctx context.Context, id string) (Operation, error)
	// Operations returns the operations of a target, or of all when it is empty, in descending order of
	// id, which for UUIDv7 is the newest first. The history outlives its target.
	Operations(ctx context.Context, target string, p Page) ([]Operation, error)
	// PruneOperations removes operations that were closed before a moment, the oldest first, at most limit
	// of them, and returns how many; a limit of 0 means all.
	PruneOperations(ctx context.Context, before time.Time, limit int) (int, error)
}

// Binding ties a sealed secret to its place, so that it cannot be moved to another.
type Binding struct {
	Target  string
	Version int
}

// Sealer encrypts secrets for the store. Every secret has a data key of its own, wrapped by a master
// key that the sealed bytes name. Keystoretest.RunSealer is its suite.
type Sealer interface {
	// Seal encrypts under the current master key.
	Seal(b Binding, secret tokens.Secret) ([]byte, error)
	// Open decrypts. ErrUnknownMasterKey names the key that is wanted; ErrTampered means that the
	// bytes, the binding or the master key's value do not fit.
	Open(b Binding, sealed []byte) (tokens.Secret, error)
	// Rewrap moves sealed bytes to the current master key without touching the secret. It reports
	// false, and the same bytes, where they are under it already.
	Rewrap(b Binding, sealed []byte) ([]byte, bool, error)
}
