package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func openForGroups(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var errRefused = errors.New("refused")

func insertProduct(tx *groupTx, id string) error {
	_, err := tx.exec(`INSERT INTO products (id, description, created_at, updated_at) VALUES (?, '', 0, 0)`, id)
	return err
}

// One caller's refusal, broken constraint, broken statement or panic undoes what that caller did, and
// nothing else.
func TestGroupedWritesStandAlone(t *testing.T) {
	t.Parallel()
	for _, path := range []string{Memory, filepath.Join(t.TempDir(), "store.db")} {
		s := openForGroups(t, path)
		var all sync.WaitGroup
		for n := range 200 {
			all.Go(func() {
				id := fmt.Sprintf("p%03d", n)
				var got, want error
				switch n % 5 {
				case 0, 1:
					got = s.groupWrite(t.Context(), func(tx *groupTx) error { return insertProduct(tx, id) })
				case 2:
					want = errRefused
					got = s.groupWrite(t.Context(), func(tx *groupTx) error {
						return errors.Join(insertProduct(tx, id), errRefused)
					})
				case 3:
					err := s.groupWrite(t.Context(), func(tx *groupTx) error {
						if err := insertProduct(tx, id); err != nil {
							return err
						}
						if n%2 == 0 {
							return insertProduct(tx, id) // twice the same id
						}
						_, err := tx.exec(`INSERT INTO nowhere VALUES (1)`)
						return err
					})
					if err == nil {
						t.Errorf("%s: a broken statement was committed", id)
					}
				default:
					defer func() {
						if r := recover(); r != "broken" {
							t.Errorf("%s: recovered %v", id, r)
						}
					}()
					_ = s.groupWrite(t.Context(), func(tx *groupTx) error {
						_ = insertProduct(tx, id)
						panic("broken")
					})
					t.Errorf("%s: no panic", id)
				}
				if !errors.Is(got, want) {
					t.Errorf("%s: %v, want %v", id, got, want)
				}
			})
		}
		all.Wait()
		var ids []string
		rows, err := query(t.Context(), s.reader, func(r row) (id string, err error) { err = r.Scan(&id); return id, err }, `SELECT id FROM products ORDER BY id`)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 200 {
			if n%5 < 2 {
				ids = append(ids, fmt.Sprintf("p%03d", n))
			}
		}
		if fmt.Sprint(rows) != fmt.Sprint(ids) {
			t.Errorf("%s: committed %v, want %v", path, rows, ids)
		}
	}
}

// A caller who gives up before its turn has written nothing, and one whose turn has come hears the truth.
func TestGroupedWriteOfACallerWhoLeaves(t *testing.T) {
	t.Parallel()
	s := openForGroups(t, Memory)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	ctx, leave := context.WithCancel(t.Context())
	first.Go(func() {
		err := s.groupWrite(ctx, func(tx *groupTx) error {
			close(begun)
			<-goOn
			return insertProduct(tx, "stays")
		})
		if err != nil {
			t.Errorf("written, and then: %v", err)
		}
	})
	<-begun
	leave()
	if err := s.groupWrite(ctx, func(tx *groupTx) error { return insertProduct(tx, "never") }); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who has left: %v", err)
	}
	close(goOn)
	first.Wait()
	var n int
	if err := s.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM products`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d products, %v", n, err)
	}
}

// While another process writes, a caller waits no longer than it wants to, and then has written nothing.
func TestGroupedWriteOfACallerWhoLeavesWhileAnotherProcessWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	other, s := openForGroups(t, path), openForGroups(t, path)
	err := other.groupWrite(t.Context(), func(tx *groupTx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := s.groupWrite(ctx, func(tx *groupTx) error { return insertProduct(tx, "never") }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while another process writes: %v", err)
		}
		return insertProduct(tx, "stays")
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.groupWrite(t.Context(), func(tx *groupTx) error { return insertProduct(tx, "after") }); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := s.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM products`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d products, %v", n, err)
	}
}

// A store that is closed refuses at once.
func TestGroupedWriteAfterClose(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Memory, Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.groupWrite(t.Context(), func(*groupTx) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
}
