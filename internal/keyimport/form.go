package keyimport

import (
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// form is the kind of key a token format signs with.
type form int

const (
	formRSA      form = iota
	formHexText       // hex digits, used as text
	formHexBytes      // hex digits, decoded by the scheme
	formAlnum         // ASCII letters and digits
)

func formOf(scheme tokens.Scheme) (form, error) {
	switch scheme.Name() {
	case qencode.Name:
		return formRSA, nil
	case wowza.Name:
		return formHexText, nil
	case akamai.Name:
		return formHexBytes, nil
	case agora.Name:
		return formAlnum, nil
	}
	return 0, tokens.KeyError("keys of format %s cannot be imported", scheme.Name())
}

// wants says what a key of the form looks like, to end an error message with.
func (f form) wants() string {
	switch f {
	case formRSA:
		return "an RSA private key (PEM, DER or JWK)"
	case formHexText, formHexBytes:
		return "a shared secret of hex digits"
	case formAlnum:
		return "a shared secret of ASCII letters and digits"
	}
	return "another key"
}
