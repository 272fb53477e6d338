-- +goose Up
-- By what entries of the record are found: their words, and which numbers the entries of an hour have. Made behind the order of
-- the record by garant_worker, so that writing an entry costs nothing more. internal/audit/search.

CREATE TABLE audit.words (
	entry bigint PRIMARY KEY,
	words tsvector NOT NULL   -- of object, reason, request and detail, as package audit/words tells them apart
);
CREATE INDEX words_words ON audit.words USING gin (words);
GRANT SELECT, INSERT, DELETE ON audit.words TO garant_worker;
GRANT SELECT ON audit.words TO garant_staff;

-- Numbers follow time nearly always, but for clocks that are set: this says what is so.
CREATE TABLE audit.hour (
	hour     timestamptz PRIMARY KEY,
	entries  bigint NOT NULL,
	refused  bigint NOT NULL,
	least    bigint NOT NULL,  -- number of an entry of this hour
	greatest bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON audit.hour TO garant_worker;
GRANT SELECT ON audit.hour TO garant_staff;

-- How far both are. One row.
CREATE TABLE audit.searched (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	seq     bigint NOT NULL,      -- of the last leaf whose entry is in both
	dropped bigint NOT NULL,      -- the last row of audit.dropped whose entries are taken out of words
	at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO audit.searched (seq, dropped) VALUES (0, 0);
GRANT SELECT, UPDATE (seq, dropped, at) ON audit.searched TO garant_worker;
GRANT SELECT ON audit.searched TO garant_staff;
