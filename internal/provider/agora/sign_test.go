package agora_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/internal/provider/agora"
	"github.com/tokensvc/tokensvc/tokens"
)

type signVector struct {
	ID, Method, Path, Host, Date, Body, Username, Secret, Digest, Authorization string
}

func TestSignVectors(t *testing.T) {
	for _, v := range readVectors[signVector](t, "agora_httpsig_public.json", 15) {
		t.Run(v.ID, func(t *testing.T) {
			now, err := time.Parse(http.TimeFormat, v.Date)
			if err != nil {
				t.Fatal(err)
			}
			creds := agora.Credentials{CustomerID: v.Username, CustomerSecret: tokens.NewSecret([]byte(v.Secret))}
			// The date is GMT wherever the clock is set.
			got := creds.Sign(v.Method, v.Path, v.Host, []byte(v.Body), now.In(time.FixedZone("", 8*3600)))
			want := agora.Signature{Date: v.Date, Digest: v.Digest, Authorization: v.Authorization}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// readVectors reads a file of vectors, and holds its count.
func readVectors[V any](t *testing.T, file string, count int) []V {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []V
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != count {
		t.Fatalf("%s holds %d vectors, want %d", file, len(vectors), count)
	}
	return vectors
}
