package qencode

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"

	"github.com/tokensvc/tokensvc/tokens"
)

// maxKeyText bounds the text of a key, in bytes. A PEM of MaxBits has under 7,000.
const maxKeyText = 16 << 10

const wantPrivate = "want an RSA private key as PKCS#1 or PKCS#8, in PEM or DER"

// parsePrivate reads an RSA private key. Its errors tell what the text is, never what it holds.
func parsePrivate(secret tokens.Secret) (*rsa.PrivateKey, error) {
	text, err := bounded(secret.Reveal(), wantPrivate)
	if err != nil {
		return nil, err
	}
	der, kind, err := unwrapPEM(text)
	if err != nil {
		return nil, err
	}
	var key any
	var fault error
	switch kind {
	case "RSA PRIVATE KEY":
		key, fault = x509.ParsePKCS1PrivateKey(der)
	case "PRIVATE KEY":
		key, fault = x509.ParsePKCS8PrivateKey(der)
	case "":
		if key, fault = x509.ParsePKCS8PrivateKey(der); fault != nil {
			key, fault = x509.ParsePKCS1PrivateKey(der)
		}
	default:
		return nil, wrongPEM(kind)
	}
	if fault != nil {
		return nil, tokens.KeyError("the key cannot be read; %s", wantPrivate)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, tokens.KeyError("the key is a %T; RS256 needs RSA", key)
	}
	if err := private.Validate(); err != nil {
		return nil, tokens.KeyError("the numbers of the RSA key do not belong together")
	}
	private.Precompute()
	return private, nil
}

const wantPublic = "want an RSA public key as PKIX or PKCS#1, in PEM or DER"

// parsePublic reads an RSA public key.
func parsePublic(text []byte) (*rsa.PublicKey, error) {
	text, err := bounded(text, wantPublic)
	if err != nil {
		return nil, err
	}
	der, kind, err := unwrapPEM(text)
	if err != nil {
		return nil, err
	}
	var key any
	var fault error
	switch kind {
	case "PUBLIC KEY":
		key, fault = x509.ParsePKIXPublicKey(der)
	case "RSA PUBLIC KEY":
		key, fault = x509.ParsePKCS1PublicKey(der)
	case "":
		if key, fault = x509.ParsePKIXPublicKey(der); fault != nil {
			key, fault = x509.ParsePKCS1PublicKey(der)
		}
	default:
		return nil, tokens.KeyError("the PEM block is of another kind; %s", wantPublic)
	}
	if fault != nil {
		return nil, tokens.KeyError("the key cannot be read; %s", wantPublic)
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, tokens.KeyError("the key is a %T; RS256 needs RSA", key)
	}
	return public, nil
}

func bounded(text []byte, want string) ([]byte, error) {
	if len(text) == 0 {
		return nil, tokens.KeyError("the key is empty; %s", want)
	}
	if len(text) > maxKeyText {
		return nil, tokens.KeyError("the key has %d bytes, at most %d; %s", len(text), maxKeyText, want)
	}
	return text, nil
}

// unwrapPEM returns the DER of the one PEM block in text and its kind, or text itself and "" when it
// is no PEM.
func unwrapPEM(text []byte) (der []byte, kind string, err error) {
	trimmed := bytes.TrimSpace(text)
	if !bytes.HasPrefix(trimmed, []byte("-----BEGIN ")) {
		return text, "", nil
	}
	block, rest := pem.Decode(trimmed)
	if block == nil {
		return nil, "", tokens.KeyError("the PEM text is damaged; give all of it, with its BEGIN and END lines and real line ends")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, "", tokens.KeyError("something stands behind the PEM block; give one key alone")
	}
	if block.Headers["Proc-Type"] != "" || block.Headers["DEK-Info"] != "" {
		return nil, "", wrongPEM("ENCRYPTED PRIVATE KEY")
	}
	return block.Bytes, block.Type, nil
}

func wrongPEM(kind string) error {
	switch kind {
	case "ENCRYPTED PRIVATE KEY":
		return tokens.KeyError("the key is encrypted with a passphrase; decrypt it first (openssl pkey)")
	case "OPENSSH PRIVATE KEY":
		return tokens.KeyError("the key is in OpenSSH's own form; %s (ssh-keygen -p -m PEM)", wantPrivate)
	case "EC PRIVATE KEY":
		return tokens.KeyError("the key is an elliptic curve key; RS256 needs RSA")
	case "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE":
		return tokens.KeyError("the key is public; signing needs the private half")
	default:
		return tokens.KeyError("the PEM block is of another kind; %s", wantPrivate)
	}
}
