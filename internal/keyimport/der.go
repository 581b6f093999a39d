package keyimport

import (
	"encoding/asn1"
	"math/big"

	"github.com/tokensvc/tokensvc/tokens"
)

// parseDER finds out what a DER SEQUENCE is from the types of its elements, and reads the numbers of
// an RSA private key out of it. The kind is PKCS#1 or PKCS#8.
func parseDER(der []byte, scheme string) (rsaParts, string, error) {
	elements, err := sequence(der)
	if err != nil {
		return rsaParts{}, "", err
	}
	want := scheme + " signs with " + formRSA.wants()
	switch shape(elements) {
	case "IIIIIIIII":
		parts, err := parsePKCS1(elements)
		return parts, "PKCS#1", err
	case "IIIIIIIIIS":
		return rsaParts{}, "", tokens.KeyError("the RSA key has more than two primes; want one of two, as every provider makes them")
	case "ISO", "ISO0", "ISO1", "ISO01":
		parts, err := parsePKCS8(elements, scheme)
		return parts, "PKCS#8", err
	case "SO":
		return rsaParts{}, "", encrypted("DER", "openssl pkey -inform DER -in KEY.der -out plain.pem")
	case "IO", "IO0", "IO1", "IO01":
		return rsaParts{}, "", wrongAlgorithm("an EC private key", scheme)
	case "IIIIII":
		return rsaParts{}, "", wrongAlgorithm("a DSA private key", scheme)
	case "SB", "II":
		return rsaParts{}, "", tokens.KeyError("this is a public key, the public half; the private half is wanted: %s", want)
	case "SSB":
		return rsaParts{}, "", tokens.KeyError("this is a certificate or a request for one, the public half; the private half is wanted: %s", want)
	case "IS", "ISS":
		return rsaParts{}, "", tokens.KeyError("this looks like a PKCS#12 file; take the private key out with: openssl pkcs12 -in FILE.p12 -nocerts -nodes -out key.pem")
	}
	return rsaParts{}, "", tokens.KeyError("%d bytes of DER that are no private key; %s", len(der), want)
}

// sequence cuts a DER SEQUENCE, which must fill der, into its elements.
func sequence(der []byte) ([]asn1.RawValue, error) {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(der, &outer)
	switch {
	case err != nil:
		return nil, tokens.KeyError("the %d bytes begin like a DER key but are cut off or damaged", len(der))
	case len(rest) > 0:
		return nil, tokens.KeyError("%d bytes follow the DER key of %d bytes; give the key alone", len(rest), len(der)-len(rest))
	case outer.Class != asn1.ClassUniversal || outer.Tag != asn1.TagSequence:
		return nil, damagedDER()
	}
	var elements []asn1.RawValue
	for body := outer.Bytes; len(body) > 0; {
		var element asn1.RawValue
		if body, err = asn1.Unmarshal(body, &element); err != nil {
			return nil, damagedDER()
		}
		elements = append(elements, element)
	}
	return elements, nil
}

// shape spells the types of elements: I integer, S sequence, O octet string, B bit string, 0 and 1
// context-specific tags, ? all else.
func shape(elements []asn1.RawValue) string {
	out := make([]byte, 0, len(elements))
	for _, e := range elements {
		letter := byte('?')
		switch {
		case e.Class == asn1.ClassContextSpecific && e.Tag == 0:
			letter = '0'
		case e.Class == asn1.ClassContextSpecific && e.Tag == 1:
			letter = '1'
		case e.Class != asn1.ClassUniversal:
		case e.Tag == asn1.TagInteger:
			letter = 'I'
		case e.Tag == asn1.TagSequence:
			letter = 'S'
		case e.Tag == asn1.TagOctetString:
			letter = 'O'
		case e.Tag == asn1.TagBitString:
			letter = 'B'
		}
		out = append(out, letter)
	}
	return string(out)
}

// parsePKCS1 reads RSAPrivateKey of RFC 8017, appendix A.1.2, with version 0.
func parsePKCS1(elements []asn1.RawValue) (rsaParts, error) {
	var parts rsaParts
	version := new(big.Int)
	for i, target := range []**big.Int{&version, &parts.n, &parts.e, &parts.d, &parts.p, &parts.q, &parts.dp, &parts.dq, &parts.qi} {
		if _, err := asn1.Unmarshal(elements[i].FullBytes, target); err != nil {
			return rsaParts{}, damagedDER()
		}
	}
	if version.Sign() != 0 {
		return rsaParts{}, tokens.KeyError("the PKCS#1 key does not have version 0, which two primes call for")
	}
	return parts, nil
}

// parsePKCS8 reads PrivateKeyInfo of RFC 5208 and OneAsymmetricKey of RFC 5958.
func parsePKCS8(elements []asn1.RawValue, scheme string) (rsaParts, error) {
	var algorithm struct {
		OID        asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(elements[1].FullBytes, &algorithm); err != nil {
		return rsaParts{}, damagedDER()
	}
	switch algorithm.OID.String() {
	case "1.2.840.113549.1.1.1":
	case "1.2.840.113549.1.1.10":
		return rsaParts{}, tokens.KeyError("this RSA key is restricted to PSS signatures; %s signs RS256 and wants an unrestricted one", scheme)
	case "1.2.840.10045.2.1":
		return rsaParts{}, wrongAlgorithm("an EC private key", scheme)
	case "1.3.101.112":
		return rsaParts{}, wrongAlgorithm("an Ed25519 private key", scheme)
	case "1.3.101.113":
		return rsaParts{}, wrongAlgorithm("an Ed448 private key", scheme)
	case "1.2.840.10040.4.1":
		return rsaParts{}, wrongAlgorithm("a DSA private key", scheme)
	default:
		return rsaParts{}, wrongAlgorithm("a private key of another algorithm", scheme)
	}
	inner, err := sequence(elements[2].Bytes)
	if err != nil {
		return rsaParts{}, err
	}
	switch shape(inner) {
	case "IIIIIIIII":
		return parsePKCS1(inner)
	case "IIIIIIIIIS":
		return rsaParts{}, tokens.KeyError("the RSA key has more than two primes; want one of two, as every provider makes them")
	}
	return rsaParts{}, damagedDER()
}

func damagedDER() error {
	return tokens.KeyError("the DER key is damaged: its parts do not fit together")
}
