-- +goose Up
-- Mail that waits to be sent. Rows hold ids and no personal data: subject and text are written
-- when a message is sent, in the language that its reader has then.

CREATE SCHEMA mail;
GRANT USAGE ON SCHEMA mail TO garant_staff, garant_worker;

CREATE TABLE mail.message (
	id         uuid PRIMARY KEY,
	template   text NOT NULL CHECK (template ~ '^[a-z]+(\.[a-z_]+)+$'),
	person_id  uuid NOT NULL,
	due        text NOT NULL,                 -- with template and person: what is sent once
	args       jsonb NOT NULL DEFAULT '{}',   -- ids
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	expires_at timestamptz NOT NULL,          -- not worth sending any more from then on
	state      text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'sent', 'dropped', 'failed')),
	next_at    timestamptz NOT NULL,          -- waiting: not before; sending: whoever sends it is thought dead from then on
	attempts   integer NOT NULL DEFAULT 0,
	problem    text,                          -- message id of what went wrong last, or of why it was dropped
	done_at    timestamptz,
	CONSTRAINT message_once UNIQUE (template, person_id, due)
);
CREATE INDEX message_next ON mail.message (next_at) WHERE state IN ('waiting', 'sending');
CREATE INDEX message_failed ON mail.message (id) WHERE state = 'failed';
GRANT SELECT ON mail.message TO garant_staff, garant_worker;
GRANT INSERT (id, template, person_id, due, args, expires_at, state, next_at, problem, done_at) ON mail.message TO garant_staff, garant_worker;
GRANT UPDATE (state, next_at, attempts, problem, done_at) ON mail.message TO garant_worker;
GRANT DELETE ON mail.message TO garant_worker; -- digests of long ago
GRANT UPDATE (state, next_at, attempts, expires_at) ON mail.message TO garant_staff;

-- How a person wants to be written to.
CREATE TABLE mail.preference (
	person_id  uuid PRIMARY KEY,
	language   text CHECK (language IN ('fr', 'en')), -- NULL: the company's
	digest     boolean NOT NULL DEFAULT true,
	changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT ON mail.preference TO garant_staff, garant_worker;
GRANT INSERT, UPDATE ON mail.preference TO garant_staff;
