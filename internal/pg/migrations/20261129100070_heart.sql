-- +goose Up
-- What the database says of the log, of those who write it and of what was found of it is signed with keys outside of it: who changes a row by hand
-- cannot sign it. internal/audit/sequence/doc.go.

-- Where the log was before is signed by nobody: what is in no tree is taken anew, which is noted.
ALTER TABLE audit.cursor
	ADD COLUMN noted bigint NOT NULL DEFAULT 0, -- anomalies up to this one are told in the root log
	ADD COLUMN mac bytea NOT NULL DEFAULT '';   -- of the row, and of the root log as it is then
ALTER TABLE audit.cursor ALTER COLUMN noted DROP DEFAULT, ALTER COLUMN mac DROP DEFAULT;

-- A word that nobody signed answers nothing.
ALTER TABLE audit.anomaly_word ADD COLUMN mac bytea NOT NULL DEFAULT '';
ALTER TABLE audit.anomaly_word DROP CONSTRAINT anomaly_word_pkey, ADD PRIMARY KEY (anomaly, by, mac); -- nor does it keep somebody from answering
GRANT INSERT (mac) ON audit.anomaly_word TO garant_staff;

-- Processes look whether what they said is still there.
CREATE INDEX heartbeat_writer ON audit.heartbeat (writer, n);
