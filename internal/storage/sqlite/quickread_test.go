package sqlite

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// A question waits for its turn no longer than its caller, a broken one costs the others nothing, and none is
// answered by a closed store.
func TestQuickReadsTakeTurns(t *testing.T) {
	t.Parallel()
	s := openForGroups(t, Memory)
	count := func(ctx context.Context) (n int, err error) {
		err = s.quickRead(ctx, func(tx *groupTx) error {
			return tx.row(`SELECT count(*) FROM grants`).Scan(&n)
		})
		return n, err
	}
	for range 2 * quickConns {
		err := s.quickRead(t.Context(), func(tx *groupTx) error {
			return tx.row(`SELECT nothing FROM nowhere`).Scan(new(int))
		})
		if !breaks(err) {
			t.Fatalf("a broken question: %v", err)
		}
	}
	if n, err := count(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}

	release, taken, left := make(chan struct{}), make(chan struct{}), make(chan error)
	for range quickConns {
		go func() {
			left <- s.quickRead(t.Context(), func(*groupTx) error {
				taken <- struct{}{}
				<-release
				return nil
			})
		}()
		<-taken
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := count(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while all are at work: %v", err)
	}
	close(release)
	for range quickConns {
		if err := <-left; err != nil {
			t.Error(err)
		}
	}

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := count(t.Context()); !errors.Is(err, keystore.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}
