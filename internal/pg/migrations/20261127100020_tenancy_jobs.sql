-- +goose Up
-- Service jobs: work that needs a tenant's data without a login of that tenant. One member of
-- staff asks, a second accepts, anybody who may ask withdraws. Rows are only added.

CREATE TABLE tenancy.job (
	id         uuid PRIMARY KEY,             -- the purpose in the tokens of the job
	database   text NOT NULL,
	name       text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	why        text NOT NULL CHECK (length(why) BETWEEN 1 AND 1000),
	access     text NOT NULL CHECK (access IN ('r', 'w')),
	tenants    text[] NOT NULL CHECK (cardinality(tenants) <= 1000), -- keys, as PostgreSQL prints them
	any_tenant boolean NOT NULL,             -- whatever tenant: said by itself, never by an empty list
	ends_at    timestamptz NOT NULL,
	asked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	asked_by   text NOT NULL CHECK (asked_by ~ '^person:.'),
	CHECK (any_tenant = (cardinality(tenants) = 0))
);
CREATE INDEX job_database ON tenancy.job (database, name, asked_at DESC);
CREATE TABLE tenancy.job_decision (
	job        uuid PRIMARY KEY REFERENCES tenancy.job,
	outcome    text NOT NULL CHECK (outcome IN ('accepted', 'refused')),
	any_tenant boolean NOT NULL,             -- who accepts says it again
	reason     text NOT NULL CHECK (length(reason) <= 1000),
	decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	decided_by text NOT NULL CHECK (decided_by ~ '^person:.'),
	CHECK (outcome <> 'refused' OR reason <> '')
);
CREATE TABLE tenancy.job_withdrawal (
	job          uuid PRIMARY KEY REFERENCES tenancy.job,
	reason       text NOT NULL CHECK (length(reason) <= 1000),
	withdrawn_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	withdrawn_by text NOT NULL CHECK (withdrawn_by ~ '^(person|system):.')
);
GRANT SELECT ON tenancy.job, tenancy.job_decision, tenancy.job_withdrawal TO garant_staff, garant_worker, garant_checker;
GRANT INSERT (id, database, name, why, access, tenants, any_tenant, ends_at, asked_by) ON tenancy.job TO garant_staff;
GRANT INSERT (job, outcome, any_tenant, reason, decided_by) ON tenancy.job_decision TO garant_staff;
GRANT INSERT (job, reason, withdrawn_by) ON tenancy.job_withdrawal TO garant_staff;

-- One open job of a name.
-- +goose StatementBegin
CREATE FUNCTION tenancy.check_job() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('tenancy job ' || NEW.database || ' ' || NEW.name, 0));
	IF NEW.ends_at <= clock_timestamp() THEN
		RAISE EXCEPTION 'over already' USING ERRCODE = 'check_violation', CONSTRAINT = 'job_ends_later', TABLE = 'job';
	END IF;
	IF EXISTS (SELECT FROM tenancy.job AS j WHERE j.database = NEW.database AND j.name = NEW.name AND j.ends_at > clock_timestamp()
		AND NOT EXISTS (SELECT FROM tenancy.job_withdrawal AS w WHERE w.job = j.id)
		AND NOT EXISTS (SELECT FROM tenancy.job_decision AS d WHERE d.job = j.id AND d.outcome = 'refused')) THEN
		RAISE EXCEPTION 'another is open' USING ERRCODE = 'check_violation', CONSTRAINT = 'job_open_once', TABLE = 'job';
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd

-- Nobody decides on what they asked for, whatever role of ours writes it.
-- +goose StatementBegin
CREATE FUNCTION tenancy.check_job_decision() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
	asked tenancy.job;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('tenancy job ' || NEW.job::text, 0));
	SELECT * INTO STRICT asked FROM tenancy.job AS j WHERE j.id = NEW.job;
	IF asked.asked_by = NEW.decided_by THEN
		RAISE EXCEPTION 'not a second person' USING ERRCODE = 'check_violation', CONSTRAINT = 'job_decision_second_person', TABLE = 'job_decision';
	END IF;
	IF EXISTS (SELECT FROM tenancy.job_withdrawal AS w WHERE w.job = NEW.job) OR asked.ends_at <= clock_timestamp() THEN
		RAISE EXCEPTION 'not open' USING ERRCODE = 'check_violation', CONSTRAINT = 'job_decision_open', TABLE = 'job_decision';
	END IF;
	IF NEW.outcome = 'accepted' AND NEW.any_tenant <> asked.any_tenant THEN
		RAISE EXCEPTION 'whatever tenant was not said' USING ERRCODE = 'check_violation', CONSTRAINT = 'job_decision_any_tenant', TABLE = 'job_decision';
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd

-- Who withdraws waits for who mints, so that every token of the job is seen.
-- +goose StatementBegin
CREATE FUNCTION tenancy.check_job_withdrawal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('tenancy job ' || NEW.job::text, 0));
	RETURN NEW;
END
$$;
-- +goose StatementEnd

-- A service token is minted for a job that was accepted, for what it was accepted for.
-- +goose StatementBegin
CREATE FUNCTION tenancy.check_service_minting() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
	accepted tenancy.job;
BEGIN
	PERFORM pg_advisory_xact_lock_shared(hashtextextended('tenancy job ' || NEW.job::text, 0));
	SELECT j.* INTO accepted FROM tenancy.job AS j JOIN tenancy.job_decision AS d ON d.job = j.id AND d.outcome = 'accepted'
	WHERE j.id = NEW.job AND j.database = NEW.database AND j.ends_at > clock_timestamp() AND NEW.expires_at <= j.ends_at
		AND NOT EXISTS (SELECT FROM tenancy.job_withdrawal AS w WHERE w.job = j.id);
	IF NOT FOUND THEN
		RAISE EXCEPTION 'no accepted job' USING ERRCODE = 'check_violation', CONSTRAINT = 'minting_job_accepted', TABLE = 'minting';
	END IF;
	IF NEW.access = 'w' AND accepted.access <> 'w' THEN
		RAISE EXCEPTION 'the job reads only' USING ERRCODE = 'check_violation', CONSTRAINT = 'minting_job_access', TABLE = 'minting';
	END IF;
	IF NOT accepted.any_tenant AND NOT NEW.tenant = ANY (accepted.tenants) THEN
		RAISE EXCEPTION 'not a tenant of the job' USING ERRCODE = 'check_violation', CONSTRAINT = 'minting_job_tenant', TABLE = 'minting';
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER check_job BEFORE INSERT ON tenancy.job FOR EACH ROW EXECUTE FUNCTION tenancy.check_job();
CREATE TRIGGER check_job_decision BEFORE INSERT ON tenancy.job_decision FOR EACH ROW EXECUTE FUNCTION tenancy.check_job_decision();
CREATE TRIGGER check_job_withdrawal BEFORE INSERT ON tenancy.job_withdrawal FOR EACH ROW EXECUTE FUNCTION tenancy.check_job_withdrawal();
CREATE TRIGGER check_service_minting BEFORE INSERT ON tenancy.minting FOR EACH ROW WHEN (NEW.kind = 'service') EXECUTE FUNCTION tenancy.check_service_minting();
