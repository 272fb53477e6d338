-- +goose Up
-- How far each stream of the record to a SIEM is. The record itself is never changed by a stream.

CREATE TABLE auditlog.stream (
	name         text PRIMARY KEY CHECK (name <> ''), -- in the estate
	position     bigint NOT NULL DEFAULT 0 CHECK (position >= 0), -- of the last entry that the receiver took, in the order of sequencing
	sending      bigint NOT NULL DEFAULT 0,           -- where the batch under way ends: after a fault the same one is sent again; 0: none
	sent         bigint NOT NULL DEFAULT 0,           -- entries taken so far
	sent_at      timestamptz,                         -- when the receiver took the last batch
	failed_since timestamptz,                         -- first of the attempts in a row that failed
	problem      text NOT NULL DEFAULT '',            -- message id of what the last attempt met with
	said         text NOT NULL DEFAULT '',            -- in a few words, none of them the receiver's
	CHECK (sending = 0 OR sending > position),
	CHECK ((problem = '') = (failed_since IS NULL))
);
GRANT SELECT, INSERT (name), UPDATE (position, sending, sent, sent_at, failed_since, problem, said) ON auditlog.stream TO garant_worker;
GRANT SELECT ON auditlog.stream TO garant_staff, garant_checker;
