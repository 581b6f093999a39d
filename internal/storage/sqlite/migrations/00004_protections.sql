-- +goose Up

-- Resources whose token checking was switched on, where the provider does not show whether it is.
ALTER TABLE targets ADD COLUMN protections TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(protections));
