package wowza_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/tokensvc/tokensvc/internal/provider/wowza"
)

func TestSignatureVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/wowza_sig_public.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		APIKey    string `json:"api_key"`
		Path      string `json:"path"`
		Timestamp int64  `json:"timestamp"`
		Signature string `json:"signature"`
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 20 {
		t.Errorf("%d vectors, want 20", len(vectors))
	}
	for i, v := range vectors {
		got, err := wowza.Signature(secret(v.APIKey), v.Path, v.Timestamp)
		if err != nil || got != v.Signature {
			t.Errorf("vector %d, path %q: got %q, %v; want %q", i, v.Path, got, err, v.Signature)
		}
	}
}

func TestSignatureRefusesEmptyPaths(t *testing.T) {
	for _, path := range []string{"", "?", "?a=b"} {
		if got, err := wowza.Signature(secret("key"), path, 1); err == nil {
			t.Errorf("path %q was signed: %q", path, got)
		}
	}
}
