package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"

	"github.com/tokensvc/tokensvc/keystore"
)

// maxTries bounds how often Update runs its function. Each run but the last lost to the commit of
// another writer.
const maxTries = 100

// errStale: the record is no longer the one that the function saw.
var errStale = errors.New("changed meanwhile")

// Create adds a target without keys.
func (s *Store) Create(ctx context.Context, t keystore.Target) (r keystore.Record, err error) {
	if err := keystore.CheckTarget(t); err != nil {
		return keystore.Record{}, fmt.Errorf("create target: %w", err)
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		var taken bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM targets WHERE id = ?)`, t.ID).Scan(&taken); err != nil {
			return err
		}
		if taken {
			return fmt.Errorf("%w: there is a target %s already", keystore.ErrConflict, t.ID)
		}
		revision, err := next(ctx, tx, "revision")
		if err != nil {
			return err
		}
		row, err := newTargetRow(keystore.Record{Target: keystore.Succeed(keystore.Target{CreatedAt: s.now()}, t, s.now()), Revision: revision})
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, insertTarget, row.columns()...); err != nil {
			return err
		}
		r, err = getRecord(ctx, tx, t.ID)
		return err
	})
	return result(r, err, "create target %s", t.ID)
}

// Get returns one record.
func (s *Store) Get(ctx context.Context, target string) (r keystore.Record, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		r, err = getRecord(ctx, tx, target)
		return err
	})
	return result(r, err, "get target %s", target)
}

// List returns records in ascending order of id.
func (s *Store) List(ctx context.Context, p keystore.Page) (records []keystore.Record, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		records, err = query(ctx, tx, scanTarget, `SELECT `+targetColumns+` FROM targets WHERE id > ? ORDER BY id LIMIT ?`, p.After, limit(p))
		if err != nil {
			return err
		}
		return addParts(ctx, tx, records)
	})
	return result(records, err, "list targets")
}

// Update runs fn on a copy and commits what it leaves.
func (s *Store) Update(ctx context.Context, target string, fence keystore.Fence, fn func(*keystore.Record) error) (keystore.Record, error) {
	for range maxTries {
		before, err := s.Get(ctx, target)
		if err != nil {
			return keystore.Record{}, err
		}
		after := before.Clone()
		if err := fn(&after); err != nil {
			return keystore.Record{}, err
		}
		committed, err := s.commit(ctx, before, after, fence)
		if !errors.Is(err, errStale) {
			return result(committed, err, "update target %s", target)
		}
	}
	return keystore.Record{}, fmt.Errorf("update target %s: %w: the record changed %d times before it could be written", target, keystore.ErrConflict, maxTries)
}

func (s *Store) commit(ctx context.Context, before, after keystore.Record, fence keystore.Fence) (r keystore.Record, err error) {
	id := before.Target.ID
	err = s.write(ctx, func(tx *sql.Tx) error {
		var revision int64
		err := tx.QueryRowContext(ctx, `SELECT revision FROM targets WHERE id = ?`, id).Scan(&revision)
		if errors.Is(err, sql.ErrNoRows) {
			return keystore.ErrNotFound
		}
		if err != nil {
			return err
		}
		if err := s.checkFence(ctx, tx, id, fence); err != nil {
			return err
		}
		if revision != before.Revision {
			return errStale
		}
		if err := keystore.CheckUpdate(before, after); err != nil {
			return err
		}
		if err := s.writeTarget(ctx, tx, before, after); err != nil {
			return err
		}
		if err := writeKeys(ctx, tx, before, after); err != nil {
			return err
		}
		if err := writeJournal(ctx, tx, before, after); err != nil {
			return err
		}
		r, err = getRecord(ctx, tx, id)
		return err
	})
	return r, err
}

func (s *Store) writeTarget(ctx context.Context, tx *sql.Tx, before, after keystore.Record) error {
	revision, err := next(ctx, tx, "revision")
	if err != nil {
		return err
	}
	row, err := newTargetRow(keystore.Record{
		Target: keystore.Succeed(before.Target, after.Target, s.now()), Protections: after.Protections, NextRotation: after.NextRotation, Revision: revision,
	})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, updateTarget, append(row.columns(), after.Target.ID)...)
	return err
}

// writeKeys writes the keys that changed, those that sign last, so that no two are active in between.
func writeKeys(ctx context.Context, tx *sql.Tx, before, after keystore.Record) error {
	for _, active := range []bool{false, true} {
		for i := range after.Keys {
			if (after.Keys[i].State == keystore.Active) != active {
				continue
			}
			row := newKeyRow(after.Target.ID, &after.Keys[i])
			if i < len(before.Keys) && reflect.DeepEqual(row, newKeyRow(before.Target.ID, &before.Keys[i])) {
				continue
			}
			if _, err := tx.ExecContext(ctx, upsertKey, row.columns()...); err != nil {
				return fmt.Errorf("key %d: %w", row.version, err)
			}
		}
	}
	return nil
}

// Delete removes a target all of whose keys are destroyed and that no playback uses.
func (s *Store) Delete(ctx context.Context, target string, fence keystore.Fence) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		r, err := getRecord(ctx, tx, target)
		if err != nil {
			return err
		}
		if err := s.checkFence(ctx, tx, target, fence); err != nil {
			return err
		}
		for _, k := range r.Keys {
			if k.State != keystore.Destroyed {
				return fmt.Errorf("%w: key %d is %s; destroy all keys first", keystore.ErrIllegal, k.Version, k.State)
			}
		}
		if r.Operation != nil {
			return fmt.Errorf("%w: operation %s is open; let it end or abandon it first", keystore.ErrIllegal, r.Operation.ID)
		}
		if len(r.Orphans) > 0 {
			return fmt.Errorf("%w: %d keys at the provider are in quarantine; decide on them first", keystore.ErrIllegal, len(r.Orphans))
		}
		var playbacks int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM playbacks WHERE target = ?`, target).Scan(&playbacks); err != nil {
			return err
		}
		if playbacks > 0 {
			return fmt.Errorf("%w: %d playbacks use it; delete them first", keystore.ErrIllegal, playbacks)
		}
		if _, err := next(ctx, tx, "revision"); err != nil { // for who watches
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM targets WHERE id = ?`, target)
		return err
	})
	_, err = result(struct{}{}, err, "delete target %s", target)
	return err
}

func getRecord(ctx context.Context, q querier, target string) (keystore.Record, error) {
	r, err := scanTarget(q.QueryRowContext(ctx, `SELECT `+targetColumns+` FROM targets WHERE id = ?`, target))
	if errors.Is(err, sql.ErrNoRows) {
		return keystore.Record{}, keystore.ErrNotFound
	}
	if err != nil {
		return keystore.Record{}, err
	}
	one := []keystore.Record{r}
	err = addParts(ctx, q, one)
	return one[0], err
}

// addParts reads what belongs to records that stand in ascending order of id without gaps.
func addParts(ctx context.Context, q querier, records []keystore.Record) error {
	if len(records) == 0 {
		return nil
	}
	if err := addKeys(ctx, q, records); err != nil {
		return err
	}
	return addJournal(ctx, q, records)
}

// addKeys reads the keys of records as addParts does.
func addKeys(ctx context.Context, q querier, records []keystore.Record) error {
	keys, err := query(ctx, q, scanKey, `SELECT `+keyColumns+` FROM keys WHERE target BETWEEN ? AND ? ORDER BY target, version`,
		records[0].Target.ID, records[len(records)-1].Target.ID)
	if err != nil {
		return err
	}
	i := 0
	for _, k := range keys {
		for records[i].Target.ID != k.target {
			i++
		}
		records[i].Keys = append(records[i].Keys, k.key)
	}
	return nil
}

// limit is the page's limit as SQL wants it: negative for all.
func limit(p keystore.Page) int {
	if p.Limit <= 0 {
		return -1
	}
	return p.Limit
}

// result returns v, or its zero value and err with what was tried.
func result[T any](v T, err error, format string, args ...any) (T, error) {
	if err != nil {
		var zero T
		return zero, fmt.Errorf(format+": %w", append(args, err)...)
	}
	return v, nil
}
