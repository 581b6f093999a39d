package server

import (
	"cmp"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
)

// jwksHandler serves the public halves of all keys whose tokens may be met: pending ones too, so that
// verifiers know a key before it signs. A fetch may be kept for a minute.
func jwksHandler(s *signer.Signer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		snapshot, err := s.Snapshot()
		if err != nil {
			writeError(w, r, toStatus(err))
			return
		}
		body, err := json.Marshal(publicKeys(snapshot))
		if err != nil {
			writeError(w, r, toStatus(err))
			return
		}
		sum := sha256.Sum256(body)
		etag := `"` + hex.EncodeToString(sum[:16]) + `"`
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("ETag", etag)
		if strings.Contains(r.Header.Get("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(body) // the client may have left
	})
}

func publicKeys(snapshot *signer.Snapshot) jose.JSONWebKeySet {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for target := range snapshot.All {
		for _, k := range target.Keys {
			public, ok := k.Public().(*rsa.PublicKey)
			if !ok || k.State == keystore.Retired {
				continue
			}
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: public, KeyID: k.ID(), Algorithm: "RS256", Use: "sig"})
		}
	}
	slices.SortFunc(set.Keys, func(a, b jose.JSONWebKey) int { return cmp.Compare(a.KeyID, b.KeyID) })
	return set
}
