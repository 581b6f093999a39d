package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tokensvc/tokensvc/keystore"
)

// The sealed format, version 1:
//
//	1 byte    format version
//	1 byte    length of the master key's id
//	n bytes   id of the master key
//	60 bytes  data key under the master key:  12 nonce, 32 data key, 16 tag
//	m bytes   secret under the data key:      12 nonce, secret, 16 tag
//
// Both layers are AES-256-GCM. Additional data of the first is the label, the version, the id, the
// target and the key version; of the second the same without the id, since the data key has but one
// use and the id changes when the data key is rewrapped.
const (
	formatVersion = 1

	// MaxSecretBytes is the longest secret that can be sealed.
	MaxSecretBytes = 64 << 10

	gcmOverhead  = 12 + 16
	dataKeyBytes = 32
	wrappedBytes = dataKeyBytes + gcmOverhead
	minBodyBytes = 1 + gcmOverhead
	maxBodyBytes = MaxSecretBytes + gcmOverhead

	labelDataKey = "tokensvc sealed data key"
	labelSecret  = "tokensvc sealed secret"
)

// sealed is the parsed form. Its slices share the memory of what was parsed.
type sealed struct {
	id      string
	wrapped []byte
	body    []byte
}

func (s sealed) encode() []byte {
	out := make([]byte, 0, 2+len(s.id)+len(s.wrapped)+len(s.body))
	out = append(out, formatVersion, byte(len(s.id))) //nolint:gosec // an id has at most maxIDBytes
	out = append(out, s.id...)
	out = append(out, s.wrapped...)
	return append(out, s.body...)
}

func parseSealed(b []byte) (sealed, error) {
	if len(b) < 2 {
		return sealed{}, errors.New("too short")
	}
	if b[0] != formatVersion {
		return sealed{}, fmt.Errorf("format version %d; this build knows %d", b[0], formatVersion)
	}
	idEnd := 2 + int(b[1])
	if len(b) < idEnd+wrappedBytes+minBodyBytes {
		return sealed{}, errors.New("too short")
	}
	if len(b) > idEnd+wrappedBytes+maxBodyBytes {
		return sealed{}, errors.New("too long")
	}
	s := sealed{id: string(b[2:idEnd]), wrapped: b[idEnd : idEnd+wrappedBytes], body: b[idEnd+wrappedBytes:]}
	if !validID(s.id) {
		return sealed{}, errors.New("it names no valid master key")
	}
	return s, nil
}

// MasterKeyID returns the id of the master key that sealed bytes name. It wraps keystore.ErrTampered for
// bytes that are not of the sealed format.
func MasterKeyID(b []byte) (string, error) {
	s, err := parseSealed(b)
	if err != nil {
		return "", fmt.Errorf("%w: %w", keystore.ErrTampered, err)
	}
	return s.id, nil
}

// additionalData binds a layer to its place. Every text carries its length, so that no two places read
// the same.
func additionalData(label, id string, b keystore.Binding) []byte {
	out := make([]byte, 0, len(label)+len(id)+len(b.Target)+1+4*8)
	for _, text := range []string{label, id, b.Target} {
		out = binary.BigEndian.AppendUint64(out, uint64(len(text)))
		out = append(out, text...)
	}
	out = append(out, formatVersion)
	return binary.BigEndian.AppendUint64(out, uint64(b.Version)) //nolint:gosec // checked to be positive
}
