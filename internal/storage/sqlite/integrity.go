package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ErrDamaged means that the file is not what SQLite wrote.
var ErrDamaged = errors.New("the store is damaged; restore it from a backup")

// CheckIntegrity reads the whole file and errs with ErrDamaged where its pages, its indexes or the references
// between its tables do not fit together.
func (s *Store) CheckIntegrity(ctx context.Context) error {
	return s.read(ctx, func(tx *sql.Tx) error {
		text := func(r row) (found string, err error) {
			err = r.Scan(&found)
			return found, err
		}
		found, err := query(ctx, tx, text, `SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'
			UNION ALL SELECT 'a row of ' || "table" || ' refers to nothing' FROM pragma_foreign_key_check`)
		if err != nil {
			return fmt.Errorf("check integrity: %w", err)
		}
		if len(found) > 0 {
			return fmt.Errorf("%w: %s", ErrDamaged, strings.Join(found, "; "))
		}
		return nil
	})
}
