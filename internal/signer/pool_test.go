package signer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

func reasonOf(err error) tokens.Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

func TestPoolRunsNoMoreThanItsWorkersAtOnce(t *testing.T) {
	const workers, jobs = 3, 50
	p := NewPool(workers, jobs, time.Minute)
	defer p.Close()
	var running, most atomic.Int64
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			err := p.Do(t.Context(), func() {
				n := running.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Millisecond)
				running.Add(-1)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := most.Load(); got > workers || got == 0 {
		t.Errorf("%d jobs ran at once, want 1 to %d", got, workers)
	}
}

func TestPoolRefusesWhatCannotBeServedInTime(t *testing.T) {
	p := NewPool(1, 1000, time.Hour)
	defer p.Close()
	release, held := occupy(t, p)
	defer func() { close(release); <-held }()
	for range 100 {
		go func() { _ = p.Do(t.Context(), func() {}) }() // ends with Close or the test's context
	}
	for p.waiting.Load() < 101 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // 101 jobs of 8 ms are ahead
	defer cancel()
	began := time.Now()
	err := p.Do(ctx, func() { t.Error("a refused job ran") })
	var refused *Error
	if !errors.As(err, &refused) || refused.Reason != tokens.Overloaded || refused.RetryAfter <= 0 {
		t.Fatalf("got %v, want OVERLOADED with a time to retry", err)
	}
	if took := time.Since(began); took > 50*time.Millisecond {
		t.Errorf("the refusal took %s; it should come at once", took)
	}
}

func TestPoolRefusesWhenTheQueueIsFull(t *testing.T) {
	p := NewPool(1, 1, time.Hour)
	defer p.Close()
	release, held := occupy(t, p)
	defer func() { close(release); <-held }()
	queued := make(chan error, 1)
	go func() { queued <- p.Do(t.Context(), func() {}) }()
	for p.waiting.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	if err := p.Do(t.Context(), func() {}); reasonOf(err) != tokens.Overloaded {
		t.Fatalf("got %v, want OVERLOADED", err)
	}
}

func TestPoolSkipsWorkNobodyWaitsFor(t *testing.T) {
	p := NewPool(1, 10, time.Hour)
	release, held := occupy(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- p.Do(ctx, func() { t.Error("ran for a caller who had left") }) }()
	for p.waiting.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	close(release)
	<-held
	p.Close()
}

func TestClosedPoolRefusesAndHasFinished(t *testing.T) {
	p := NewPool(2, 10, time.Hour)
	var done atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _ = p.Do(t.Context(), func() { time.Sleep(time.Millisecond); done.Add(1) }) })
	}
	wg.Wait()
	p.Close()
	if done.Load() != 8 {
		t.Errorf("%d of 8 accepted jobs ran", done.Load())
	}
	if err := p.Do(t.Context(), func() {}); reasonOf(err) != tokens.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
	p.Close()
}

// occupy keeps one worker busy until release is closed; held closes when it is free again.
func occupy(t *testing.T, p *Pool) (release, held chan struct{}) {
	t.Helper()
	release, held = make(chan struct{}), make(chan struct{})
	busy := make(chan struct{})
	go func() {
		defer close(held)
		if err := p.Do(context.WithoutCancel(t.Context()), func() { close(busy); <-release }); err != nil {
			t.Error(err)
		}
	}()
	<-busy
	return release, held
}

func TestOneSignatureServesAllEqualRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(2, 100, time.Minute)
		defer p.Close()
		s := NewSharedTokens(p, 100)
		var signatures atomic.Int64
		sign := func() (tokens.Credential, error) {
			signatures.Add(1)
			time.Sleep(10 * time.Millisecond)
			return tokens.Credential{Token: "token"}, nil
		}
		const buckets, callers = 5, 200
		var wg sync.WaitGroup
		for i := range buckets * callers {
			wg.Go(func() {
				token, err := s.Get(t.Context(), SharedKey{Claims: "c", Exp: int64(i % buckets)}, sign)
				if err != nil || token != "token" {
					t.Errorf("got %q, %v", token, err)
				}
			})
		}
		wg.Wait()
		if got := signatures.Load(); got != buckets {
			t.Errorf("%d signatures for %d buckets", got, buckets)
		}
	})
}

func TestSharedSignatureOutlivesItsFirstCaller(t *testing.T) {
	p := NewPool(1, 10, time.Minute)
	defer p.Close()
	s := NewSharedTokens(p, 10)
	release, begun := make(chan struct{}), make(chan struct{})
	sign := func() (tokens.Credential, error) {
		close(begun)
		<-release
		return tokens.Credential{Token: "token"}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := s.Get(ctx, SharedKey{Exp: 1}, sign)
		first <- err
	}()
	<-begun
	second := make(chan string, 1)
	go func() {
		token, err := s.Get(t.Context(), SharedKey{Exp: 1}, sign)
		if err != nil {
			t.Error(err)
		}
		second <- token
	}()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first caller got %v", err)
	}
	close(release)
	if token := <-second; token != "token" {
		t.Errorf("the second caller got %q", token)
	}
}

func TestFailedSharedSignatureIsTriedAgain(t *testing.T) {
	p := NewPool(1, 10, time.Minute)
	defer p.Close()
	s := NewSharedTokens(p, 10)
	fails := errors.New("no luck")
	if _, err := s.Get(t.Context(), SharedKey{}, func() (tokens.Credential, error) { return tokens.Credential{}, fails }); !errors.Is(err, fails) {
		t.Fatalf("got %v", err)
	}
	token, err := s.Get(t.Context(), SharedKey{}, func() (tokens.Credential, error) { return tokens.Credential{Token: "ok"}, nil })
	if err != nil || token != "ok" {
		t.Fatalf("got %q, %v; a failure must not be kept", token, err)
	}
}
