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

// FuzzRead holds for any input: Read does not panic, what it returns passes CheckKey, and what it
// refuses carries a class and a reason and shows nothing of the input.
func FuzzRead(f *testing.F) {
	k := parseTestKey(f, "", testFile(f, "rsa-2048.pem"))
	for _, seed := range []string{
		k.pem1(), k.pem8(), string(k.pkcs1), string(k.pkcs8), std64(k.pkcs8), hexOf(k.pkcs8), asJSON(f, jwkOf(k)),
		escaped(k.pem8(), `\n`), oneLine(k.pem1()), `{"keys":[]}`, `{"kty":"oct","k":"c2VjcmV0"}`, `"0x00"`, "\xff\xfe0\x00",
		"-----BEGIN PRIVATE KEY----------END PRIVATE KEY-----", "-----BEGIN ", "\x30\x80", "\x30\x03\x02\x01\x00", `\u00`, "''",
		hexSecret, upperSecret, alnumSecret, hexOfHex, hexOfAlnum, "0x" + hexSecret, std64([]byte(hexSecret)),
		string(testFile(f, "ec-p256-params.pem")), string(testFile(f, "rsa-2048.p12")), string(testFile(f, "bag-attributes.pem")),
	} {
		f.Add([]byte(seed), uint8(0), false)
	}
	schemes := []tokens.Scheme{qencode.Scheme{}, wowza.Scheme{}, akamai.Scheme{}, agora.Scheme{}}
	words := messages(f, schemes)
	f.Fuzz(func(t *testing.T, raw []byte, encoding uint8, allowShort bool) {
		opts := keyimport.Options{Encoding: keyimport.Encoding(encoding % uint8(keyimport.JWK+1)), AllowShort: allowShort}
		for _, scheme := range schemes {
			got, err := keyimport.Read(scheme, raw, opts)
			if err != nil {
				checkError(t, err, string(raw), words)
				continue
			}
			if err := scheme.CheckKey(got.Material); err != nil {
				t.Errorf("%s: read as %s, but %v", scheme.Name(), got.Kind, err)
			}
			if leak := leaked(got.Kind, string(raw), words); leak != "" {
				t.Errorf("the kind %q holds %q of the material", got.Kind, leak)
			}
		}
	})
}

func checkError(t *testing.T, err error, raw, words string) {
	t.Helper()
	if !errors.Is(err, tokens.ErrInvalidKey) {
		t.Errorf("%v does not wrap ErrInvalidKey", err)
	}
	if reason := tokens.ReasonOf(err); reason != tokens.InvalidKey && reason != tokens.AmbiguousKey {
		t.Errorf("%v has reason %q", err, reason)
	}
	if leak := leaked(err.Error(), raw, words); leak != "" {
		t.Errorf("%q holds %q of the material", err, leak)
	}
}

// messages returns what is said of the refused material of the matrix, which TestImportMatrix shows
// to hold nothing of it: the words that messages are made of. The fuzzer finds them, too.
func messages(tb testing.TB, schemes []tokens.Scheme) string {
	tb.Helper()
	keys := testKeys(tb)
	cases := append(refusedRSA(tb, keys[2], keys[0]), refusedSecret(tb, keys[2])...)
	cases = append(append(append(cases, refusedWowza()...), refusedAkamai()...), refusedAgora()...)
	var b strings.Builder
	for _, scheme := range schemes {
		for _, c := range cases {
			if _, err := keyimport.Read(scheme, []byte(c.in), c.opts); err != nil {
				b.WriteString(err.Error() + "\n")
			}
		}
	}
	return b.String()
}
