package main

import (
	"strings"
	"testing"
)

func TestShortForm(t *testing.T) {
	var out, diagnostics strings.Builder
	if status := run(t.Context(), []string{"-runs", "200"}, &out, &diagnostics); status != 0 || out.String() != "crash: 200 runs, 0 violations\n" {
		t.Fatalf("status %d: %s%s", status, out.String(), diagnostics.String())
	}
	out.Reset()
	if status := run(t.Context(), []string{"-mutations"}, &out, &diagnostics); status != 0 || !strings.HasSuffix(out.String(), "\nmutations: 12 of 12 caught\n") {
		t.Fatalf("status %d: %s%s", status, out.String(), diagnostics.String())
	}
	if status := run(t.Context(), []string{"-sideways"}, &out, &diagnostics); status != 2 {
		t.Fatalf("status %d for an unknown flag", status)
	}
}
