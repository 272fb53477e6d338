-- +goose Up
-- What the public annex needs to tell its own history, and to do so quickly.

-- Changes of what the annex says: its sentences, the systems that they cover, the company, the
-- sub-processors. Changes of state stand in annex.history. Written in the transaction that
-- publishes the change; a row is never changed.
CREATE TABLE annex.revision (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at         timestamptz NOT NULL DEFAULT clock_timestamp(),
	kind       text NOT NULL CHECK (kind IN ('published', 'wording', 'added', 'removed', 'estate', 'scope', 'reduced', 'confirmed', 'company', 'subprocessors')),
	measure_id text NOT NULL DEFAULT '',   -- empty: of the whole annex
	payload    json NOT NULL
);
CREATE INDEX revision_at ON annex.revision (at DESC, id DESC);
GRANT SELECT ON annex.revision TO garant_staff, garant_worker, garant_public;
GRANT INSERT (kind, measure_id, payload) ON annex.revision TO garant_worker;

-- The page of a day of the past asks for the last row of each measure before a moment.
CREATE INDEX published_moment ON annex.published (measure_id, at DESC, id DESC);
-- The history of a stretch of days.
CREATE INDEX history_at ON annex.history (at);
