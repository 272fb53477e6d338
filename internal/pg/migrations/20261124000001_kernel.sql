-- +goose Up
-- The kernel: audit record, keys, jobs, estate, evidence, published annex.
-- Rights are given table by table to the roles of roles.sql; nobody gets UPDATE or DELETE on
-- the audit record or on evidence.

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA audit;
CREATE SCHEMA crypt;
CREATE SCHEMA directory;
CREATE SCHEMA job;
CREATE SCHEMA estate;
CREATE SCHEMA measure;
CREATE SCHEMA annex;
CREATE SCHEMA river;
GRANT USAGE ON SCHEMA audit TO garant_staff, garant_login, garant_worker, garant_checker;
GRANT USAGE ON SCHEMA crypt TO garant_staff, garant_login, garant_worker;
GRANT USAGE ON SCHEMA directory TO garant_staff, garant_login;
GRANT USAGE ON SCHEMA job TO garant_staff, garant_worker;
GRANT USAGE ON SCHEMA estate TO garant_staff, garant_worker, garant_checker;
GRANT USAGE ON SCHEMA measure TO garant_staff, garant_worker, garant_checker;
GRANT USAGE ON SCHEMA annex TO garant_staff, garant_worker, garant_public;
GRANT USAGE ON SCHEMA river TO garant_worker;

-- audit -----------------------------------------------------------------------------------
CREATE TABLE audit.entry (
	id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	actor_kind  text NOT NULL CHECK (actor_kind IN ('person', 'system', 'public')),
	actor_id    text NOT NULL CHECK (actor_id <> ''),
	session     text,
	origin      text,
	action      text NOT NULL CHECK (action ~ '^[a-z_]+(\.[a-z_]+)+$'),
	outcome     text NOT NULL CHECK (outcome IN ('permitted', 'refused')),
	object_kind text NOT NULL,
	object_id   text NOT NULL,
	detail      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX entry_object ON audit.entry (object_kind, object_id, id);
CREATE INDEX entry_actor ON audit.entry (actor_kind, actor_id, id);
-- Time, number and transaction are the database's to say: nobody may insert them.
GRANT INSERT (actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail)
	ON audit.entry TO garant_staff, garant_login, garant_worker, garant_checker;
GRANT SELECT ON audit.entry TO garant_staff;

-- crypt -----------------------------------------------------------------------------------
-- One data key for each subject (a person, a tenant, a purpose), wrapped by the key provider.
-- Destroying the row destroys what it sealed.
CREATE TABLE crypt.key (
	subject    text PRIMARY KEY,
	wrapped    bytea NOT NULL,
	provider   text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT ON crypt.key TO garant_staff, garant_login, garant_worker;
GRANT DELETE ON crypt.key TO garant_staff;

-- job -------------------------------------------------------------------------------------
-- Serving roles put work here; the worker moves it to the queue. No personal data.
CREATE TABLE job.outbox (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name       text NOT NULL,
	args       jsonb NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT INSERT (name, args) ON job.outbox TO garant_staff, garant_worker;
GRANT SELECT, UPDATE, DELETE ON job.outbox TO garant_worker;
-- The last slot of each recurrence that somebody took: a slot is taken once, by compare and
-- swap on seq, whatever the number of servers.
CREATE TABLE job.recurrence (
	name     text PRIMARY KEY,
	slot     timestamptz NOT NULL,
	seq      bigint NOT NULL DEFAULT 0,
	taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, UPDATE ON job.recurrence TO garant_worker;

-- estate ----------------------------------------------------------------------------------
CREATE TABLE estate.version (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	hash       text NOT NULL,             -- hex SHA-256 of source and of the files it refers to
	source     text NOT NULL,             -- garant.yaml as applied
	files      jsonb NOT NULL DEFAULT '{}', -- what it refers to by file:, read at that moment (certificates; never secrets)
	applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	applied_by text NOT NULL,
	-- what this version takes away from the one before: removed targets, weaker thresholds, slower cadence
	reductions jsonb NOT NULL DEFAULT '[]'
);
GRANT SELECT ON estate.version TO garant_staff, garant_worker, garant_checker;
GRANT INSERT (hash, source, files, applied_by, reductions) ON estate.version TO garant_staff;
-- A second person's word that a reduction is meant.
CREATE TABLE estate.confirmation (
	version      bigint PRIMARY KEY REFERENCES estate.version,
	confirmed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	confirmed_by text NOT NULL,
	reason       text NOT NULL CHECK (reason <> '')
);
GRANT SELECT ON estate.confirmation TO garant_staff, garant_worker, garant_checker;
GRANT INSERT (version, confirmed_by, reason) ON estate.confirmation TO garant_staff;

-- measure ---------------------------------------------------------------------------------
CREATE TABLE measure.catalogue (
	hash     text PRIMARY KEY,
	content  jsonb NOT NULL,
	seen_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT ON measure.catalogue TO garant_staff, garant_worker, garant_checker;
GRANT INSERT (hash, content) ON measure.catalogue TO garant_worker;

CREATE TABLE measure.evidence (
	id             uuid PRIMARY KEY,
	check_id       text NOT NULL,
	kind           text NOT NULL CHECK (kind IN ('finding', 'rollup')),
	outcome        text NOT NULL CHECK (outcome IN ('pass', 'fail', 'error', 'not_applicable')),
	finding        json NOT NULL,          -- as hashed, to the letter
	content_hash   text NOT NULL,          -- of the finding alone: equal findings are rolled up
	digest         text NOT NULL,          -- of the whole record; what the public page shows
	first_at       timestamptz NOT NULL,   -- observed, of the run of equal findings
	observed_at    timestamptz NOT NULL,   -- observed, last
	observations   bigint NOT NULL CHECK (observations > 0),
	received_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	valid_until    timestamptz NOT NULL,
	catalogue_hash text NOT NULL,
	estate_version bigint NOT NULL,
	build          text NOT NULL,
	CHECK (valid_until >= observed_at AND observed_at >= first_at)
);
CREATE INDEX evidence_check ON measure.evidence (check_id, observed_at DESC, id);
GRANT SELECT ON measure.evidence TO garant_staff, garant_worker, garant_checker;
GRANT INSERT (id, check_id, kind, outcome, finding, content_hash, digest, first_at, observed_at, observations,
	valid_until, catalogue_hash, estate_version, build) ON measure.evidence TO garant_checker;

-- The run of equal findings that a check is in now; evidence is written when it begins, every
-- hour while it lasts, and when it ends.
CREATE TABLE measure.current (
	check_id       text PRIMARY KEY,
	evidence_id    uuid NOT NULL REFERENCES measure.evidence,
	content_hash   text NOT NULL,
	first_at       timestamptz NOT NULL,
	observed_at    timestamptz NOT NULL,
	valid_until    timestamptz NOT NULL,
	observations   bigint NOT NULL,
	written_at     timestamptz NOT NULL,   -- observed_at of the last evidence row of this run of findings
	written_count  bigint NOT NULL,
	estate_version bigint NOT NULL,
	catalogue_hash text NOT NULL,
	build          text NOT NULL,
	-- the last finding that was not an error, for a check that went blind
	definite_id    uuid REFERENCES measure.evidence,
	definite_at    timestamptz
);
GRANT SELECT ON measure.current TO garant_staff, garant_worker;
GRANT SELECT, INSERT, UPDATE ON measure.current TO garant_checker;

-- Runs that somebody asked for.
CREATE TABLE measure.run (
	id           uuid PRIMARY KEY,
	check_id     text NOT NULL,
	asked_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	asked_by     text NOT NULL,
	started_at   timestamptz,
	finished_at  timestamptz,
	evidence_id  uuid,
	outcome      text
);
CREATE INDEX run_check ON measure.run (check_id, asked_at DESC);
GRANT SELECT ON measure.run TO garant_staff, garant_worker, garant_checker;
GRANT INSERT (id, check_id, asked_by) ON measure.run TO garant_staff;
GRANT UPDATE (started_at, finished_at, evidence_id, outcome) ON measure.run TO garant_checker;

CREATE TABLE measure.state_change (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	measure_id text NOT NULL,
	state      text NOT NULL CHECK (state IN ('met', 'not_met', 'stale', 'unproven', 'excluded')),
	at         timestamptz NOT NULL DEFAULT clock_timestamp(),
	cause      text NOT NULL DEFAULT '',    -- id of the evidence, or empty
	reason     text NOT NULL                -- message id
);
CREATE INDEX state_change_measure ON measure.state_change (measure_id, id DESC);
GRANT SELECT ON measure.state_change TO garant_staff, garant_worker;
GRANT INSERT (measure_id, state, cause, reason) ON measure.state_change TO garant_worker;

-- annex -----------------------------------------------------------------------------------
-- The published projection: everything the public pages say, and nothing else. A row is never
-- changed; the page of a day is made of the last row of each measure at that moment.
CREATE TABLE annex.published (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	measure_id text NOT NULL,
	at         timestamptz NOT NULL DEFAULT clock_timestamp(),
	payload    json NOT NULL
);
CREATE INDEX published_measure ON annex.published (measure_id, id DESC);
CREATE INDEX published_at ON annex.published (at);
GRANT SELECT ON annex.published TO garant_staff, garant_worker, garant_public;
GRANT INSERT (measure_id, payload) ON annex.published TO garant_worker;
-- Changes of state that the public may see.
CREATE TABLE annex.history (
	id         bigint PRIMARY KEY,
	measure_id text NOT NULL,
	state      text NOT NULL,
	at         timestamptz NOT NULL,
	reason     text NOT NULL
);
CREATE INDEX history_measure ON annex.history (measure_id, at);
GRANT SELECT ON annex.history TO garant_staff, garant_worker, garant_public;
GRANT INSERT ON annex.history TO garant_worker;
-- The document itself: company, order of measures; versions.
CREATE TABLE annex.document (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	hash    text NOT NULL,
	payload json NOT NULL
);
CREATE INDEX document_at ON annex.document (at);
GRANT SELECT ON annex.document TO garant_staff, garant_worker, garant_public;
GRANT INSERT (hash, payload) ON annex.document TO garant_worker;
-- What moves with every run: when each measure was last looked at and until when that holds.
CREATE TABLE annex.freshness (
	measure_id  text PRIMARY KEY,
	observed_at timestamptz NOT NULL,
	valid_until timestamptz NOT NULL,
	next_at     timestamptz NOT NULL
);
GRANT SELECT ON annex.freshness TO garant_staff, garant_public;
GRANT SELECT, INSERT, UPDATE, DELETE ON annex.freshness TO garant_worker;
-- A minute in which the annex was looked after. A page of the past does not assert what nobody
-- was there to see.
CREATE TABLE annex.pulse (
	minute timestamptz PRIMARY KEY
);
GRANT SELECT ON annex.pulse TO garant_staff, garant_public;
GRANT SELECT, INSERT ON annex.pulse TO garant_worker;
