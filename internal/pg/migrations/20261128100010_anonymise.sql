-- +goose Up
-- Anonymised copies: the runs that made them, what was destroyed, the credentials of developers. The copies
-- themselves stand in another cluster, and say there which run made them.

CREATE SCHEMA anonymise;
GRANT USAGE ON SCHEMA anonymise TO garant_staff, garant_worker, garant_checker;

-- A run, from its first line on. Nothing of the source's rows is in it.
CREATE TABLE anonymise.run (
	id           uuid PRIMARY KEY,
	seq          bigint GENERATED ALWAYS AS IDENTITY, -- the order of runs, whatever the clock says
	database     text NOT NULL,              -- name in the estate of the source
	name         text NOT NULL,              -- under which its copy is served
	run          text NOT NULL DEFAULT '',   -- how the copy calls it
	origin       text NOT NULL CHECK (origin ~ '^(schedule|(person|system):.+)$'),
	plan         bytea NOT NULL CHECK (octet_length(plan) = 32), -- SHA-256
	began_at     timestamptz NOT NULL,
	stage        text NOT NULL DEFAULT '',
	tables       text NOT NULL DEFAULT '',   -- what was worked on when last heard of
	rows         bigint NOT NULL DEFAULT 0,
	bytes        bigint NOT NULL DEFAULT 0,
	bytes_all    bigint NOT NULL DEFAULT 0,
	waiting      boolean NOT NULL DEFAULT false, -- for the source's load to fall
	heard_at     timestamptz NOT NULL,
	ended_at     timestamptz,
	outcome      text NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'published', 'stopped', 'unproven', 'failed', 'lost')),
	code         text NOT NULL DEFAULT '',   -- of what ended it, in errs
	said         text NOT NULL DEFAULT '',   -- what ended it, in words without values
	snapshot_at  timestamptz,                -- the age of the data
	anonymised   boolean,                    -- whether it may be called so; NULL: not proven
	proof        text NOT NULL DEFAULT '',   -- hash of the report, which the copy names
	report       jsonb,
	schema       jsonb,                      -- tables and columns of the copy, with their types
	published_at timestamptz,
	CHECK ((outcome = 'running') = (ended_at IS NULL)),
	CHECK ((outcome = 'published') = (published_at IS NOT NULL))
);
CREATE INDEX run_database ON anonymise.run (database, seq DESC);
CREATE UNIQUE INDEX run_running ON anonymise.run (database) WHERE outcome = 'running';
GRANT SELECT, INSERT, UPDATE (run, stage, tables, rows, bytes, bytes_all, waiting, heard_at, ended_at, outcome, code, said, snapshot_at, anonymised, proof, report, schema, published_at) ON anonymise.run TO garant_worker;
GRANT SELECT ON anonymise.run TO garant_staff, garant_checker;

-- What became of copies that are no more. Lines are added and never changed.
CREATE TABLE anonymise.certificate (
	id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	database     text NOT NULL,
	copy         text NOT NULL,              -- name of the database that was destroyed
	run          text NOT NULL,              -- that had made it; empty: none
	began_at     timestamptz,
	bytes        bigint NOT NULL,
	destroyed_at timestamptz NOT NULL,
	reason       text NOT NULL
);
CREATE INDEX certificate_database ON anonymise.certificate (database, destroyed_at DESC);
GRANT SELECT, INSERT (database, copy, run, began_at, bytes, destroyed_at, reason) ON anonymise.certificate TO garant_worker;
GRANT SELECT ON anonymise.certificate TO garant_staff, garant_checker;

-- The credentials of a developers' role. The password is sealed under the key of its row, and stands in the cluster for copies as a SCRAM
-- verifier. It is the same until somebody rotates it.
CREATE TABLE anonymise.credential (
	database   text NOT NULL,
	role       text NOT NULL,
	sealed     bytea NOT NULL,
	issued_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	issued_by  text NOT NULL CHECK (issued_by ~ '^(person|system):.'),
	settled_at timestamptz,                  -- the cluster has it; NULL: on its way
	PRIMARY KEY (database, role)
);
GRANT SELECT, INSERT, UPDATE (sealed, issued_at, issued_by, settled_at) ON anonymise.credential TO garant_staff, garant_worker;
GRANT SELECT ON anonymise.credential TO garant_checker;
