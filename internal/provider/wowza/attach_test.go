package wowza_test

import (
	"errors"
	"testing"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/wowza"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
)

// TestAttachAll: both targets of a pair carry every output, each once, whatever answers are lost on the way.
func TestAttachAll(t *testing.T) {
	w := hmacWorld(t)
	var targets []string
	for _, marker := range []string{"pair-0000-a", "pair-0000-b"} {
		made, err := w.client.Create(t.Context(), "stage", marker, wowza.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, made.ID)
	}
	if _, err := w.client.Attach(t.Context(), "trans1", "out2", targets[0]); err != nil {
		t.Fatal(err)
	}
	w.plan.Add(fault.Rule{Call: "attach target", Fault: fault.LostAfter()})
	count := func(want int) {
		t.Helper()
		all, err := w.client.AttachAll(t.Context(), "trans1", targets)
		fresh := 0
		for _, a := range all {
			if a.New {
				fresh++
			}
		}
		if err != nil || len(all) != 4 || fresh != want {
			t.Errorf("%+v, %v; want 4 attachments, %d of them new", all, err, want)
		}
	}
	count(3)
	count(0)
	outputs, err := w.client.Outputs(t.Context(), "trans1")
	if err != nil || len(outputs) != 2 {
		t.Fatal(outputs, err)
	}
	for _, o := range outputs {
		if len(o.Targets) != 2 {
			t.Errorf("output %s carries %+v", o.ID, o.Targets)
		}
	}
	if _, err := w.client.AttachAll(t.Context(), "nobody", targets); !errors.Is(err, provider.ErrRejected) {
		t.Errorf("a transcoder that is not there: %v", err)
	}
}
