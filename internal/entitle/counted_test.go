package entitle_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tokensvc/tokensvc/internal/entitle"
)

type said struct {
	decision entitle.Decision
	err      error
}

func (s said) Check(context.Context, entitle.Request) (entitle.Decision, error) {
	return s.decision, s.err
}

func TestCountedTellsRefusedFromUnknown(t *testing.T) {
	c := &entitle.Counted{}
	for _, answer := range []said{{decision: entitle.Decision{Allowed: true}}, {}, {}, {err: errors.New("nobody knows")}} {
		c.Checker = answer
		if d, err := c.Check(t.Context(), entitle.Request{}); d.Allowed != answer.decision.Allowed || !errors.Is(err, answer.err) {
			t.Errorf("%+v, %v; want %+v", d, err, answer)
		}
	}
	if allowed, refused, unknown := c.Counts(); allowed != 1 || refused != 2 || unknown != 1 {
		t.Errorf("%d, %d and %d; want 1, 2 and 1", allowed, refused, unknown)
	}
}
