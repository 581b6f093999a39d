package streamapi_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/tokensvc/tokensvc/internal/provider/streamapi"
	"github.com/tokensvc/tokensvc/tokens"
)

type vector struct {
	ID        string
	Params    map[string]string
	APIKey    string `json:"api_key"`
	SecretKey string `json:"secret_key"`
	RID       int64
	Sig       string
}

func TestSignVectors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "streamapi_sig_public.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 12 {
		t.Fatalf("%d vectors, want 12", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.ID, func(t *testing.T) {
			creds := streamapi.Credentials{APIKey: v.APIKey, SecretKey: tokens.NewSecret([]byte(v.SecretKey))}
			if got := creds.Sign(v.Params, v.RID); got != v.Sig {
				t.Errorf("sig %s, want %s", got, v.Sig)
			}
			if _, changed := v.Params["key"]; changed {
				t.Error("the caller's parameters were changed")
			}
		})
	}
}
