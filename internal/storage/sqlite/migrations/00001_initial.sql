-- Times are microseconds since 1970 in UTC, NULL where there is none; durations are nanoseconds.

-- +goose Up

-- Counters hand out numbers that are never used twice, also not after a delete: fences and revisions.
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('fence', 0), ('revision', 0);

CREATE TABLE targets (
    id                 TEXT PRIMARY KEY,
    provider           TEXT NOT NULL,
    scheme             TEXT NOT NULL,
    account            TEXT NOT NULL,
    description        TEXT NOT NULL,
    options            TEXT NOT NULL CHECK (json_valid(options)),
    max_token_lifetime INTEGER NOT NULL,
    managed            INTEGER NOT NULL CHECK (managed IN (0, 1)),
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    revision           INTEGER NOT NULL UNIQUE
) STRICT;

CREATE TABLE keys (
    target        TEXT NOT NULL REFERENCES targets (id) ON DELETE CASCADE,
    version       INTEGER NOT NULL CHECK (version > 0),
    state         TEXT NOT NULL CHECK (state IN ('pending', 'active', 'retiring', 'retired', 'destroyed')),
    kid           TEXT NOT NULL,
    fingerprint   TEXT NOT NULL,
    sealed        BLOB,
    origin        TEXT NOT NULL,
    horizon       INTEGER,
    retire_after  INTEGER,
    destroy_after INTEGER,
    created_at    INTEGER,
    activated_at  INTEGER,
    retired_at    INTEGER,
    destroyed_at  INTEGER,
    PRIMARY KEY (target, version),
    CHECK (state = 'pending' OR (state = 'destroyed') = (sealed IS NULL))
) STRICT;

CREATE UNIQUE INDEX keys_one_active ON keys (target) WHERE state = 'active';

CREATE TABLE leases (
    target  TEXT PRIMARY KEY REFERENCES targets (id) ON DELETE CASCADE,
    holder  TEXT NOT NULL,
    fence   INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;

CREATE TABLE playbacks (
    id                 TEXT PRIMARY KEY,
    target             TEXT NOT NULL REFERENCES targets (id) ON DELETE RESTRICT,
    url                TEXT NOT NULL,
    description        TEXT NOT NULL,
    binding            TEXT NOT NULL CHECK (binding IN ('hdnts', 'edge_auth', 'qencode', 'agora')),
    settings           TEXT NOT NULL CHECK (json_valid(settings)),
    ttl                INTEGER NOT NULL,
    expiry_granularity INTEGER NOT NULL,
    bind_ip            INTEGER NOT NULL CHECK (bind_ip IN (0, 1)),
    managed            INTEGER NOT NULL CHECK (managed IN (0, 1)),
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    revision           INTEGER NOT NULL UNIQUE
) STRICT;

CREATE INDEX playbacks_by_target ON playbacks (target);
