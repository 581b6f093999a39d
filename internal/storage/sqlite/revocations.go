package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/keystore"
)

const (
	insertRevocation = `INSERT INTO revocations (` + revocationColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	holding          = `holds = 1 AND lifted_at IS NULL AND (hold_until IS NULL OR hold_until > ?)`
	grantExists      = `SELECT EXISTS (SELECT 1 FROM grants WHERE id = ?)`
	orderExists      = `SELECT EXISTS (SELECT 1 FROM grants WHERE order_id = ?)`
	revokeGrant      = `UPDATE grants SET revoked_at = ?, revoke_reason = ? WHERE id = ? AND revoked_at IS NULL`
	revokeOrder      = `UPDATE grants SET revoked_at = ?, revoke_reason = ? WHERE order_id = ? AND revoked_at IS NULL`
	lastRevision     = `SELECT value FROM counters WHERE name = 'session'`
	// Each gets a revision of its own, so that a page of changes can end anywhere.
	endSessions = `UPDATE sessions SET ended_at = ?, end_reason = ?, revision = ? + n.k
		FROM (SELECT id AS of, row_number() OVER (ORDER BY id) AS k FROM sessions WHERE %s AND token_expires_at > ? AND expires_at > ? AND ended_at IS NULL) AS n
		WHERE id = n.of`
)

// checkHold refuses a viewer or playback that a revocation holds.
func checkHold(tx *groupTx, viewer, playback string, now time.Time) error {
	f, err := tx.follow()
	if err != nil || !f.anyHold {
		return err
	}
	var kind string
	err = tx.row(`SELECT kind FROM revocations WHERE (kind, subject) IN (VALUES ('viewer', ?), ('playback', ?)) AND `+holding+` LIMIT 1`,
		viewer, playback, now.UnixMicro()).Scan(&kind)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("%w: the %s is held", session.ErrRevoked, kind)
	}
}

// ofViewer is the condition that a session's viewer is the one, or one of those, that is says: in a form for the
// two indexes, of which each holds a part. Its arguments stand in it twice.
func ofViewer(is string) string {
	return `(viewer ` + is + ` AND ended_at IS NULL OR viewer ` + is + ` AND ended_at IS NOT NULL)`
}

// subjectOf returns which sessions a revocation ends, as a condition and its arguments.
func subjectOf(r *session.Revocation) (string, []any, error) {
	switch r.Kind {
	case session.OfViewer:
		return ofViewer(`= ?`), []any{r.Subject, r.Subject}, nil
	case session.OfPlayback:
		return `playback = ?`, []any{r.Subject}, nil
	case session.OfSession:
		id, err := sessionID(r.Subject)
		return `id = ?`, []any{id}, err
	case session.OfGrant:
		id, err := uuidBytes(r.Subject)
		return ofViewer(`IN (SELECT viewer FROM grants WHERE id = ?)`) + ` AND grant_id = ?`, []any{id, id, id}, err
	case session.OfOrder:
		return ofViewer(`IN (SELECT viewer FROM grants WHERE order_id = ?)`) + ` AND grant_id IN (SELECT id FROM grants WHERE order_id = ?)`,
			[]any{r.Subject, r.Subject, r.Subject}, nil
	default:
		return "", nil, fmt.Errorf("%w: nothing of kind %q can be revoked", keystore.ErrIllegal, r.Kind)
	}
}

// Revoke ends the sessions of the subject and revokes its grants.
func (s *Store) Revoke(ctx context.Context, r session.Revocation, now time.Time) (session.Revocation, error) {
	sessions, args, err := subjectOf(&r)
	if err == nil {
		err = s.write(ctx, func(tx *sql.Tx) error {
			now := latest(now, s.now())
			if err := revokeGrants(ctx, tx, &r, now); err != nil {
				return err
			}
			if err := endAll(ctx, tx, &r, sessions, args, now); err != nil {
				return err
			}
			values, err := revocationValues(&r)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, insertRevocation, values...)
			return err
		})
	}
	if err == nil {
		s.sessionHints.send()
		r.At, r.EffectiveAt = micro(r.At.UnixMicro()), micro(r.EffectiveAt.UnixMicro())
		r.HoldUntil = fromInstant(instant(r.HoldUntil))
	}
	return result(r, err, "revoke")
}

// revokeGrants revokes the grants that a revocation is about, if it is about grants.
func revokeGrants(ctx context.Context, tx *sql.Tx, r *session.Revocation, now time.Time) error {
	var exists, change string
	var subject any = r.Subject
	switch r.Kind {
	case session.OfGrant:
		id, err := uuidBytes(r.Subject)
		if err != nil {
			return err
		}
		exists, change, subject = grantExists, revokeGrant, id
	case session.OfOrder:
		exists, change = orderExists, revokeOrder
	default:
		return nil
	}
	var found bool
	if err := tx.QueryRowContext(ctx, exists, subject).Scan(&found); err != nil {
		return err
	}
	if !found {
		return keystore.ErrNotFound
	}
	revoked, err := tx.ExecContext(ctx, change, now.UnixMicro(), r.Reason, subject)
	if err != nil {
		return err
	}
	n, err := revoked.RowsAffected()
	r.GrantsRevoked = int(n)
	return err
}

// endAll ends the sessions of a revocation that live, and finds out when the last token of any of them
// expires, also of those that have ended before: nobody has taken it back.
func endAll(ctx context.Context, tx *sql.Tx, r *session.Revocation, which string, args []any, now time.Time) error {
	var known int
	var last sql.Null[int64]
	err := tx.QueryRowContext(ctx, `SELECT count(*), max(token_expires_at) FROM sessions WHERE `+which, args...).Scan(&known, &last)
	if err != nil {
		return err
	}
	if known == 0 && r.Kind == session.OfSession {
		return keystore.ErrNotFound
	}
	r.EffectiveAt = latest(r.EffectiveAt, fromInstant(last), now)
	var before int64
	if err := tx.QueryRowContext(ctx, lastRevision).Scan(&before); err != nil {
		return err
	}
	all := append([]any{now.UnixMicro(), string(session.Ended), before}, args...)
	ended, err := tx.ExecContext(ctx, fmt.Sprintf(endSessions, which), append(all, now.UnixMicro(), now.UnixMicro())...)
	if err != nil {
		return err
	}
	n, err := ended.RowsAffected()
	if err != nil {
		return err
	}
	r.SessionsEnded, r.Revision = int(n), before+n+1
	_, err = tx.ExecContext(ctx, `UPDATE counters SET value = ? WHERE name = 'session'`, r.Revision)
	return err
}

// Lift ends the hold of a revocation.
func (s *Store) Lift(ctx context.Context, id string, now time.Time) (lifted session.Revocation, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		key, err := uuidBytes(id)
		if err != nil {
			return err
		}
		lifted, err = scanRevocation(tx.QueryRowContext(ctx, `SELECT `+revocationColumns+` FROM revocations WHERE id = ?`, key))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return keystore.ErrNotFound
		case err != nil:
			return err
		case !lifted.Holds:
			return fmt.Errorf("%w: it holds nothing that could be lifted", keystore.ErrIllegal)
		case !lifted.LiftedAt.IsZero():
			return nil
		}
		if lifted.Revision, err = next(ctx, tx, "session"); err != nil {
			return err
		}
		lifted.LiftedAt = micro(now.UnixMicro())
		_, err = tx.ExecContext(ctx, `UPDATE revocations SET lifted_at = ?, revision = ? WHERE id = ?`, now.UnixMicro(), lifted.Revision, key)
		return err
	})
	if err == nil {
		s.sessionHints.send()
	}
	return result(lifted, err, "lift revocation %s", id)
}

// Revocations returns revocations, newest first.
func (s *Store) Revocations(ctx context.Context, p keystore.Page) ([]session.Revocation, error) {
	var c condition
	if p.After != "" {
		after, err := uuidBytes(p.After)
		if err != nil {
			return nil, fmt.Errorf("list revocations: %w: no revocation could have the id %q", keystore.ErrIllegal, p.After)
		}
		c.and(`id < ?`, after)
	}
	all, err := query(ctx, s.reader, scanRevocation, `SELECT `+revocationColumns+` FROM revocations`+c.where()+` ORDER BY id DESC LIMIT ?`, append(c.args, limit(p))...)
	return result(all, err, "list revocations")
}

// Holding returns the revocations that hold something at now.
func (s *Store) Holding(ctx context.Context, now time.Time) (holds []session.Revocation, revision int64, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, lastRevision).Scan(&revision); err != nil {
			return err
		}
		holds, err = query(ctx, tx, scanRevocation, `SELECT `+revocationColumns+` FROM revocations WHERE `+holding, now.UnixMicro())
		return err
	})
	holds, err = result(holds, err, "list holds")
	return holds, revision, err
}

// Changed returns what changed after a revision.
func (s *Store) Changed(ctx context.Context, since int64, most int) (changes session.Changes, err error) {
	err = s.quickRead(ctx, func(tx *groupTx) error {
		changes = session.Changes{}
		if err := tx.row(lastRevision).Scan(&changes.Revision); err != nil || changes.Revision <= since {
			return err
		}
		changes.Sessions, err = list(tx.conn, scanSession, `SELECT `+sessionColumns+` FROM sessions WHERE revision > ? ORDER BY revision LIMIT ?`, since, most+1)
		if err != nil {
			return err
		}
		changes.Revocations, err = list(tx.conn, scanRevocation, `SELECT `+revocationColumns+` FROM revocations WHERE revision > ? ORDER BY revision LIMIT ?`, since, most+1)
		return err
	})
	cutShort(&changes, most)
	return result(changes, err, "list changes of sessions")
}

// cutShort keeps the first changes of both kinds, most of them together.
func cutShort(c *session.Changes, most int) {
	revisions := make([]int64, 0, len(c.Sessions)+len(c.Revocations))
	for i := range c.Sessions {
		revisions = append(revisions, c.Sessions[i].Revision)
	}
	for i := range c.Revocations {
		revisions = append(revisions, c.Revocations[i].Revision)
	}
	if len(revisions) <= most {
		return
	}
	slices.Sort(revisions)
	c.Revision, c.More = revisions[most-1], true
	c.Sessions = slices.DeleteFunc(c.Sessions, func(s session.Session) bool { return s.Revision > c.Revision })
	c.Revocations = slices.DeleteFunc(c.Revocations, func(r session.Revocation) bool { return r.Revision > c.Revision })
}
