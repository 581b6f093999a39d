package entitle

import (
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
)

// maxIDs is how many ids share one millisecond: as many as 12 bits count.
const maxIDs = 1 << 12

// NewIDs returns n ids of grants in ascending order, 1 to 4,096: UUIDv7 whose time is now and which count
// up in the bits behind it (RFC 9562, 6.2, method 1). Random is crypto/rand.Reader outside of tests.
func NewIDs(random io.Reader, now time.Time, n int) ([]string, error) {
	if n < 1 || n > maxIDs {
		return nil, fmt.Errorf("make %d ids: want 1 to %d", n, maxIDs)
	}
	bits := make([]byte, n*len(uuid.UUID{}))
	if _, err := io.ReadFull(random, bits); err != nil {
		return nil, fmt.Errorf("make ids of grants: %w", err)
	}
	ids := make([]string, n)
	ms := now.UnixMilli()
	for i := range ids {
		id := uuid.UUID(bits[i*len(uuid.UUID{}):])
		for b := range 6 {
			id[b] = byte(ms >> (8 * (5 - b))) //nolint:gosec // one byte after the other
		}
		id[6], id[7] = 0x70|byte(i>>8), byte(i)
		id[8] = id[8]&0x3f | 0x80
		ids[i] = id.String()
	}
	return ids, nil
}
