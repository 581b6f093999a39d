package keyimport_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/keyimport"
)

// goodRSA are encodings of a 2048-bit key k, each of which must give that key.
func goodRSA(tb testing.TB, k testKey) []good {
	tb.Helper()
	pem1, pem8 := k.pem1(), k.pem8()
	certificate, public := string(testFile(tb, "certificate.pem")), string(testFile(tb, "public.pem"))
	const bag = "Bag Attributes\n    friendlyName: C:\\new\\keys\n    localKeyID: 51 16 13 EC\nKey Attributes: <No Attributes>\n"
	answer := map[string]any{"signing_key": map[string]any{"id": k.id, "private_key": pem1, "name": nil}}
	dotNet := strings.NewReplacer("+", `\u002B`, "/", `\/`, "=", `\u003d`, "\n", `\r\n`).Replace(pem8)
	return []good{
		{name: "PKCS#1 PEM", in: pem1, kind: "PKCS#1 PEM, RSA 2048"},
		{name: "PKCS#8 PEM", in: pem8, kind: "PKCS#8 PEM, RSA 2048"},
		{name: "PKCS#1 DER", in: string(k.pkcs1), kind: "PKCS#1 DER, RSA 2048"},
		{name: "PKCS#8 DER", in: string(k.pkcs8), kind: "PKCS#8 DER, RSA 2048"},
		{name: "JWK", in: asJSON(tb, jwkOf(k)), kind: "JWK, RSA 2048"},
		{name: "JWK with kid, alg and use", in: asJSON(tb, with(jwkOf(k), "kid", "from-jwk", "alg", "RS256", "use", "sig")), kid: "from-jwk"},
		{name: "JWK without CRT values", in: asJSON(tb, with(jwkOf(k), "dp", nil, "dq", nil, "qi", nil))},
		{name: "JWKS of one private and one public key", in: asJSON(tb, map[string]any{"keys": []any{
			with(jwkOf(k), "d", nil, "p", nil, "q", nil, "dp", nil, "dq", nil, "qi", nil, "kid", "public"),
			with(jwkOf(k), "kid", "private"),
		}}), kid: "private", kind: "JWKS, RSA 2048"},
		{name: "base64 of PKCS#1 PEM", in: std64([]byte(pem1)), kind: "base64 of PKCS#1 PEM, RSA 2048"},
		{name: "base64 of PKCS#8 DER", in: std64(k.pkcs8), kind: "base64 of PKCS#8 DER, RSA 2048"},
		{name: "base64 of JWK", in: std64([]byte(asJSON(tb, jwkOf(k)))), kind: "base64 of JWK, RSA 2048"},
		{name: "base64 of base64 of PEM", in: std64([]byte(std64([]byte(pem8)))), kind: "base64 of base64 of PKCS#8 PEM, RSA 2048"},
		{name: "URL base64", in: base64.URLEncoding.EncodeToString(k.pkcs1)},
		{name: "URL base64 without padding", in: base64.RawURLEncoding.EncodeToString([]byte(crlf(pem1)))},
		{name: "base64 without padding", in: base64.RawStdEncoding.EncodeToString(k.pkcs8)},
		{name: "base64 in lines of 76", in: wrapped(std64(k.pkcs8), 76, "\r\n")},
		{name: "base64 with escaped line ends", in: `"` + wrapped(std64(k.pkcs8), 64, `\n`) + `"`},
		{name: "base64 in quotes", in: `'` + std64([]byte(pem1)) + `'`},
		{name: "base64 behind a BOM", in: "\ufeff" + std64(k.pkcs8)},
		{name: "hex of DER", in: hexOf(k.pkcs8), kind: "hex of PKCS#8 DER, RSA 2048"},
		{name: "hex of PEM with 0x", in: "0x" + strings.ToUpper(hexOf([]byte(pem1)))},
		{name: `escaped \n`, in: escaped(pem1, `\n`)},
		{name: `escaped \r\n`, in: escaped(pem8, `\r\n`)},
		{name: `doubly escaped \\n`, in: escaped(pem8, `\\n`)},
		{name: `escaped \n in double quotes`, in: `"` + escaped(pem1, `\n`) + `"`},
		{name: "JSON string", in: asJSON(tb, pem8)},
		{name: "JSON string of .NET", in: `"` + dotNet + `"`},
		{name: "JWK in a JSON string", in: asJSON(tb, asJSON(tb, jwkOf(k)))},
		{name: "real line ends in single quotes", in: "'" + pem1 + "'"},
		{name: "environment line", in: `QENCODE_KEY="` + escaped(pem1, `\n`) + `"`},
		{name: "JSON answer of the provider", in: asJSON(tb, answer)},
		{name: "CRLF", in: crlf(pem1)},
		{name: "CR", in: escaped(pem1, "\r")},
		{name: "UTF-8 BOM", in: "\ufeff" + pem1},
		{name: "UTF-16LE with BOM", in: utf16Of(crlf(pem1), binary.LittleEndian)},
		{name: "UTF-16BE with BOM", in: utf16Of(pem8, binary.BigEndian)},
		{name: "blanks and blank lines around", in: "\r\n \t\n" + pem1 + "\n\n  \n"},
		{name: "indented, as in YAML", in: "    " + escaped(pem8, "\n    ")},
		{name: "PEM with header lines", in: strings.Replace(pem1, "KEY-----\n", "KEY-----\nX-Key: 1\nComment: throw-away\n\n", 1)},
		{name: "blank lines inside", in: escaped(pem8, "\n\n")},
		{name: "one line with blanks", in: oneLine(pem8)},
		{name: "one line without anything", in: escaped(strings.TrimSpace(pem1), "")},
		{name: "bag attributes and certificate", in: bag + pem8 + bag + certificate},
		{name: "bag attributes of openssl", in: string(testFile(tb, "bag-attributes.pem")), want: openssl2048(tb)},
		{name: "certificate and public key before", in: certificate + public + pem1},
		{name: "text around", in: "here is the key:\n" + pem1 + "-- \nbest regards"},
		{name: "PKCS#8 under the label of PKCS#1", in: string(pemOf("RSA PRIVATE KEY", k.pkcs8)), kind: "PKCS#8 PEM, RSA 2048"},
		{name: "as pem", in: pem1, opts: keyimport.Options{Encoding: keyimport.PEM}},
		{name: "as der", in: string(k.pkcs8), opts: keyimport.Options{Encoding: keyimport.DER}},
		{name: "as jwk", in: asJSON(tb, jwkOf(k)), opts: keyimport.Options{Encoding: keyimport.JWK}},
		{name: "as base64", in: std64(k.pkcs1), opts: keyimport.Options{Encoding: keyimport.Base64}},
		{name: "as hex", in: hexOf(k.pkcs1), opts: keyimport.Options{Encoding: keyimport.Hex}},
		{name: "as text", in: pem1, opts: keyimport.Options{Encoding: keyimport.Text}},
	}
}

// refusedRSA are encodings that must be refused, built from two sound keys.
func refusedRSA(tb testing.TB, k, other testKey) []refused {
	tb.Helper()
	pem1, pem8 := k.pem1(), k.pem8()
	file := func(name string) string { return string(testFile(tb, name)) }
	lines := strings.SplitAfter(pem1, "\n")
	cases := []refused{
		{name: "empty", in: "", tells: "empty"},
		{name: "only blanks", in: " \r\n\t\n", tells: "all blank"},
		{name: "too large", in: strings.Repeat("A", keyimport.MaxSize+1), tells: "at most 65536"},
		{name: "garbage text", in: "correct horse battery staple", tells: "no PEM block"},
		{name: "garbage bytes", in: "\xde\xad\xbe\xef\x80", tells: "neither text nor DER"},
		{name: "NUL bytes", in: "key\x00", tells: "NUL bytes"},
		{name: "UTF-16 without BOM", in: utf16Of(pem1, binary.LittleEndian)[2:], tells: "NUL bytes"},
		{name: "shared secret", in: "8a123c7b730600eb92360640ce91a32d", tells: "wants an RSA private key"},
		{name: "encrypted PKCS#8", in: file("rsa-2048-encrypted-pkcs8.pem"), tells: "openssl pkey -in"},
		{name: "encrypted PKCS#1", in: file("rsa-2048-encrypted-pkcs1.pem"), tells: "encrypted with a passphrase"},
		{name: "encrypted PKCS#1 on one line", in: oneLine(file("rsa-2048-encrypted-pkcs1.pem")), tells: "encrypted with a passphrase"},
		{name: "encrypted DER", in: string(derOf(tb, "rsa-2048-encrypted-pkcs8.pem")), tells: "openssl pkey -inform DER"},
		{name: "PKCS#12", in: file("rsa-2048.p12"), tells: "openssl pkcs12"},
		{name: "public key PEM", in: file("public.pem"), tells: "public half"},
		{name: "public key DER", in: string(derOf(tb, "public.pem")), tells: "public half"},
		{name: "public key base64", in: std64(derOf(tb, "public.pem")), tells: "public half"},
		{name: "PKCS#1 public key", in: string(x509.MarshalPKCS1PublicKey(&k.key.PublicKey)), tells: "public half"},
		{name: "certificate PEM", in: file("certificate.pem"), tells: "certificate, the public half"},
		{name: "certificate DER", in: string(derOf(tb, "certificate.pem")), tells: "public half"},
		{name: "public JWK", in: asJSON(tb, with(jwkOf(k), "d", nil)), tells: "public half"},
		{name: "JWKS of public keys", in: asJSON(tb, map[string]any{"keys": []any{with(jwkOf(k), "d", nil)}}), tells: "public half"},
		{name: "SSH public key", in: file("openssh.pub"), tells: "SSH public key"},
		{name: "OpenSSH private key", in: file("openssh.key"), tells: "ssh-keygen -p -m PEM"},
		{name: "PuTTY key", in: "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n", tells: "puttygen"},
		{name: "EC, SEC 1", in: file("ec-p256-params.pem"), tells: "EC private key"},
		{name: "EC, SEC 1 DER", in: string(lastDER(tb, "ec-p256-params.pem")), tells: "EC private key"},
		{name: "EC, PKCS#8", in: file("ec-p256-pkcs8.pem"), tells: "EC private key"},
		{name: "EC, base64 of DER", in: std64(derOf(tb, "ec-p256-pkcs8.pem")), tells: "EC private key"},
		{name: "Ed25519 DER", in: string(derOf(tb, "ed25519.pem")), tells: "Ed25519"},
		{name: "Ed25519", in: file("ed25519.pem"), tells: "Ed25519"},
		{name: "DSA", in: file("dsa.pem"), tells: "DSA"},
		{name: "RSA-PSS", in: file("rsa-pss.pem"), tells: "PSS"},
		{name: "EC JWK", in: `{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}`, tells: "EC key"},
		{name: "OKP JWK", in: `{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}`, tells: "OKP"},
		{name: "oct JWK", in: `{"kty":"oct","k":"c2VjcmV0"}`, tells: "shared secret"},
		{name: "JWE", in: `{"protected":"e30","ciphertext":"AA","encrypted_key":"AA"}`, tells: "decrypt it"},
		{name: "other JSON", in: `{"error":"not found"}`, tells: "no RSA JWK"},
		{name: "broken JSON", in: `{"kty":"RSA",`, tells: "not one whole object"},
		{name: "JSON array", in: "[" + asJSON(tb, jwkOf(k)) + "]", tells: "not one whole object"},
		{name: "JWK with n twice", in: strings.Replace(asJSON(tb, jwkOf(k)), `{`, `{"n":"AQAB",`, 1), tells: "each member once"},
		{name: "JWK with text behind", in: asJSON(tb, jwkOf(k)) + "{}", tells: "not one whole object"},
		{name: "JWK without p", in: asJSON(tb, with(jwkOf(k), "p", nil)), tells: "member p"},
		{name: "JWKS of a number", in: `{"keys":7}`, tells: "not an array"},
		{name: "JWKS of numbers", in: `{"keys":[7]}`, tells: "key 1 of the JWKS"},
		{name: "JWKS of 65 keys", in: `{"keys":[{}` + strings.Repeat(",{}", 64) + `]}`, tells: "at most 64"},
		{name: "JWK of PS256", in: asJSON(tb, with(jwkOf(k), "alg", "PS256")), tells: "not RS256"},
		{name: "JWK to encrypt", in: asJSON(tb, with(jwkOf(k), "use", "enc")), tells: "not meant to sign"},
		{name: "JWK with a kid of blanks", in: asJSON(tb, with(jwkOf(k), "kid", "a b")), tells: "no usable key id"},
		{name: "JWK with a kid of 7", in: asJSON(tb, with(jwkOf(k), "kid", 7)), tells: "not a string"},
		{name: "JWK of three primes", in: asJSON(tb, with(jwkOf(k), "oth", []any{})), tells: "two primes"},
		{name: "two PEM keys", in: pem1 + other.pem8(), tells: "2 private keys", readings: 2},
		{name: "one PEM key twice", in: pem1 + pem1, tells: "2 private keys", readings: 2},
		{name: "RSA and EC in one file", in: pem1 + file("ec-p256-pkcs8.pem"), tells: "not usable here", readings: 2},
		{name: "two keys in a JWKS", in: asJSON(tb, map[string]any{"keys": []any{jwkOf(k), jwkOf(other)}}), tells: "2 private keys", readings: 2},
		{name: "PEM without END", in: strings.Join(lines[:len(lines)-2], ""), tells: "cut off"},
		{name: "PEM without END before a whole one", in: strings.Join(lines[:9], "") + pem1, tells: "without its END line"},
		{name: "PEM with lines missing", in: strings.Join(append(append([]string{}, lines[:10]...), lines[len(lines)-2:]...), ""), tells: "cut off"},
		{name: "PEM with half a line", in: strings.Replace(pem1, lines[5], lines[5][:31]+"\n", 1), tells: "cut off"},
		{name: "PEM with other END", in: strings.Replace(pem8, "END PRIVATE", "END RSA PRIVATE", 1), tells: "do not match"},
		{name: "PEM with hurt hyphens", in: strings.ReplaceAll(pem1, "-----", "–––––"), tells: "five hyphens"},
		{name: "PEM with quoted lines", in: escaped(pem1, "\" +\n\""), tells: "characters added"},
		{name: "DER cut off", in: string(k.pkcs8[:len(k.pkcs8)-9]), tells: "cut off"},
		{name: "DER with bytes behind", in: string(k.pkcs1) + "\r\n", tells: "2 bytes follow"},
		{name: "base64 cut off", in: std64(k.pkcs8)[:400], tells: "cut off"},
		{name: "base64 cut off within a byte", in: std64(k.pkcs8)[:401], tells: "cut off"},
		{name: "base64 five times", in: deepBase64(k.pkcs8, 5), tells: "more than 4 encodings"},
		{name: "1024 bits", in: file("rsa-1024.pem"), tells: "1024 bits; at least 2048"},
		{name: "exponent 3", in: file("rsa-2048-e3.pem"), tells: "exponent is unusual"},
		{name: "three primes", in: file("rsa-2048-three-primes.pem"), tells: "two primes"},
		{name: "PEM as der", in: pem1, opts: keyimport.Options{Encoding: keyimport.DER}, tells: "PEM, not DER"},
		{name: "DER as pem", in: string(k.pkcs8), opts: keyimport.Options{Encoding: keyimport.PEM}, tells: "DER, not PEM"},
		{name: "PEM as jwk", in: pem1, opts: keyimport.Options{Encoding: keyimport.JWK}, tells: "PEM, not JWK"},
		{name: "PEM as base64", in: pem1, opts: keyimport.Options{Encoding: keyimport.Base64}, tells: "--encoding pem"},
		{name: "hurt PEM as pem", in: strings.ReplaceAll(pem1, "-----BEGIN", "----BEGIN"), opts: keyimport.Options{Encoding: keyimport.PEM}, tells: "five hyphens"},
		{name: "PEM with a hurt BEGIN line", in: strings.Replace(pem1, "KEY-----", "KEY----", 1), tells: "damaged"},
		{name: "PEM of nothing known", in: strings.ReplaceAll(pem1, "RSA PRIVATE", "LUCKY PRIVATE"), tells: "no kind of private key"},
		{name: "PEM of text", in: string(pemOf("PRIVATE KEY", []byte("correct horse"))), tells: "not a DER key"},
		{name: "PEM of parameters", in: string(pemOf("DH PARAMETERS", []byte{0x30, 0})), tells: "no private key"},
		{name: "base64 as pem", in: std64(k.pkcs1), opts: keyimport.Options{Encoding: keyimport.PEM}, tells: "not PEM"},
		{name: "base64 as text", in: std64(k.pkcs1), opts: keyimport.Options{Encoding: keyimport.Text}, tells: "neither PEM nor JWK"},
		{name: "base64 as hex", in: std64(k.pkcs1), opts: keyimport.Options{Encoding: keyimport.Hex}, tells: "cut off"},
		{name: "kid against the JWK's", in: asJSON(tb, with(jwkOf(k), "kid", "one")), opts: keyimport.Options{KID: "two"}, tells: "another kid"},
		{name: "no kid where one is required", in: pem1, opts: keyimport.Options{RequireKID: true}, tells: "POST /v1/signing-keys"},
	}
	cases = append(cases, damagedDER(tb, k)...)
	return append(cases, damagedNumbers(tb, k, other)...)
}

// damagedDER are DER structures that are no sound RSA private key.
func damagedDER(tb testing.TB, k testKey) []refused {
	tb.Helper()
	pkcs8 := func(oid asn1.ObjectIdentifier, inner []byte) string {
		return asDER(tb, struct {
			Version   int
			Algorithm struct{ OID asn1.ObjectIdentifier }
			Key       []byte
		}{0, struct{ OID asn1.ObjectIdentifier }{oid}, inner})
	}
	rsaOID := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	return []refused{
		{name: "DSA, OpenSSL DER", in: string(derOf(tb, "dsa.pem")), tells: "DSA"},
		{name: "DSA, PKCS#8", in: pkcs8(asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}, k.pkcs1), tells: "DSA"},
		{name: "Ed448", in: pkcs8(asn1.ObjectIdentifier{1, 3, 101, 113}, k.pkcs1), tells: "Ed448"},
		{name: "unknown algorithm", in: pkcs8(asn1.ObjectIdentifier{1, 2, 3}, k.pkcs1), tells: "another algorithm"},
		{name: "PKCS#8 of three primes", in: pkcs8(rsaOID, derOf(tb, "rsa-2048-three-primes.pem")), tells: "two primes"},
		{name: "PKCS#8 of PKCS#8", in: pkcs8(rsaOID, k.pkcs8), tells: "damaged"},
		{name: "PKCS#8 of half a key", in: pkcs8(rsaOID, k.pkcs1[:600]), tells: "cut off"},
		{name: "PKCS#1 of version 1", in: strings.Replace(string(k.pkcs1), "\x02\x01\x00", "\x02\x01\x01", 1), tells: "version 0"},
		{name: "nine empty numbers", in: asDER(tb, slices.Repeat([]asn1.RawValue{{Tag: asn1.TagInteger, FullBytes: []byte{2, 0}}}, 9)), tells: "damaged"},
		{name: "elements that overlap the end", in: asDER(tb, []asn1.RawValue{{FullBytes: append([]byte{2, 0x7f}, make([]byte, 120)...)}}), tells: "damaged"},
	}
}

func asDER(tb testing.TB, v any) string {
	tb.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(der)
}

// damagedNumbers are RSA keys of which one number was changed.
func damagedNumbers(tb testing.TB, k, other testKey) []refused {
	tb.Helper()
	theirs := jwkOf(other)
	var out []refused
	for name, tells := range map[string]string{
		"n": "n is not p times q", "d": "do not belong together", "p": "do not belong together", "q": "do not belong together",
		"dp": "dp is not", "dq": "dq is not", "qi": "qi is not",
	} {
		out = append(out, refused{name: "JWK with the " + name + " of another key", in: asJSON(tb, with(jwkOf(k), name, theirs[name])), tells: tells})
	}
	for name, e := range map[string]string{"1": "AQ", "even": "AQAA", "of 40 bits": "AQAAAAE"} {
		out = append(out, refused{name: "JWK with an exponent " + name, in: asJSON(tb, with(jwkOf(k), "e", e)), tells: "exponent is unusual"})
	}
	b64 := func(x *big.Int) string { return base64.RawURLEncoding.EncodeToString(x.Bytes()) }
	p, q, three := k.key.Primes[0], k.key.Primes[1], big.NewInt(3)
	tripled := new(big.Int).Mul(p, three)
	out = append(out,
		refused{name: "JWK with p not prime", in: asJSON(tb, with(jwkOf(k), "p", b64(tripled), "n", b64(new(big.Int).Mul(tripled, q)))), tells: "not prime"},
		refused{name: "JWK with p equal to q", in: asJSON(tb, with(jwkOf(k), "q", b64(p), "n", b64(new(big.Int).Mul(p, p)))), tells: "p equals q"},
		refused{name: "JWK with d too large", in: asJSON(tb, with(jwkOf(k), "d", b64(new(big.Int).Lsh(k.key.D, 64)))), tells: "between 1 and n"},
		refused{name: "JWK with d of another inverse", in: asJSON(tb, with(jwkOf(k), "d", b64(new(big.Int).Sub(k.key.D, three)))), tells: "inverse of e"},
		refused{name: "JWK of 9000 bits", in: asJSON(tb, with(jwkOf(k), "n", b64(new(big.Int).Lsh(three, 8998)))), tells: "at most 8192"},
		refused{name: "JWK with n of 0", in: asJSON(tb, with(jwkOf(k), "n", "AA")), tells: "not a positive number"},
	)
	for name, at := range map[string]int{"the modulus": 40, "the last byte": len(k.pkcs1) - 1} {
		der := bytes.Clone(k.pkcs1)
		der[at] ^= 1
		out = append(out, refused{name: "PKCS#1 with one bit changed in " + name, in: string(der), tells: "do not belong together"})
	}
	return out
}

// fingerprintOf is SHA-256 over the SubjectPublicKeyInfo, computed here from the original.
func fingerprintOf(tb testing.TB, k testKey) string {
	tb.Helper()
	spki, err := x509.MarshalPKIXPublicKey(&k.key.PublicKey)
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// thumbprintOf is the RFC 7638 thumbprint.
func thumbprintOf(k testKey) string {
	jwk := jwkOf(k)
	sum := sha256.Sum256(fmt.Appendf(nil, `{"e":%q,"kty":"RSA","n":%q}`, jwk["e"], jwk["n"]))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func openssl2048(tb testing.TB) *testKey {
	tb.Helper()
	k := parseTestKey(tb, "", testFile(tb, "rsa-2048.pem"))
	return &k
}

func deepBase64(raw []byte, times int) string {
	for range times {
		raw = []byte(std64(raw))
	}
	return string(raw)
}
