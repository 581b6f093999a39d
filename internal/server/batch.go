package server

import (
	"context"
	"sync"
	"sync/atomic"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/signer"
)

// BatchSignPlayback implements PlaybackService. Each item has its own outcome, good or bad. What costs a
// moment is signed in place; RSA signatures are spread over the workers that make them.
func (s *playbackService) BatchSignPlayback(ctx context.Context, r *tokensvcv1.BatchSignPlaybackRequest) (*tokensvcv1.BatchSignPlaybackResponse, error) {
	items := r.GetRequests()
	out := &tokensvcv1.BatchSignPlaybackResponse{Outcomes: make([]*tokensvcv1.SignOutcome, len(items))}
	all := make([]outcomeMessage, len(items))
	sign := func(i int) {
		c, err := s.signItem(ctx, items[i])
		out.Outcomes[i] = all[i].fill(c, err)
	}
	var costly []int
	for i, item := range items {
		if p := s.catalogue.Get(item.GetId()); p != nil && s.signer.Costly(p) {
			costly = append(costly, i)
			continue
		}
		sign(i)
	}
	fanOut(len(costly), s.signer.Workers(), func(n int) { sign(costly[n]) })
	return out, nil
}

// signItem applies the rules of a request to an item too; for a call of its own an interceptor does.
func (s *playbackService) signItem(ctx context.Context, r *tokensvcv1.SignPlaybackRequest) (signer.Credential, error) {
	if !signPlainlyValid(r) {
		if err := s.validator.Validate(r); err != nil {
			return signer.Credential{}, err
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
