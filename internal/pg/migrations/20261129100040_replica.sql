-- +goose Up
-- What of the audit log is in the second account. internal/engine/auditlog/replica.

-- A row is written before its object is put, so that whoever comes after a server that was killed puts the same one again: no gap,
-- no overlap, no double. place is the bucket: in another one everything is put anew.
CREATE TABLE auditlog.segment (
	place      text NOT NULL,
	generation integer NOT NULL,
	from_size  bigint NOT NULL CHECK (from_size >= 0),
	to_size    bigint NOT NULL CHECK (to_size > from_size),
	from_seq   bigint NOT NULL CHECK (from_seq >= 0),
	to_seq     bigint NOT NULL CHECK (to_seq >= from_seq),
	root       bytea NOT NULL CHECK (octet_length(root) = 32),
	note       text NOT NULL,              -- the signed head at to_size; empty once it is in the bucket
	bytes      bigint NOT NULL DEFAULT 0,  -- with parts and tiles, as they were put
	objects    integer NOT NULL DEFAULT 0,
	planned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	put_at     timestamptz,
	PRIMARY KEY (place, generation, from_size)
);
CREATE UNIQUE INDEX segment_waiting ON auditlog.segment (place, generation) WHERE put_at IS NULL;
GRANT SELECT, INSERT, DELETE ON auditlog.segment TO garant_worker;
GRANT UPDATE (to_size, to_seq, root, note, bytes, objects, put_at) ON auditlog.segment TO garant_worker;
GRANT SELECT ON auditlog.segment TO garant_staff, garant_checker;

-- How it goes, for each bucket: since when it fails and why; of which cluster the database was when both were last compared.
CREATE TABLE auditlog.replica (
	place       text PRIMARY KEY,
	system      text,                      -- system identifier of the cluster
	timeline    integer,
	compared_at timestamptz,
	put_at      timestamptz,
	failing     timestamptz,               -- since
	why         text,
	fix         text,
	bytes       bigint NOT NULL DEFAULT 0, -- all that was put
	objects     bigint NOT NULL DEFAULT 0,
	segments    bigint NOT NULL DEFAULT 0
);
GRANT SELECT, INSERT, UPDATE ON auditlog.replica TO garant_worker;
GRANT SELECT ON auditlog.replica TO garant_staff, garant_checker;
