-- +goose Up
-- Why the copy into the second account fails, as the id of a message: for readers of other languages than English.
ALTER TABLE auditlog.replica ADD COLUMN problem text;
