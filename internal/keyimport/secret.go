package keyimport

import (
	"fmt"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// longestSecret bounds what base64 could hold a shared secret, in bytes; RSA keys are far longer.
const longestSecret = 256

// secretReader reads shared secrets for one scheme.
type secretReader struct {
	scheme tokens.Scheme
	form   form
	opts   Options
}

// candidate is a possible reading of a shared secret.
type candidate struct {
	Reading
	secret string
}

func readSecret(scheme tokens.Scheme, form form, raw []byte, opts Options) (Result, error) {
	r := secretReader{scheme: scheme, form: form, opts: opts}
	if opts.Encoding == PEM || opts.Encoding == DER {
		return Result{}, tokens.KeyError("%s is an encoding of RSA keys; %s signs with %s", strings.ToUpper(opts.Encoding.String()), scheme.Name(), form.wants())
	}
	if looksLikeDER(raw) {
		return Result{}, r.otherKind("binary data, possibly a DER key")
	}
	text, err := decodeText(raw)
	if err != nil {
		return Result{}, err
	}
	if what := notSecret(text); what != "" {
		return Result{}, r.otherKind(what)
	}
	switch opts.Encoding {
	case Hex, Base64, JWK:
		return r.readAs(text, opts.Encoding)
	case Text:
		return r.readText(text)
	case Auto, PEM, DER:
	}
	return r.find(text)
}

// find takes text as it stands if that is a key of the scheme and nothing else could be meant.
func (r secretReader) find(text string) (Result, error) {
	literal, literalErr := text, r.check(text)
	var readings []candidate
	inner, quoted := unquote(text)
	if quoted && literalErr != nil {
		literal, literalErr = inner, r.check(inner)
	} else if quoted {
		readings = append(readings, candidate{Reading{Auto, r.says("without its quotes", inner), "take the quotes away and give " + flag(Text)}, inner})
	}
	readings = append(readings, r.alternatives(literal)...)
	possible := readings[:0]
	for _, c := range readings {
		if r.check(c.secret) == nil {
			possible = append(possible, c)
		}
	}
	switch {
	case len(possible) == 0 && literalErr == nil:
		return r.result(literal, "")
	case len(possible) == 0:
		return Result{}, literalErr
	}
	why := fmt.Sprintf("the value is no key of %s as it stands, but could be read otherwise; name the encoding if that is meant", r.scheme.Name())
	out := make([]Reading, 0, len(possible)+1)
	if literalErr == nil {
		why = fmt.Sprintf("the value could be more than one key of %s; name the one that is meant", r.scheme.Name())
		out = append(out, Reading{Text, r.says("as it stands", literal), flag(Text)})
	}
	for _, c := range possible {
		out = append(out, c.Reading)
	}
	return Result{}, ambiguous(why, out)
}

// alternatives lists what text could stand for, whether the scheme takes it or not.
func (r secretReader) alternatives(text string) []candidate {
	var out []candidate
	digits, prefixed := cutHexPrefix(text)
	if prefixed {
		pick, encoding := "take the 0x away and give "+flag(Text), Auto
		if r.form == formHexBytes {
			pick, encoding = flag(Hex), Hex
		}
		out = append(out, candidate{Reading{encoding, r.says("without its 0x", digits), pick}, digits})
	}
	for _, encoding := range []Encoding{Hex, Base64, JWK} {
		if encoding == Hex && r.form == formHexBytes {
			continue
		}
		if secret, ok := r.decode(text, encoding); ok {
			out = append(out, candidate{Reading{encoding, r.says("as "+nameOf(encoding), secret), flag(encoding)}, secret})
		}
	}
	return out
}

// decode peels encoding off text. Blanks around what comes out, such as the line end that echo
// leaves before base64 sees it, are taken away as they are around a file.
func (r secretReader) decode(text string, encoding Encoding) (string, bool) {
	var raw []byte
	var ok bool
	switch encoding {
	case Hex:
		if r.form == formHexBytes {
			digits, _ := cutHexPrefix(text)
			return digits, true
		}
		raw, ok = decodeHex(text)
	case Base64:
		raw, ok = decodeBase64(withoutBlanks(text))
	case JWK:
		raw, ok = octets(text)
	case Auto, Text, PEM, DER:
	}
	if !ok {
		return "", false
	}
	defer clear(raw)
	secret, err := decodeText(raw)
	return secret, err == nil
}

// octets returns the k of a JWK of kty oct.
func octets(text string) ([]byte, bool) {
	keys, _, err := parseJWKs(text)
	if err != nil || len(keys) != 1 || keys[0].text("kty") != "oct" {
		return nil, false
	}
	k := keys[0].text("k")
	if strings.ContainsAny(k, blanks) {
		return nil, false
	}
	return decodeBase64(k)
}

// readText takes text as it stands, or without quotes that the scheme does not allow in a key.
func (r secretReader) readText(text string) (Result, error) {
	err := r.check(text)
	if err == nil {
		return r.result(text, "")
	}
	if inner, quoted := unquote(text); quoted && r.check(inner) == nil {
		return r.result(inner, "")
	}
	return Result{}, err
}

// readAs peels the encoding off that the caller named.
func (r secretReader) readAs(text string, encoding Encoding) (Result, error) {
	inner, _ := unquote(text)
	secret, ok := r.decode(inner, encoding)
	if !ok {
		return Result{}, tokens.KeyError("the %d characters cannot be read as %s of text; %s wants %s", len(inner), nameOf(encoding), r.scheme.Name(), r.form.wants())
	}
	if err := r.check(secret); err != nil {
		return Result{}, tokens.KeyError("read as %s: %s (a key that is no encoding of another text is read with %s)", nameOf(encoding), err, flag(Text))
	}
	if encoding == Hex && r.form == formHexBytes {
		return r.result(secret, "")
	}
	return r.result(secret, nameOf(encoding)+" of ")
}

// check refuses what cannot be a key of the scheme. Blanks and line ends inside are named first, for
// they are what goes wrong most.
func (r secretReader) check(secret string) error {
	switch {
	case secret == "":
		return tokens.KeyError("the key material is empty")
	case strings.ContainsAny(secret, "\r\n"):
		return tokens.KeyError("the secret has line ends inside; want one secret on one line")
	case strings.ContainsAny(secret, blanks):
		return tokens.KeyError("the secret has blanks inside; want %s without any", r.form.wants())
	}
	return r.scheme.CheckKey(r.material(secret))
}

func (r secretReader) material(secret string) tokens.Material {
	return tokens.Material{Secret: tokens.NewSecret([]byte(secret)), AllowShort: r.opts.AllowShort}
}

func (r secretReader) result(secret, wrapping string) (Result, error) {
	return Result{
		Material: r.material(secret),
		Kind:     wrapping + r.says("", secret),
	}, nil
}

// says describes a secret by what kind of characters it is made of and how many.
func (r secretReader) says(how, secret string) string {
	unit := "hex digits"
	if r.form == formAlnum {
		unit = "letters and digits"
	}
	if how != "" {
		how += ", "
	}
	return fmt.Sprintf("%s%d %s", how, len(secret), unit)
}

// notSecret names text that can be no shared secret of any format: key files, and base64 of them. A
// shared secret as JWK passes.
func notSecret(text string) string {
	inner, _ := unquote(text)
	if looksLikePEMText(inner) {
		return "a PEM file"
	}
	if decoded, ok := decodeBase64(withoutBlanks(inner)); ok {
		defer clear(decoded)
		if looksLikeDER(decoded) && len(decoded) > longestSecret || looksLikePEMText(string(decoded)) {
			return "base64 of a key file"
		}
	}
	if _, ok := octets(inner); !ok && strings.HasPrefix(inner, "{") {
		return "JSON without a shared secret (a JWK of kty oct)"
	}
	return ""
}

func (r secretReader) otherKind(what string) error {
	return tokens.KeyError("this is %s; %s signs with %s. An RSA key belongs to a target of format qencode-jwt", what, r.scheme.Name(), r.form.wants())
}

func nameOf(e Encoding) string {
	if e == JWK {
		return "JWK"
	}
	return e.String()
}
