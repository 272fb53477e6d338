-- What schema garant keeps. Run once, as garant_sec, in the transaction that makes the schema.

-- The keys by which tokens are verified: the two blocks of HMAC-SHA-256 (RFC 2104), which are as
-- secret as the key. No CHECK looks at them: an error would quote the row.
CREATE TABLE garant.key (
	id           smallint PRIMARY KEY CHECK (id BETWEEN 0 AND 255),
	audience     bytea NOT NULL,
	database     name NOT NULL, -- where it was put in: a copy under another name refuses its tokens
	inner_pad    bytea NOT NULL,
	outer_pad    bytea NOT NULL,
	installed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	retires_at   timestamptz NOT NULL DEFAULT 'infinity', -- from then on no token of it is accepted
	prefix       bytea GENERATED ALWAYS AS ('\x01'::bytea || set_byte('\x00'::bytea, 0, id) || audience) STORED, -- how its tokens begin
	ended        integer[] DEFAULT '{}' -- hashes of what garant.revocation holds; NULL: look there
);
-- What ANALYZE samples stands in pg_statistic, which no policy guards: who may read all data reads that too.
ALTER TABLE garant.key ALTER inner_pad SET STATISTICS 0, ALTER outer_pad SET STATISTICS 0;
ALTER TABLE garant.key ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY sec ON garant.key TO garant_sec USING (true) WITH CHECK (true);

-- Sessions that were ended before their tokens were.
CREATE TABLE garant.revocation (
	session    uuid PRIMARY KEY, -- or what stands for a tenant
	hash       integer, -- under which it is locked; NULL: as version 1 left it
	revoked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	until      timestamptz NOT NULL -- no token of it is valid later, so that the row may go
);
ALTER TABLE garant.revocation ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY sec ON garant.revocation TO garant_sec USING (true) WITH CHECK (true);

-- Keys come in by COPY in binary form, which stands in no log, no list of activity and no error's
-- context; a trigger moves them to garant.key, so that this table is always empty.
CREATE TABLE garant.key_inbox (
	id         smallint,
	audience   bytea,
	inner_pad  bytea,
	outer_pad  bytea,
	retires_at timestamptz
);
GRANT INSERT ON garant.key_inbox TO garant_keeper;

-- Which version and design stand here.
CREATE TABLE garant.installed (
	version integer NOT NULL,
	design  text NOT NULL CHECK (design IN ('pinned', 'statement')),
	at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	ends    bigint NOT NULL DEFAULT 0 -- how often sessions, tenants and keys were ended
);

-- installed.ends as of the last sweep. A sequence has one value, whatever the snapshot of who reads it.
CREATE SEQUENCE garant.ends MINVALUE 0 START 0 OWNED BY garant.installed.ends;

-- The outbox: what the application said, and what was written to tables whose changes are captured, in the transaction of the
-- change. Garant takes it and forgets it here. A row is an event, or those of up to a hundred written rows; it is never changed.
CREATE TABLE garant.event (
	id          bigint GENERATED ALWAYS AS IDENTITY,
	xid         xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
	mark        uuid NOT NULL DEFAULT overlay(pg_catalog.gen_random_uuid()::text PLACING '000' FROM 34)::uuid, -- one in the world: after a restore xid and id come again; the last digits are for those of its events (mark_of)
	at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	entered     text, -- the pin that enter left: of which tenant and session; NULL: nobody had entered
	kind        text NOT NULL, -- said, insert, update, delete, truncate, read, canary
	action      text NOT NULL,
	object_kind text,
	object_id   text,
	before      jsonb,
	after       jsonb,
	detail      jsonb,
	actor       text, -- what the application says of its user
	login       text NOT NULL DEFAULT session_user, -- that signed in to the database
	acting      text DEFAULT nullif(pg_catalog.current_setting('role'), 'none'), -- by SET ROLE
	many        integer NOT NULL DEFAULT 1, -- rows that were written
	how         text[], -- capture's arguments; NULL: this is one event, and what follows is not used
	old         json, -- the rows before and after, each an array
	new         json,
	PRIMARY KEY (xid, id)
);
ALTER TABLE garant.event ALTER entered SET STATISTICS 0, ALTER object_id SET STATISTICS 0, ALTER before SET STATISTICS 0, ALTER after SET STATISTICS 0,
	ALTER detail SET STATISTICS 0, ALTER actor SET STATISTICS 0, ALTER old SET STATISTICS 0, ALTER new SET STATISTICS 0,
	ALTER old SET STORAGE EXTERNAL, ALTER new SET STORAGE EXTERNAL; -- which is sooner written than compressed
ALTER TABLE garant.event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY sec ON garant.event TO garant_sec USING (true) WITH CHECK (true);
