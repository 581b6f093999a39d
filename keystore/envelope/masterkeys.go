package envelope

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// Bounds of master keys.
const (
	// MasterKeyBytes is the length of a master key's value.
	MasterKeyBytes = 32
	// MaxMasterKeys is the most keys one set may hold.
	MaxMasterKeys = 64

	maxIDBytes   = 32
	maxTextBytes = 64 << 10
)

// Generated ids are this prefix and the first four bytes of a keyed digest of the value, in hex.
const (
	idPrefix      = "mk-"
	idDigestBytes = 4
	idLabel       = "tokensvc master key id v1"
)

// MasterKeys is an ordered set of named 256-bit keys. The first seals; all open. The zero MasterKeys
// is empty and of no use. It prints nothing of the values.
type MasterKeys struct{ keys []masterKey }

type masterKey struct {
	id    string
	value tokens.Secret
}

// Source is where an Envelope gets its master keys. Load returns them as they are now. It is called for
// every Seal, and for an Open that meets an unknown id, so that keys may be added while a service runs.
type Source interface {
	Load() (MasterKeys, error)
}

// Load returns k: fixed keys are a Source. It refuses an empty set.
func (k MasterKeys) Load() (MasterKeys, error) {
	if len(k.keys) == 0 {
		return MasterKeys{}, errors.New("no master key: give at least one as ID:BASE64")
	}
	return k, nil
}

// IDs returns the names of the keys, the current one first.
func (k MasterKeys) IDs() []string {
	ids := make([]string, len(k.keys))
	for i := range k.keys {
		ids[i] = k.keys[i].id
	}
	return ids
}

func (k MasterKeys) find(id string) (masterKey, bool) {
	for _, key := range k.keys {
		if key.id == id {
			return key, true
		}
	}
	return masterKey{}, false
}

// GenerateMasterKeys returns a set of one new random key. Unless its values are stored, what it seals
// dies with the process.
func GenerateMasterKeys() MasterKeys { return MasterKeys{keys: []masterKey{generate()}} }

func generate() masterKey {
	value := make([]byte, MasterKeyBytes)
	defer clear(value)
	_, _ = rand.Read(value) // never fails, and fills value
	return masterKey{id: derivedID(value), value: tokens.NewSecret(value)}
}

// derivedID names a generated key by its value, so that a value that was mistyped or mixed up is found
// when it is read, also where nothing is sealed yet.
func derivedID(value []byte) string {
	mac := hmac.New(sha256.New, value)
	_, _ = io.WriteString(mac, idLabel)
	return idPrefix + hex.EncodeToString(mac.Sum(nil)[:idDigestBytes])
}

// ReadMasterKeys reads keys as text: ID:BASE64, one on a line or several between commas, the current
// one first. Blank lines and lines that begin with "#" are skipped. An id is 1 to 32 of A-Z, a-z, 0-9,
// ".", "_" and "-"; the value is 32 bytes in standard base64. An id of the generated form, "mk-" and 8
// hex digits, must fit its value. Errors name the entry and never show it.
func ReadMasterKeys(r io.Reader) (MasterKeys, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxTextBytes+1))
	if err != nil {
		return MasterKeys{}, fmt.Errorf("read master keys: %w", err)
	}
	defer clear(text)
	return parseMasterKeys(text)
}

func parseMasterKeys(text []byte) (MasterKeys, error) {
	if len(text) > maxTextBytes {
		return MasterKeys{}, fmt.Errorf("master keys: more than %d bytes", maxTextBytes)
	}
	var set MasterKeys
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		for entry := range bytes.SplitSeq(line, []byte(",")) {
			n := len(set.keys) + 1
			if n > MaxMasterKeys {
				return MasterKeys{}, fmt.Errorf("master keys: more than %d", MaxMasterKeys)
			}
			key, err := parseEntry(bytes.TrimSpace(entry))
			if err != nil {
				return MasterKeys{}, fmt.Errorf("master key %d: %w", n, err)
			}
			if err := set.checkNew(key); err != nil {
				return MasterKeys{}, fmt.Errorf("master key %d: %w", n, err)
			}
			set.keys = append(set.keys, key)
		}
	}
	return set.Load()
}

func parseEntry(entry []byte) (masterKey, error) {
	id, encoded, ok := bytes.Cut(entry, []byte(":"))
	if !ok {
		return masterKey{}, errors.New("not of the form ID:BASE64")
	}
	if !validID(string(id)) {
		return masterKey{}, fmt.Errorf("the id must be 1 to %d of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"", maxIDBytes)
	}
	value := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	defer clear(value)
	n, err := base64.StdEncoding.Strict().Decode(value, encoded)
	if err != nil || bytes.ContainsAny(encoded, "\r\n") {
		return masterKey{}, fmt.Errorf("the value of %q is not standard base64 with padding", id)
	}
	if n != MasterKeyBytes {
		return masterKey{}, fmt.Errorf("the value of %q has %d bytes; a master key has %d", id, n, MasterKeyBytes)
	}
	if bytes.Equal(value[:n], make([]byte, MasterKeyBytes)) {
		return masterKey{}, fmt.Errorf("the value of %q is all zeros", id)
	}
	if want := derivedID(value[:n]); generatedID(string(id)) && string(id) != want {
		return masterKey{}, fmt.Errorf("the value is not that of %q but of %q: it was mistyped or mixed up", id, want)
	}
	return masterKey{id: string(id), value: tokens.NewSecret(value[:n])}, nil
}

func (k MasterKeys) checkNew(key masterKey) error {
	for _, other := range k.keys {
		if other.id == key.id {
			return fmt.Errorf("the id %q is there twice", key.id)
		}
		if other.value.Equal(key.value) {
			return fmt.Errorf("%q has the same value as %q", key.id, other.id)
		}
	}
	return nil
}

func validID(id string) bool {
	if id == "" || len(id) > maxIDBytes {
		return false
	}
	for i := range len(id) {
		c := id[i]
		alnum := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !alnum && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// generatedID reports whether id has the form that generate gives.
func generatedID(id string) bool {
	digits, ok := strings.CutPrefix(id, idPrefix)
	return ok && len(digits) == 2*idDigestBytes && strings.Trim(digits, "0123456789abcdef") == ""
}

// appendLine writes the key as one line of a key file.
func (k masterKey) appendLine(dst []byte) []byte {
	value := k.value.Reveal()
	defer clear(value)
	dst = append(dst, k.id...)
	dst = append(dst, ':')
	dst = base64.StdEncoding.AppendEncode(dst, value)
	return append(dst, '\n')
}
