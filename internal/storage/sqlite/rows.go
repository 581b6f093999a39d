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

const targetColumns = `id, provider, scheme, account, description, options, resources, policy, max_token_lifetime, long_lived_until, managed, next_rotation, protections, created_at, updated_at, revision`

const (
	insertTarget = `INSERT INTO targets (` + targetColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateTarget = `UPDATE targets SET (` + targetColumns + `) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?`
)

// targetRow is a target as its row holds it.
type targetRow struct {
	id, provider, scheme         string
	account, description         string
	options, resources, policy   []byte
	protections                  []byte
	lifetime                     time.Duration
	longLivedUntil, nextRotation sql.Null[int64]
	managed                      bool
	created, updated             sql.Null[int64]
	revision                     int64
}

func newTargetRow(r keystore.Record) (row targetRow, err error) {
	t := &r.Target
	row = targetRow{
		id: t.ID, provider: t.Provider, scheme: t.Scheme, account: t.Account, description: t.Description,
		lifetime: t.MaxTokenLifetime, longLivedUntil: instant(t.LongLivedUntil), nextRotation: instant(r.NextRotation),
		managed: t.Managed, created: instant(t.CreatedAt), updated: instant(t.UpdatedAt), revision: r.Revision,
	}
	if row.options, err = json.Marshal(t.Options); err != nil {
		return row, err
	}
	if row.resources, err = marshalList(t.Resources); err != nil {
		return row, err
	}
	if row.protections, err = marshalList(r.Protections); err != nil {
		return row, err
	}
	row.policy, err = json.Marshal(t.Policy)
	return row, err
}

// columns are the row's values in the order of targetColumns.
func (r *targetRow) columns() []any {
	return []any{
		r.id, r.provider, r.scheme, r.account, r.description, string(r.options), string(r.resources), string(r.policy),
		int64(r.lifetime), r.longLivedUntil, r.managed, r.nextRotation, string(r.protections), r.created, r.updated, r.revision,
	}
}

func scanTarget(row row) (keystore.Record, error) {
	var r targetRow
	err := row.Scan(&r.id, &r.provider, &r.scheme, &r.account, &r.description, &r.options, &r.resources, &r.policy,
		&r.lifetime, &r.longLivedUntil, &r.managed, &r.nextRotation, &r.protections, &r.created, &r.updated, &r.revision)
	if err != nil {
		return keystore.Record{}, err
	}
	t := keystore.Target{
		ID: r.id, Provider: r.provider, Scheme: r.scheme, Account: r.account, Description: r.description,
		MaxTokenLifetime: r.lifetime, LongLivedUntil: fromInstant(r.longLivedUntil), Managed: r.managed,
		CreatedAt: fromInstant(r.created), UpdatedAt: fromInstant(r.updated),
	}
	if err := json.Unmarshal(r.options, &t.Options); err != nil {
		return keystore.Record{}, fmt.Errorf("options of target %s: %w", t.ID, err)
	}
	if t.Resources, err = unmarshalList[string](r.resources); err != nil {
		return keystore.Record{}, fmt.Errorf("resources of target %s: %w", t.ID, err)
	}
	if err := json.Unmarshal(r.policy, &t.Policy); err != nil {
		return keystore.Record{}, fmt.Errorf("policy of target %s: %w", t.ID, err)
	}
	protections, err := unmarshalList[keystore.Protection](r.protections)
	if err != nil {
		return keystore.Record{}, fmt.Errorf("protections of target %s: %w", t.ID, err)
	}
	return keystore.Record{Target: t, Protections: protections, NextRotation: fromInstant(r.nextRotation), Revision: r.revision}, nil
}

// marshalList writes a list as JSON; none is [].
func marshalList[T any](list []T) ([]byte, error) {
	if len(list) == 0 {
		return []byte("[]"), nil
	}
	return json.Marshal(list)
}

// unmarshalList is the inverse of marshalList; [] is nil.
func unmarshalList[T any](b []byte) ([]T, error) {
	var list []T
	if err := json.Unmarshal(b, &list); err != nil || len(list) == 0 {
		return nil, err
	}
	return list, nil
}

// keyRow is a key as its row holds it.
type keyRow struct {
	target                         string
	version                        int
	state, kid, fingerprint        string
	sealed                         []byte
	origin                         string
	slot                           int
	voidFingerprint                string
	useAfter, horizon, horizonEnds sql.Null[int64]
	retireAfter, destroyAfter      sql.Null[int64]
	created, activated             sql.Null[int64]
	retired, destroyed             sql.Null[int64]
}

const keyColumns = `target, version, state, kid, fingerprint, sealed, origin, slot, void_fingerprint, use_after, horizon, horizon_ends, retire_after, destroy_after, created_at, activated_at, retired_at, destroyed_at`

// upsertKey names the conflict that it settles: a second active key is another one, and an error.
const upsertKey = `INSERT INTO keys (` + keyColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (target, version) DO UPDATE SET state = excluded.state, kid = excluded.kid, fingerprint = excluded.fingerprint,
	sealed = excluded.sealed, origin = excluded.origin, slot = excluded.slot, void_fingerprint = excluded.void_fingerprint,
	use_after = excluded.use_after, horizon = excluded.horizon, horizon_ends = excluded.horizon_ends, retire_after = excluded.retire_after,
	destroy_after = excluded.destroy_after, created_at = excluded.created_at, activated_at = excluded.activated_at,
	retired_at = excluded.retired_at, destroyed_at = excluded.destroyed_at`

func newKeyRow(target string, k *keystore.Key) keyRow {
	row := keyRow{
		target: target, version: k.Version, state: k.State.String(), kid: k.KID, fingerprint: k.Fingerprint, origin: k.Origin,
		slot: k.Slot, voidFingerprint: k.VoidFingerprint, useAfter: instant(k.UseAfter),
		horizon: instant(k.Horizon), horizonEnds: instant(k.HorizonEnds), retireAfter: instant(k.RetireAfter), destroyAfter: instant(k.DestroyAfter),
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
		r.slot, r.voidFingerprint, r.useAfter, r.horizon, r.horizonEnds, r.retireAfter, r.destroyAfter, r.created, r.activated, r.retired, r.destroyed,
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
		&r.slot, &r.voidFingerprint, &r.useAfter, &r.horizon, &r.horizonEnds, &r.retireAfter, &r.destroyAfter, &r.created, &r.activated, &r.retired, &r.destroyed)
	if err != nil {
		return ownedKey{}, err
	}
	state, err := keystore.ParseState(r.state)
	if err != nil {
		return ownedKey{}, fmt.Errorf("key %s/%d: %w", r.target, r.version, err)
	}
	return ownedKey{target: r.target, key: keystore.Key{
		Version: r.version, State: state, KID: r.kid, Fingerprint: r.fingerprint, Sealed: r.sealed, Origin: r.origin,
		Slot: r.slot, VoidFingerprint: r.voidFingerprint, UseAfter: fromInstant(r.useAfter),
		Horizon: fromInstant(r.horizon), HorizonEnds: fromInstant(r.horizonEnds), RetireAfter: fromInstant(r.retireAfter), DestroyAfter: fromInstant(r.destroyAfter),
		CreatedAt: fromInstant(r.created), ActivatedAt: fromInstant(r.activated),
		RetiredAt: fromInstant(r.retired), DestroyedAt: fromInstant(r.destroyed),
	}}, nil
}

// next counts one of the counters up. Its numbers are never used twice.
func next(ctx context.Context, tx rowQuerier, counter string) (int64, error) {
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
