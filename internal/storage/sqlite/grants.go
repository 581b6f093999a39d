package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	sqlitelib "modernc.org/sqlite/lib"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/keystore"
)

var _ entitle.Store = (*Store)(nil)

const (
	grantColumns = `id, viewer, playback, product, start_at, end_at, limits, order_id, plays, idempotency_key, created_at, revoked_at, revoke_reason`
	insertGrant  = `INSERT INTO grants (id, viewer, playback, product, start_at, end_at, limits, order_id, idempotency_key, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING`
	oneGrant   = `SELECT ` + grantColumns + ` FROM grants WHERE id = ?`
	grantByKey = `SELECT ` + grantColumns + ` FROM grants WHERE idempotency_key = ?`

	// The index holds the grants of a viewer for a playback in the order in which they cease to count, so that
	// those that do, the last, are found among any number of those that did. SQLite would plan a statement anew
	// for every value of a LIMIT that is a bare parameter.
	ownGrants     = `SELECT ` + grantColumns + ` FROM grants WHERE viewer = ? AND playback = ? AND product IS NULL ORDER BY ` + until + ` DESC LIMIT ? + 0`
	productGrants = `SELECT ` + grantColumns + ` FROM grants WHERE viewer = ? AND playback IS NULL
		AND product IN (SELECT product FROM product_playbacks WHERE playback = ?) ORDER BY ` + until + ` DESC LIMIT ? + 0`
	inProducts = `SELECT EXISTS (SELECT 1 FROM product_playbacks WHERE playback = ?)`
	until      = `coalesce(revoked_at, end_at, 9223372036854775807)`
)

// CreateGrants adds grants in one transaction, which it may share with other callers.
func (s *Store) CreateGrants(ctx context.Context, grants []entitle.Grant) (created []entitle.Created, err error) {
	err = s.groupWrite(ctx, func(tx *groupTx) error {
		created = make([]entitle.Created, len(grants))
		subjects := subjects{}
		for i := range grants {
			one, err := createGrant(tx, &grants[i], subjects)
			if breaks(err) {
				return err
			}
			if err != nil {
				one = entitle.Created{Err: err}
			}
			created[i] = one
		}
		return nil
	})
	return result(created, err, "create %d grants", len(grants))
}

func createGrant(tx *groupTx, g *entitle.Grant, known subjects) (entitle.Created, error) {
	refused := known.check(tx, g)
	if breaks(refused) {
		return entitle.Created{}, refused
	}
	if refused == nil {
		values, err := grantValues(g)
		if err != nil {
			return entitle.Created{}, err
		}
		inserted, err := tx.exec(insertGrant, values...)
		switch {
		case isExactly(err, sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY):
			return entitle.Created{}, fmt.Errorf("%w: the id %s is taken", keystore.ErrConflict, g.ID)
		case err != nil:
			return entitle.Created{}, err
		}
		if inserted == 1 {
			return entitle.Created{Grant: asStored(*g)}, nil
		}
	}
	if g.IdempotencyKey == "" {
		return entitle.Created{}, refused
	}
	// What was made once is not refused for what has changed since.
	first, err := scanGrant(tx.row(grantByKey, g.IdempotencyKey))
	asked := asStored(*g)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return entitle.Created{}, refused
	case err != nil:
		return entitle.Created{}, err
	case !first.SameAsk(&asked):
		return entitle.Created{}, fmt.Errorf("%w: it made grant %s", entitle.ErrMismatch, first.ID)
	default:
		return entitle.Created{Grant: first, Repeated: true}, nil
	}
}

// subjects remembers which playbacks and products there are, during one transaction.
type subjects map[string]bool

// check refuses a grant that would never count, or is for nothing that there is.
func (known subjects) check(tx *groupTx, g *entitle.Grant) error {
	if !g.End.IsZero() && !g.End.After(g.CreatedAt) {
		return entitle.ErrEnded
	}
	kind, id, text := "playback", g.PlaybackID, `SELECT EXISTS (SELECT 1 FROM playbacks WHERE id = ?)`
	if id == "" {
		kind, id, text = "product", g.ProductID, `SELECT EXISTS (SELECT 1 FROM products WHERE id = ?)`
	}
	there, ok := known[kind+id]
	if !ok {
		if err := tx.row(text, id).Scan(&there); err != nil {
			return err
		}
		known[kind+id] = there
	}
	if !there {
		return fmt.Errorf("%w: there is no %s %q", keystore.ErrNotFound, kind, id)
	}
	return nil
}

// asStored is a new grant as the store gives it back.
func asStored(g entitle.Grant) entitle.Grant {
	g.Start, g.CreatedAt = micro(g.Start.UnixMicro()), micro(g.CreatedAt.UnixMicro())
	g.End = fromInstant(instant(g.End))
	g.State, g.Plays, g.RevokedAt, g.RevokeReason = entitle.Active, 0, time.Time{}, ""
	g.Limits.Countries, g.Limits.Networks = slices.Clone(g.Limits.Countries), slices.Clone(g.Limits.Networks)
	return g
}

// grantValues are the values of a new grant in the order of insertGrant.
func grantValues(g *entitle.Grant) ([]any, error) {
	id, err := uuidBytes(g.ID)
	if err != nil {
		return nil, fmt.Errorf("%w: a grant id is a UUID in lower case", keystore.ErrIllegal)
	}
	limits, err := encodeLimits(&g.Limits)
	if err != nil {
		return nil, err
	}
	return []any{
		id, g.Viewer, optionalText(g.PlaybackID), optionalText(g.ProductID), g.Start.UnixMicro(), instant(g.End), limits,
		optionalText(g.OrderID), optionalText(g.IdempotencyKey), g.CreatedAt.UnixMicro(),
	}, nil
}

// encodeLimits returns the column's value; NULL where nothing is limited.
func encodeLimits(l *entitle.Limits) (sql.Null[string], error) {
	if !l.Counted() && len(l.Countries) == 0 && len(l.Networks) == 0 {
		return sql.Null[string]{}, nil
	}
	text, err := json.Marshal(l)
	return sql.Null[string]{V: string(text), Valid: true}, err
}

func scanGrant(row row) (entitle.Grant, error) {
	var (
		g                             entitle.Grant
		id, limits                    []byte
		playback, product, order, key sql.Null[string]
		start, created                int64
		end, revoked                  sql.Null[int64]
		reason                        sql.Null[string]
	)
	err := row.Scan(&id, &g.Viewer, &playback, &product, &start, &end, &limits, &order, &g.Plays, &key, &created, &revoked, &reason)
	if err != nil {
		return entitle.Grant{}, err
	}
	if g.ID, err = uuidText(id); err != nil {
		return entitle.Grant{}, fmt.Errorf("id of a grant: %w", err)
	}
	g.PlaybackID, g.ProductID, g.OrderID, g.IdempotencyKey, g.RevokeReason = playback.V, product.V, order.V, key.V, reason.V
	g.Start, g.End, g.CreatedAt, g.RevokedAt = micro(start), fromInstant(end), micro(created), fromInstant(revoked)
	g.State = entitle.Active
	if revoked.Valid {
		g.State = entitle.Revoked
	}
	if limits != nil {
		if err := json.Unmarshal(limits, &g.Limits); err != nil {
			return entitle.Grant{}, fmt.Errorf("limits of grant %s: %w", g.ID, err)
		}
	}
	return g, nil
}

// Grant returns one grant.
func (s *Store) Grant(ctx context.Context, id string) (entitle.Grant, error) {
	key, err := uuidBytes(id)
	if err != nil {
		return result(entitle.Grant{}, err, "get grant %s", id)
	}
	g, err := scanGrant(s.reader.QueryRowContext(ctx, oneGrant, key))
	if errors.Is(err, sql.ErrNoRows) {
		err = keystore.ErrNotFound
	}
	return result(g, err, "get grant %s", id)
}

// Grants returns those that the filter selects, oldest first.
func (s *Store) Grants(ctx context.Context, f entitle.Filter, p keystore.Page) ([]entitle.Grant, error) {
	var c condition
	for _, equal := range []struct{ column, value string }{
		{"viewer", f.Viewer}, {"order_id", f.OrderID}, {"playback", f.PlaybackID}, {"product", f.ProductID},
	} {
		if equal.value != "" {
			c.and(equal.column+` = ?`, equal.value)
		}
	}
	switch f.State {
	case entitle.Active:
		c.and(`revoked_at IS NULL`)
	case entitle.Revoked:
		c.and(`revoked_at IS NOT NULL`)
	}
	if p.After != "" {
		after, err := uuidBytes(p.After)
		if err != nil {
			return nil, fmt.Errorf("list grants: %w: no grant could have the id %q", keystore.ErrIllegal, p.After)
		}
		c.and(`id > ?`, after)
	}
	all, err := query(ctx, s.reader, scanGrant, `SELECT `+grantColumns+` FROM grants`+c.where()+` ORDER BY id LIMIT ?`, append(c.args, limit(p))...)
	return result(all, err, "list grants")
}

// GrantsFor returns the grants of a viewer for a playback.
func (s *Store) GrantsFor(ctx context.Context, viewer, playback string, now time.Time, most int) ([]entitle.Grant, error) {
	var all []entitle.Grant
	err := s.quickRead(ctx, func(tx *groupTx) (err error) {
		if all, err = list(tx.conn, scanGrant, ownGrants, viewer, playback, most); err != nil {
			return err
		}
		sold := false
		if err := tx.row(inProducts, playback).Scan(&sold); err != nil || !sold {
			return err
		}
		ofProducts, err := list(tx.conn, scanGrant, productGrants, viewer, playback, most)
		all = append(all, ofProducts...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the grants of a viewer: %w", err)
	}
	counting := func(g *entitle.Grant) int {
		if g.State == entitle.Active && (g.End.IsZero() || g.End.After(now)) {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b entitle.Grant) int {
		if d := counting(&a) - counting(&b); d != 0 {
			return d
		}
		return strings.Compare(b.ID, a.ID)
	})
	return all[:min(len(all), most)], nil
}
