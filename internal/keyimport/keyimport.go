package keyimport

import (
	"github.com/tokensvc/tokensvc/tokens"
)

// MaxSize is the most material Read takes, in bytes.
const MaxSize = 64 << 10

// MaxKIDLen is the longest key id, in bytes.
const MaxKIDLen = 128

// Encoding says how key material is written.
type Encoding int

// Encodings. Auto finds out and refuses what is ambiguous.
const (
	Auto   Encoding = iota
	Text            // a shared secret as it is typed; an RSA key as PEM or JWK
	Hex             // hexadecimal digits, with or without 0x
	Base64          // base64 of any other form: standard or URL alphabet, padded or not, wrapped or not
	PEM             // an RSA private key, PKCS#1 or PKCS#8
	DER             // an RSA private key, PKCS#1 or PKCS#8
	JWK             // an RSA private key, alone or the only one of a JWKS; an oct key for shared secrets
)

// String returns the name that the --encoding flag takes.
func (e Encoding) String() string {
	switch e {
	case Auto:
		return "auto"
	case Text:
		return "text"
	case Hex:
		return "hex"
	case Base64:
		return "base64"
	case PEM:
		return "pem"
	case DER:
		return "der"
	case JWK:
		return "jwk"
	}
	return "unknown"
}

// ParseEncoding is the reverse of Encoding.String. The empty name means Auto. The error wraps
// tokens.ErrInvalidParams.
func ParseEncoding(name string) (Encoding, error) {
	if name == "" {
		return Auto, nil
	}
	for e := Auto; e <= JWK; e++ {
		if name == e.String() {
			return e, nil
		}
	}
	return Auto, tokens.ParamError(tokens.InvalidArgument, "encoding", "want one of auto, text, hex, base64, pem, der, jwk")
}

// Options say how to read.
type Options struct {
	// Encoding is how the material is written; the zero value is Auto.
	Encoding Encoding
	// KID is the name by which tokens refer to the key, at most MaxKIDLen printable ASCII characters
	// without blanks. Empty means: the one inside a JWK, else the RFC 7638 thumbprint of an RSA key.
	KID string
	// RequireKID refuses an RSA key for which neither KID nor a JWK names an id. Set it where the
	// provider dictates the id, as Qencode does.
	RequireKID bool
	// AllowShort admits shared secrets that are well-formed but too short to be safe.
	AllowShort bool
}

// Result is a key that was read. It prints nothing of the secret.
type Result struct {
	// Material is ready for the scheme's Prepare. RSA keys are PKCS#8 DER, whatever they came as.
	Material tokens.Material
	// Kind says what was recognised, for example "PKCS#1 PEM, RSA 4096".
	Kind string
	// Fingerprint is that of the prepared key.
	Fingerprint string
	// KID equals Material.ID; empty where the format has no key ids.
	KID string
}

// Read reads one key for scheme. Errors wrap tokens.ErrInvalidKey with reason INVALID_KEY, or are an
// *AmbiguousError, which has reason AMBIGUOUS_KEY and wraps tokens.ErrInvalidKey too. A KID that
// no format could use, or that this format has no use for, wraps tokens.ErrInvalidParams.
func Read(scheme tokens.Scheme, raw []byte, opts Options) (Result, error) {
	switch {
	case len(raw) == 0:
		return Result{}, tokens.KeyError("the key material is empty")
	case len(raw) > MaxSize:
		return Result{}, tokens.KeyError("the key material has %d bytes; at most %d are read", len(raw), MaxSize)
	case opts.Encoding < Auto || opts.Encoding > JWK:
		return Result{}, tokens.ParamError(tokens.InvalidArgument, "encoding", "%d is not an encoding", int(opts.Encoding))
	}
	if err := checkKID(opts.KID); err != nil {
		return Result{}, err
	}
	form, err := formOf(scheme)
	if err != nil {
		return Result{}, err
	}
	if form != formRSA && opts.KID != "" {
		return Result{}, tokens.ParamError(tokens.InvalidArgument, "kid", "%s tokens carry no key id; leave it empty", scheme.Name())
	}
	var out Result
	if form == formRSA {
		out, err = readRSA(scheme, raw, opts)
	} else {
		out, err = readSecret(scheme, form, raw, opts)
	}
	if err != nil {
		return Result{}, err
	}
	key, err := scheme.Prepare(out.Material)
	if err != nil {
		return Result{}, err
	}
	out.Fingerprint = key.Fingerprint()
	out.KID = out.Material.ID
	return out, nil
}
