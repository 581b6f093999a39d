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

var _ session.Store = (*Store)(nil)

const (
	insertSession = `INSERT INTO sessions (` + sessionColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	extendSession = `UPDATE sessions SET grant_id = ?, seen_at = ?, expires_at = ?, token_expires_at = ?, heartbeat_timeout = ?, revision = ? WHERE id = ?`
	endSession    = `UPDATE sessions SET ended_at = ?, end_reason = ?, revision = ? WHERE id = ?`
	oneSession    = `SELECT ` + sessionColumns + ` FROM sessions WHERE id = ?`
	// A session that lives has a token that lives, and that is what the index knows.
	liveSessions = `SELECT ` + sessionColumns + ` FROM sessions WHERE viewer = ? AND token_expires_at > ? AND expires_at > ? AND ended_at IS NULL`
	addPlay      = `UPDATE grants SET plays = plays + 1 WHERE id = ? AND viewer = ? AND revoked_at IS NULL AND plays < ?`
	grantRevoked = `SELECT revoked_at IS NOT NULL FROM grants WHERE id = ? AND viewer = ?`
)

// Open adds a session within its bounds. Its times are those of the moment at which nobody else writes:
// by the record, too, no session lives beside one too many.
func (s *Store) Open(ctx context.Context, asked session.Session, b session.Bounds, now time.Time) (opened session.Session, ended []session.Session, err error) {
	err = s.changeSessions(ctx, func(tx *groupTx) error {
		one := asked
		now := latest(now, s.now())
		one.OpenedAt = micro(now.UnixMicro())
		one.TokenExpiresAt = micro(one.TokenExpiresAt.UnixMicro())
		one.Keep(one.TokenExpiresAt, one.OpenedAt)
		if err := checkHold(tx, one.Viewer, one.PlaybackID, now); err != nil {
			return err
		}
		if ended, err = admit(tx, &one, &b, now); err != nil {
			return err
		}
		if one.Revision, err = tx.nextRevision(); err != nil {
			return err
		}
		values, err := sessionValues(&one)
		if err != nil {
			return err
		}
		opened = one
		_, err = tx.exec(insertSession, values...)
		return err
	})
	ended, err = result(ended, err, "open session")
	return opened, ended, err
}

// admit makes room for a session under its bounds and counts a play of its grant. The refusals come
// before the changes.
func admit(tx *groupTx, one *session.Session, b *session.Bounds, now time.Time) (ended []session.Session, err error) {
	if b.PerPlayback > 0 || b.PerGrant > 0 {
		live, err := list(tx.conn, scanSession, liveSessions, one.Viewer, now.UnixMicro(), now.UnixMicro())
		if err != nil {
			return nil, err
		}
		if ended, err = b.Admit(one, live); err != nil {
			return nil, err
		}
	}
	if err := useGrant(tx, one, b); err != nil {
		return nil, err
	}
	for i := range ended {
		if err := end(tx, &ended[i], session.Evicted, now); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// useGrant counts a play and a device of the session's grant where they are limited, if it has one.
func useGrant(tx *groupTx, one *session.Session, b *session.Bounds) error {
	grant, err := optionalUUID(one.GrantID)
	if err != nil || grant == nil {
		return err
	}
	another := false
	if b.Devices > 0 {
		if another, err = anotherDevice(tx, grant, one.Device, b); err != nil {
			return err
		}
	}
	if err := countPlay(tx, one, grant, b.Plays); err != nil || !another {
		return err
	}
	_, err = tx.exec(`INSERT INTO grant_devices (grant_id, device) VALUES (?, ?)`, grant, one.Device)
	return err
}

// countPlay counts a play where plays are limited, and refuses a grant that does not count.
func countPlay(tx *groupTx, one *session.Session, grant []byte, most int) error {
	if most > 0 {
		counted, err := tx.exec(addPlay, grant, one.Viewer, most)
		if counted == 1 || err != nil {
			return err
		}
	}
	var revoked bool
	err := tx.row(grantRevoked, grant, one.Viewer).Scan(&revoked)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: the viewer has no grant %s", keystore.ErrNotFound, one.GrantID)
	case err != nil:
		return err
	case revoked:
		return fmt.Errorf("%w: grant %s", session.ErrRevoked, one.GrantID)
	case most > 0:
		return &session.LimitError{What: "plays of the grant", Max: most}
	default:
		return nil
	}
}

// anotherDevice reports whether the grant does not know the device yet, and refuses one too many.
func anotherDevice(tx *groupTx, grant []byte, device string, b *session.Bounds) (bool, error) {
	var known bool
	var count int
	if err := tx.row(devicesOfGrant, device, grant).Scan(&count, &known); err != nil {
		return false, err
	}
	return !known, b.AdmitDevice(count, known)
}

// end ends a session that lives.
func end(tx *groupTx, one *session.Session, why session.End, now time.Time) (err error) {
	id, err := sessionID(one.ID)
	if err != nil {
		return err
	}
	if one.Revision, err = tx.nextRevision(); err != nil {
		return err
	}
	one.EndedAt, one.End = micro(now.UnixMicro()), why
	_, err = tx.exec(endSession, now.UnixMicro(), string(why), one.Revision, id)
	return err
}

// Extend keeps a live session.
func (s *Store) Extend(ctx context.Context, id string, e session.Extension, now time.Time) (extended session.Session, err error) {
	err = s.changeSessions(ctx, func(tx *groupTx) error {
		now := latest(now, s.now())
		one, err := getSession(tx, id)
		if err != nil {
			return err
		}
		if !one.Alive(now) {
			return session.ErrEnded
		}
		if err := checkHold(tx, one.Viewer, one.PlaybackID, now); err != nil {
			return err
		}
		if !e.TokenExpiresAt.IsZero() {
			if err := regrant(tx, &one, &e, now); err != nil {
				return err
			}
			one.HeartbeatTimeout = e.HeartbeatTimeout
		}
		one.Keep(e.TokenExpiresAt, now)
		if extended, err = extend(tx, one); err != nil {
			return err
		}
		return nil
	})
	return result(extended, err, "extend session")
}

// regrant moves a session to another grant, under which it must have room without ending others.
func regrant(tx *groupTx, one *session.Session, e *session.Extension, now time.Time) error {
	if e.GrantID == one.GrantID {
		return nil
	}
	one.GrantID = e.GrantID
	b := e.Bounds
	b.Rule, b.PerPlayback = "", 0 // it counts for the playback already
	_, err := admit(tx, one, &b, now)
	return err
}

func extend(tx *groupTx, one session.Session) (session.Session, error) {
	key, err := sessionID(one.ID)
	if err != nil {
		return one, err
	}
	grant, err := optionalUUID(one.GrantID)
	if err != nil {
		return one, err
	}
	if one.Revision, err = tx.nextRevision(); err != nil {
		return one, err
	}
	_, err = tx.exec(extendSession, grant, one.SeenAt.UnixMicro(), one.ExpiresAt.UnixMicro(), one.TokenExpiresAt.UnixMicro(),
		one.HeartbeatTimeout.Microseconds(), one.Revision, key)
	return one, err
}

// Stop ends a session.
func (s *Store) Stop(ctx context.Context, id string, why session.End, now time.Time) (stopped session.Session, err error) {
	err = s.changeSessions(ctx, func(tx *groupTx) error {
		now := latest(now, s.now())
		if stopped, err = getSession(tx, id); err != nil || !stopped.Alive(now) {
			return err
		}
		return end(tx, &stopped, why, now)
	})
	return result(stopped, err, "stop session")
}

// Session returns one session.
func (s *Store) Session(ctx context.Context, id string) (one session.Session, err error) {
	err = s.quickRead(ctx, func(tx *groupTx) (err error) {
		one, err = getSession(tx, id)
		return err
	})
	return result(one, err, "get session")
}

func getSession(tx *groupTx, id string) (session.Session, error) {
	key, err := sessionID(id)
	if err != nil {
		return session.Session{}, err
	}
	one, err := scanSession(tx.row(oneSession, key))
	if errors.Is(err, sql.ErrNoRows) {
		return session.Session{}, keystore.ErrNotFound
	}
	return one, err
}

// Sessions returns those that the filter selects, in ascending order of id.
func (s *Store) Sessions(ctx context.Context, f session.Filter, now time.Time, p keystore.Page) ([]session.Session, error) {
	var c condition
	if p.After != "" {
		after, err := sessionID(p.After)
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w: no session could have the id %q", keystore.ErrIllegal, p.After)
		}
		c.and(`id > ?`, after)
	}
	if f.Viewer != "" {
		c.and(ofViewer(`= ?`), f.Viewer, f.Viewer)
	}
	if f.PlaybackID != "" {
		c.and(`playback = ?`, f.PlaybackID)
	}
	if f.GrantID != "" {
		grant, err := uuidBytes(f.GrantID)
		if err != nil {
			return nil, nil //nolint:nilerr // no grant has such an id, so no session is under it
		}
		c.and(ofViewer(`= (SELECT viewer FROM grants WHERE id = ?)`)+` AND grant_id = ?`, grant, grant, grant)
	}
	if !f.Ended {
		c.and(`token_expires_at > ? AND expires_at > ? AND ended_at IS NULL`, now.UnixMicro(), now.UnixMicro())
	}
	all, err := query(ctx, s.reader, scanSession, `SELECT `+sessionColumns+` FROM sessions`+c.where()+` ORDER BY id LIMIT ?`, append(c.args, limit(p))...)
	return result(all, err, "list sessions")
}

// Sweep removes old sessions. It looks at those that nobody has changed for the longest, some more than it
// removes.
func (s *Store) Sweep(ctx context.Context, before time.Time, most int) (swept int, err error) {
	err = s.groupWrite(ctx, func(tx *groupTx) error {
		swept, err = tx.exec(`DELETE FROM sessions WHERE id IN (
			SELECT id FROM (SELECT id, token_expires_at, ended_at FROM sessions ORDER BY revision LIMIT ?)
			WHERE token_expires_at < ? AND (ended_at IS NULL OR ended_at < ?) LIMIT ?)`, 4*most, before.UnixMicro(), before.UnixMicro(), most)
		return err
	})
	return result(swept, err, "sweep sessions")
}

// changeSessions is groupWrite with a hint for those who follow sessions.
func (s *Store) changeSessions(ctx context.Context, fn func(*groupTx) error) error {
	if err := s.groupWrite(ctx, fn); err != nil {
		return err
	}
	s.sessionHints.send()
	return nil
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
