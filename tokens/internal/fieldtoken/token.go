package fieldtoken

import (
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

const (
	// maxToken bounds the length of a token to look at, in bytes. Real ones stay under 2 KiB.
	maxToken = 64 << 10
	// maxFields bounds the number of fields.
	maxFields = 64
)

// Door says by which rules a token is read.
type Door int

// The two doors of package tokens.
const (
	// Strict takes only what the strict signer makes.
	Strict Door = iota
	// Compat also takes what the vendors' scripts make of odd input.
	Compat
)

// Field is one name and value of a token.
type Field struct{ Name, Value string }

// Token is a parsed token: its fields in their order, without the MAC.
type Token struct {
	Fields []Field
	// Signed is the part of the text in front of the MAC, as it was presented.
	Signed string
	// MAC is the value of the last field: hexLen digits of lower-case hex.
	MAC string
}

// Value returns the value of the named field.
func (t Token) Value(name string) (string, bool) {
	for _, f := range t.Fields {
		if f.Name == name {
			return f.Value, true
		}
	}
	return "", false
}

// String puts the token together again.
func (t Token) String(delimiter string) string {
	var b strings.Builder
	for _, f := range t.Fields {
		b.WriteString(f.Name + "=" + f.Value + delimiter)
	}
	b.WriteString(macName + "=" + t.MAC)
	return b.String()
}

// Parse splits a token. hmac must be its last field, in lower-case hex of hexLen digits, and no field
// may come twice: verifiers differ in which one they take, so a second one is an attack or a fault.
//
// In the Compat door a piece without a name continues the value before it, because the vendors'
// scripts emit values that hold the delimiter.
func Parse(text, delimiter string, hexLen int, door Door) (Token, *tokens.Error) {
	if text == "" {
		return Token{}, tokens.Refuse(tokens.Malformed, "the token is empty")
	}
	if len(text) > maxToken {
		return Token{}, tokens.Refuse(tokens.Malformed, "the token has %d bytes; at most %d are read", len(text), maxToken)
	}
	cut := strings.LastIndex(text, delimiter+macName+"=")
	if cut < 0 {
		return Token{}, tokens.Refuse(tokens.Malformed, "the token has no %q field behind others; want name=value%s…%shmac=…", macName, delimiter, delimiter)
	}
	t := Token{Signed: text[:cut], MAC: text[cut+len(delimiter)+len(macName)+1:]}
	if err := checkMAC(t.MAC, hexLen); err != nil {
		return Token{}, err
	}
	t.Fields = make([]Field, 0, 8)
	for piece := range strings.SplitSeq(t.Signed, delimiter) {
		if err := t.add(piece, delimiter, door); err != nil {
			return Token{}, err
		}
	}
	return t, nil
}

func (t *Token) add(piece, delimiter string, door Door) *tokens.Error {
	name, value, _ := strings.Cut(piece, "=")
	if name == "" || len(name) == len(piece) {
		if door == Strict || len(t.Fields) == 0 {
			return tokens.Refuse(tokens.Malformed, "a part of the token between two %q is not of the form name=value", delimiter)
		}
		t.Fields[len(t.Fields)-1].Value += delimiter + piece
		return nil
	}
	if _, twice := t.Value(name); twice || name == macName {
		return tokens.Refuse(tokens.Malformed, "a field comes twice; each may come once")
	}
	if len(t.Fields) == maxFields {
		return tokens.Refuse(tokens.Malformed, "the token has more than %d fields", maxFields)
	}
	t.Fields = append(t.Fields, Field{Name: name, Value: value})
	return nil
}

func checkMAC(mac string, hexLen int) *tokens.Error {
	for i := range len(mac) {
		if c := mac[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return tokens.Refuse(tokens.Malformed, "hmac must be the last field and hold lower-case hex digits only")
		}
	}
	if len(mac) == hexLen {
		return nil
	}
	if name := hashOfHexLen(len(mac)); name != "" {
		return tokens.Refuse(tokens.WrongAlgorithm, "hmac has %d hex digits, as %s makes; want %d (%s)", len(mac), name, hexLen, hashOfHexLen(hexLen))
	}
	return tokens.Refuse(tokens.Malformed, "hmac has %d hex digits; want %d", len(mac), hexLen)
}

// hashOfHexLen names the hash whose MAC has n hex digits, or returns "".
func hashOfHexLen(n int) string {
	switch n {
	case 64:
		return "HMAC-SHA256"
	case 40:
		return "HMAC-SHA1"
	case 32:
		return "HMAC-MD5"
	default:
		return ""
	}
}
