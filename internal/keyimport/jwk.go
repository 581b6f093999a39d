package keyimport

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// maxJWKs bounds the keys of a JWKS.
const maxJWKs = 64

// jwk is one JSON Web Key. Names are case-sensitive, and none may come twice.
type jwk map[string]json.RawMessage

// parseObject reads one JSON object that fills text. Go's own decoding into a map would take the last
// of several members of one name, and into a struct would take names of any case.
func parseObject(text string) (jwk, bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, false
	}
	out := jwk{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, false
		}
		name, ok := tok.(string)
		if _, twice := out[name]; !ok || twice {
			return nil, false
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, false
		}
		out[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, false
	}
	return out, !dec.More() && strings.Trim(text[dec.InputOffset():], blanks) == ""
}

// text returns a string member, or "" when there is none or it is no string.
func (k jwk) text(name string) string {
	var s string
	if json.Unmarshal(k[name], &s) != nil {
		return ""
	}
	return s
}

func (k jwk) has(name string) bool { _, ok := k[name]; return ok }

// private reports whether the key holds anything that must stay secret.
func (k jwk) private() bool { return k.has("d") || k.text("kty") == "oct" }

// parseJWKs reads a JWK, or the keys of a JWKS.
func parseJWKs(text string) (keys []jwk, set bool, err error) {
	outer, ok := parseObject(text)
	if !ok {
		return nil, false, tokens.KeyError("%d characters of JSON that are not one whole object with each member once; want a JWK or a JWKS", len(text))
	}
	if !outer.has("keys") || outer.has("kty") {
		return []jwk{outer}, false, nil
	}
	var members []json.RawMessage
	if json.Unmarshal(outer["keys"], &members) != nil || len(members) > maxJWKs {
		return nil, true, tokens.KeyError(`the "keys" of the JWKS are not an array of at most %d keys`, maxJWKs)
	}
	for i, member := range members {
		key, ok := parseObject(string(member))
		if !ok {
			return nil, true, tokens.KeyError("key %d of the JWKS is not an object with each member once", i+1)
		}
		keys = append(keys, key)
	}
	return keys, true, nil
}

// readJWK reads the one private key of a JWK or JWKS.
func (r rsaReader) readJWK(text string) (found, error) {
	keys, set, err := parseJWKs(text)
	if err != nil {
		return found{}, err
	}
	if set {
		keys = slices.DeleteFunc(keys, func(k jwk) bool { return !k.private() })
		switch {
		case len(keys) == 0:
			return found{}, tokens.KeyError("the JWKS holds no private key, only the public half; %s signs with %s", r.scheme.Name(), formRSA.wants())
		case len(keys) > 1:
			return found{}, r.severalJWKs(keys)
		}
	}
	f, err := r.readOneJWK(keys[0])
	if set {
		f.kind = "JWKS"
	}
	return f, err
}

func (r rsaReader) severalJWKs(keys []jwk) error {
	readings := make([]Reading, 0, len(keys))
	for i, k := range keys {
		says := fmt.Sprintf("private key %d", i+1)
		if f, err := r.readOneJWK(k); err == nil {
			says += " (" + r.describe(f) + ")"
		} else {
			says += " (not usable here)"
		}
		readings = append(readings, Reading{Says: says, Pick: "give this key alone"})
	}
	return ambiguous(fmt.Sprintf("the JWKS holds %d private keys and none was taken", len(keys)), readings)
}

// readOneJWK reads a key of RFC 7518, section 6.3.
func (r rsaReader) readOneJWK(k jwk) (found, error) {
	scheme := r.scheme.Name()
	switch kty := k.text("kty"); {
	case k.has("ciphertext") || k.has("encrypted_key"):
		return found{}, tokens.KeyError("this is an encrypted JWK (JWE); decrypt it with the tool that made it, and give the JWK inside")
	case kty == "EC":
		return found{}, wrongAlgorithm("an EC key as JWK", scheme)
	case kty == "OKP":
		return found{}, wrongAlgorithm("an Ed25519 or other OKP key as JWK", scheme)
	case kty == "oct":
		return found{}, wrongAlgorithm("a shared secret as JWK (kty oct)", scheme)
	case kty != "RSA":
		return found{}, tokens.KeyError(`JSON that is no RSA JWK: want an object with "kty":"RSA" and n, e, d, p, q`)
	case !k.has("d"):
		return found{}, tokens.KeyError("this JWK has no d: it is a public key, the public half; %s signs with %s", scheme, formRSA.wants())
	case k.has("oth"):
		return found{}, tokens.KeyError("the RSA key has more than two primes; want one of two, as every provider makes them")
	case k.has("alg") && k.text("alg") != "RS256":
		return found{}, tokens.KeyError("the alg of the JWK is not RS256, the only one that %s signs with", scheme)
	case k.has("use") && k.text("use") != "sig":
		return found{}, tokens.KeyError("the use of the JWK is not sig: the key is not meant to sign")
	case k.has("kid") && k.text("kid") == "":
		return found{}, tokens.KeyError("the kid of the JWK is empty or not a string")
	}
	var parts rsaParts
	for _, member := range []struct {
		name     string
		target   **big.Int
		optional bool
	}{
		{"n", &parts.n, false},
		{"e", &parts.e, false},
		{"d", &parts.d, false},
		{"p", &parts.p, false},
		{"q", &parts.q, false},
		{"dp", &parts.dp, true},
		{"dq", &parts.dq, true},
		{"qi", &parts.qi, true},
	} {
		if member.optional && !k.has(member.name) {
			continue
		}
		raw, err := base64.RawURLEncoding.Strict().DecodeString(k.text(member.name))
		if err != nil || len(raw) == 0 {
			return found{}, tokens.KeyError("member %s of the JWK is missing or not unpadded base64url; want n, e, d, p and q", member.name)
		}
		*member.target = new(big.Int).SetBytes(raw)
	}
	key, err := parts.key()
	if err != nil {
		return found{}, err
	}
	return found{key: key, kind: "JWK", kid: k.text("kid")}, nil
}
