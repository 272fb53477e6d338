-- +goose Up
-- Where tenants live that have a database of their own. A move itself is recorded in the database
-- that it leads out of; here is what applications are told, and the record for people.

CREATE SCHEMA hosting;
GRANT USAGE ON SCHEMA hosting TO garant_staff, garant_worker, garant_checker;

-- A tenant without a row lives in the database that it belongs to.
CREATE TABLE hosting.residence (
	database    text NOT NULL,                -- name in the estate of the database whose tenant it is
	tenant_type text NOT NULL CHECK (tenant_type IN ('uuid', 'bigint', 'text')),
	tenant      text NOT NULL CHECK (octet_length(tenant) BETWEEN 1 AND 38),
	place       text NOT NULL,                -- name in the estate of the database where it lives
	paused      boolean NOT NULL,             -- about to leave there, for a moment
	move        uuid NOT NULL,
	since       timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (database, tenant_type, tenant)
);
GRANT SELECT, INSERT, DELETE, UPDATE (place, paused, move, since) ON hosting.residence TO garant_staff, garant_worker;
GRANT SELECT ON hosting.residence TO garant_checker;

-- What was told, one line a change. Lines are added and never changed.
CREATE TABLE hosting.told (
	id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	database    text NOT NULL,
	tenant_type text NOT NULL,
	tenant      text NOT NULL,
	place       text NOT NULL,
	paused      boolean NOT NULL,
	move        uuid NOT NULL,
	step        text NOT NULL,                -- how far the move was
	told_by     text NOT NULL CHECK (told_by ~ '^(person|system):.')
);
CREATE INDEX told_tenant ON hosting.told (database, tenant, at);
GRANT SELECT, INSERT (database, tenant_type, tenant, place, paused, move, step, told_by) ON hosting.told TO garant_staff, garant_worker;
GRANT SELECT ON hosting.told TO garant_checker;
