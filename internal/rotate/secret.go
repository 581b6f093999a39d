package rotate

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// agoraAlphabet are the characters an Agora authKey may have.
const agoraAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// secretLength is the length of generated secrets: the most hdnts takes, and over 128 bits in either
// alphabet.
const secretLength = 32

// generate makes a secret in the form that the format's provider takes. Formats whose keys the provider
// makes have none.
func generate(scheme string) (tokens.Secret, error) {
	switch scheme {
	case schemes.WowzaHdnts, schemes.AkamaiEdgeAuth:
		b := make([]byte, secretLength/2)
		_, _ = rand.Read(b) // never fails
		return tokens.NewSecret([]byte(hex.EncodeToString(b))), nil
	case schemes.AgoraTimestamp:
		return tokens.NewSecret(letters(secretLength)), nil
	default:
		return tokens.Secret{}, fmt.Errorf("%w: keys of %s are made by the provider", keystore.ErrIllegal, scheme)
	}
}

// letters returns n letters and digits, each equally likely.
func letters(n int) []byte {
	const unbiased = 256 - 256%len(agoraAlphabet)
	out := make([]byte, 0, n)
	var b [64]byte
	for len(out) < n {
		_, _ = rand.Read(b[:]) // never fails
		for _, x := range b {
			if int(x) < unbiased && len(out) < n {
				out = append(out, agoraAlphabet[int(x)%len(agoraAlphabet)])
			}
		}
	}
	return out
}

// prepare readies a secret as the target's format would, which checks it and gives its fingerprint. A kid
// is the key's name at its provider; only JWTs carry it.
func prepare(t keystore.Target, kid string, secret tokens.Secret) (tokens.Key, error) {
	scheme, err := schemes.New(t.Scheme, t.Options)
	if err != nil {
		return nil, err
	}
	m := tokens.Material{Secret: secret, AllowShort: true}
	if t.Scheme == schemes.QencodeJWT {
		m.ID = kid
	}
	return scheme.Prepare(m)
}

// operationID returns a UUIDv7 whose time is now, so that ids sort by the clock that the operations go by.
func operationID(now time.Time) string {
	id := uuid.Must(uuid.NewRandom()) // never fails: crypto/rand does not
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(now.UnixMilli(), 0)))
	copy(id[:6], ms[2:])
	id[6] = 0x70 | id[6]&0x0f
	return id.String()
}
