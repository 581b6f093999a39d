-- +goose Up

-- The mode replace: SQLite changes no check in place.
CREATE TABLE operations_next (
    id           TEXT PRIMARY KEY,
    target       TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('rotate', 'adopt', 'rollback')),
    mode         TEXT NOT NULL CHECK (mode IN ('overlap', 'cut', 'pair', 'replace')),
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

INSERT INTO operations_next SELECT * FROM operations;
DROP TABLE operations;
ALTER TABLE operations_next RENAME TO operations;

CREATE UNIQUE INDEX operations_one_open ON operations (target) WHERE outcome = '';
CREATE INDEX operations_by_target ON operations (target, id);
CREATE INDEX operations_by_end ON operations (closed_at) WHERE outcome <> '';
