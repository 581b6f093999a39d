package keyimport

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

const (
	beginMarker = "-----BEGIN "
	endMarker   = "-----END "
	markerTail  = "-----"
)

// block is one PEM block: its label and what stands between the markers.
type block struct{ label, body string }

// readPEM reads the one private key among the PEM blocks of text. Whatever stands around the blocks,
// such as bag attributes or the rest of a JSON object, is passed over; so are certificates and
// public keys as long as there is a private key.
func (r rsaReader) readPEM(text string) (found, error) {
	blocks, err := splitPEM(unescape(text))
	if err != nil {
		return found{}, err
	}
	var private, other []block
	for _, b := range blocks {
		if strings.HasSuffix(b.label, "PRIVATE KEY") {
			private = append(private, b)
		} else {
			other = append(other, b)
		}
	}
	switch {
	case len(private) == 1:
		return r.readBlock(private[0])
	case len(private) > 1:
		return found{}, r.severalBlocks(private)
	}
	return found{}, notPrivate(other[0].label, r.scheme.Name())
}

// splitPEM cuts text into PEM blocks. There is at least one begin marker in it.
func splitPEM(text string) ([]block, error) {
	var blocks []block
	for {
		_, rest, ok := strings.Cut(text, beginMarker)
		if !ok {
			break
		}
		label, rest, ok := strings.Cut(rest, markerTail)
		if !ok || !isLabel(label) {
			return nil, damagedMarkers()
		}
		body, rest, ok := strings.Cut(rest, endMarker+label+markerTail)
		if !ok || strings.Contains(body, beginMarker) {
			return nil, tokens.KeyError("PEM block %d has a BEGIN line without its END line: the key is cut off, or the lines do not match; give the whole block", len(blocks)+1)
		}
		blocks = append(blocks, block{label: label, body: body})
		text = rest
	}
	if len(blocks) == 0 {
		return nil, damagedMarkers()
	}
	return blocks, nil
}

// isLabel admits what RFC 7468 labels are made of in practice: capitals, digits and blanks.
func isLabel(label string) bool {
	const longest = 40
	return label != "" && len(label) <= longest &&
		strings.Trim(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ") == ""
}

func (r rsaReader) readBlock(b block) (found, error) {
	switch {
	case b.label == "ENCRYPTED PRIVATE KEY", strings.Contains(b.body, "Proc-Type:") && strings.Contains(b.body, "ENCRYPTED"):
		return found{}, encrypted("PEM", "openssl pkey -in KEY.pem -out plain.pem")
	case b.label == "OPENSSH PRIVATE KEY":
		return found{}, tokens.KeyError("the key is in OpenSSH's own format; rewrite a copy of it as PEM with: ssh-keygen -p -m PEM -N '' -f KEY")
	case b.label == "EC PRIVATE KEY":
		return found{}, wrongAlgorithm("an EC private key", r.scheme.Name())
	case b.label == "DSA PRIVATE KEY":
		return found{}, wrongAlgorithm("a DSA private key", r.scheme.Name())
	case b.label != "RSA PRIVATE KEY" && b.label != "PRIVATE KEY":
		return found{}, tokens.KeyError("the PEM block is no kind of private key that is known here; %s wants %s", r.scheme.Name(), formRSA.wants())
	}
	der, ok := decodeBase64(withoutBlanks(withoutHeaders(b.body)))
	if !ok {
		return found{}, tokens.KeyError("the body of the PEM block is not base64: it is cut off, or has characters added, such as quotes or line numbers")
	}
	defer clear(der)
	if !looksLikeDER(der) {
		return found{}, tokens.KeyError("the PEM block holds %d bytes that are not a DER key", len(der))
	}
	return r.readDER(der, "PEM")
}

// withoutHeaders drops the header lines that old PEM allows before the body.
func withoutHeaders(body string) string {
	lines := bytes.Split([]byte(body), []byte("\n"))
	var kept []byte
	for _, line := range lines {
		if !bytes.ContainsRune(line, ':') {
			kept = append(append(kept, line...), '\n')
		}
	}
	return string(kept)
}

// severalBlocks refuses a file of several private keys and says which they are.
func (r rsaReader) severalBlocks(private []block) error {
	readings := make([]Reading, 0, len(private))
	for i, b := range private {
		says := fmt.Sprintf("private key %d", i+1)
		if f, err := r.readBlock(b); err == nil {
			says += " (" + r.describe(f) + ")"
		} else {
			says += " (not usable here)"
		}
		readings = append(readings, Reading{Says: says, Pick: "give this block alone"})
	}
	return ambiguous(fmt.Sprintf("the file holds %d private keys and none was taken", len(private)), readings)
}

// notPrivate refuses material whose only blocks are public or no keys at all.
func notPrivate(label, scheme string) error {
	want := scheme + " signs with " + formRSA.wants()
	switch {
	case strings.Contains(label, "PUBLIC KEY"):
		return tokens.KeyError("this is a public key, the public half; the private half is wanted: %s", want)
	case strings.HasSuffix(label, "CERTIFICATE"):
		return tokens.KeyError("this is a certificate, the public half; the private half is wanted: %s", want)
	}
	return tokens.KeyError("the PEM block is no private key; %s", want)
}

func encrypted(container, command string) error {
	return tokens.KeyError("the %s key is encrypted with a passphrase; decrypt a copy of it first: %s", container, command)
}

func wrongAlgorithm(what, scheme string) error {
	return tokens.KeyError("this is %s; %s signs with RSA: want %s", what, scheme, formRSA.wants())
}

func damagedMarkers() error {
	return tokens.KeyError("the BEGIN or END line of the PEM block is damaged; want five hyphens on both sides, as in %sPRIVATE KEY%s", beginMarker, markerTail)
}

// looksLikePEMText reports PEM whose markers were hurt, by a word processor for example.
func looksLikePEMText(text string) bool {
	upper := strings.ToUpper(text)
	return strings.Contains(upper, "BEGIN") && strings.Contains(upper, " KEY") || strings.Contains(upper, "PRIVATE KEY")
}
