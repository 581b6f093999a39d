package keyimport_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/keyimport"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// lenient is hdnts as if it took any text as a secret, quotes included.
type lenient struct{ wowza.Scheme }

func (lenient) CheckKey(tokens.Material) error { return nil }

func (l lenient) Prepare(tokens.Material) (tokens.Key, error) {
	return l.Scheme.Prepare(tokens.Material{Secret: tokens.NewSecret([]byte(hexSecret))})
}

func TestQuotesThatMayBelongToTheSecret(t *testing.T) {
	t.Parallel()
	const quoted = `"correct-horse-battery"`
	_, err := keyimport.Read(lenient{}, []byte(quoted), keyimport.Options{})
	var many *keyimport.AmbiguousError
	if !errors.As(err, &many) || len(many.Readings) != 2 || !strings.Contains(err.Error(), "take the quotes away") {
		t.Fatalf("want two readings, got %v", err)
	}
	got, err := keyimport.Read(lenient{}, []byte(quoted), keyimport.Options{Encoding: keyimport.Text})
	if err != nil || string(got.Material.Secret.Reveal()) != quoted {
		t.Errorf("as text the quotes belong to the secret; got %d bytes, %v", got.Material.Secret.Len(), err)
	}
}
