package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
)

const playbackColumns = `id, target, url, alternate, description, binding, settings, ttl, expiry_granularity, bind_ip, access, sessions, managed, created_at, updated_at, revision`

// CreatePlayback adds a playback.
func (s *Store) CreatePlayback(ctx context.Context, p playback.Playback) (stored playback.Playback, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		var target, taken bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM targets WHERE id = ?), EXISTS (SELECT 1 FROM playbacks WHERE id = ?)`, p.TargetID, p.ID).
			Scan(&target, &taken)
		if err != nil {
			return err
		}
		if taken {
			return fmt.Errorf("%w: there is a playback %s already", keystore.ErrConflict, p.ID)
		}
		if !target {
			return fmt.Errorf("%w: there is no target %q", keystore.ErrNotFound, p.TargetID)
		}
		binding, settings, err := encodeBinding(p)
		if err != nil {
			return err
		}
		alternate, access, sessions, err := encodeOptional(p)
		if err != nil {
			return err
		}
		revision, err := next(ctx, tx, "revision")
		if err != nil {
			return err
		}
		now := instant(s.now())
		_, err = tx.ExecContext(ctx, `INSERT INTO playbacks (`+playbackColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			p.ID, p.TargetID, p.URL, alternate, p.Description, binding, settings, int64(p.TTL), int64(p.ExpiryGranularity), p.BindIP, access, sessions, p.Managed, now, now, revision)
		if err != nil {
			return err
		}
		stored, err = getPlayback(ctx, tx, p.ID)
		return err
	})
	return result(stored, err, "create playback %s", p.ID)
}

// GetPlayback returns one playback.
func (s *Store) GetPlayback(ctx context.Context, id string) (playback.Playback, error) {
	p, err := getPlayback(ctx, s.reader, id)
	return result(p, err, "get playback %s", id)
}

// ListPlaybacks returns playbacks in ascending order of id.
func (s *Store) ListPlaybacks(ctx context.Context, p keystore.Page) ([]playback.Playback, error) {
	all, err := query(ctx, s.reader, scanPlayback, `SELECT `+playbackColumns+` FROM playbacks WHERE id > ? ORDER BY id LIMIT ?`, p.After, limit(p))
	return result(all, err, "list playbacks")
}

// UpdatePlayback runs fn on a copy and commits what it leaves.
func (s *Store) UpdatePlayback(ctx context.Context, id string, fn func(*playback.Playback) error) (playback.Playback, error) {
	for range maxTries {
		p, err := s.GetPlayback(ctx, id)
		if err != nil {
			return playback.Playback{}, err
		}
		revision, target := p.Revision, p.TargetID
		if err := fn(&p); err != nil {
			return playback.Playback{}, err
		}
		if p.ID != id || p.TargetID != target {
			return playback.Playback{}, fmt.Errorf("update playback %s: %w: a playback keeps its id and its target", id, keystore.ErrIllegal)
		}
		stored, err := s.commitPlayback(ctx, p, revision)
		if !errors.Is(err, errStale) {
			return result(stored, err, "update playback %s", id)
		}
	}
	return playback.Playback{}, fmt.Errorf("update playback %s: %w: it changed %d times before it could be written", id, keystore.ErrConflict, maxTries)
}

func (s *Store) commitPlayback(ctx context.Context, p playback.Playback, revision int64) (stored playback.Playback, err error) {
	binding, settings, err := encodeBinding(p)
	if err != nil {
		return playback.Playback{}, err
	}
	alternate, access, sessions, err := encodeOptional(p)
	if err != nil {
		return playback.Playback{}, err
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		current, err := getPlayback(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		if current.Revision != revision {
			return errStale
		}
		grown, err := next(ctx, tx, "revision")
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE playbacks SET url = ?, alternate = ?, description = ?, binding = ?, settings = ?, ttl = ?, expiry_granularity = ?, bind_ip = ?, access = ?, sessions = ?, managed = ?, updated_at = ?, revision = ? WHERE id = ?`,
			p.URL, alternate, p.Description, binding, settings, int64(p.TTL), int64(p.ExpiryGranularity), p.BindIP, access, sessions, p.Managed, instant(s.now()), grown, p.ID)
		if err != nil {
			return err
		}
		stored, err = getPlayback(ctx, tx, p.ID)
		return err
	})
	return stored, err
}

// DeletePlayback removes a playback.
func (s *Store) DeletePlayback(ctx context.Context, id string) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		if _, err := getPlayback(ctx, tx, id); err != nil {
			return err
		}
		if _, err := next(ctx, tx, "revision"); err != nil { // for who watches
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM playbacks WHERE id = ?`, id)
		return err
	})
	_, err = result(struct{}{}, err, "delete playback %s", id)
	return err
}

func getPlayback(ctx context.Context, q rowQuerier, id string) (playback.Playback, error) {
	p, err := scanPlayback(q.QueryRowContext(ctx, `SELECT `+playbackColumns+` FROM playbacks WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return playback.Playback{}, keystore.ErrNotFound
	}
	return p, err
}

func scanPlayback(row row) (playback.Playback, error) {
	var p playback.Playback
	var binding string
	var settings, alternate, access, sessions []byte
	var created, updated sql.Null[int64]
	err := row.Scan(&p.ID, &p.TargetID, &p.URL, &alternate, &p.Description, &binding, &settings, &p.TTL, &p.ExpiryGranularity, &p.BindIP, &access, &sessions, &p.Managed, &created, &updated, &p.Revision)
	if err != nil {
		return playback.Playback{}, err
	}
	p.CreatedAt, p.UpdatedAt = fromInstant(created), fromInstant(updated)
	for _, part := range []struct {
		name string
		text []byte
		into any
	}{{"alternate", alternate, &p.Alternate}, {"access", access, &p.Access}, {"sessions", sessions, &p.Sessions}} {
		if part.text == nil {
			continue
		}
		if err := json.Unmarshal(part.text, part.into); err != nil {
			return playback.Playback{}, fmt.Errorf("%s of playback %s: %w", part.name, p.ID, err)
		}
	}
	if err := decodeBinding(&p, binding, settings); err != nil {
		return playback.Playback{}, fmt.Errorf("settings of playback %s: %w", p.ID, err)
	}
	return p, nil
}

// encodeOptional returns the values of the columns for what a playback may leave out.
func encodeOptional(p playback.Playback) (alternate, access, sessions sql.Null[string], err error) {
	alternate, errAlternate := encodeJSON(p.Alternate)
	access, errAccess := encodeJSON(p.Access)
	sessions, errSessions := encodeJSON(p.Sessions)
	return alternate, access, sessions, errors.Join(errAlternate, errAccess, errSessions)
}

// encodeJSON returns a column's value; NULL for nil.
func encodeJSON[T any](value *T) (sql.Null[string], error) {
	if value == nil {
		return sql.Null[string]{}, nil
	}
	text, err := json.Marshal(value)
	return sql.Null[string]{V: string(text), Valid: true}, err
}

// Names of the bindings, as the column holds them.
const (
	bindingHdnts    = "hdnts"
	bindingEdgeAuth = "edge_auth"
	bindingQencode  = "qencode"
	bindingAgora    = "agora"
)

// encodeBinding returns the one binding that is set.
func encodeBinding(p playback.Playback) (name, settings string, err error) {
	var value any
	set := 0
	if p.Hdnts != nil {
		name, value, set = bindingHdnts, p.Hdnts, set+1
	}
	if p.EdgeAuth != nil {
		name, value, set = bindingEdgeAuth, p.EdgeAuth, set+1
	}
	if p.Qencode != nil {
		name, value, set = bindingQencode, p.Qencode, set+1
	}
	if p.Agora != nil {
		name, value, set = bindingAgora, p.Agora, set+1
	}
	if set != 1 {
		return "", "", fmt.Errorf("%w: a playback has exactly one of hdnts, edge_auth, qencode and agora, not %d", keystore.ErrIllegal, set)
	}
	text, err := json.Marshal(value)
	return name, string(text), err
}

func decodeBinding(p *playback.Playback, name string, settings []byte) error {
	switch name {
	case bindingHdnts:
		return json.Unmarshal(settings, &p.Hdnts)
	case bindingEdgeAuth:
		return json.Unmarshal(settings, &p.EdgeAuth)
	case bindingQencode:
		return json.Unmarshal(settings, &p.Qencode)
	case bindingAgora:
		return json.Unmarshal(settings, &p.Agora)
	default:
		return fmt.Errorf("unknown binding %q", name)
	}
}
