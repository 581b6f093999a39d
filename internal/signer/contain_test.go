package signer

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

const panicText = "a value that may hold a secret"

func TestPanicOnAWorkerEndsOneCallOnly(t *testing.T) {
	p := NewPool(1, 10, time.Minute)
	defer p.Close()
	err := p.Do(t.Context(), func() { panic(panicText) })
	if err == nil || !strings.Contains(err.Error(), "contain_test.go") || strings.Contains(err.Error(), panicText) {
		t.Errorf("%v; want the stack without the value", err)
	}
	ran := false
	if err := p.Do(t.Context(), func() { ran = true }); err != nil || !ran {
		t.Errorf("the worker is gone: %v", err)
	}
}

func TestPanicInASharedSignatureReachesAllWhoWait(t *testing.T) {
	p := NewPool(1, 10, time.Minute)
	defer p.Close()
	shared := NewSharedTokens(p, 10)
	key := SharedKey{Claims: "x", Exp: 1}
	began, release := make(chan struct{}), make(chan struct{})
	var first sync.Once
	var waiting sync.WaitGroup
	for range 5 {
		waiting.Go(func() {
			_, err := shared.Get(t.Context(), key, func() (tokens.Credential, error) {
				first.Do(func() { close(began) })
				<-release
				panic(panicText)
			})
			if err == nil || strings.Contains(err.Error(), panicText) {
				t.Errorf("error %v", err)
			}
		})
	}
	<-began
	close(release)
	waiting.Wait()
	token, err := shared.Get(t.Context(), key, func() (tokens.Credential, error) { return tokens.Credential{Token: "t"}, nil })
	if err != nil || token != "t" {
		t.Errorf("the next signature: %q, %v", token, err)
	}
}
