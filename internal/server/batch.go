package server

import (
	"context"
	"sync"
	"sync/atomic"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// opensAtOnce is how many items of a batch ask a policy or wait for a session at once.
const opensAtOnce = 64

// BatchSignPlayback implements PlaybackService. Each item has its own outcome, good or bad. What costs a
// moment is signed in place; RSA signatures are spread over the workers that make them, and sessions are
// opened many to one commit of the store.
func (s *playbackService) BatchSignPlayback(ctx context.Context, r *tokensvcv1.BatchSignPlaybackRequest) (*tokensvcv1.BatchSignPlaybackResponse, error) {
	items := r.GetRequests()
	out := &tokensvcv1.BatchSignPlaybackResponse{Outcomes: make([]*tokensvcv1.SignOutcome, len(items))}
	all := make([]outcomeMessage, len(items))
	sign := func(i int) {
		p, err := s.signItem(ctx, items[i])
		out.Outcomes[i] = all[i].fill(&p, err)
	}
	var costly, counted []int
	for i, item := range items {
		switch p := s.catalogue.Get(item.GetId()); {
		case p != nil && s.signer.Costly(p):
			costly = append(costly, i)
		case p != nil && !free(p):
			counted = append(counted, i)
		default:
			sign(i)
		}
	}
	fanOut(len(costly), s.signer.Workers(), func(n int) { sign(costly[n]) })
	fanOut(len(counted), opensAtOnce, func(n int) { sign(counted[n]) })
	return out, nil
}

// signItem applies the rules of a request to an item too; for a call of its own an interceptor does.
func (s *playbackService) signItem(ctx context.Context, r *tokensvcv1.SignPlaybackRequest) (pass, error) {
	if !signPlainlyValid(r) {
		if err := s.validator.Validate(r); err != nil {
			return pass{}, err
		}
	}
	return s.sign(ctx, r)
}

// fanOut calls fn for 0 to n-1, up to width at once, and waits for all. A panic of fn goes on in the
// caller, where the interceptors expect it.
func fanOut(n, width int, fn func(int)) {
	var (
		next   atomic.Int64
		panics = make(chan any, max(width, 1))
		done   sync.WaitGroup
	)
	for range min(n, width) {
		done.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					panics <- r
				}
			}()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	done.Wait()
	select {
	case r := <-panics:
		panic(r)
	default:
	}
}
