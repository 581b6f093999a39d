package keyimport_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/keyimport"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// good is an encoding that must give the key it was made from.
type good struct {
	name string
	in   string
	opts keyimport.Options
	// want is the RSA key to get, secret the shared one; empty means the table's own.
	want   *testKey
	secret string
	// kind and kid are looked at where they are given.
	kind, kid string
}

// refused is an encoding that must be refused, with words that tell why.
type refused struct {
	name string
	in   string
	opts keyimport.Options
	// tells is part of the message.
	tells string
	// readings, over 0, asks for an AmbiguousError with so many.
	readings int
}

// TestImportMatrix reads everything that people bring, for each format: the right key or the right
// refusal.
func TestImportMatrix(t *testing.T) {
	t.Parallel()
	keys := testKeys(t)
	own, other := keys[2], keys[0]
	for _, c := range []struct {
		scheme  tokens.Scheme
		secret  string
		good    []good
		refused []refused
	}{
		{qencode.Scheme{}, "", goodRSA(t, own), refusedRSA(t, own, other)},
		{wowza.Scheme{}, hexSecret, append(goodHex(t), goodWowza()...), append(refusedSecret(t, own), refusedWowza()...)},
		{akamai.Scheme{}, hexSecret, append(goodHex(t), goodAkamai()...), append(refusedSecret(t, own), refusedAkamai()...)},
		{agora.Scheme{}, alnumSecret, goodAgora(t), append(refusedSecret(t, own), refusedAgora()...)},
	} {
		t.Run(c.scheme.Name(), func(t *testing.T) {
			t.Parallel()
			for _, g := range c.good {
				t.Run("good/"+g.name, func(t *testing.T) { checkGood(t, c.scheme, g, own, c.secret) })
			}
			for _, r := range c.refused {
				t.Run("refused/"+r.name, func(t *testing.T) { checkRefused(t, c.scheme, r) })
			}
			t.Logf("%s: %d encodings give the right key, %d are refused with the right words", c.scheme.Name(), len(c.good), len(c.refused))
		})
	}
}

func checkGood(t *testing.T, scheme tokens.Scheme, g good, own testKey, secret string) {
	t.Helper()
	got, err := keyimport.Read(scheme, []byte(g.in), g.opts)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if g.kind != "" && got.Kind != g.kind {
		t.Errorf("kind %q, want %q", got.Kind, g.kind)
	}
	if got.KID != got.Material.ID {
		t.Errorf("kid %q in the result, %q in the material", got.KID, got.Material.ID)
	}
	if secret == "" {
		if g.want != nil {
			own = *g.want
		}
		checkRSA(t, got, own, g.kid)
		return
	}
	if g.secret != "" {
		secret = g.secret
	}
	if string(got.Material.Secret.Reveal()) != secret {
		t.Error("another secret than the one that went in")
	}
	key, err := scheme.Prepare(tokens.Material{Secret: tokens.NewSecret([]byte(secret)), AllowShort: g.opts.AllowShort})
	if err != nil {
		t.Fatal(err)
	}
	if got.Fingerprint != key.Fingerprint() || got.KID != "" {
		t.Errorf("fingerprint %s, kid %q; want fingerprint %s, no kid", got.Fingerprint, got.KID, key.Fingerprint())
	}
}

func checkRSA(t *testing.T, got keyimport.Result, want testKey, kid string) {
	t.Helper()
	if got.Fingerprint != fingerprintOf(t, want) {
		t.Errorf("fingerprint %s, want %s", got.Fingerprint, fingerprintOf(t, want))
	}
	if !got.Material.Secret.Equal(tokens.NewSecret(want.pkcs8)) {
		t.Error("the material is not the PKCS#8 DER of the key")
	}
	if kid == "" {
		kid = thumbprintOf(want)
	}
	if got.KID != kid {
		t.Errorf("kid %q, want %q", got.KID, kid)
	}
}

func checkRefused(t *testing.T, scheme tokens.Scheme, r refused) {
	t.Helper()
	got, err := keyimport.Read(scheme, []byte(r.in), r.opts)
	if err == nil {
		t.Fatalf("read as %s", got.Kind)
	}
	if !errors.Is(err, tokens.ErrInvalidKey) {
		t.Errorf("%v does not wrap ErrInvalidKey", err)
	}
	if !strings.Contains(err.Error(), r.tells) {
		t.Errorf("%q does not tell %q", err, r.tells)
	}
	if leak := leaked(err.Error(), r.in, vocabulary); leak != "" {
		t.Errorf("%q holds %q of the material", err, leak)
	}
	var many *keyimport.AmbiguousError
	want := tokens.InvalidKey
	if r.readings > 0 {
		want = tokens.AmbiguousKey
	}
	if errors.As(err, &many) != (r.readings > 0) || many != nil && len(many.Readings) != r.readings {
		t.Errorf("%v: not an AmbiguousError of %d readings", err, r.readings)
	}
	if got := tokens.ReasonOf(err); got != want {
		t.Errorf("reason %s, want %s", got, want)
	}
	if many == nil {
		return
	}
	for _, reading := range many.Readings {
		if reading.Encoding == keyimport.Auto || r.opts.Encoding != keyimport.Auto {
			continue
		}
		if _, err := keyimport.Read(scheme, []byte(r.in), keyimport.Options{Encoding: reading.Encoding}); err != nil {
			t.Errorf("the advice %q does not work: %v", reading.Pick, err)
		}
	}
}

// vocabulary holds words of messages that also stand in key files.
const vocabulary = "private_key signing-keys signing_key ciphertext encrypted_key qencode-jwt -----BEGIN PRIVATE KEY-----"

// leaked returns a stretch of 8 or more characters without blanks that message has from the material
// and not from the words that messages are made of; empty when there is none.
func leaked(message, material, words string) string {
	const stretch = 8
	for i := 0; i+stretch <= len(material); i++ {
		part := material[i : i+stretch]
		if !strings.ContainsAny(part, " \t\r\n") && strings.Contains(message, part) && !strings.Contains(words, part) {
			return part
		}
	}
	return ""
}
