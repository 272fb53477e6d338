-- From version 2, which had no outbox.
-- The outbox: what the application said, and what was written to tables whose changes are captured, in the transaction of the
-- change. Garant takes it and forgets it here. A row is an event, or those of up to a hundred written rows; it is never changed.
CREATE TABLE garant.event (
	id          bigint GENERATED ALWAYS AS IDENTITY,
	xid         xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
	mark        uuid NOT NULL DEFAULT overlay(pg_catalog.gen_random_uuid()::text PLACING '000' FROM 34)::uuid, -- one in the world: after a restore xid and id come again; the last digits are for those of its events (mark_of)
	at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	entered     text, -- the pin that enter left: of which tenant and session; NULL: nobody had entered
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
	many        integer NOT NULL DEFAULT 1, -- rows that were written
	how         text[], -- capture's arguments; NULL: this is one event, and what follows is not used
	old         json, -- the rows before and after, each an array
	new         json,
	PRIMARY KEY (xid, id)
);
ALTER TABLE garant.event ALTER entered SET STATISTICS 0, ALTER object_id SET STATISTICS 0, ALTER before SET STATISTICS 0, ALTER after SET STATISTICS 0,
	ALTER detail SET STATISTICS 0, ALTER actor SET STATISTICS 0, ALTER old SET STATISTICS 0, ALTER new SET STATISTICS 0,
	ALTER old SET STORAGE EXTERNAL, ALTER new SET STORAGE EXTERNAL; -- which is sooner written than compressed
ALTER TABLE garant.event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY sec ON garant.event TO garant_sec USING (true) WITH CHECK (true);
