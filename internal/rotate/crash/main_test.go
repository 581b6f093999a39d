package main

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLastLines(t *testing.T) {
	const plan = `{"kind":"pair","provider":"agora","crashes":[3,9],"down":5,"answers":{"7":"lost after"},"eager":true}`
	for _, c := range []struct {
		args   []string
		status int
		last   string
	}{
		{[]string{"-simulated", "-runs", "100"}, 0, "crash: 100 runs, 0 violations\n"},
		{[]string{"-runs", "3", "-workers", "2"}, 0, "crash: 3 runs, 0 violations\n"},
		{[]string{"-simulated", "-mutations"}, 0, "mutations: 12 of 12 caught\n"},
		{[]string{"-replay", plan}, 0, "crash: 1 runs, 0 violations\n"},
		{[]string{"-replay", `{"kind":"minter","provider":"qencode","mutation":"no cache age (C)"}`}, 1, "before its time\ncrash: 1 runs, 1 violations\n"},
		{[]string{"-replay", `{"kind":"minter","provider":"agora"}`}, 1, "crash: 1 runs, 1 violations\n"},
		{[]string{"-replay", `{"kind":"printer"}`}, 2, ""},
		{[]string{"-sideways"}, 2, ""},
		{[]string{"-runs", "0"}, 2, ""},
		{[]string{"10000"}, 2, ""},
	} {
		var out, diagnostics strings.Builder
		if status := run(t.Context(), c.args, &out, &diagnostics); status != c.status || !strings.HasSuffix(out.String(), c.last) {
			t.Errorf("%q: status %d, want %d; out: %s\ndiagnostics: %s", c.args, status, c.status, out.String(), diagnostics.String())
		}
	}
}

// TestReplayTellsSteps: whoever looks into a violation sees what was done, and each point and call by its number.
func TestReplayTellsSteps(t *testing.T) {
	var out, diagnostics strings.Builder
	if status := run(t.Context(), []string{"-replay", `{"kind":"setter","provider":"wowza"}`}, &out, &diagnostics); status != 0 {
		t.Fatalf("status %d: %s", status, out.String())
	}
	for _, want := range []string{`msg="rotation step"`, `msg="crash point" number=1 name="before begin"`, `name="after set"`} {
		if !strings.Contains(diagnostics.String(), want) {
			t.Errorf("the log of a replay lacks %s", want)
		}
	}
}
