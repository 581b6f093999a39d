package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/keystore"
)

const productColumns = `id, description, created_at, updated_at,
	(SELECT json_group_array(playback ORDER BY playback) FROM product_playbacks WHERE product = products.id)`

// CreateProduct adds a product.
func (s *Store) CreateProduct(ctx context.Context, p entitle.Product) (stored entitle.Product, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		now := instant(s.now())
		added, err := tx.ExecContext(ctx, `INSERT INTO products (id, description, created_at, updated_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			p.ID, p.Description, now, now)
		if err != nil {
			return err
		}
		if n, err := added.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%w: there is a product %s already", keystore.ErrConflict, p.ID))
		}
		if err := fillProduct(ctx, tx, p); err != nil {
			return err
		}
		stored, err = getProduct(ctx, tx, p.ID)
		return err
	})
	return result(stored, err, "create product %s", p.ID)
}

// fillProduct puts playbacks into a product that has none.
func fillProduct(ctx context.Context, tx *sql.Tx, p entitle.Product) error {
	ids, err := marshalList(p.PlaybackIDs)
	if err != nil {
		return err
	}
	var unknown string
	err = tx.QueryRowContext(ctx, `SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM playbacks) LIMIT 1`, string(ids)).Scan(&unknown)
	switch {
	case err == nil:
		return fmt.Errorf("%w: there is no playback %q", keystore.ErrNotFound, unknown)
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT OR IGNORE INTO product_playbacks (product, playback) SELECT ?, value FROM json_each(?)`, p.ID, string(ids))
	return err
}

// Product returns one product.
func (s *Store) Product(ctx context.Context, id string) (entitle.Product, error) {
	p, err := getProduct(ctx, s.reader, id)
	return result(p, err, "get product %s", id)
}

func getProduct(ctx context.Context, q rowQuerier, id string) (entitle.Product, error) {
	p, err := scanProduct(q.QueryRowContext(ctx, `SELECT `+productColumns+` FROM products WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return entitle.Product{}, keystore.ErrNotFound
	}
	return p, err
}

func scanProduct(row row) (p entitle.Product, err error) {
	var created, updated int64
	var ids []byte
	if err := row.Scan(&p.ID, &p.Description, &created, &updated, &ids); err != nil {
		return entitle.Product{}, err
	}
	p.CreatedAt, p.UpdatedAt = micro(created), micro(updated)
	if p.PlaybackIDs, err = unmarshalList[string](ids); err != nil {
		return entitle.Product{}, fmt.Errorf("playbacks of product %s: %w", p.ID, err)
	}
	return p, nil
}

// Products returns products in ascending order of id.
func (s *Store) Products(ctx context.Context, p keystore.Page) ([]entitle.Product, error) {
	all, err := query(ctx, s.reader, scanProduct, `SELECT `+productColumns+` FROM products WHERE id > ? ORDER BY id LIMIT ?`, p.After, limit(p))
	return result(all, err, "list products")
}

// UpdateProduct replaces description and playbacks.
func (s *Store) UpdateProduct(ctx context.Context, p entitle.Product) (stored entitle.Product, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		changed, err := tx.ExecContext(ctx, `UPDATE products SET description = ?, updated_at = ? WHERE id = ?`, p.Description, instant(s.now()), p.ID)
		if err != nil {
			return err
		}
		if n, err := changed.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, keystore.ErrNotFound)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM product_playbacks WHERE product = ?`, p.ID); err != nil {
			return err
		}
		if err := fillProduct(ctx, tx, p); err != nil {
			return err
		}
		stored, err = getProduct(ctx, tx, p.ID)
		return err
	})
	return result(stored, err, "update product %s", p.ID)
}

// DeleteProduct removes a product.
func (s *Store) DeleteProduct(ctx context.Context, id string) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		removed, err := tx.ExecContext(ctx, `DELETE FROM products WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if n, err := removed.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, keystore.ErrNotFound)
		}
		return nil
	})
	_, err = result(struct{}{}, err, "delete product %s", id)
	return err
}
