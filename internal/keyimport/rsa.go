package keyimport

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// maxLayers is how many wrappings (base64, hex, quotes) are peeled off an RSA key.
const maxLayers = 4

// found is an RSA key with what is known of where it came from.
type found struct {
	key  *rsa.PrivateKey
	kind string // "PKCS#1 PEM", "base64 of PKCS#8 DER"
	kid  string // the one inside a JWK
	// recognised also stands beside an error that is about a key, and not about the want of one.
	recognised bool
}

func recognised(f found, err error) (found, error) {
	f.recognised = true
	return f, err
}

// rsaReader peels RSA keys for one scheme.
type rsaReader struct{ scheme tokens.Scheme }

func readRSA(scheme tokens.Scheme, raw []byte, opts Options) (Result, error) {
	r := rsaReader{scheme: scheme}
	f, err := r.read(raw, opts.Encoding, 0)
	if err != nil {
		return Result{}, err
	}
	kid, err := chooseKID(scheme, f.key, f.kid, opts)
	if err != nil {
		return Result{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(f.key)
	if err != nil {
		return Result{}, tokens.KeyError("the RSA key cannot be written as PKCS#8")
	}
	defer clear(der)
	return Result{
		Material: tokens.Material{ID: kid, Secret: tokens.NewSecret(der), AllowShort: opts.AllowShort},
		Kind:     fmt.Sprintf("%s, RSA %d", f.kind, f.key.N.BitLen()),
	}, nil
}

// read finds the key in data, which is written in encoding, below so many layers.
func (r rsaReader) read(data []byte, encoding Encoding, layers int) (found, error) {
	if layers > maxLayers {
		return recognised(found{}, tokens.KeyError("the key is wrapped in more than %d encodings; decode it first", maxLayers))
	}
	if looksLikeDER(data) {
		if encoding != Auto && encoding != DER {
			return found{}, r.mismatch(encoding, "DER", DER)
		}
		return recognised(r.readDER(data, "DER"))
	}
	text, err := decodeText(data)
	if err != nil {
		return found{}, err
	}
	switch form := sniff(text); {
	case form == Auto && encoding == PEM && looksLikePEMText(text):
		return found{}, damagedMarkers()
	case form != encoding && !fits(form, encoding):
		return found{}, r.mismatch(encoding, form.String(), form)
	case form == PEM:
		return recognised(r.readPEM(text))
	case form == JWK:
		return recognised(r.readJWK(text))
	}
	return r.readWrapped(text, encoding, layers)
}

// looksLikeDER reports a SEQUENCE: one of 128 bytes or more begins with bytes that no text begins with;
// a shorter one is known by its exact length and its control characters.
func looksLikeDER(data []byte) bool {
	const sequence, longForm = 0x30, 0x80
	if len(data) < 2 || data[0] != sequence {
		return false
	}
	control := func(r rune) bool { return r < '\t' }
	return data[1]&longForm != 0 || len(data) == 2+int(data[1]) && bytes.ContainsFunc(data, control)
}

// sniff names the form of text: PEM, JWK (any JSON object or array), or Auto for all else.
func sniff(text string) Encoding {
	switch {
	case strings.Contains(text, beginMarker):
		return PEM
	case text[0] == '{' || text[0] == '[':
		return JWK
	}
	return Auto
}

// fits reports whether text of form may be read when the caller said encoding.
func fits(form, encoding Encoding) bool {
	switch encoding {
	case Auto:
		return true
	case Text:
		return form == PEM || form == JWK
	case Hex, Base64:
		return form == Auto
	case PEM, DER, JWK:
		return form == encoding
	}
	return false
}

// mismatch refuses material whose form is not the one the caller named.
func (r rsaReader) mismatch(encoding Encoding, form string, is Encoding) error {
	switch {
	case encoding == Text:
		return tokens.KeyError("the text is neither PEM nor JWK; leave the encoding out to have it found out")
	case is == Auto:
		return tokens.KeyError("the material is not %s; leave the encoding out to have it found out", strings.ToUpper(encoding.String()))
	}
	return tokens.KeyError("the material is %s, not %s: %s, or leave the encoding out",
		strings.ToUpper(form), strings.ToUpper(encoding.String()), flag(is))
}

// readWrapped peels one layer off text that is neither PEM nor JSON.
func (r rsaReader) readWrapped(text string, encoding Encoding, layers int) (found, error) {
	if err := refuseForeign(text, r.scheme.Name()); err != nil {
		return recognised(found{}, err)
	}
	if inner, ok := unquote(text); ok && inner != "" {
		var plain string
		if json.Unmarshal([]byte(text), &plain) != nil {
			plain = inner
		}
		return r.read([]byte(plain), encoding, layers+1)
	}
	body := withoutBlanks(unescape(text))
	var refused error
	// Text cannot be both: the base64 of a key has letters in its first bytes that are no hex digits.
	for _, layer := range []struct {
		encoding Encoding
		decode   func(string) ([]byte, bool)
	}{{Hex, decodeHex}, {Base64, decodeBase64}} {
		if encoding != Auto && encoding != layer.encoding {
			continue
		}
		inner, ok := layer.decode(body)
		if !ok {
			continue
		}
		f, err := r.read(inner, Auto, layers+1)
		clear(inner)
		if err == nil {
			f.kind = layer.encoding.String() + " of " + f.kind
			return f, nil
		}
		if f.recognised {
			refused = err
		}
	}
	if refused != nil {
		return recognised(found{}, refused)
	}
	return found{}, r.noKey(text, body, encoding)
}

// describe names a key by kind, size and public fingerprint.
func (r rsaReader) describe(f found) string {
	says := fmt.Sprintf("%s, RSA %d", f.kind, f.key.N.BitLen())
	der, err := x509.MarshalPKCS8PrivateKey(f.key)
	if err != nil {
		return says
	}
	defer clear(der)
	// The id plays no part in the fingerprint; formats that want one get a stand-in.
	key, err := r.scheme.Prepare(tokens.Material{ID: thumbprint(f.key), Secret: tokens.NewSecret(der)})
	if err != nil {
		return says
	}
	return says + ", fingerprint " + key.Fingerprint()
}

// readDER reads one DER key; container is DER or PEM, for the kind.
func (r rsaReader) readDER(der []byte, container string) (found, error) {
	parts, kind, err := parseDER(der, r.scheme.Name())
	if err != nil {
		return found{}, err
	}
	key, err := parts.key()
	if err != nil {
		return found{}, err
	}
	return found{key: key, kind: kind + " " + container}, nil
}

// noKey refuses text in which no key was found.
func (r rsaReader) noKey(text, body string, encoding Encoding) error {
	want := r.scheme.Name() + " wants " + formRSA.wants()
	if looksLikePEMText(text) {
		return damagedMarkers()
	}
	if strings.HasPrefix(body, "MI") {
		return tokens.KeyError("the text begins like the base64 of a key, but its %d characters are not whole base64: it is cut off or has characters added; %s", len(body), want)
	}
	if encoding == Hex || encoding == Base64 {
		return tokens.KeyError("the %d characters, read as %s, hold no key; %s", len(text), encoding, want)
	}
	return tokens.KeyError("%d characters of text in which there is no key: no PEM block, no JWK, no base64 or hex of one; %s", len(text), want)
}

// refuseForeign names key files that are neither PEM nor JSON.
func refuseForeign(text, scheme string) error {
	switch {
	case strings.HasPrefix(text, "PuTTY-User-Key-File"):
		return tokens.KeyError("this is a PuTTY key file; export it as PEM with: puttygen KEY.ppk -O private-openssh -o key.pem")
	case strings.HasPrefix(text, "ssh-"), strings.HasPrefix(text, "ecdsa-sha2-"), strings.HasPrefix(text, "sk-"),
		strings.Contains(text, "---- BEGIN SSH2 PUBLIC KEY"):
		return tokens.KeyError("this is an SSH public key, the public half; %s signs with the private half, %s", scheme, formRSA.wants())
	}
	return nil
}
