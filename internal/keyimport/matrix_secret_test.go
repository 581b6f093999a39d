package keyimport_test

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/keyimport"
)

const (
	hexSecret   = "8a123c7b730600eb92360640ce91a32d"
	upperSecret = "12345678ABCDEF00"
	alnumSecret = "z2tn3uiny0aasebz"
	// hexOfHex is a hex secret that is also the hex of another one, as hexOfAlnum is of alnumSecret.
	hexOfHex   = "38613132336337623733303630306562"
	hexOfAlnum = "7a32746e3375696e7930616173656273"
)

// goodHex are ways of writing hexSecret that mean it and nothing else, for both hex formats.
func goodHex(tb testing.TB) []good {
	tb.Helper()
	as := func(e keyimport.Encoding) keyimport.Options { return keyimport.Options{Encoding: e} }
	return []good{
		{name: "plain", in: hexSecret},
		{name: "line end", in: hexSecret + "\n"},
		{name: "CRLF and blanks", in: " \t" + hexSecret + " \r\n\r\n"},
		{name: "UTF-8 BOM", in: "\ufeff" + hexSecret},
		{name: "UTF-16LE with BOM", in: utf16Of(hexSecret+"\r\n", binary.LittleEndian)},
		{name: "UTF-16BE with BOM", in: utf16Of(hexSecret, binary.BigEndian)},
		{name: "double quotes", in: `"` + hexSecret + `"` + "\n"},
		{name: "single quotes", in: "'" + hexSecret + "'"},
		{name: "as text", in: hexSecret, opts: as(keyimport.Text)},
		{name: "as text in quotes", in: `"` + hexSecret + `"`, opts: as(keyimport.Text)},
		{name: "as base64", in: std64([]byte(hexSecret)), opts: as(keyimport.Base64)},
		{name: "as base64 of echo", in: std64([]byte(hexSecret + "\n")), opts: as(keyimport.Base64)},
		{name: "as URL base64 without padding", in: base64.RawURLEncoding.EncodeToString([]byte(hexSecret)), opts: as(keyimport.Base64)},
		{name: "as JWK", in: asJSON(tb, octJWK(hexSecret)), opts: as(keyimport.JWK)},
		{name: "upper case is kept", in: upperSecret, secret: upperSecret},
		{name: "short, admitted", in: "12345678", secret: "12345678", opts: keyimport.Options{AllowShort: true}},
	}
}

func goodWowza() []good {
	return []good{
		{name: "as hex of the text", in: hexOf([]byte(hexSecret)), opts: keyimport.Options{Encoding: keyimport.Hex}},
		{name: "hex of hex, as text", in: hexOfHex, secret: hexOfHex, opts: keyimport.Options{Encoding: keyimport.Text}},
		{name: "hex of hex, as hex", in: hexOfHex, secret: "8a123c7b730600eb", opts: keyimport.Options{Encoding: keyimport.Hex}},
	}
}

func goodAkamai() []good {
	return []good{
		{name: "as hex", in: hexSecret, opts: keyimport.Options{Encoding: keyimport.Hex}, kind: "32 hex digits"},
		{name: "0x, as hex", in: "0x" + hexSecret, opts: keyimport.Options{Encoding: keyimport.Hex}},
		{name: "hex that spells hex", in: hexOfHex, secret: hexOfHex},
	}
}

func goodAgora(tb testing.TB) []good {
	tb.Helper()
	as := func(e keyimport.Encoding) keyimport.Options { return keyimport.Options{Encoding: e} }
	return []good{
		{name: "plain", in: alnumSecret, kind: "16 letters and digits"},
		{name: "line end", in: alnumSecret + "\r\n"},
		{name: "quotes", in: `"` + alnumSecret + `"`},
		{name: "as base64", in: std64([]byte(alnumSecret)), opts: as(keyimport.Base64), kind: "base64 of 16 letters and digits"},
		{name: "as hex", in: hexOfAlnum, secret: "z2tn3uiny0aasebs", opts: as(keyimport.Hex)},
		{name: "as JWK", in: asJSON(tb, octJWK(alnumSecret)), opts: as(keyimport.JWK)},
		{name: "base64 of letters, as text", in: std64([]byte(alnumSecret + "ab")), secret: std64([]byte(alnumSecret + "ab")), opts: as(keyimport.Text)},
		{name: "0x, as text", in: "0x" + alnumSecret, secret: "0x" + alnumSecret, opts: as(keyimport.Text)},
	}
}

// refusedSecret are refused for each format of a shared secret.
func refusedSecret(tb testing.TB, k testKey) []refused {
	tb.Helper()
	as := func(e keyimport.Encoding) keyimport.Options { return keyimport.Options{Encoding: e} }
	return []refused{
		{name: "empty", in: "", tells: "empty"},
		{name: "blank", in: "\ufeff \n", tells: "all blank"},
		{name: "empty quotes", in: `""`, tells: "empty"},
		{name: "blank inside", in: hexSecret[:16] + " " + hexSecret[16:], tells: "blanks inside"},
		{name: "two lines", in: hexSecret + "\n" + hexSecret, tells: "line ends inside"},
		{name: "NUL", in: hexSecret + "\x00", tells: "NUL bytes"},
		{name: "bytes", in: "\x8a\x12\x3c\x7b", tells: "neither text nor DER"},
		{name: "too long", in: strings.Repeat("a", 4096), tells: "at most"},
		{name: "short", in: "12345678", tells: "allow"},
		{name: "other characters", in: "pass-word_pass-word_", tells: "digits"},
		{name: "RSA PEM", in: k.pem1(), tells: "qencode-jwt"},
		{name: "RSA PEM as text", in: k.pem8(), opts: as(keyimport.Text), tells: "a PEM file"},
		{name: "RSA PEM in one escaped line", in: escaped(k.pem8(), `\n`), tells: "a PEM file"},
		{name: "RSA DER", in: string(k.pkcs8), tells: "binary data"},
		{name: "base64 of RSA DER", in: std64(k.pkcs1), tells: "base64 of a key file"},
		{name: "RSA JWK", in: asJSON(tb, jwkOf(k)), tells: "kty oct"},
		{name: "RSA JWK as JWK", in: asJSON(tb, jwkOf(k)), opts: as(keyimport.JWK), tells: "kty oct"},
		{name: "text as JWK", in: hexSecret, opts: as(keyimport.JWK), tells: "cannot be read as JWK"},
		{name: "base64 of RSA PEM", in: std64([]byte(k.pem1())), tells: "base64 of a key file"},
		{name: "as PEM", in: hexSecret, opts: as(keyimport.PEM), tells: "encoding of RSA keys"},
		{name: "as DER", in: hexSecret, opts: as(keyimport.DER), tells: "encoding of RSA keys"},
		{name: "as base64, but is not", in: "8a123c7b!", opts: as(keyimport.Base64), tells: "cannot be read as base64"},
		{name: "oct JWK", in: asJSON(tb, octJWK(hexSecret)), tells: "--encoding jwk", readings: 1},
		{name: "base64 with padding", in: std64([]byte(hexSecret)), tells: "--encoding base64", readings: 1},
	}
}

func refusedWowza() []refused {
	return []refused{
		{name: "base64 of echo", in: std64([]byte(hexSecret + "\n")), tells: "--encoding base64", readings: 1},
		{name: "hex of hex", in: hexOfHex, tells: "--encoding text", readings: 2},
		{name: "0x", in: "0x" + hexSecret, tells: "take the 0x away", readings: 1},
		{name: "0x in quotes", in: `"0x` + hexSecret + `"`, tells: "take the 0x away", readings: 1},
		{name: "hex digits as hex", in: hexSecret, opts: keyimport.Options{Encoding: keyimport.Hex}, tells: "as hex"},
		{name: "odd", in: hexSecret[:31], tells: "even"},
	}
}

func refusedAkamai() []refused {
	return []refused{
		{name: "base64 of echo", in: std64([]byte(hexSecret + "\n")), tells: "--encoding base64", readings: 1},
		{name: "0x", in: "0x" + hexSecret, tells: "--encoding hex", readings: 1},
		{name: "odd", in: hexSecret[:31], tells: "even"},
		{name: "base64 of raw bytes", in: "ihI8e3MGAOuSNgZAzpGjLQ==", opts: keyimport.Options{Encoding: keyimport.Base64}, tells: "cannot be read as base64"},
	}
}

func refusedAgora() []refused {
	return []refused{
		{name: "hex of letters", in: hexOfAlnum, tells: "--encoding hex", readings: 2},
		{name: "base64 of letters", in: std64([]byte(alnumSecret + "ab")), tells: "--encoding base64", readings: 2},
		{name: "base64 of echo", in: std64([]byte(hexSecret + "\n")), tells: "--encoding base64", readings: 2},
		{name: "0x", in: "0x" + alnumSecret, tells: "take the 0x away", readings: 2},
		{name: "letters that are not ASCII", in: "äöüäöüäöüäöüäöüäöü", tells: "ASCII"},
	}
}

func octJWK(secret string) map[string]string {
	return map[string]string{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte(secret))}
}
