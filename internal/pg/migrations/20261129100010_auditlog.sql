-- +goose Up
-- The audit log that nobody can rewrite. What is said of an entry is signed by its writer with a key outside the
-- database; entries are put in order by garant_checkpoint, into a Merkle tree for each customer and one for the
-- company; a root log holds the heads of these. internal/audit/doc.go.

CREATE SCHEMA auditlog;
GRANT USAGE ON SCHEMA audit TO garant_checkpoint, garant_retention, garant_public, garant_portal;
GRANT USAGE ON SCHEMA auditlog TO garant_staff, garant_worker, garant_checker, garant_portal;
GRANT USAGE ON SCHEMA crypt TO garant_checkpoint;

-- entries ---------------------------------------------------------------------------------
-- The record becomes a table of one part for each month. What is there stays in the part that holds whatever has no month
-- of its own; audit.add_month makes months ahead.
ALTER TABLE audit.entry RENAME TO entry_rest;
ALTER TABLE audit.entry_rest ALTER COLUMN id DROP IDENTITY;
ALTER TABLE audit.entry_rest DROP CONSTRAINT entry_pkey;
ALTER TABLE audit.entry_rest ALTER COLUMN detail DROP DEFAULT, ALTER COLUMN detail TYPE json USING detail::text::json, ALTER COLUMN detail SET DEFAULT '{}';
DROP INDEX audit.entry_object, audit.entry_actor, audit.entry_action;
ALTER TABLE audit.entry_rest RENAME CONSTRAINT entry_actor_kind_check TO entry_actor_kind;
ALTER TABLE audit.entry_rest DROP CONSTRAINT entry_actor_kind;
ALTER TABLE audit.entry_rest
	ADD COLUMN tenant   uuid,        -- the customer whose entry it is; null: the company's own
	ADD COLUMN reason   text,        -- why, in the words of who did it
	ADD COLUMN request  text,        -- by which it can be found in the logs
	ADD COLUMN subject  text,        -- whose key seals changes
	ADD COLUMN promise  bytea,       -- SHA-256 of salt and changes: what the tree holds of them
	ADD COLUMN changes  bytea,       -- sealed: salt, and personal data before and after, field by field
	ADD COLUMN occurred timestamptz, -- where that is not when it was written
	ADD COLUMN writer   uuid,        -- the process that wrote it; null: it signs nothing
	ADD COLUMN n        bigint,      -- how many it had written
	ADD COLUMN written  timestamptz, -- by its own clock
	ADD COLUMN mac      bytea,       -- of all that the writer says
	ADD CONSTRAINT entry_actor_kind CHECK (actor_kind IN ('person', 'system', 'public', 'user')),
	ADD CONSTRAINT entry_signed CHECK ((writer IS NULL) = (mac IS NULL) AND (writer IS NULL) = (n IS NULL) AND (writer IS NULL) = (written IS NULL)),
	ADD CONSTRAINT entry_sealed CHECK ((changes IS NULL) = (promise IS NULL) AND (changes IS NULL OR subject IS NOT NULL)),
	ADD CONSTRAINT entry_length CHECK (octet_length(reason) <= 4000 AND octet_length(request) <= 200 AND octet_length(subject) <= 200);

-- Entries up to this number are from before entries were signed.
CREATE TABLE audit.began (
	signed bigint NOT NULL
);
INSERT INTO audit.began SELECT coalesce(max(id), 0) FROM audit.entry_rest;
GRANT SELECT ON audit.began TO garant_checkpoint, garant_staff, garant_worker;

CREATE SEQUENCE audit.entry_number;
SELECT setval('audit.entry_number', greatest(1, (SELECT max(id) FROM audit.entry_rest)), EXISTS (SELECT FROM audit.entry_rest));

CREATE TABLE audit.entry (
	id          bigint NOT NULL DEFAULT nextval('audit.entry_number'),
	xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	actor_kind  text NOT NULL CONSTRAINT entry_actor_kind CHECK (actor_kind IN ('person', 'system', 'public', 'user')),
	actor_id    text NOT NULL CONSTRAINT entry_actor_id_check CHECK (actor_id <> ''),
	session     text,
	origin      text,
	action      text NOT NULL CONSTRAINT entry_action_check CHECK (action ~ '^[a-z_]+(\.[a-z_]+)+$'),
	outcome     text NOT NULL CONSTRAINT entry_outcome_check CHECK (outcome IN ('permitted', 'refused')),
	object_kind text NOT NULL,
	object_id   text NOT NULL,
	detail      json NOT NULL DEFAULT '{}', -- as said, to the letter: it is signed
	tenant      uuid,
	reason      text,
	request     text,
	subject     text,
	promise     bytea,
	changes     bytea,
	occurred    timestamptz,
	writer      uuid,
	n           bigint,
	written     timestamptz,
	mac         bytea,
	CONSTRAINT entry_signed CHECK ((writer IS NULL) = (mac IS NULL) AND (writer IS NULL) = (n IS NULL) AND (writer IS NULL) = (written IS NULL)),
	CONSTRAINT entry_sealed CHECK ((changes IS NULL) = (promise IS NULL) AND (changes IS NULL OR subject IS NOT NULL)),
	CONSTRAINT entry_length CHECK (octet_length(reason) <= 4000 AND octet_length(request) <= 200 AND octet_length(subject) <= 200),
	PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
ALTER SEQUENCE audit.entry_number OWNED BY audit.entry.id;
ALTER TABLE audit.entry_rest ALTER COLUMN id SET DEFAULT nextval('audit.entry_number');
REVOKE ALL ON audit.entry_rest FROM garant_staff, garant_login, garant_worker, garant_checker;
ALTER TABLE audit.entry ATTACH PARTITION audit.entry_rest DEFAULT;
CREATE INDEX entry_object ON audit.entry (object_kind, object_id, id);
CREATE INDEX entry_actor ON audit.entry (actor_id, id);
CREATE INDEX entry_action ON audit.entry (action, id);
CREATE INDEX entry_xid ON audit.entry (xid, id);
CREATE INDEX entry_tenant ON audit.entry (tenant, id) WHERE tenant IS NOT NULL;
-- Time, number and transaction are the database's to say: nobody may insert them.
GRANT INSERT (actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, tenant, reason, request, subject, promise, changes, occurred, writer, n, written, mac)
	ON audit.entry TO garant_staff, garant_login, garant_worker, garant_checker, garant_checkpoint, garant_retention;
GRANT USAGE ON SEQUENCE audit.entry_number TO garant_staff, garant_login, garant_worker, garant_checker, garant_checkpoint, garant_retention;
GRANT SELECT ON audit.entry TO garant_staff, garant_worker, garant_checkpoint, garant_retention;
GRANT SELECT (id, at, actor_kind, actor_id, session, action, outcome, object_kind, object_id, detail, tenant, reason, request, subject, promise, changes, occurred) ON audit.entry TO garant_portal;
ALTER TABLE audit.entry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY garant_owner ON audit.entry TO garant_owner USING (true) WITH CHECK (true);
CREATE POLICY garant_declared ON audit.entry TO garant_staff, garant_login, garant_worker, garant_checker, garant_checkpoint, garant_retention USING (true) WITH CHECK (true);
ALTER TABLE audit.entry_rest ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY garant_owner ON audit.entry_rest TO garant_owner USING (true) WITH CHECK (true);

-- add_month makes the part of a month, if it is not there; the month must begin later than now, so that nothing of it is
-- written yet. Not in a hurry: it gives up rather than hold up writers for more than a second.
-- +goose StatementBegin
CREATE FUNCTION audit.add_month(month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
	first timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
	next  timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
	part  text := to_char(date_trunc('month', month::timestamp), '"entry_"YYYY"_"MM');
BEGIN
	IF to_regclass('audit.' || quote_ident(part)) IS NOT NULL THEN
		RETURN false;
	END IF;
	IF first <= clock_timestamp() THEN
		RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'a part is made before its month begins';
	END IF;
	EXECUTE format('CREATE TABLE audit.%I (LIKE audit.entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', part);
	EXECUTE format('ALTER TABLE audit.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', part);
	EXECUTE format('CREATE POLICY garant_owner ON audit.%I TO garant_owner USING (true) WITH CHECK (true)', part);
	EXECUTE format('ALTER TABLE audit.entry ATTACH PARTITION audit.%I FOR VALUES FROM (%L) TO (%L)', part, first, next);
	RETURN true;
END
$$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION audit.add_month(date) TO garant_retention;

-- writers ---------------------------------------------------------------------------------
-- What a process says of what it wrote: the numbers that were committed since it last spoke. Signed like entries.
CREATE TABLE audit.heartbeat (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	xid     xid8 NOT NULL DEFAULT pg_current_xact_id(),
	at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	writer  uuid NOT NULL,
	n       bigint NOT NULL CHECK (n > 0), -- how often it spoke
	below   bigint NOT NULL,               -- nothing with a smaller number is to come
	claimed int8multirange NOT NULL,
	last    boolean NOT NULL,
	written timestamptz NOT NULL,
	mac     bytea NOT NULL
);
CREATE INDEX heartbeat_xid ON audit.heartbeat (xid, id);
GRANT INSERT (writer, n, below, claimed, last, written, mac) ON audit.heartbeat TO garant_staff, garant_login, garant_worker, garant_checker;
GRANT SELECT, DELETE ON audit.heartbeat TO garant_checkpoint;
GRANT SELECT ON audit.heartbeat TO garant_staff, garant_worker;

-- What is known of each writer.
CREATE TABLE audit.writer (
	writer   uuid PRIMARY KEY,
	seen     int8multirange NOT NULL, -- numbers that are in trees, from below on
	spoke    bigint NOT NULL,         -- how often
	below    bigint NOT NULL,
	first_at timestamptz NOT NULL,
	last_at  timestamptz NOT NULL,
	ended    boolean NOT NULL,
	mac      bytea NOT NULL           -- of the sequencer, with a key outside the database: who writes here what was never seen is noticed
);
CREATE INDEX writer_last ON audit.writer (last_at) WHERE NOT ended;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit.writer TO garant_checkpoint;
GRANT SELECT ON audit.writer TO garant_staff, garant_worker;

-- trees -----------------------------------------------------------------------------------
-- A generation of the log has an origin and a key of its own. A new one begins when the database was set back.
CREATE TABLE audit.generation (
	generation integer PRIMARY KEY CHECK (generation > 0),
	origin     text NOT NULL UNIQUE,
	key        text NOT NULL,       -- verifier, as golang.org/x/mod/sumdb/note writes it
	sealed     bytea NOT NULL,      -- the signing key
	began_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	began_by   text NOT NULL,
	reason     text NOT NULL,       -- empty: the first
	before     json                 -- what was known of the one before: checkpoint here, checkpoint in the second account
);
GRANT SELECT, INSERT ON audit.generation TO garant_checkpoint;
GRANT SELECT ON audit.generation TO garant_staff, garant_worker, garant_public;
REVOKE SELECT ON audit.generation FROM garant_public;
GRANT SELECT (generation, origin, key, began_at) ON audit.generation TO garant_public, garant_portal;
GRANT SELECT, INSERT ON crypt.key TO garant_checkpoint;

-- How far the record is in trees. One row.
CREATE TABLE audit.cursor (
	one        boolean PRIMARY KEY DEFAULT true CHECK (one),
	generation integer NOT NULL REFERENCES audit.generation,
	xid        xid8 NOT NULL,
	entry      bigint NOT NULL,   -- with xid: the last entry that was put in order
	heartbeat  bigint NOT NULL,   -- with xid of it: the last heartbeat that was heard
	heard      xid8 NOT NULL,
	adopted    bigint NOT NULL,   -- entries up to this number are in trees whatever their xid: it is of another cluster
	signed     bigint NOT NULL,   -- entries after this number have to be signed
	seq        bigint NOT NULL,   -- of the last leaf
	system     text NOT NULL,     -- identifier of the cluster and oid of the database in which the xids are
	at         timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON audit.cursor TO garant_checkpoint;
GRANT SELECT ON audit.cursor TO garant_staff, garant_worker, garant_checker, garant_retention;

CREATE TABLE audit.tree (
	tree       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	generation integer NOT NULL REFERENCES audit.generation,
	name       text NOT NULL CHECK (name IN ('root', 'company') OR name ~ '^tenant/[0-9a-f-]{36}$'),
	size       bigint NOT NULL DEFAULT 0,
	edge       bytea NOT NULL DEFAULT '', -- roots of its perfect subtrees, the largest first
	UNIQUE (generation, name)
);
GRANT SELECT, INSERT, UPDATE (size, edge) ON audit.tree TO garant_checkpoint;
GRANT SELECT ON audit.tree TO garant_staff, garant_worker, garant_checker, garant_portal, garant_public;

-- Which entry is which leaf. seq counts the leaves of all trees in the order in which they were made.
CREATE TABLE audit.leaf (
	seq   bigint PRIMARY KEY,
	tree  integer NOT NULL,
	index bigint NOT NULL,
	entry bigint NOT NULL,
	hash  bytea NOT NULL
);
CREATE UNIQUE INDEX leaf_place ON audit.leaf (tree, index);
CREATE INDEX leaf_entry ON audit.leaf (entry);
GRANT SELECT, INSERT ON audit.leaf TO garant_checkpoint;
GRANT SELECT ON audit.leaf TO garant_staff, garant_worker, garant_retention;

-- Leaves of the root log: lines about the other trees, and of time.
CREATE TABLE audit.root_leaf (
	tree  integer NOT NULL,
	index bigint NOT NULL,
	text  text NOT NULL,
	hash  bytea NOT NULL,
	of    integer,              -- the tree whose head it is
	at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (tree, index)
);
CREATE INDEX root_leaf_of ON audit.root_leaf (of, index) WHERE of IS NOT NULL;
GRANT SELECT, INSERT ON audit.root_leaf TO garant_checkpoint;
GRANT SELECT ON audit.root_leaf TO garant_staff, garant_worker, garant_portal, garant_public;

-- Full tiles: 256 hashes, and the root over them, which is a hash of the level above. C2SP tlog-tiles.
CREATE TABLE audit.tile (
	tree   integer NOT NULL,
	level  smallint NOT NULL,
	n      bigint NOT NULL,
	hashes bytea NOT NULL CHECK (octet_length(hashes) = 8192),
	root   bytea NOT NULL CHECK (octet_length(root) = 32),
	PRIMARY KEY (tree, level, n)
);
ALTER TABLE audit.tile ALTER COLUMN hashes SET STORAGE EXTERNAL; -- it does not compress
GRANT SELECT, INSERT ON audit.tile TO garant_checkpoint;
GRANT SELECT ON audit.tile TO garant_staff, garant_worker, garant_portal, garant_public;

-- Signed heads of the root log. Older ones go, but for one an hour.
CREATE TABLE audit.checkpoint (
	tree integer NOT NULL,
	size bigint NOT NULL,
	root bytea NOT NULL,
	note text NOT NULL,
	seq  bigint NOT NULL,      -- leaves up to this one are under it
	at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (tree, size)
);
CREATE INDEX checkpoint_at ON audit.checkpoint (at);
GRANT SELECT, INSERT, DELETE ON audit.checkpoint TO garant_checkpoint;
GRANT SELECT ON audit.checkpoint TO garant_staff, garant_worker, garant_checker, garant_portal, garant_public, garant_retention;

-- What witnesses put under them.
CREATE TABLE audit.cosignature (
	tree    integer NOT NULL,
	size    bigint NOT NULL,
	witness text NOT NULL,     -- its name in the estate
	line    text NOT NULL,     -- of the note
	at      timestamptz NOT NULL, -- as it signed
	taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (tree, size, witness)
);
CREATE INDEX cosignature_latest ON audit.cosignature (tree, witness, size DESC);
GRANT SELECT, INSERT (tree, size, witness, line, at) ON audit.cosignature TO garant_worker, garant_staff;
GRANT SELECT ON audit.cosignature TO garant_checkpoint, garant_checker, garant_portal, garant_public, garant_retention;

-- What does not fit together. A row stays; somebody may say that it was looked into.
CREATE TABLE audit.anomaly (
	id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	kind   text NOT NULL CHECK (kind ~ '^[a-z_]+$'),
	about  text NOT NULL,      -- "entry 12", "writer …": what is the same is noted once
	detail json NOT NULL DEFAULT '{}',
	UNIQUE (kind, about)
);
GRANT SELECT, INSERT (kind, about, detail) ON audit.anomaly TO garant_checkpoint, garant_worker;
GRANT SELECT ON audit.anomaly TO garant_staff, garant_checker;
CREATE TABLE audit.anomaly_word (
	anomaly bigint NOT NULL REFERENCES audit.anomaly,
	at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	by      text NOT NULL,
	reason  text NOT NULL CHECK (reason <> ''),
	PRIMARY KEY (anomaly, by)
);
GRANT SELECT, INSERT (anomaly, by, reason) ON audit.anomaly_word TO garant_staff;
GRANT SELECT ON audit.anomaly_word TO garant_worker, garant_checker, garant_checkpoint;

-- What was dropped at the end of its time: of each tree the leaves, which stay provable by their hashes.
CREATE TABLE audit.dropped (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	part    text NOT NULL,
	before  timestamptz NOT NULL,  -- entries from before this moment
	seq     bigint NOT NULL,       -- the last leaf of them
	entries bigint NOT NULL,
	tree    integer NOT NULL,      -- root log, and
	size    bigint NOT NULL        -- the checkpoint of it that holds them all
);
GRANT SELECT ON audit.dropped TO garant_staff, garant_worker, garant_checker, garant_portal, garant_retention, garant_checkpoint;

-- drop_before takes away what is from before a month, of which a signed head of the root log holds everything: parts by
-- dropping them, the rest row by row. Hashes stay in tiles, so that every proof still holds. It returns how many entries went.
-- +goose StatementBegin
CREATE FUNCTION audit.drop_before(month date, head_tree integer, head_size bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
	cut    timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
	held   bigint;
	last   bigint;
	gone   bigint := 0;
	these  bigint;
	part   record;
BEGIN
	IF cut > clock_timestamp() - interval '30 days' THEN
		RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'entries are kept for thirty days at least';
	END IF;
	SELECT c.seq INTO held FROM audit.checkpoint AS c JOIN audit.tree AS t ON t.tree = c.tree AND t.name = 'root' WHERE c.tree = head_tree AND c.size = head_size;
	IF held IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'there is no such checkpoint';
	END IF;
	IF EXISTS (SELECT FROM audit.entry AS e WHERE e.at < cut AND NOT EXISTS (SELECT FROM audit.leaf AS l WHERE l.entry = e.id AND l.seq <= held)) THEN
		RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the checkpoint does not hold all that would be dropped';
	END IF;
	SELECT max(l.seq) INTO last FROM audit.entry AS e JOIN audit.leaf AS l ON l.entry = e.id WHERE e.at < cut;
	IF last IS NULL THEN
		RETURN 0;
	END IF;
	-- What stands in full tiles needs no leaf of its own.
	DELETE FROM audit.leaf AS l USING audit.tree AS t WHERE t.tree = l.tree AND l.index < t.size / 256 * 256
		AND EXISTS (SELECT FROM audit.entry AS e WHERE e.id = l.entry AND e.at < cut);
	FOR part IN SELECT c.oid, c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'audit.entry'::regclass AND c.relname ~ '^entry_[0-9]{4}_[0-9]{2}$' AND to_date(substr(c.relname, 7), 'YYYY_MM') < date_trunc('month', month::timestamp)::date ORDER BY c.relname
	LOOP
		EXECUTE format('SELECT count(*) FROM audit.%I', part.relname) INTO these;
		gone := gone + these;
		EXECUTE format('DROP TABLE audit.%I', part.relname);
	END LOOP;
	DELETE FROM audit.entry AS e WHERE e.at < cut;
	GET DIAGNOSTICS these = ROW_COUNT;
	gone := gone + these;
	INSERT INTO audit.dropped (part, before, seq, entries, tree, size) VALUES (to_char(cut AT TIME ZONE 'UTC', 'YYYY-MM'), cut, last, gone, head_tree, head_size);
	RETURN gone;
END
$$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION audit.drop_before(date, integer, bigint) TO garant_retention;
GRANT SELECT ON audit.tree TO garant_retention;
