-- +goose Up
-- Documents: rows that nobody changes or deletes. What erases one is the deletion of its key in
-- crypt.key, which garant_staff may already.

CREATE SCHEMA document;
GRANT USAGE ON SCHEMA document TO garant_staff;

CREATE TABLE document.document (
	id         uuid PRIMARY KEY,
	owner_kind text NOT NULL CHECK (owner_kind <> ''),
	owner_id   text NOT NULL CHECK (owner_id <> ''),
	name       bytea NOT NULL,                                    -- sealed under document:ID
	type       text NOT NULL CHECK (type ~ '^[a-z]+/[a-z0-9.+-]+$'),
	size       bigint NOT NULL CHECK (size BETWEEN 1 AND 20000000),
	sha256     text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),   -- of the content
	pieces     integer NOT NULL CHECK (pieces > 0),
	added_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	added_by   text NOT NULL CHECK (added_by <> '')
);
CREATE INDEX document_owner ON document.document (owner_kind, owner_id, id);
GRANT SELECT ON document.document TO garant_staff;
GRANT INSERT (id, owner_kind, owner_id, name, type, size, sha256, pieces, added_by) ON document.document TO garant_staff;

-- The content in pieces of 1 MiB, each sealed with its number and their count.
CREATE TABLE document.piece (
	document_id uuid NOT NULL REFERENCES document.document,
	n           integer NOT NULL CHECK (n >= 0),
	value       bytea NOT NULL,
	PRIMARY KEY (document_id, n)
);
ALTER TABLE document.piece ALTER COLUMN value SET STORAGE EXTERNAL; -- sealed bytes do not compress
GRANT SELECT, INSERT ON document.piece TO garant_staff;
