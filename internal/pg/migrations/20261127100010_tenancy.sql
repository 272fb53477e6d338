-- +goose Up
-- Tokens of tenants: the keys that mint them, what was minted, which sessions were ended. The
-- guarded databases themselves hold schema garant (internal/token).

CREATE SCHEMA tenancy;
GRANT USAGE ON SCHEMA tenancy TO garant_staff, garant_worker, garant_checker;

-- Which installation of Garant this is: a part of every token's audience.
CREATE TABLE tenancy.installation (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	id  uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO tenancy.installation DEFAULT VALUES;
GRANT SELECT ON tenancy.installation TO garant_staff, garant_worker, garant_checker;

-- A place is a database as it was when it was given its first key: after a restore, a copy or a
-- move it is another place, with an audience and keys of its own. The last one of a name holds.
CREATE TABLE tenancy.place (
	id         uuid PRIMARY KEY,
	database   text NOT NULL,                -- its name in the estate
	seq        integer NOT NULL CHECK (seq > 0),
	system     text NOT NULL,                -- identifier of the cluster
	datname    text NOT NULL,                -- its name within the cluster
	audience   bytea NOT NULL UNIQUE CHECK (octet_length(audience) = 16),
	opened_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	opened_by  text NOT NULL CHECK (opened_by ~ '^(person|system):.'),
	settled_at timestamptz,                  -- its key is there, and no other is accepted there
	UNIQUE (database, seq)
);
GRANT SELECT, INSERT (id, database, seq, system, datname, audience, opened_by), UPDATE (settled_at) ON tenancy.place TO garant_staff, garant_worker;
GRANT SELECT ON tenancy.place TO garant_checker;

-- The keys of a place, sealed under its own data key (crypt.key, subject "tenancy:PLACE"). The last
-- that is installed and does not retire mints. One at most is on its way.
CREATE TABLE tenancy.key (
	place        uuid NOT NULL REFERENCES tenancy.place,
	id           smallint NOT NULL CHECK (id BETWEEN 0 AND 255),
	sealed       bytea,                      -- NULL: destroyed, since it retired
	made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	made_by      text NOT NULL CHECK (made_by ~ '^(person|system):.'),
	installed_at timestamptz,                -- it is in the database
	retires_at   timestamptz,                -- from then on the database accepts no token of it
	retired_at   timestamptz,                -- it was told so, and the moment is past
	longest      interval NOT NULL DEFAULT '0', -- the longest life of a token that it minted
	urgent       boolean NOT NULL DEFAULT false, -- the one before it retires at once
	PRIMARY KEY (place, id)
);
CREATE UNIQUE INDEX key_coming ON tenancy.key (place) WHERE installed_at IS NULL AND retires_at IS NULL;
GRANT SELECT, INSERT (place, id, sealed, made_by, urgent), UPDATE (installed_at, retires_at, retired_at, longest, urgent, sealed) ON tenancy.key TO garant_staff, garant_worker;
GRANT SELECT (place, id, made_at, installed_at, retires_at, retired_at) ON tenancy.key TO garant_checker;

-- What was last seen of each guarded database by who looks after it.
CREATE TABLE tenancy.status (
	database  text PRIMARY KEY,
	looked_at timestamptz NOT NULL,
	trouble   text NOT NULL DEFAULT '',      -- id of a problem; empty: none
	version   integer NOT NULL DEFAULT 0,    -- of schema garant there
	design    text NOT NULL DEFAULT '',
	swept_at  timestamptz,                   -- when ended sessions were last looked for there
	ended     bigint NOT NULL DEFAULT 0      -- transactions that sweeps have ended
);
GRANT SELECT, INSERT, UPDATE ON tenancy.status TO garant_staff, garant_worker;
GRANT SELECT ON tenancy.status TO garant_checker;

-- Sessions that were ended, for good: none of them is given a token again.
CREATE TABLE tenancy.revocation (
	database     text NOT NULL,
	session      uuid NOT NULL,
	until        timestamptz NOT NULL,       -- its last token ends by then
	revoked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	revoked_by   text NOT NULL CHECK (revoked_by ~ '^(person|system):.'),
	reason       text NOT NULL CHECK (length(reason) <= 1000),
	delivered_at timestamptz,                -- the database knows
	settled_at   timestamptz,                -- and was swept once no older snapshot could let it in
	PRIMARY KEY (database, session)
);
CREATE INDEX revocation_open ON tenancy.revocation (database) WHERE settled_at IS NULL;
CREATE INDEX revocation_session ON tenancy.revocation (session);
GRANT SELECT, INSERT (database, session, until, revoked_by, reason), UPDATE (delivered_at, settled_at) ON tenancy.revocation TO garant_staff, garant_worker;

-- Every token that was minted, and never the token. Rows are only added; months are partitions,
-- made in advance by tenancy.add_partitions.
CREATE TABLE tenancy.minting (
	id          uuid NOT NULL,
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	database    text NOT NULL,
	place       uuid NOT NULL,
	key_id      smallint NOT NULL,
	kind        text NOT NULL CHECK (kind IN ('login', 'service', 'probe')),
	tenant_type text NOT NULL CHECK (tenant_type IN ('uuid', 'bigint', 'text')),
	tenant      text NOT NULL CHECK (octet_length(tenant) BETWEEN 1 AND 38),
	session     uuid NOT NULL,
	job         uuid,                        -- of a service token
	access      text NOT NULL CHECK (access IN ('r', 'w')),
	expires_at  timestamptz NOT NULL,
	subject     bytea,                       -- of a login: keyed hash of its issuer and subject
	actor_kind  text NOT NULL,               -- who asked for it
	actor_id    text NOT NULL CHECK (actor_id <> ''),
	actor_session text,
	PRIMARY KEY (at, id),
	CHECK ((kind = 'service') = (job IS NOT NULL)),
	CHECK ((kind = 'login') = (subject IS NOT NULL))
) PARTITION BY RANGE (at);
CREATE TABLE tenancy.minting_other PARTITION OF tenancy.minting DEFAULT;
CREATE INDEX minting_tenant ON tenancy.minting (database, tenant, at);
CREATE INDEX minting_session ON tenancy.minting (session, at);
CREATE INDEX minting_job ON tenancy.minting (job, at) WHERE job IS NOT NULL;
GRANT SELECT, INSERT (id, database, place, key_id, kind, tenant_type, tenant, session, job, access, expires_at, subject, actor_kind, actor_id, actor_session)
	ON tenancy.minting TO garant_staff, garant_worker;

-- Whoever mints for a session and whoever ends it wait for each other.
-- +goose StatementBegin
CREATE FUNCTION tenancy.check_minting() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(hashtextextended('tenancy session ' || NEW.session::text, 0));
	PERFORM FROM tenancy.revocation AS r WHERE r.database = NEW.database AND r.session = NEW.session;
	IF FOUND THEN
		RAISE EXCEPTION 'the session was ended' USING ERRCODE = 'check_violation', CONSTRAINT = 'minting_session_open', TABLE = 'minting';
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER check_minting BEFORE INSERT ON tenancy.minting FOR EACH ROW EXECUTE FUNCTION tenancy.check_minting();

-- +goose StatementBegin
CREATE FUNCTION tenancy.check_revocation() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('tenancy session ' || NEW.session::text, 0));
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER check_revocation BEFORE INSERT ON tenancy.revocation FOR EACH ROW EXECUTE FUNCTION tenancy.check_revocation();

-- add_partitions makes the partitions of this month and the next two, where they are missing and
-- nothing of that month was written elsewhere already. It returns how many it made.
-- +goose StatementBegin
CREATE FUNCTION tenancy.add_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
DECLARE
	month timestamptz;
	made  integer := 0;
BEGIN
	FOR i IN 0..2 LOOP
		month := date_trunc('month', clock_timestamp()) + make_interval(months => i);
		CONTINUE WHEN to_regclass('tenancy.minting_' || to_char(month, 'YYYYMM')) IS NOT NULL
			OR EXISTS (SELECT FROM tenancy.minting_other AS o WHERE o.at >= month AND o.at < month + interval '1 month');
		EXECUTE format('CREATE TABLE tenancy.%I PARTITION OF tenancy.minting FOR VALUES FROM (%L) TO (%L)',
			'minting_' || to_char(month, 'YYYYMM'), month, month + interval '1 month');
		made := made + 1;
	END LOOP;
	RETURN made;
END
$$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION tenancy.add_partitions() TO garant_worker;
