package fieldtoken

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"sync"

	"github.com/tokensvc/tokensvc/tokens"
)

const (
	// maxDigest is the size of the longest digest in use, SHA-256.
	maxDigest = 32
	// keepBuffer is the largest buffer that goes back into the pool.
	keepBuffer = 4096

	macName = "hmac"
)

// MAC computes HMACs of one key without setting the key up again. It is safe for concurrent use.
type MAC struct {
	size int
	pool sync.Pool
}

// Draft is a token in the making. Buf holds the text so far.
type Draft struct {
	Buf    []byte
	hash   hash.Hash
	digest [maxDigest]byte
}

// NewMAC prepares the key for the given hash.
func NewMAC(newHash func() hash.Hash, key tokens.Secret) *MAC {
	m := &MAC{size: newHash().Size()}
	m.pool.New = func() any {
		return &Draft{Buf: make([]byte, 0, 512), hash: hmac.New(newHash, key.Reveal())}
	}
	return m
}

// HexLen returns the length of a MAC in hex digits.
func (m *MAC) HexLen() int { return hex.EncodedLen(m.size) }

// Begin returns an empty draft. It must go to Finish.
func (m *MAC) Begin() *Draft {
	d, ok := m.pool.Get().(*Draft)
	if !ok {
		panic("fieldtoken: the pool holds something else than drafts")
	}
	d.Buf = d.Buf[:0]
	return d
}

// Finish hashes the whole draft, cuts it back to its first emitted bytes and returns those with the
// MAC as the last field. The draft must not be used afterwards.
func (m *MAC) Finish(d *Draft, emitted int, delimiter string) string {
	digest := d.sum(d.Buf)
	d.Buf = append(d.Buf[:emitted], delimiter...)
	d.Buf = append(d.Buf, macName+"="...)
	d.Buf = hex.AppendEncode(d.Buf, digest)
	token := string(d.Buf)
	m.release(d)
	return token
}

// Match reports whether mac, in lower-case hex, is the MAC of the parts put together. The comparison
// takes the same time wherever the difference lies.
func (m *MAC) Match(mac string, parts ...string) bool {
	d := m.Begin()
	defer m.release(d)
	for _, part := range parts {
		d.Buf = append(d.Buf, part...)
	}
	var want [2 * maxDigest]byte
	n := hex.Encode(want[:], d.sum(d.Buf))
	return subtle.ConstantTimeCompare(want[:n], []byte(mac)) == 1
}

func (m *MAC) release(d *Draft) {
	if cap(d.Buf) <= keepBuffer {
		m.pool.Put(d)
	}
}

// sum returns the MAC of text, in the draft's own memory.
func (d *Draft) sum(text []byte) []byte {
	d.hash.Reset()
	d.hash.Write(text)
	return d.hash.Sum(d.digest[:0])
}
