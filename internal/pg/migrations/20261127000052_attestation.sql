-- +goose Up
-- Who answers for a measure, what they say about it, and when they were reminded. Rows are
-- added, never changed: the last one holds.

-- The last row of a measure says who answers for it; responsible is NULL when nobody does any more.
CREATE TABLE measure.assignment (
	id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	measure_id   text NOT NULL CHECK (measure_id <> ''),
	responsible  uuid,
	deputy       uuid,
	deputy_until date,                       -- the last day of the delegation
	assigned_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	assigned_by  text NOT NULL CHECK (assigned_by ~ '^(person|system):.'),
	CHECK ((deputy IS NULL) = (deputy_until IS NULL)),
	CHECK (deputy IS NULL OR responsible IS NOT NULL AND deputy <> responsible)
);
CREATE INDEX assignment_measure ON measure.assignment (measure_id, id DESC);
GRANT SELECT ON measure.assignment TO garant_staff, garant_worker, garant_checker;
GRANT INSERT (measure_id, responsible, deputy, deputy_until, assigned_by) ON measure.assignment TO garant_staff;

CREATE TABLE measure.attestation (
	n              bigint GENERATED ALWAYS AS IDENTITY, -- the order in which they were received
	id             uuid PRIMARY KEY,
	measure_id     text NOT NULL CHECK (measure_id <> ''),
	targets        text[] NOT NULL CHECK (cardinality(targets) > 0), -- {''}: the whole
	statement      text NOT NULL CHECK (statement IN ('confirmed', 'refused')),
	person_id      uuid NOT NULL,
	on_behalf_of   uuid CHECK (on_behalf_of <> person_id),
	observed_on    date NOT NULL,            -- when it was seen to be so, or not
	observed_at    timestamptz NOT NULL,     -- the beginning of that day in the company's zone
	received_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	valid_until    timestamptz NOT NULL CHECK (valid_until > observed_at),
	note           bytea,                    -- sealed under attestation:ID
	documents      json NOT NULL,            -- ids and SHA-256, as hashed
	words_hash     text NOT NULL CHECK (words_hash ~ '^[0-9a-f]{64}$'), -- of the sentence in every language, with its figures
	catalogue_hash text NOT NULL,
	estate_version bigint NOT NULL,
	build          text NOT NULL,
	digest         text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$')
);
CREATE INDEX attestation_measure ON measure.attestation (measure_id, n DESC);
GRANT SELECT ON measure.attestation TO garant_staff;
GRANT SELECT (n, id, measure_id, targets, statement, person_id, on_behalf_of, observed_on, observed_at, received_at, valid_until,
	documents, words_hash, catalogue_hash, estate_version, build, digest) ON measure.attestation TO garant_worker, garant_checker;
GRANT INSERT (id, measure_id, targets, statement, person_id, on_behalf_of, observed_on, observed_at, valid_until, note, documents,
	words_hash, catalogue_hash, estate_version, build, digest) ON measure.attestation TO garant_staff;

-- A statement is of the day it is received, or of an earlier one; a day may have begun elsewhere.
ALTER TABLE measure.attestation ADD CONSTRAINT attestation_observed CHECK (observed_at <= received_at + interval '1 day');

-- Reminders that were given, once each whatever the number of servers.
CREATE TABLE measure.reminder (
	measure_id text NOT NULL,
	person_id  uuid NOT NULL,
	due        text NOT NULL,                -- what was due, and which of its reminders this is
	at         timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (measure_id, person_id, due)
);
GRANT SELECT ON measure.reminder TO garant_staff, garant_worker;
GRANT INSERT (measure_id, person_id, due) ON measure.reminder TO garant_worker;
