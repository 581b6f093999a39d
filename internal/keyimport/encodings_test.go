package keyimport_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// testKey is a throw-away RSA key in the forms that the tables are built from.
type testKey struct {
	id    string
	key   *rsa.PrivateKey
	pkcs1 []byte
	pkcs8 []byte
}

func (k testKey) pem1() string { return string(pemOf("RSA PRIVATE KEY", k.pkcs1)) }
func (k testKey) pem8() string { return string(pemOf("PRIVATE KEY", k.pkcs8)) }

func pemOf(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

// testKeys returns the keys of the published vectors: of 4096, 4096 and 2048 bits.
func testKeys(tb testing.TB) []testKey {
	tb.Helper()
	var list []struct {
		ID         string `json:"id"`
		PrivateKey string `json:"private_key"`
	}
	if err := json.Unmarshal(testFile(tb, "qencode_test_keys.json"), &list); err != nil {
		tb.Fatal(err)
	}
	keys := make([]testKey, 0, len(list))
	for _, entry := range list {
		keys = append(keys, parseTestKey(tb, entry.ID, []byte(entry.PrivateKey)))
	}
	return keys
}

func parseTestKey(tb testing.TB, id string, text []byte) testKey {
	tb.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		tb.Fatal("no PEM block")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return testKey{id: id, key: key, pkcs1: block.Bytes, pkcs8: pkcs8}
}

func testFile(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// jwkOf returns the members of a full private JWK, for the caller to change.
func jwkOf(k testKey) map[string]any {
	b64 := func(x *big.Int) string { return base64.RawURLEncoding.EncodeToString(x.Bytes()) }
	return map[string]any{
		"kty": "RSA",
		"n":   b64(k.key.N), "e": b64(big.NewInt(int64(k.key.E))), "d": b64(k.key.D),
		"p": b64(k.key.Primes[0]), "q": b64(k.key.Primes[1]),
		"dp": b64(k.key.Precomputed.Dp), "dq": b64(k.key.Precomputed.Dq), "qi": b64(k.key.Precomputed.Qinv),
	}
}

// with sets members, given as name, value, name, value; a nil value takes the member away.
func with(jwk map[string]any, members ...any) map[string]any {
	for i := 0; i < len(members); i += 2 {
		name, ok := members[i].(string)
		switch {
		case !ok:
			panic("member names are strings")
		case members[i+1] == nil:
			delete(jwk, name)
		default:
			jwk[name] = members[i+1]
		}
	}
	return jwk
}

func asJSON(tb testing.TB, v any) string {
	tb.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}

func utf16Of(text string, order binary.AppendByteOrder) string {
	out := order.AppendUint16(nil, 0xfeff)
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

// wrapped breaks text into lines of width characters.
func wrapped(text string, width int, lineEnd string) string {
	var b strings.Builder
	for len(text) > width {
		b.WriteString(text[:width] + lineEnd)
		text = text[width:]
	}
	return b.String() + text + lineEnd
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

func oneLine(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", " ") }

func escaped(text, lineEnd string) string { return strings.ReplaceAll(text, "\n", lineEnd) }

func std64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// derOf is the content of the first PEM block of a file, lastDER of the last one.
func derOf(tb testing.TB, name string) []byte {
	tb.Helper()
	block, _ := pem.Decode(testFile(tb, name))
	if block == nil {
		tb.Fatal("no PEM block in " + name)
	}
	return block.Bytes
}

func lastDER(tb testing.TB, name string) []byte {
	tb.Helper()
	var out []byte
	for rest := testFile(tb, name); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out
		}
		out = block.Bytes
	}
}
