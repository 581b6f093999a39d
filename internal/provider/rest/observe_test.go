package rest_test

import (
	"errors"
	"testing"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

// TestEachCallIsObservedOnce: with all its tries, by its name, and with what came of it.
func TestEachCallIsObservedOnce(t *testing.T) {
	r := newRig(t)
	var failures []*provider.Error
	r.cfg.Observe = func(call string, failure *provider.Error) {
		if call != "try" {
			t.Errorf("observed as %q", call)
		}
		failures = append(failures, failure)
	}
	c := r.client(t)
	if _, err := c.Do(t.Context(), call(rest.Once)); err != nil {
		t.Fatal(err)
	}
	bad := call(rest.Idempotent)
	bad.Path = "/.."
	if _, err := c.Do(t.Context(), bad); err == nil {
		t.Fatal("sent")
	}
	if len(failures) != 2 || failures[0] != nil || !errors.Is(failures[1], provider.ErrRejected) {
		t.Errorf("observed %v", failures)
	}
}
