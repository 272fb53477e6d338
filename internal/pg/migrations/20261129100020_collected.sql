-- +goose Up
-- The applications' own events: taken from the outbox of each guarded database (schema garant there) and written into the
-- record, each once. internal/engine/auditlog/collect.

-- How it stands with each guarded database.
CREATE TABLE auditlog.collected (
	database     text PRIMARY KEY,             -- its name in the estate
	system       text NOT NULL DEFAULT '',     -- identifier of the cluster the last events came from
	xid          bigint NOT NULL DEFAULT 0,    -- of the last event
	id           bigint NOT NULL DEFAULT 0,
	events       bigint NOT NULL DEFAULT 0,    -- that were written into the record
	collected_at timestamptz,                  -- when the outbox was last found empty, or emptied
	waiting      bigint NOT NULL DEFAULT 0,    -- in the outbox when it was last seen
	oldest       interval NOT NULL DEFAULT '0', -- age of the oldest of them then
	looked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	trouble      text NOT NULL DEFAULT ''      -- id of a problem; empty: none
);
GRANT SELECT, INSERT, UPDATE ON auditlog.collected TO garant_worker;
GRANT SELECT ON auditlog.collected TO garant_staff, garant_checker;

-- Every event that was taken, by its mark, so that none is written twice: neither when we ended between writing it and having it
-- forgotten there, nor when that database was set back to when it was not yet taken. Rows go after the longest time for which a
-- backup is kept.
CREATE TABLE auditlog.collected_event (
	mark     uuid PRIMARY KEY,
	database text NOT NULL,
	at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX collected_event_at ON auditlog.collected_event USING brin (at);
GRANT SELECT, INSERT (mark, database), DELETE ON auditlog.collected_event TO garant_worker;
GRANT SELECT ON auditlog.collected_event TO garant_checker;
