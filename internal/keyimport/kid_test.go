package keyimport_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/keyimport"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

func TestKID(t *testing.T) {
	t.Parallel()
	k := testKeys(t)[2]
	named := asJSON(t, with(jwkOf(k), "kid", "vendor-id"))
	for _, c := range []struct {
		name, in string
		opts     keyimport.Options
		want     string
	}{
		{"given", k.pem1(), keyimport.Options{KID: k.id}, k.id},
		{"given where required", k.pem1(), keyimport.Options{KID: k.id, RequireKID: true}, k.id},
		{"from the JWK where required", named, keyimport.Options{RequireKID: true}, "vendor-id"},
		{"the same twice", named, keyimport.Options{KID: "vendor-id"}, "vendor-id"},
		{"thumbprint", k.pem1(), keyimport.Options{}, thumbprintOf(k)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := keyimport.Read(qencode.Scheme{}, []byte(c.in), c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if got.KID != c.want || got.Material.ID != c.want {
				t.Errorf("kid %q, material %q; want %q", got.KID, got.Material.ID, c.want)
			}
		})
	}
}

func TestUnusableKID(t *testing.T) {
	t.Parallel()
	k := testKeys(t)[2]
	for name, kid := range map[string]string{
		"blank": "a b", "line end": "a\n", "not ASCII": "ä", "NUL": "a\x00", "too long": strings.Repeat("k", keyimport.MaxKIDLen+1),
	} {
		_, err := keyimport.Read(qencode.Scheme{}, []byte(k.pem1()), keyimport.Options{KID: kid})
		if !errors.Is(err, tokens.ErrInvalidParams) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := keyimport.Read(wowza.Scheme{}, []byte(hexSecret), keyimport.Options{KID: "id"})
	if !errors.Is(err, tokens.ErrInvalidParams) || !strings.Contains(err.Error(), "no key id") {
		t.Errorf("a kid for a format without: %v", err)
	}
}

func TestKIDThatTheFormatRefuses(t *testing.T) {
	t.Parallel()
	k := testKeys(t)[2]
	_, err := keyimport.Read(qencode.Scheme{}, []byte(k.pem1()), keyimport.Options{KID: "a/b"})
	if !errors.Is(err, tokens.ErrInvalidKey) {
		t.Errorf("a slash: %v", err)
	}
}

func TestEncodingNames(t *testing.T) {
	t.Parallel()
	for e := keyimport.Auto; e <= keyimport.JWK; e++ {
		if got, err := keyimport.ParseEncoding(e.String()); err != nil || got != e {
			t.Errorf("%s is parsed as %s, %v", e, got, err)
		}
	}
	if got, err := keyimport.ParseEncoding(""); err != nil || got != keyimport.Auto {
		t.Errorf("no name is %s, %v", got, err)
	}
	if _, err := keyimport.ParseEncoding("rot13"); !errors.Is(err, tokens.ErrInvalidParams) {
		t.Errorf("rot13: %v", err)
	}
	k := testKeys(t)[2]
	for _, e := range []keyimport.Encoding{-1, keyimport.JWK + 1} {
		if _, err := keyimport.Read(qencode.Scheme{}, []byte(k.pem1()), keyimport.Options{Encoding: e}); !errors.Is(err, tokens.ErrInvalidParams) {
			t.Errorf("encoding %d: %v", e, err)
		}
	}
}
