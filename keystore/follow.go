package keystore

import (
	"context"
	"time"
)

// Follow calls refresh on every hint of a store's Watch and at least every poll, until ctx ends. It
// owns no goroutine. An error of refresh goes to failed, unless ctx has ended, and is tried again with
// the next hint or poll.
func Follow(ctx context.Context, hints <-chan struct{}, poll time.Duration, refresh func(context.Context) error, failed func(error)) {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-hints:
			if !open {
				hints = nil
				continue
			}
		case <-ticker.C:
		}
		if err := refresh(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}
