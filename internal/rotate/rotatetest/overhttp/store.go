package overhttp

import (
	"context"
	"sync"

	"github.com/tokensvc/tokensvc/keystore"
)

// unread is a store that does not read a record again which nobody has written since: most of a world's time
// is waiting, and all its processes share the store.
type unread struct {
	keystore.Store

	mu   sync.Mutex
	held map[string]keystore.Record
}

func (u *unread) Get(ctx context.Context, target string) (keystore.Record, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if r, ok := u.held[target]; ok {
		return r.Clone(), nil
	}
	r, err := u.Store.Get(ctx, target)
	if err == nil {
		clear(u.held)
		u.held[target] = r.Clone()
	}
	return r, err
}

func (u *unread) Update(ctx context.Context, target string, fence keystore.Fence, fn func(*keystore.Record) error) (keystore.Record, error) {
	r, err := u.Store.Update(ctx, target, fence, fn)
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.held, target)
	return r, err
}
