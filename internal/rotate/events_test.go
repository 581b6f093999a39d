package rotate_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
)

// TestEventsNameTheFailedCall: who asks the provider's support has its id of the call.
func TestEventsNameTheFailedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.target(t, "event", "qencode", nil)
		b.vendor("event").Script(func(call string, n int) rotatetest.Answer {
			if call == "mint" && n == 1 {
				return rotatetest.Rejected
			}
			return rotatetest.OK
		})
		if _, err := b.executor.Once(t.Context(), rotate.Options{MaxWait: time.Minute}); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for _, e := range b.events {
			want := ""
			if e.Class != "" {
				failed++
				want = "mint-1"
			}
			if e.RequestID != want {
				t.Errorf("%s %s: request %q, want %q", e.Action, e.Class, e.RequestID, want)
			}
		}
		if failed != 1 {
			t.Errorf("%d failures, want 1", failed)
		}
	})
}
