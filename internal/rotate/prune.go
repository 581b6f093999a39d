package rotate

import (
	"context"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// Closed operations are removed this often, at most so many at once: what a store takes in the meantime is far
// less, and a backlog goes in turns without holding writers up.
const (
	pruneEvery = time.Hour
	pruneBatch = 500
)

// prune removes a batch of the operations that have been closed for longer than they are kept. A store that fails
// is asked again next time.
func (e *Executor) prune(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.timing.StoreMargin)
	defer cancel()
	n, err := e.store.PruneOperations(ctx, e.clock().Add(-keystore.OperationRetention), pruneBatch)
	switch {
	case err != nil && ctx.Err() == nil:
		e.log.Warn("old operations not removed", "error", err)
	case n > 0:
		e.log.Info("old operations removed", "count", n)
	}
}
