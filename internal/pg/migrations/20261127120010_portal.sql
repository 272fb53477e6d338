-- +goose Up
-- What a customer may know of itself, under the tenant context that Garant sells: each row names its
-- customer, and garant_portal sees no row but inside a context. The policies that let it see any come with
-- schema garant (engine tenancy), which is put in when the tables are there; until then it sees none.

GRANT USAGE ON SCHEMA tenancy, hosting TO garant_portal;

-- home_of is the database that a customer belongs to: one that has moved has tokens of where it lives.
CREATE FUNCTION tenancy.home_of(database text, tenant text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce((SELECT t.database FROM hosting.told AS t WHERE t.place = home_of.database AND t.tenant = home_of.tenant AND t.database <> t.place ORDER BY t.id DESC LIMIT 1), database);
CREATE INDEX told_place ON hosting.told (place, tenant, id) WHERE database <> place;

-- customer_of names a customer of a database in ours, where customers of all databases are told apart.
-- In ours itself, @garant, tenants have these names already.
CREATE FUNCTION tenancy.customer_of(home text, tenant text) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN home = '@garant' THEN tenant::uuid
	ELSE encode(substr(sha256(convert_to(octet_length(home) || ' ' || home || ' ' || tenant, 'UTF8')), 1, 16), 'hex')::uuid END;

GRANT EXECUTE ON FUNCTION tenancy.home_of(text, text), tenancy.customer_of(text, text) TO garant_staff, garant_worker;

-- Customers that have asked us.
CREATE TABLE tenancy.customer (
	customer    uuid PRIMARY KEY,
	database    text NOT NULL,                -- that it belongs to
	tenant      text NOT NULL,                -- its key there
	since       timestamptz NOT NULL DEFAULT clock_timestamp(),
	CHECK (customer = tenancy.customer_of(database, tenant))
);
GRANT SELECT, INSERT (customer, database, tenant) ON tenancy.customer TO garant_staff, garant_worker;
GRANT SELECT (customer, database, tenant) ON tenancy.customer TO garant_portal;

-- Sessions that were ended, one row for each customer that they had tokens of.
CREATE TABLE tenancy.session_end (
	customer uuid NOT NULL,
	database text NOT NULL,
	session  uuid NOT NULL,
	ended_at timestamptz NOT NULL,
	PRIMARY KEY (customer, database, session)
);
CREATE INDEX session_end_time ON tenancy.session_end (customer, ended_at, database, session);
GRANT SELECT, INSERT ON tenancy.session_end TO garant_staff, garant_worker;
GRANT SELECT ON tenancy.session_end TO garant_portal;

-- Service jobs of a customer: those that were accepted for it by name, and those for whatever customer
-- that have had a token for it.
CREATE TABLE tenancy.customer_job (
	customer     uuid NOT NULL,
	job          uuid NOT NULL,
	database     text NOT NULL,
	name         text NOT NULL,
	why          text NOT NULL,
	access       text NOT NULL,
	any_tenant   boolean NOT NULL,
	accepted_at  timestamptz NOT NULL,
	ends_at      timestamptz NOT NULL,
	withdrawn_at timestamptz,
	PRIMARY KEY (customer, job)
);
CREATE INDEX customer_job_job ON tenancy.customer_job (job);
GRANT SELECT, INSERT, UPDATE (withdrawn_at) ON tenancy.customer_job TO garant_staff, garant_worker;
GRANT SELECT ON tenancy.customer_job TO garant_portal;

ALTER TABLE tenancy.minting ADD COLUMN customer uuid;
UPDATE tenancy.minting AS m SET customer = tenancy.customer_of(tenancy.home_of(m.database, m.tenant), m.tenant);
ALTER TABLE tenancy.minting ALTER COLUMN customer SET NOT NULL;
CREATE INDEX minting_customer ON tenancy.minting (customer, at, id);
GRANT SELECT (customer, id, at, database, kind, session, job, access, expires_at, subject) ON tenancy.minting TO garant_portal;

ALTER TABLE hosting.residence ADD COLUMN customer uuid;
UPDATE hosting.residence AS r SET customer = tenancy.customer_of(r.database, r.tenant);
ALTER TABLE hosting.residence ALTER COLUMN customer SET NOT NULL;
CREATE INDEX residence_customer ON hosting.residence (customer);
GRANT SELECT (customer, place, paused, since) ON hosting.residence TO garant_portal;
ALTER TABLE hosting.told ADD COLUMN customer uuid;
UPDATE hosting.told AS t SET customer = tenancy.customer_of(t.database, t.tenant);
ALTER TABLE hosting.told ALTER COLUMN customer SET NOT NULL;
CREATE INDEX told_customer ON hosting.told (customer, id);
GRANT SELECT (customer, id, at, place, paused) ON hosting.told TO garant_portal;

INSERT INTO tenancy.session_end (customer, database, session, ended_at)
SELECT DISTINCT m.customer, r.database, r.session, r.revoked_at FROM tenancy.revocation AS r JOIN tenancy.minting AS m ON m.database = r.database AND m.session = r.session;
INSERT INTO tenancy.customer_job (customer, job, database, name, why, access, any_tenant, accepted_at, ends_at, withdrawn_at)
SELECT c.customer, j.id, j.database, j.name, j.why, j.access, j.any_tenant, d.decided_at, j.ends_at, w.withdrawn_at
FROM tenancy.job AS j JOIN tenancy.job_decision AS d ON d.job = j.id AND d.outcome = 'accepted' LEFT JOIN tenancy.job_withdrawal AS w ON w.job = j.id,
LATERAL (SELECT tenancy.customer_of(tenancy.home_of(j.database, t), t) AS customer FROM unnest(j.tenants) AS t
	UNION SELECT m.customer FROM tenancy.minting AS m WHERE m.job = j.id) AS c;

-- +goose StatementBegin
CREATE FUNCTION hosting.name_customer() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	NEW.customer := tenancy.customer_of(NEW.database, NEW.tenant);
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER name_customer BEFORE INSERT ON hosting.residence FOR EACH ROW EXECUTE FUNCTION hosting.name_customer();
CREATE TRIGGER name_customer BEFORE INSERT ON hosting.told FOR EACH ROW EXECUTE FUNCTION hosting.name_customer();

-- Whoever mints for a session and whoever ends it wait for each other.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tenancy.check_minting() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	NEW.customer := tenancy.customer_of(tenancy.home_of(NEW.database, NEW.tenant), NEW.tenant);
	PERFORM pg_advisory_xact_lock_shared(hashtextextended('tenancy session ' || NEW.session::text, 0));
	PERFORM FROM tenancy.revocation AS r WHERE r.database = NEW.database AND r.session = NEW.session;
	IF FOUND THEN
		RAISE EXCEPTION 'the session was ended' USING ERRCODE = 'check_violation', CONSTRAINT = 'minting_session_open', TABLE = 'minting';
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION tenancy.tell_session_end() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	INSERT INTO tenancy.session_end (customer, database, session, ended_at)
	SELECT DISTINCT m.customer, NEW.database, NEW.session, NEW.revoked_at FROM tenancy.minting AS m WHERE m.database = NEW.database AND m.session = NEW.session;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tell_session_end AFTER INSERT ON tenancy.revocation FOR EACH ROW EXECUTE FUNCTION tenancy.tell_session_end();

-- +goose StatementBegin
CREATE FUNCTION tenancy.tell_job() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	INSERT INTO tenancy.customer_job (customer, job, database, name, why, access, any_tenant, accepted_at, ends_at)
	SELECT DISTINCT tenancy.customer_of(tenancy.home_of(j.database, t), t), j.id, j.database, j.name, j.why, j.access, j.any_tenant, NEW.decided_at, j.ends_at
	FROM tenancy.job AS j, unnest(j.tenants) AS t WHERE j.id = NEW.job
	ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tell_job AFTER INSERT ON tenancy.job_decision FOR EACH ROW WHEN (NEW.outcome = 'accepted') EXECUTE FUNCTION tenancy.tell_job();

-- A job for whatever tenant is told to a customer when it first has a token for it.
-- +goose StatementBegin
CREATE FUNCTION tenancy.tell_job_minting() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	INSERT INTO tenancy.customer_job (customer, job, database, name, why, access, any_tenant, accepted_at, ends_at)
	SELECT NEW.customer, j.id, j.database, j.name, j.why, j.access, j.any_tenant, d.decided_at, j.ends_at
	FROM tenancy.job AS j JOIN tenancy.job_decision AS d ON d.job = j.id WHERE j.id = NEW.job
	ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tell_job_minting AFTER INSERT ON tenancy.minting FOR EACH ROW WHEN (NEW.kind = 'service') EXECUTE FUNCTION tenancy.tell_job_minting();

-- +goose StatementBegin
CREATE FUNCTION tenancy.tell_job_withdrawal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	UPDATE tenancy.customer_job SET withdrawn_at = NEW.withdrawn_at WHERE job = NEW.job;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tell_job_withdrawal AFTER INSERT ON tenancy.job_withdrawal FOR EACH ROW EXECUTE FUNCTION tenancy.tell_job_withdrawal();

-- +goose StatementBegin
DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['tenancy.minting', 'tenancy.customer', 'tenancy.session_end', 'tenancy.customer_job', 'hosting.residence', 'hosting.told'] LOOP
		EXECUTE 'ALTER TABLE ' || t || ' ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY';
		EXECUTE 'CREATE POLICY garant_owner ON ' || t || ' TO garant_owner USING (true) WITH CHECK (true)';
		EXECUTE 'CREATE POLICY garant_declared ON ' || t || ' TO garant_checker, garant_staff, garant_worker USING (true) WITH CHECK (true)';
	END LOOP;
END
$$;
-- +goose StatementEnd
