package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// Operation returns one operation, open or closed.
func (s *Store) Operation(ctx context.Context, id string) (keystore.Operation, error) {
	op, err := scanOperation(s.reader.QueryRowContext(ctx, `SELECT `+operationColumns+` FROM operations WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = keystore.ErrNotFound
	}
	return result(op, err, "get operation %s", id)
}

// Operations returns the operations of a target, or of all, the newest first.
func (s *Store) Operations(ctx context.Context, target string, p keystore.Page) ([]keystore.Operation, error) {
	var where []string
	var args []any
	if target != "" {
		where, args = append(where, "target = ?"), append(args, target)
	}
	if p.After != "" {
		where, args = append(where, "id < ?"), append(args, p.After)
	}
	text := `SELECT ` + operationColumns + ` FROM operations`
	if len(where) > 0 {
		text += ` WHERE ` + strings.Join(where, ` AND `)
	}
	operations, err := query(ctx, s.reader, scanOperation, text+` ORDER BY id DESC LIMIT ?`, append(args, limit(p))...)
	return result(operations, err, "list operations")
}

// PruneOperations removes operations that were closed before a moment, the oldest first.
func (s *Store) PruneOperations(ctx context.Context, before time.Time, most int) (int, error) {
	var pruned sql.Result
	err := s.alone(ctx, func() (err error) {
		pruned, err = s.writer.ExecContext(ctx, `DELETE FROM operations WHERE id IN (
		SELECT id FROM operations WHERE outcome <> '' AND closed_at < ? ORDER BY closed_at LIMIT ?)`, before.UnixMicro(), limit(keystore.Page{Limit: most}))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("prune operations: %w", err)
	}
	n, err := pruned.RowsAffected()
	return int(n), err
}

// writeJournal writes the operations and orphans that changed: what is closed first, since one operation
// of a target may be open.
func writeJournal(ctx context.Context, tx *sql.Tx, before, after keystore.Record) error {
	for i := range after.Closed {
		if err := writeOperation(ctx, tx, &after.Closed[i]); err != nil {
			return err
		}
	}
	if op := after.Operation; op != nil && !reflect.DeepEqual(op, before.Operation) {
		if err := writeOperation(ctx, tx, op); err != nil {
			return err
		}
	}
	if slices.Equal(before.Orphans, after.Orphans) {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM orphans WHERE target = ?`, after.Target.ID); err != nil {
		return fmt.Errorf("orphans: %w", err)
	}
	for _, o := range after.Orphans {
		_, err := tx.ExecContext(ctx, `INSERT INTO orphans (`+orphanColumns+`) VALUES (?, ?, ?, ?)`,
			after.Target.ID, o.KID, instant(o.FoundAt), o.Operation)
		if err != nil {
			return fmt.Errorf("orphan %s: %w", o.KID, err)
		}
	}
	return nil
}

// writeOperation adds an operation or changes one that is open; one that was closed, or is another
// target's, stays as it is.
func writeOperation(ctx context.Context, tx *sql.Tx, op *keystore.Operation) error {
	columns, err := operationValues(op)
	if err != nil {
		return err
	}
	written, err := tx.ExecContext(ctx, upsertOperation, columns...)
	if err != nil {
		return fmt.Errorf("operation %s: %w", op.ID, err)
	}
	n, err := written.RowsAffected()
	if err == nil && n == 0 {
		return fmt.Errorf("%w: operation %s was closed before, or is one of another target", keystore.ErrIllegal, op.ID)
	}
	return err
}

// addJournal reads the open operations and the orphans of records as addParts does.
func addJournal(ctx context.Context, q querier, records []keystore.Record) error {
	first, last := records[0].Target.ID, records[len(records)-1].Target.ID
	open, err := query(ctx, q, scanOperation,
		`SELECT `+operationColumns+` FROM operations WHERE outcome = '' AND target BETWEEN ? AND ? ORDER BY target`, first, last)
	if err != nil {
		return err
	}
	i := 0
	for j := range open {
		for records[i].Target.ID != open[j].Target {
			i++
		}
		records[i].Operation = &open[j]
	}
	orphans, err := query(ctx, q, scanOrphan,
		`SELECT `+orphanColumns+` FROM orphans WHERE target BETWEEN ? AND ? ORDER BY target, found_at, kid`, first, last)
	if err != nil {
		return err
	}
	i = 0
	for _, o := range orphans {
		for records[i].Target.ID != o.target {
			i++
		}
		records[i].Orphans = append(records[i].Orphans, o.orphan)
	}
	return nil
}

const operationColumns = `id, target, kind, mode, immediate, from_version, to_version, step, cut_at, cut_until, use_after, seen, void, tries, not_before, last_error, alarm, outcome, started_at, updated_at, closed_at`

const upsertOperation = `INSERT INTO operations (` + operationColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET immediate = excluded.immediate, step = excluded.step, cut_at = excluded.cut_at, cut_until = excluded.cut_until,
	use_after = excluded.use_after, seen = excluded.seen, void = excluded.void, tries = excluded.tries, not_before = excluded.not_before,
	last_error = excluded.last_error, alarm = excluded.alarm, outcome = excluded.outcome, updated_at = excluded.updated_at, closed_at = excluded.closed_at
	WHERE operations.outcome = '' AND operations.target = excluded.target`

// operationValues are the values of an operation in the order of operationColumns.
func operationValues(op *keystore.Operation) ([]any, error) {
	seen, err := marshalList(op.Seen)
	if err != nil {
		return nil, err
	}
	var void []byte
	if len(op.Void) > 0 {
		void = op.Void
	}
	return []any{
		op.ID, op.Target, string(op.Kind), string(op.Mode), op.Immediate, op.From, op.To, string(op.Step),
		instant(op.CutAt), instant(op.CutUntil), instant(op.UseAfter), string(seen), void,
		op.Tries, instant(op.NotBefore), op.LastError, op.Alarm, op.Outcome,
		instant(op.StartedAt), instant(op.UpdatedAt), instant(op.ClosedAt),
	}, nil
}

func scanOperation(row row) (op keystore.Operation, err error) {
	var seen []byte
	var cutAt, cutUntil, useAfter, notBefore, started, updated, closed sql.Null[int64]
	err = row.Scan(&op.ID, &op.Target, &op.Kind, &op.Mode, &op.Immediate, &op.From, &op.To, &op.Step,
		&cutAt, &cutUntil, &useAfter, &seen, &op.Void,
		&op.Tries, &notBefore, &op.LastError, &op.Alarm, &op.Outcome,
		&started, &updated, &closed)
	if err != nil {
		return keystore.Operation{}, err
	}
	op.CutAt, op.CutUntil, op.UseAfter = fromInstant(cutAt), fromInstant(cutUntil), fromInstant(useAfter)
	op.NotBefore = fromInstant(notBefore)
	op.StartedAt, op.UpdatedAt, op.ClosedAt = fromInstant(started), fromInstant(updated), fromInstant(closed)
	if op.Seen, err = unmarshalList[string](seen); err != nil {
		return keystore.Operation{}, fmt.Errorf("inventory of operation %s: %w", op.ID, err)
	}
	return op, nil
}

// ownedOrphan is an orphan and the id of its target.
type ownedOrphan struct {
	target string
	orphan keystore.Orphan
}

const orphanColumns = `target, kid, found_at, operation`

func scanOrphan(row row) (ownedOrphan, error) {
	var o ownedOrphan
	var found sql.Null[int64]
	err := row.Scan(&o.target, &o.orphan.KID, &found, &o.orphan.Operation)
	o.orphan.FoundAt = fromInstant(found)
	return o, err
}
