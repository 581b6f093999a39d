-- Ids of grants and revocations are UUIDv7 as 16 bytes, so that they grow with time; those of sessions are
-- 16 random bytes. Times are microseconds since 1970 in UTC, NULL where there is none.

-- +goose Up

ALTER TABLE playbacks ADD COLUMN access TEXT CHECK (access IS NULL OR json_valid(access));
ALTER TABLE playbacks ADD COLUMN sessions TEXT CHECK (sessions IS NULL OR json_valid(sessions));

CREATE TABLE products (
    id          TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE product_playbacks (
    product  TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    playback TEXT NOT NULL REFERENCES playbacks (id) ON DELETE CASCADE,
    PRIMARY KEY (playback, product)
) STRICT, WITHOUT ROWID;

CREATE INDEX product_playbacks_by_product ON product_playbacks (product);

-- Grants stay when their playback or product goes: they are what somebody has paid for.
CREATE TABLE grants (
    id              BLOB PRIMARY KEY CHECK (length(id) = 16),
    viewer          TEXT NOT NULL,
    playback        TEXT,
    product         TEXT,
    start_at        INTEGER NOT NULL,
    end_at          INTEGER,
    limits          TEXT CHECK (limits IS NULL OR json_valid(limits)),
    order_id        TEXT,
    plays           INTEGER NOT NULL DEFAULT 0 CHECK (plays >= 0),
    idempotency_key TEXT,
    created_at      INTEGER NOT NULL,
    revoked_at      INTEGER,
    revoke_reason   TEXT,
    CHECK ((playback IS NULL) <> (product IS NULL)),
    CHECK (end_at IS NULL OR end_at > start_at)
) STRICT, WITHOUT ROWID;

-- A grant counts no longer from when it is revoked, or ends: those that count are the last of their viewer's.
CREATE INDEX grants_by_viewer ON grants (viewer, playback, product, coalesce(revoked_at, end_at, 9223372036854775807));
CREATE INDEX grants_by_order ON grants (order_id) WHERE order_id IS NOT NULL;
CREATE UNIQUE INDEX grants_by_idempotency_key ON grants (idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE grant_devices (
    grant_id BLOB NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    device   TEXT NOT NULL,
    PRIMARY KEY (grant_id, device)
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('session', 0);

-- The rows stand in the order in which they come, so that those of one commit share pages: their ids do not.
CREATE TABLE sessions (
    id                BLOB PRIMARY KEY CHECK (length(id) = 16),
    viewer            TEXT NOT NULL,
    playback          TEXT NOT NULL,
    grant_id          BLOB,
    device            TEXT NOT NULL,
    opened_at         INTEGER NOT NULL,
    seen_at           INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    token_expires_at  INTEGER NOT NULL,
    heartbeat_timeout INTEGER NOT NULL,
    ended_at          INTEGER,
    end_reason        TEXT,
    revision          INTEGER NOT NULL
) STRICT;

-- A session that has not ended never outlives its tokens, so that the first index finds those that live. The
-- sessions of a grant are its viewer's. Those that have ended count too, for revocations: their tokens may live.
-- Each session stands in one of the two: to open one writes no page more than it must.
CREATE INDEX sessions_live ON sessions (viewer, token_expires_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (viewer) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_by_revision ON sessions (revision);

CREATE TABLE revocations (
    id             BLOB PRIMARY KEY CHECK (length(id) = 16),
    kind           TEXT NOT NULL CHECK (kind IN ('viewer', 'session', 'playback', 'grant', 'order')),
    subject        TEXT NOT NULL,
    reason         TEXT NOT NULL,
    at             INTEGER NOT NULL,
    effective_at   INTEGER NOT NULL,
    holds          INTEGER NOT NULL CHECK (holds IN (0, 1)),
    hold_until     INTEGER,
    lifted_at      INTEGER,
    sessions_ended INTEGER NOT NULL,
    grants_revoked INTEGER NOT NULL,
    revision       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX revocations_by_subject ON revocations (kind, subject) WHERE holds = 1 AND lifted_at IS NULL;
CREATE INDEX revocations_by_revision ON revocations (revision);
