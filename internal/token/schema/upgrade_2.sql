-- From version 2, which had no outbox.
-- The outbox: what the application said, and what was written to tables whose changes are captured, in the transaction of the
-- change. Garant takes it and forgets it here. An event is never changed.
CREATE TABLE garant.event (
	id          bigint GENERATED ALWAYS AS IDENTITY,
	xid         xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
	mark        uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(), -- one event in the world: after a restore xid and id come again
	at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	form        text, -- of the tenant's key: uuid, bigint, text
	tenant      text, -- NULL: of no tenant
	session     uuid, -- NULL: nobody had entered
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
	PRIMARY KEY (xid, id)
);
ALTER TABLE garant.event ALTER tenant SET STATISTICS 0, ALTER object_id SET STATISTICS 0, ALTER before SET STATISTICS 0, ALTER after SET STATISTICS 0,
	ALTER detail SET STATISTICS 0, ALTER actor SET STATISTICS 0;
ALTER TABLE garant.event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY sec ON garant.event TO garant_sec USING (true) WITH CHECK (true);
