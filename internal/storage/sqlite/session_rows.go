package sqlite

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/keystore"
)

const sessionColumns = `id, viewer, playback, grant_id, device, opened_at, seen_at, expires_at, token_expires_at, heartbeat_timeout, ended_at, end_reason, revision`

// sessionID reads the hex of a session id; one of another form names no session.
func sessionID(id string) ([]byte, error) {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != 16 || hex.EncodeToString(b) != id {
		return nil, keystore.ErrNotFound
	}
	return b, nil
}

// optionalUUID is uuidBytes for a column that may be NULL.
func optionalUUID(id string) ([]byte, error) {
	if id == "" {
		return nil, nil
	}
	return uuidBytes(id)
}

// sessionValues are the values of a session in the order of sessionColumns.
func sessionValues(s *session.Session) ([]any, error) {
	id, err := sessionID(s.ID)
	if err != nil {
		return nil, fmt.Errorf("%w: a session id is 32 hex digits in lower case", keystore.ErrIllegal)
	}
	grant, err := optionalUUID(s.GrantID)
	if err != nil {
		return nil, err
	}
	return []any{
		id, s.Viewer, s.PlaybackID, grant, s.Device, s.OpenedAt.UnixMicro(), s.SeenAt.UnixMicro(), s.ExpiresAt.UnixMicro(),
		s.TokenExpiresAt.UnixMicro(), s.HeartbeatTimeout.Microseconds(), instant(s.EndedAt), optionalText(string(s.End)), s.Revision,
	}, nil
}

func scanSession(row row) (session.Session, error) {
	var s session.Session
	var id, grant []byte
	var opened, seen, expires, tokenExpires, beat int64
	var ended sql.Null[int64]
	var end sql.Null[string]
	err := row.Scan(&id, &s.Viewer, &s.PlaybackID, &grant, &s.Device, &opened, &seen, &expires, &tokenExpires, &beat, &ended, &end, &s.Revision)
	if err != nil {
		return session.Session{}, err
	}
	s.ID = hex.EncodeToString(id)
	if s.GrantID, err = uuidText(grant); err != nil {
		return session.Session{}, fmt.Errorf("grant of a session: %w", err)
	}
	s.OpenedAt, s.SeenAt, s.ExpiresAt, s.TokenExpiresAt = micro(opened), micro(seen), micro(expires), micro(tokenExpires)
	s.HeartbeatTimeout = time.Duration(beat) * time.Microsecond
	s.EndedAt, s.End = fromInstant(ended), session.End(end.V)
	return s, nil
}

const revocationColumns = `id, kind, subject, reason, at, effective_at, holds, hold_until, lifted_at, sessions_ended, grants_revoked, revision`

// revocationValues are the values of a revocation in the order of revocationColumns.
func revocationValues(r *session.Revocation) ([]any, error) {
	id, err := uuidBytes(r.ID)
	if err != nil {
		return nil, fmt.Errorf("%w: a revocation id is a UUID in lower case", keystore.ErrIllegal)
	}
	return []any{
		id, string(r.Kind), r.Subject, r.Reason, r.At.UnixMicro(), r.EffectiveAt.UnixMicro(), r.Holds, instant(r.HoldUntil), instant(r.LiftedAt),
		r.SessionsEnded, r.GrantsRevoked, r.Revision,
	}, nil
}

func scanRevocation(row row) (session.Revocation, error) {
	var r session.Revocation
	var id []byte
	var kind string
	var at, effective int64
	var until, lifted sql.Null[int64]
	err := row.Scan(&id, &kind, &r.Subject, &r.Reason, &at, &effective, &r.Holds, &until, &lifted, &r.SessionsEnded, &r.GrantsRevoked, &r.Revision)
	if err != nil {
		return session.Revocation{}, err
	}
	if r.ID, err = uuidText(id); err != nil {
		return session.Revocation{}, fmt.Errorf("id of a revocation: %w", err)
	}
	r.Kind, r.At, r.EffectiveAt = session.Kind(kind), micro(at), micro(effective)
	r.HoldUntil, r.LiftedAt = fromInstant(until), fromInstant(lifted)
	return r, nil
}
