package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// querier is a transaction or a pool.
type querier interface {
	rowQuerier
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// row is one row of an answer.
type row interface{ Scan(dest ...any) error }

// instant is a time as a column holds it; the zero time is NULL.
func instant(t time.Time) sql.Null[int64] {
	if t.IsZero() {
		return sql.Null[int64]{}
	}
	return sql.Null[int64]{V: t.UnixMicro(), Valid: true}
}

func fromInstant(n sql.Null[int64]) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.V).UTC()
}

const targetColumns = `id, provider, scheme, account, description, options, max_token_lifetime, managed, created_at, updated_at, revision`

func scanTarget(row row) (keystore.Record, error) {
	var r keystore.Record
	var options []byte
	var created, updated sql.Null[int64]
	t := &r.Target
	err := row.Scan(&t.ID, &t.Provider, &t.Scheme, &t.Account, &t.Description, &options, &t.MaxTokenLifetime, &t.Managed, &created, &updated, &r.Revision)
	if err != nil {
		return keystore.Record{}, err
	}
	if err := json.Unmarshal(options, &t.Options); err != nil {
		return keystore.Record{}, fmt.Errorf("options of target %s: %w", t.ID, err)
	}
	t.CreatedAt, t.UpdatedAt = fromInstant(created), fromInstant(updated)
	return r, nil
}

// keyRow is a key as its row holds it.
type keyRow struct {
	target                             string
	version                            int
	state, kid, fingerprint            string
	sealed                             []byte
	origin                             string
	horizon, retireAfter, destroyAfter sql.Null[int64]
	created, activated                 sql.Null[int64]
	retired, destroyed                 sql.Null[int64]
}

const keyColumns = `target, version, state, kid, fingerprint, sealed, origin, horizon, retire_after, destroy_after, created_at, activated_at, retired_at, destroyed_at`

// upsertKey names the conflict that it settles: a second active key is another one, and an error.
const upsertKey = `INSERT INTO keys (` + keyColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (target, version) DO UPDATE SET state = excluded.state, kid = excluded.kid, fingerprint = excluded.fingerprint,
	sealed = excluded.sealed, origin = excluded.origin, horizon = excluded.horizon, retire_after = excluded.retire_after,
	destroy_after = excluded.destroy_after, created_at = excluded.created_at, activated_at = excluded.activated_at,
	retired_at = excluded.retired_at, destroyed_at = excluded.destroyed_at`

func newKeyRow(target string, k *keystore.Key) keyRow {
	row := keyRow{
		target: target, version: k.Version, state: k.State.String(), kid: k.KID, fingerprint: k.Fingerprint, origin: k.Origin,
		horizon: instant(k.Horizon), retireAfter: instant(k.RetireAfter), destroyAfter: instant(k.DestroyAfter),
		created: instant(k.CreatedAt), activated: instant(k.ActivatedAt), retired: instant(k.RetiredAt), destroyed: instant(k.DestroyedAt),
	}
	if len(k.Sealed) > 0 {
		row.sealed = k.Sealed
	}
	return row
}

// columns are the row's values in the order of keyColumns.
func (r *keyRow) columns() []any {
	return []any{
		r.target, r.version, r.state, r.kid, r.fingerprint, r.sealed, r.origin,
		r.horizon, r.retireAfter, r.destroyAfter, r.created, r.activated, r.retired, r.destroyed,
	}
}

// ownedKey is a key and the id of its target.
type ownedKey struct {
	target string
	key    keystore.Key
}

func scanKey(row row) (ownedKey, error) {
	var r keyRow
	err := row.Scan(&r.target, &r.version, &r.state, &r.kid, &r.fingerprint, &r.sealed, &r.origin,
		&r.horizon, &r.retireAfter, &r.destroyAfter, &r.created, &r.activated, &r.retired, &r.destroyed)
	if err != nil {
		return ownedKey{}, err
	}
	state, err := keystore.ParseState(r.state)
	if err != nil {
		return ownedKey{}, fmt.Errorf("key %s/%d: %w", r.target, r.version, err)
	}
	return ownedKey{target: r.target, key: keystore.Key{
		Version: r.version, State: state, KID: r.kid, Fingerprint: r.fingerprint, Sealed: r.sealed, Origin: r.origin,
		Horizon: fromInstant(r.horizon), RetireAfter: fromInstant(r.retireAfter), DestroyAfter: fromInstant(r.destroyAfter),
		CreatedAt: fromInstant(r.created), ActivatedAt: fromInstant(r.activated),
		RetiredAt: fromInstant(r.retired), DestroyedAt: fromInstant(r.destroyed),
	}}, nil
}

// next counts one of the counters up. Its numbers are never used twice.
func next(ctx context.Context, tx *sql.Tx, counter string) (int64, error) {
	var n int64
	err := tx.QueryRowContext(ctx, `UPDATE counters SET value = value + 1 WHERE name = ? RETURNING value`, counter).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", counter, err)
	}
	return n, nil
}

// query reads all rows.
func query[T any](ctx context.Context, q querier, scan func(row) (T, error), text string, args ...any) (all []T, err error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
