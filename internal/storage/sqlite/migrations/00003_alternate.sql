-- +goose Up

-- The playback's address in the second slot of a pair, NULL where there is none.
ALTER TABLE playbacks ADD COLUMN alternate TEXT CHECK (alternate IS NULL OR json_valid(alternate));
