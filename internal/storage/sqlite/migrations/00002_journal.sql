-- +goose Up

ALTER TABLE targets ADD COLUMN resources TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(resources));
ALTER TABLE targets ADD COLUMN policy TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(policy));
ALTER TABLE targets ADD COLUMN long_lived_until INTEGER;
ALTER TABLE targets ADD COLUMN next_rotation INTEGER;

ALTER TABLE keys ADD COLUMN slot INTEGER NOT NULL DEFAULT 0 CHECK (slot IN (0, 1));
ALTER TABLE keys ADD COLUMN void_fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN use_after INTEGER;
ALTER TABLE keys ADD COLUMN horizon_ends INTEGER;

-- Closed operations are the history, which outlives its target: hence no reference.
CREATE TABLE operations (
    id           TEXT PRIMARY KEY,
    target       TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('rotate', 'adopt', 'rollback')),
    mode         TEXT NOT NULL CHECK (mode IN ('overlap', 'cut', 'pair')),
    immediate    INTEGER NOT NULL CHECK (immediate IN (0, 1)),
    from_version INTEGER NOT NULL CHECK (from_version >= 0),
    to_version   INTEGER NOT NULL CHECK (to_version > 0),
    step         TEXT NOT NULL CHECK (step IN ('intent', 'minting', 'minted', 'scheduled', 'applying', 'applied', 'draining', 'voiding')),
    cut_at       INTEGER,
    cut_until    INTEGER,
    use_after    INTEGER,
    seen         TEXT NOT NULL CHECK (json_valid(seen)),
    void         BLOB,
    tries        INTEGER NOT NULL CHECK (tries >= 0),
    not_before   INTEGER,
    last_error   TEXT NOT NULL,
    alarm        TEXT NOT NULL,
    outcome      TEXT NOT NULL CHECK (outcome IN ('', 'done', 'superseded', 'abandoned')),
    started_at   INTEGER NOT NULL,
    updated_at   INTEGER,
    closed_at    INTEGER,
    CHECK ((outcome = '') = (closed_at IS NULL)),
    CHECK (outcome = '' OR void IS NULL)
) STRICT;

CREATE UNIQUE INDEX operations_one_open ON operations (target) WHERE outcome = '';
CREATE INDEX operations_by_target ON operations (target, id);
CREATE INDEX operations_by_end ON operations (closed_at) WHERE outcome <> '';

CREATE TABLE orphans (
    target    TEXT NOT NULL REFERENCES targets (id) ON DELETE CASCADE,
    kid       TEXT NOT NULL,
    found_at  INTEGER,
    operation TEXT NOT NULL,
    PRIMARY KEY (target, kid)
) STRICT, WITHOUT ROWID;
