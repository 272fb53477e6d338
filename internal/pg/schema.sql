-- What the migrations make, for reading. Written by: GARANT_UPDATE=1 go test ./internal/pg -run TestSchemaIsWritten

CREATE SCHEMA annex;

ALTER SCHEMA annex OWNER TO garant_owner;

CREATE SCHEMA anonymise;

ALTER SCHEMA anonymise OWNER TO garant_owner;

CREATE SCHEMA audit;

ALTER SCHEMA audit OWNER TO garant_owner;

CREATE SCHEMA auditlog;

ALTER SCHEMA auditlog OWNER TO garant_owner;

CREATE SCHEMA crypt;

ALTER SCHEMA crypt OWNER TO garant_owner;

CREATE SCHEMA directory;

ALTER SCHEMA directory OWNER TO garant_owner;

CREATE SCHEMA document;

ALTER SCHEMA document OWNER TO garant_owner;

CREATE SCHEMA estate;

ALTER SCHEMA estate OWNER TO garant_owner;

CREATE SCHEMA hosting;

ALTER SCHEMA hosting OWNER TO garant_owner;

CREATE SCHEMA job;

ALTER SCHEMA job OWNER TO garant_owner;

CREATE SCHEMA mail;

ALTER SCHEMA mail OWNER TO garant_owner;

CREATE SCHEMA measure;

ALTER SCHEMA measure OWNER TO garant_owner;

CREATE SCHEMA register;

ALTER SCHEMA register OWNER TO garant_owner;

CREATE SCHEMA tenancy;

ALTER SCHEMA tenancy OWNER TO garant_owner;

CREATE SCHEMA witness;

ALTER SCHEMA witness OWNER TO garant_owner;

CREATE FUNCTION audit.add_month(month date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
DECLARE
	first timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
	next  timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
	part  text := to_char(date_trunc('month', month::timestamp), '"entry_"YYYY"_"MM');
BEGIN
	IF to_regclass('audit.' || quote_ident(part)) IS NOT NULL THEN
		RETURN false;
	END IF;
	IF first <= clock_timestamp() THEN
		RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'a part is made before its month begins';
	END IF;
	EXECUTE format('CREATE TABLE audit.%I (LIKE audit.entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', part);
	EXECUTE format('ALTER TABLE audit.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', part);
	EXECUTE format('CREATE POLICY garant_owner ON audit.%I TO garant_owner USING (true) WITH CHECK (true)', part);
	EXECUTE format('ALTER TABLE audit.entry ATTACH PARTITION audit.%I FOR VALUES FROM (%L) TO (%L)', part, first, next);
	RETURN true;
END
$$;

ALTER FUNCTION audit.add_month(month date) OWNER TO garant_owner;

CREATE FUNCTION audit.drop_before(month date, head_tree integer, head_size bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '2s'
    AS $_$
DECLARE
	cut    timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
	held   bigint;
	last   bigint;
	gone   bigint := 0;
	these  bigint;
	part   record;
BEGIN
	IF cut > clock_timestamp() - interval '30 days' THEN
		RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'entries are kept for thirty days at least';
	END IF;
	SELECT c.seq INTO held FROM audit.checkpoint AS c JOIN audit.tree AS t ON t.tree = c.tree AND t.name = 'root' WHERE c.tree = head_tree AND c.size = head_size;
	IF held IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'there is no such checkpoint';
	END IF;
	IF EXISTS (SELECT FROM audit.entry AS e WHERE e.at < cut AND NOT EXISTS (SELECT FROM audit.leaf AS l WHERE l.entry = e.id AND l.seq <= held)) THEN
		RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the checkpoint does not hold all that would be dropped';
	END IF;
	SELECT max(l.seq) INTO last FROM audit.entry AS e JOIN audit.leaf AS l ON l.entry = e.id WHERE e.at < cut;
	IF last IS NULL THEN
		RETURN 0;
	END IF;
	-- What stands in full tiles needs no leaf of its own.
	DELETE FROM audit.leaf AS l USING audit.tree AS t WHERE t.tree = l.tree AND l.index < t.size / 256 * 256
		AND EXISTS (SELECT FROM audit.entry AS e WHERE e.id = l.entry AND e.at < cut);
	FOR part IN SELECT c.oid, c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'audit.entry'::regclass AND c.relname ~ '^entry_[0-9]{4}_[0-9]{2}$' AND to_date(substr(c.relname, 7), 'YYYY_MM') < date_trunc('month', month::timestamp)::date ORDER BY c.relname
	LOOP
		EXECUTE format('SELECT count(*) FROM audit.%I', part.relname) INTO these;
		gone := gone + these;
		EXECUTE format('DROP TABLE audit.%I', part.relname);
	END LOOP;
	DELETE FROM audit.entry AS e WHERE e.at < cut;
	GET DIAGNOSTICS these = ROW_COUNT;
	gone := gone + these;
	INSERT INTO audit.dropped (part, before, seq, entries, tree, size) VALUES (to_char(cut AT TIME ZONE 'UTC', 'YYYY-MM'), cut, last, gone, head_tree, head_size);
	RETURN gone;
END
$_$;

ALTER FUNCTION audit.drop_before(month date, head_tree integer, head_size bigint) OWNER TO garant_owner;

CREATE FUNCTION directory.bind_minting() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	IF 'tenancy:mint' = ANY (NEW.scopes) AND NEW.mint_databases IS NULL THEN
		RAISE EXCEPTION 'a token that mints is bound' USING ERRCODE = 'check_violation', CONSTRAINT = 'api_token_bound', TABLE = 'api_token';
	END IF;
	RETURN NEW;
END
$$;

ALTER FUNCTION directory.bind_minting() OWNER TO garant_owner;

CREATE FUNCTION directory.set_seat() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	IF NEW.access_until IS NULL THEN
		NEW.access_set_at := NULL;
	ELSIF TG_OP = 'INSERT' OR NEW.access_until IS DISTINCT FROM OLD.access_until THEN
		NEW.access_set_at := clock_timestamp();
	ELSE
		NEW.access_set_at := OLD.access_set_at;
	END IF;
	RETURN NEW;
END
$$;

ALTER FUNCTION directory.set_seat() OWNER TO garant_owner;

CREATE FUNCTION estate.check_confirmation() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
	current estate.version;
BEGIN
	PERFORM pg_advisory_xact_lock(111546548188261);
	SELECT * INTO STRICT current FROM estate.version ORDER BY id DESC LIMIT 1;
	IF NEW.version <> current.id THEN
		RAISE EXCEPTION 'not the version in force' USING ERRCODE = 'check_violation', CONSTRAINT = 'confirmation_current', TABLE = 'confirmation';
	END IF;
	IF current.reductions = '[]' THEN
		RAISE EXCEPTION 'nothing is pending' USING ERRCODE = 'check_violation', CONSTRAINT = 'confirmation_pending', TABLE = 'confirmation';
	END IF;
	IF EXISTS (SELECT FROM jsonb_array_elements(current.reductions) AS r WHERE NOT coalesce(jsonb_array_length(r -> 'by') > 0, false) OR r -> 'by' ? NEW.confirmed_by) THEN
		RAISE EXCEPTION 'not a second person' USING ERRCODE = 'check_violation', CONSTRAINT = 'confirmation_second_person', TABLE = 'confirmation';
	END IF;
	RETURN NEW;
END
$$;

ALTER FUNCTION estate.check_confirmation() OWNER TO garant_owner;

CREATE FUNCTION hosting.name_customer() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	NEW.customer := tenancy.customer_of(NEW.database, NEW.tenant);
	RETURN NEW;
END
$$;

ALTER FUNCTION hosting.name_customer() OWNER TO garant_owner;

CREATE FUNCTION measure.check_annex_decision() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
	proposed measure.annex_proposal;
	published bigint; -- the last revision that was
BEGIN
	PERFORM pg_advisory_xact_lock(418464556408);
	SELECT * INTO STRICT proposed FROM measure.annex_proposal WHERE id = NEW.proposal;
	SELECT coalesce(max(p.revision), 0) INTO published
		FROM measure.annex_decision AS d JOIN measure.annex_proposal AS p ON p.id = d.proposal WHERE d.version IS NOT NULL;
	IF NEW.outcome <> 'withdrawn' AND (NEW.decided_by !~ '^person:.'
		OR EXISTS (SELECT FROM measure.annex_draft AS d WHERE d.revision > published AND d.revision <= proposed.revision AND d.edited_by = NEW.decided_by)
		OR EXISTS (SELECT FROM measure.annex_proposal AS p WHERE p.revision > published AND p.proposed_by = NEW.decided_by)) THEN
		RAISE EXCEPTION 'not a second person' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_decision_second_person', TABLE = 'annex_decision';
	END IF;
	IF NEW.version <> (SELECT coalesce(max(d.version), 0) + 1 FROM measure.annex_decision AS d) THEN
		RAISE EXCEPTION 'not the next version' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_decision_next', TABLE = 'annex_decision';
	END IF;
	RETURN NEW;
END
$$;

ALTER FUNCTION measure.check_annex_decision() OWNER TO garant_owner;

CREATE FUNCTION measure.check_annex_draft() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(418464556408);
	IF NEW.revision <> (SELECT coalesce(max(d.revision), 0) + 1 FROM measure.annex_draft AS d) THEN
		RAISE EXCEPTION 'somebody else edited it' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_draft_next', TABLE = 'annex_draft';
	END IF;
	RETURN NEW;
END
$$;

ALTER FUNCTION measure.check_annex_draft() OWNER TO garant_owner;

CREATE FUNCTION measure.check_annex_proposal() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(418464556408);
	IF EXISTS (SELECT FROM measure.annex_proposal AS p WHERE NOT EXISTS (SELECT FROM measure.annex_decision AS d WHERE d.proposal = p.id)) THEN
		RAISE EXCEPTION 'another waits' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_proposal_one', TABLE = 'annex_proposal';
	END IF;
	IF NEW.revision <> (SELECT max(d.revision) FROM measure.annex_draft AS d) THEN
		RAISE EXCEPTION 'not the draft in force' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_proposal_current', TABLE = 'annex_proposal';
	END IF;
	IF EXISTS (SELECT FROM measure.annex_decision AS d JOIN measure.annex_proposal AS p ON p.id = d.proposal WHERE d.version IS NOT NULL AND p.revision >= NEW.revision) THEN
		RAISE EXCEPTION 'published already' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_proposal_new', TABLE = 'annex_proposal';
	END IF;
	RETURN NEW;
END
$$;

ALTER FUNCTION measure.check_annex_proposal() OWNER TO garant_owner;

CREATE FUNCTION register.purge(entry uuid, today date, now timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
	was_revision bigint;
	of_register text;
BEGIN
	SELECT e.revision, e.register INTO was_revision, of_register FROM register.entry e
	WHERE e.id = entry AND e.purge_on IS NOT NULL AND e.purge_on <= LEAST(today, CURRENT_DATE + 1) FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	DELETE FROM crypt.key k WHERE k.subject = 'register:' || entry::text;
	DELETE FROM crypt.key k USING document.document f WHERE k.subject = 'document:' || f.id::text
		AND f.owner_kind = 'register.' || of_register AND f.owner_id = entry::text;
	DELETE FROM register.unique_value u WHERE u.entry_id = entry;
	DELETE FROM register.reference r WHERE r.entry_id = entry;
	DELETE FROM register.change c WHERE c.entry_id = entry;
	UPDATE register.entry e SET revision = e.revision + 1, sort_key = '', search = '', fields = '{}', sealed = NULL,
		purge_on = NULL, updated_at = now, updated_by = 'system:retention', deleted_at = COALESCE(e.deleted_at, now)
	WHERE e.id = entry;
	INSERT INTO register.change (entry_id, revision, at, actor_kind, actor_id, action)
	VALUES (entry, was_revision + 1, now, 'system', 'retention', 'purged');
	RETURN true;
END
$$;

ALTER FUNCTION register.purge(entry uuid, today date, now timestamp with time zone) OWNER TO garant_owner;

CREATE FUNCTION tenancy.add_partitions() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '2s'
    SET "TimeZone" TO 'UTC'
    AS $$
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

ALTER FUNCTION tenancy.add_partitions() OWNER TO garant_owner;

CREATE FUNCTION tenancy.check_job() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
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

ALTER FUNCTION tenancy.check_job() OWNER TO garant_owner;

CREATE FUNCTION tenancy.check_job_decision() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
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

ALTER FUNCTION tenancy.check_job_decision() OWNER TO garant_owner;

CREATE FUNCTION tenancy.check_job_withdrawal() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('tenancy job ' || NEW.job::text, 0));
	RETURN NEW;
END
$$;

ALTER FUNCTION tenancy.check_job_withdrawal() OWNER TO garant_owner;

CREATE FUNCTION tenancy.check_minting() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
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

ALTER FUNCTION tenancy.check_minting() OWNER TO garant_owner;

CREATE FUNCTION tenancy.check_revocation() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('tenancy session ' || NEW.session::text, 0));
	RETURN NEW;
END
$$;

ALTER FUNCTION tenancy.check_revocation() OWNER TO garant_owner;

CREATE FUNCTION tenancy.check_service_minting() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
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

ALTER FUNCTION tenancy.check_service_minting() OWNER TO garant_owner;

CREATE FUNCTION tenancy.customer_of(home text, tenant text) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (home = '@garant'::text) THEN (tenant)::uuid ELSE (encode(substr(sha256(convert_to(((((octet_length(home) || ' '::text) || home) || ' '::text) || tenant), 'UTF8'::name)), 1, 16), 'hex'::text))::uuid END;

ALTER FUNCTION tenancy.customer_of(home text, tenant text) OWNER TO garant_owner;

CREATE TABLE hosting.told (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    database text NOT NULL,
    tenant_type text NOT NULL,
    tenant text NOT NULL,
    place text NOT NULL,
    paused boolean NOT NULL,
    move uuid NOT NULL,
    step text NOT NULL,
    told_by text NOT NULL,
    customer uuid NOT NULL,
    CONSTRAINT told_told_by_check CHECK ((told_by ~ '^(person|system):.'::text))
);

ALTER TABLE ONLY hosting.told FORCE ROW LEVEL SECURITY;

ALTER TABLE hosting.told OWNER TO garant_owner;

CREATE FUNCTION tenancy.home_of(database text, tenant text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((SELECT t.database FROM hosting.told t WHERE ((t.place = home_of.database) AND (t.tenant = home_of.tenant) AND (t.database <> t.place)) ORDER BY t.id DESC LIMIT 1), database);

ALTER FUNCTION tenancy.home_of(database text, tenant text) OWNER TO garant_owner;

CREATE FUNCTION tenancy.tell_job() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	INSERT INTO tenancy.customer_job (customer, job, database, name, why, access, any_tenant, accepted_at, ends_at)
	SELECT DISTINCT tenancy.customer_of(tenancy.home_of(j.database, t), t), j.id, j.database, j.name, j.why, j.access, j.any_tenant, NEW.decided_at, j.ends_at
	FROM tenancy.job AS j, unnest(j.tenants) AS t WHERE j.id = NEW.job
	ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$;

ALTER FUNCTION tenancy.tell_job() OWNER TO garant_owner;

CREATE FUNCTION tenancy.tell_job_minting() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	INSERT INTO tenancy.customer_job (customer, job, database, name, why, access, any_tenant, accepted_at, ends_at)
	SELECT NEW.customer, j.id, j.database, j.name, j.why, j.access, j.any_tenant, d.decided_at, j.ends_at
	FROM tenancy.job AS j JOIN tenancy.job_decision AS d ON d.job = j.id WHERE j.id = NEW.job
	ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$;

ALTER FUNCTION tenancy.tell_job_minting() OWNER TO garant_owner;

CREATE FUNCTION tenancy.tell_job_withdrawal() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	UPDATE tenancy.customer_job SET withdrawn_at = NEW.withdrawn_at WHERE job = NEW.job;
	RETURN NULL;
END
$$;

ALTER FUNCTION tenancy.tell_job_withdrawal() OWNER TO garant_owner;

CREATE FUNCTION tenancy.tell_session_end() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
	INSERT INTO tenancy.session_end (customer, database, session, ended_at)
	SELECT DISTINCT m.customer, NEW.database, NEW.session, NEW.revoked_at FROM tenancy.minting AS m WHERE m.database = NEW.database AND m.session = NEW.session;
	RETURN NULL;
END
$$;

ALTER FUNCTION tenancy.tell_session_end() OWNER TO garant_owner;

CREATE TABLE annex.document (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    hash text NOT NULL,
    payload json NOT NULL
);

ALTER TABLE annex.document OWNER TO garant_owner;

ALTER TABLE annex.document ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME annex.document_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE annex.freshness (
    measure_id text NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    valid_until timestamp with time zone NOT NULL,
    next_at timestamp with time zone NOT NULL
);

ALTER TABLE annex.freshness OWNER TO garant_owner;

CREATE TABLE annex.history (
    id bigint NOT NULL,
    measure_id text NOT NULL,
    state text NOT NULL,
    at timestamp with time zone NOT NULL,
    reason text NOT NULL
);

ALTER TABLE annex.history OWNER TO garant_owner;

CREATE TABLE annex.published (
    id bigint NOT NULL,
    measure_id text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    payload json NOT NULL
);

ALTER TABLE annex.published OWNER TO garant_owner;

ALTER TABLE annex.published ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME annex.published_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE annex.pulse (
    minute timestamp with time zone NOT NULL
);

ALTER TABLE annex.pulse OWNER TO garant_owner;

CREATE TABLE annex.revision (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind text NOT NULL,
    measure_id text DEFAULT ''::text NOT NULL,
    payload json NOT NULL,
    CONSTRAINT revision_kind_check CHECK ((kind = ANY (ARRAY['published'::text, 'wording'::text, 'added'::text, 'removed'::text, 'estate'::text, 'scope'::text, 'reduced'::text, 'confirmed'::text, 'company'::text, 'subprocessors'::text])))
);

ALTER TABLE annex.revision OWNER TO garant_owner;

ALTER TABLE annex.revision ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME annex.revision_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE anonymise.certificate (
    id bigint NOT NULL,
    database text NOT NULL,
    copy text NOT NULL,
    run text NOT NULL,
    began_at timestamp with time zone,
    bytes bigint NOT NULL,
    destroyed_at timestamp with time zone NOT NULL,
    reason text NOT NULL
);

ALTER TABLE anonymise.certificate OWNER TO garant_owner;

ALTER TABLE anonymise.certificate ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME anonymise.certificate_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE anonymise.credential (
    database text NOT NULL,
    role text NOT NULL,
    sealed bytea NOT NULL,
    issued_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    issued_by text NOT NULL,
    settled_at timestamp with time zone,
    CONSTRAINT credential_issued_by_check CHECK ((issued_by ~ '^(person|system):.'::text))
);

ALTER TABLE anonymise.credential OWNER TO garant_owner;

CREATE TABLE anonymise.run (
    id uuid NOT NULL,
    seq bigint NOT NULL,
    database text NOT NULL,
    name text NOT NULL,
    run text DEFAULT ''::text NOT NULL,
    origin text NOT NULL,
    plan bytea NOT NULL,
    began_at timestamp with time zone NOT NULL,
    stage text DEFAULT ''::text NOT NULL,
    tables text DEFAULT ''::text NOT NULL,
    rows bigint DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    bytes_all bigint DEFAULT 0 NOT NULL,
    waiting boolean DEFAULT false NOT NULL,
    heard_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    outcome text DEFAULT 'running'::text NOT NULL,
    code text DEFAULT ''::text NOT NULL,
    said text DEFAULT ''::text NOT NULL,
    snapshot_at timestamp with time zone,
    anonymised boolean,
    proof text DEFAULT ''::text NOT NULL,
    report jsonb,
    schema jsonb,
    published_at timestamp with time zone,
    CONSTRAINT run_check CHECK (((outcome = 'running'::text) = (ended_at IS NULL))),
    CONSTRAINT run_check1 CHECK (((outcome = 'published'::text) = (published_at IS NOT NULL))),
    CONSTRAINT run_origin_check CHECK ((origin ~ '^(schedule|(person|system):.+)$'::text)),
    CONSTRAINT run_outcome_check CHECK ((outcome = ANY (ARRAY['running'::text, 'published'::text, 'stopped'::text, 'unproven'::text, 'failed'::text, 'lost'::text]))),
    CONSTRAINT run_plan_check CHECK ((octet_length(plan) = 32))
);

ALTER TABLE anonymise.run OWNER TO garant_owner;

ALTER TABLE anonymise.run ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME anonymise.run_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE audit.anomaly (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind text NOT NULL,
    about text NOT NULL,
    detail json DEFAULT '{}'::json NOT NULL,
    CONSTRAINT anomaly_kind_check CHECK ((kind ~ '^[a-z_]+$'::text))
);

ALTER TABLE audit.anomaly OWNER TO garant_owner;

ALTER TABLE audit.anomaly ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.anomaly_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE audit.anomaly_word (
    anomaly bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    by text NOT NULL,
    reason text NOT NULL,
    mac bytea DEFAULT '\x'::bytea NOT NULL,
    CONSTRAINT anomaly_word_reason_check CHECK ((reason <> ''::text))
);

ALTER TABLE audit.anomaly_word OWNER TO garant_owner;

CREATE TABLE audit.began (
    signed bigint NOT NULL
);

ALTER TABLE audit.began OWNER TO garant_owner;

CREATE TABLE audit.checkpoint (
    tree integer NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE audit.checkpoint OWNER TO garant_owner;

CREATE TABLE audit.cosignature (
    tree integer NOT NULL,
    size bigint NOT NULL,
    witness text NOT NULL,
    line text NOT NULL,
    at timestamp with time zone NOT NULL,
    taken_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE audit.cosignature OWNER TO garant_owner;

CREATE TABLE audit.cursor (
    one boolean DEFAULT true NOT NULL,
    generation integer NOT NULL,
    xid xid8 NOT NULL,
    entry bigint NOT NULL,
    heartbeat bigint NOT NULL,
    heard xid8 NOT NULL,
    adopted bigint NOT NULL,
    signed bigint NOT NULL,
    seq bigint NOT NULL,
    system text NOT NULL,
    at timestamp with time zone NOT NULL,
    noted bigint NOT NULL,
    mac bytea NOT NULL,
    CONSTRAINT cursor_one_check CHECK (one)
);

ALTER TABLE audit.cursor OWNER TO garant_owner;

CREATE TABLE audit.dropped (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    part text NOT NULL,
    before timestamp with time zone NOT NULL,
    seq bigint NOT NULL,
    entries bigint NOT NULL,
    tree integer NOT NULL,
    size bigint NOT NULL
);

ALTER TABLE audit.dropped OWNER TO garant_owner;

ALTER TABLE audit.dropped ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.dropped_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE audit.entry (
    id bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    session text,
    origin text,
    action text NOT NULL,
    outcome text NOT NULL,
    object_kind text NOT NULL,
    object_id text NOT NULL,
    detail json DEFAULT '{}'::json NOT NULL,
    tenant uuid,
    reason text,
    request text,
    subject text,
    promise bytea,
    changes bytea,
    occurred timestamp with time zone,
    writer uuid,
    n bigint,
    written timestamp with time zone,
    mac bytea
)
PARTITION BY RANGE (at);

ALTER TABLE ONLY audit.entry FORCE ROW LEVEL SECURITY;

ALTER TABLE audit.entry OWNER TO garant_owner;

CREATE SEQUENCE audit.entry_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE audit.entry_number OWNER TO garant_owner;

ALTER SEQUENCE audit.entry_number OWNED BY audit.entry.id;

CREATE TABLE audit.entry_rest (
    id bigint DEFAULT nextval('audit.entry_number'::regclass) NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    session text,
    origin text,
    action text NOT NULL,
    outcome text NOT NULL,
    object_kind text NOT NULL,
    object_id text NOT NULL,
    detail json DEFAULT '{}'::json NOT NULL,
    tenant uuid,
    reason text,
    request text,
    subject text,
    promise bytea,
    changes bytea,
    occurred timestamp with time zone,
    writer uuid,
    n bigint,
    written timestamp with time zone,
    mac bytea
);

ALTER TABLE ONLY audit.entry_rest FORCE ROW LEVEL SECURITY;

ALTER TABLE audit.entry_rest OWNER TO garant_owner;

CREATE TABLE audit.generation (
    generation integer NOT NULL,
    origin text NOT NULL,
    key text NOT NULL,
    sealed bytea NOT NULL,
    began_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    began_by text NOT NULL,
    reason text NOT NULL,
    before json,
    CONSTRAINT generation_generation_check CHECK ((generation > 0))
);

ALTER TABLE audit.generation OWNER TO garant_owner;

CREATE TABLE audit.heartbeat (
    id bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    writer uuid NOT NULL,
    n bigint NOT NULL,
    below bigint NOT NULL,
    claimed int8multirange NOT NULL,
    last boolean NOT NULL,
    written timestamp with time zone NOT NULL,
    mac bytea NOT NULL,
    CONSTRAINT heartbeat_n_check CHECK ((n > 0))
);

ALTER TABLE audit.heartbeat OWNER TO garant_owner;

ALTER TABLE audit.heartbeat ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.heartbeat_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE audit.hour (
    hour timestamp with time zone NOT NULL,
    entries bigint NOT NULL,
    refused bigint NOT NULL,
    "least" bigint NOT NULL,
    "greatest" bigint NOT NULL
);

ALTER TABLE audit.hour OWNER TO garant_owner;

CREATE TABLE audit.leaf (
    seq bigint NOT NULL,
    tree integer NOT NULL,
    index bigint NOT NULL,
    entry bigint NOT NULL,
    hash bytea NOT NULL
);

ALTER TABLE audit.leaf OWNER TO garant_owner;

CREATE TABLE audit.root_leaf (
    tree integer NOT NULL,
    index bigint NOT NULL,
    text text NOT NULL,
    hash bytea NOT NULL,
    of integer,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE audit.root_leaf OWNER TO garant_owner;

CREATE TABLE audit.sample (
    id uuid NOT NULL,
    population text NOT NULL,
    part text NOT NULL,
    period_from timestamp with time zone NOT NULL,
    period_until timestamp with time zone NOT NULL,
    method text NOT NULL,
    seed text NOT NULL,
    size integer NOT NULL,
    population_size bigint NOT NULL,
    population_digest text NOT NULL,
    digest text NOT NULL,
    purpose text NOT NULL,
    drawn_at timestamp with time zone NOT NULL,
    drawn_by text NOT NULL,
    CONSTRAINT sample_check CHECK (((period_from < period_until) AND (period_until <= drawn_at))),
    CONSTRAINT sample_digest_check CHECK ((digest ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT sample_drawn_by_check CHECK ((drawn_by ~ '^(person|system):.'::text)),
    CONSTRAINT sample_method_check CHECK ((method = ANY (ARRAY['random'::text, 'systematic'::text]))),
    CONSTRAINT sample_population_check CHECK ((population ~ '^[a-z_]+$'::text)),
    CONSTRAINT sample_population_digest_check CHECK ((population_digest ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT sample_population_size_check CHECK ((population_size > 0)),
    CONSTRAINT sample_purpose_check CHECK ((length(purpose) <= 500)),
    CONSTRAINT sample_seed_check CHECK ((seed ~ '^[0-9A-Za-z._-]{1,64}$'::text)),
    CONSTRAINT sample_size_check CHECK (((size >= 1) AND (size <= 500)))
);

ALTER TABLE audit.sample OWNER TO garant_owner;

CREATE TABLE audit.sample_item (
    sample_id uuid NOT NULL,
    "position" integer NOT NULL,
    item_id text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT sample_item_digest_check CHECK ((digest ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT sample_item_item_id_check CHECK ((item_id <> ''::text)),
    CONSTRAINT sample_item_position_check CHECK (("position" > 0))
);

ALTER TABLE audit.sample_item OWNER TO garant_owner;

CREATE TABLE audit.sample_note (
    id uuid NOT NULL,
    sample_id uuid NOT NULL,
    "position" integer NOT NULL,
    result text NOT NULL,
    note text NOT NULL,
    noted_at timestamp with time zone NOT NULL,
    noted_by text NOT NULL,
    CONSTRAINT sample_note_check CHECK (((length(note) <= 2000) AND ((result = 'ok'::text) OR (note <> ''::text)))),
    CONSTRAINT sample_note_noted_by_check CHECK ((noted_by ~ '^(person|system):.'::text)),
    CONSTRAINT sample_note_result_check CHECK ((result = ANY (ARRAY['ok'::text, 'exception'::text, 'not_assessable'::text])))
);

ALTER TABLE audit.sample_note OWNER TO garant_owner;

CREATE TABLE audit.searched (
    one boolean DEFAULT true NOT NULL,
    seq bigint NOT NULL,
    dropped bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT searched_one_check CHECK (one)
);

ALTER TABLE audit.searched OWNER TO garant_owner;

CREATE TABLE audit.tile (
    tree integer NOT NULL,
    level smallint NOT NULL,
    n bigint NOT NULL,
    hashes bytea NOT NULL,
    root bytea NOT NULL,
    CONSTRAINT tile_hashes_check CHECK ((octet_length(hashes) = 8192)),
    CONSTRAINT tile_root_check CHECK ((octet_length(root) = 32))
);
ALTER TABLE ONLY audit.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

ALTER TABLE audit.tile OWNER TO garant_owner;

CREATE TABLE audit.tree (
    tree integer NOT NULL,
    generation integer NOT NULL,
    name text NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    edge bytea DEFAULT '\x'::bytea NOT NULL,
    CONSTRAINT tree_name_check CHECK (((name = ANY (ARRAY['root'::text, 'company'::text])) OR (name ~ '^tenant/[0-9a-f-]{36}$'::text)))
);

ALTER TABLE audit.tree OWNER TO garant_owner;

ALTER TABLE audit.tree ALTER COLUMN tree ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.tree_tree_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE audit.words (
    entry bigint NOT NULL,
    words tsvector NOT NULL
);

ALTER TABLE audit.words OWNER TO garant_owner;

CREATE TABLE audit.writer (
    writer uuid NOT NULL,
    seen int8multirange NOT NULL,
    spoke bigint NOT NULL,
    below bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    ended boolean NOT NULL,
    mac bytea NOT NULL
);

ALTER TABLE audit.writer OWNER TO garant_owner;

CREATE TABLE auditlog.collected (
    database text NOT NULL,
    system text DEFAULT ''::text NOT NULL,
    xid bigint DEFAULT 0 NOT NULL,
    id bigint DEFAULT 0 NOT NULL,
    events bigint DEFAULT 0 NOT NULL,
    collected_at timestamp with time zone,
    waiting bigint DEFAULT 0 NOT NULL,
    oldest interval DEFAULT '00:00:00'::interval NOT NULL,
    looked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    trouble text DEFAULT ''::text NOT NULL
);

ALTER TABLE auditlog.collected OWNER TO garant_owner;

CREATE TABLE auditlog.collected_event (
    mark uuid NOT NULL,
    database text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE auditlog.collected_event OWNER TO garant_owner;

CREATE TABLE auditlog.replica (
    place text NOT NULL,
    system text,
    timeline integer,
    compared_at timestamp with time zone,
    put_at timestamp with time zone,
    failing timestamp with time zone,
    why text,
    fix text,
    bytes bigint DEFAULT 0 NOT NULL,
    objects bigint DEFAULT 0 NOT NULL,
    segments bigint DEFAULT 0 NOT NULL,
    problem text
);

ALTER TABLE auditlog.replica OWNER TO garant_owner;

CREATE TABLE auditlog.segment (
    place text NOT NULL,
    generation integer NOT NULL,
    from_size bigint NOT NULL,
    to_size bigint NOT NULL,
    from_seq bigint NOT NULL,
    to_seq bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    objects integer DEFAULT 0 NOT NULL,
    planned_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    put_at timestamp with time zone,
    CONSTRAINT segment_check CHECK ((to_size > from_size)),
    CONSTRAINT segment_check1 CHECK ((to_seq >= from_seq)),
    CONSTRAINT segment_from_seq_check CHECK ((from_seq >= 0)),
    CONSTRAINT segment_from_size_check CHECK ((from_size >= 0)),
    CONSTRAINT segment_root_check CHECK ((octet_length(root) = 32))
);

ALTER TABLE auditlog.segment OWNER TO garant_owner;

CREATE TABLE auditlog.stream (
    name text NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    sending bigint DEFAULT 0 NOT NULL,
    sent bigint DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    failed_since timestamp with time zone,
    problem text DEFAULT ''::text NOT NULL,
    said text DEFAULT ''::text NOT NULL,
    CONSTRAINT stream_check CHECK (((sending = 0) OR (sending > "position"))),
    CONSTRAINT stream_check1 CHECK (((problem = ''::text) = (failed_since IS NULL))),
    CONSTRAINT stream_name_check CHECK ((name <> ''::text)),
    CONSTRAINT stream_position_check CHECK (("position" >= 0))
);

ALTER TABLE auditlog.stream OWNER TO garant_owner;

CREATE TABLE crypt.key (
    subject text NOT NULL,
    wrapped bytea NOT NULL,
    provider text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE crypt.key OWNER TO garant_owner;

CREATE TABLE directory.api_token (
    id uuid NOT NULL,
    hash bytea NOT NULL,
    person_id uuid NOT NULL,
    name bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    mint_databases text[],
    mint_logins boolean,
    mint_jobs text[],
    CONSTRAINT api_token_check CHECK (((expires_at > created_at) AND (expires_at <= (created_at + '366 days'::interval)))),
    CONSTRAINT api_token_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT api_token_mint_databases_check CHECK ((cardinality(mint_databases) > 0)),
    CONSTRAINT api_token_minting CHECK ((((mint_databases IS NULL) AND (mint_logins IS NULL) AND (mint_jobs IS NULL)) OR ((mint_databases IS NOT NULL) AND (mint_logins IS NOT NULL) AND (mint_jobs IS NOT NULL) AND (mint_logins OR (cardinality(mint_jobs) > 0)) AND ('tenancy:mint'::text = ANY (scopes))))),
    CONSTRAINT api_token_scopes_check CHECK ((cardinality(scopes) > 0))
);

ALTER TABLE directory.api_token OWNER TO garant_owner;

CREATE TABLE directory.ceremony (
    hash bytea NOT NULL,
    kind text NOT NULL,
    session_id uuid,
    state json NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT ceremony_check CHECK (((kind = 'register'::text) = (session_id IS NOT NULL))),
    CONSTRAINT ceremony_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT ceremony_kind_check CHECK ((kind = ANY (ARRAY['register'::text, 'login'::text])))
);

ALTER TABLE directory.ceremony OWNER TO garant_owner;

CREATE TABLE directory.link (
    id uuid NOT NULL,
    hash bytea NOT NULL,
    person_id uuid NOT NULL,
    purpose text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    void_at timestamp with time zone,
    CONSTRAINT link_check CHECK (((expires_at > created_at) AND (expires_at <= (created_at + '1 day'::interval)))),
    CONSTRAINT link_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT link_purpose_check CHECK ((purpose = ANY (ARRAY['sign_in'::text, 'recover'::text])))
);

ALTER TABLE directory.link OWNER TO garant_owner;

CREATE TABLE directory.notice (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone,
    CONSTRAINT notice_kind_check CHECK ((kind ~ '^[a-z_]+$'::text))
);

ALTER TABLE directory.notice OWNER TO garant_owner;

CREATE TABLE directory.passkey (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    credential_id bytea NOT NULL,
    public_key bytea NOT NULL,
    flags smallint NOT NULL,
    sign_count bigint NOT NULL,
    aaguid uuid NOT NULL,
    transports text[] NOT NULL,
    name bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    suspect_at timestamp with time zone,
    CONSTRAINT passkey_flags_check CHECK ((((flags)::integer & 4) = 4)),
    CONSTRAINT passkey_sign_count_check CHECK ((sign_count >= 0))
);

ALTER TABLE directory.passkey OWNER TO garant_owner;

CREATE TABLE directory.person (
    id uuid NOT NULL,
    email_index bytea NOT NULL,
    email bytea NOT NULL,
    name bytea NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL,
    disabled_at timestamp with time zone,
    access_until timestamp with time zone,
    access_set_at timestamp with time zone,
    CONSTRAINT person_email_index_check CHECK ((octet_length(email_index) = 32)),
    CONSTRAINT person_role_check CHECK ((role <> ''::text)),
    CONSTRAINT person_seat_end CHECK (((role <> 'auditor'::text) OR (access_until IS NOT NULL))),
    CONSTRAINT person_seat_length CHECK ((access_until <= (access_set_at + '366 days'::interval))),
    CONSTRAINT person_seat_set CHECK (((access_until IS NULL) = (access_set_at IS NULL)))
);

ALTER TABLE directory.person OWNER TO garant_owner;

CREATE TABLE directory.recovery_code (
    person_id uuid NOT NULL,
    hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT recovery_code_hash_check CHECK ((octet_length(hash) = 32))
);

ALTER TABLE directory.recovery_code OWNER TO garant_owner;

CREATE TABLE directory.seat_end (
    person_id uuid NOT NULL,
    access_until timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    CONSTRAINT seat_end_check CHECK ((ended_at >= access_until))
);

ALTER TABLE directory.seat_end OWNER TO garant_owner;

CREATE TABLE directory.session (
    id uuid NOT NULL,
    hash bytea NOT NULL,
    person_id uuid NOT NULL,
    method text NOT NULL,
    enrolled boolean NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    verified_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    ended_reason text,
    origin text NOT NULL,
    agent text NOT NULL,
    CONSTRAINT session_agent_check CHECK ((length(agent) <= 120)),
    CONSTRAINT session_check CHECK ((expires_at > opened_at)),
    CONSTRAINT session_check1 CHECK (((ended_at IS NULL) = (ended_reason IS NULL))),
    CONSTRAINT session_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT session_method_check CHECK ((method = ANY (ARRAY['link'::text, 'recovery'::text, 'passkey'::text])))
);

ALTER TABLE directory.session OWNER TO garant_owner;

CREATE TABLE directory.throttle (
    key bytea NOT NULL,
    started_at timestamp with time zone NOT NULL,
    attempts integer NOT NULL,
    CONSTRAINT throttle_key_check CHECK ((octet_length(key) = 32))
);

ALTER TABLE directory.throttle OWNER TO garant_owner;

CREATE TABLE document.document (
    id uuid NOT NULL,
    owner_kind text NOT NULL,
    owner_id text NOT NULL,
    name bytea NOT NULL,
    type text NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    pieces integer NOT NULL,
    added_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    added_by text NOT NULL,
    CONSTRAINT document_added_by_check CHECK ((added_by <> ''::text)),
    CONSTRAINT document_owner_id_check CHECK ((owner_id <> ''::text)),
    CONSTRAINT document_owner_kind_check CHECK ((owner_kind <> ''::text)),
    CONSTRAINT document_pieces_check CHECK ((pieces > 0)),
    CONSTRAINT document_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT document_size_check CHECK (((size >= 1) AND (size <= 20000000))),
    CONSTRAINT document_type_check CHECK ((type ~ '^[a-z]+/[a-z0-9.+-]+$'::text))
);

ALTER TABLE document.document OWNER TO garant_owner;

CREATE TABLE document.piece (
    document_id uuid NOT NULL,
    n integer NOT NULL,
    value bytea NOT NULL,
    CONSTRAINT piece_n_check CHECK ((n >= 0))
);
ALTER TABLE ONLY document.piece ALTER COLUMN value SET STORAGE EXTERNAL;

ALTER TABLE document.piece OWNER TO garant_owner;

CREATE TABLE estate.confirmation (
    version bigint NOT NULL,
    confirmed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    confirmed_by text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT confirmation_by CHECK ((confirmed_by ~ '^person:.'::text)),
    CONSTRAINT confirmation_reason_check CHECK ((reason <> ''::text))
);

ALTER TABLE estate.confirmation OWNER TO garant_owner;

CREATE TABLE estate.version (
    id bigint NOT NULL,
    hash text NOT NULL,
    source text NOT NULL,
    files jsonb DEFAULT '{}'::jsonb NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    applied_by text NOT NULL,
    reductions jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT version_applied_by CHECK ((applied_by ~ '^(person|system):.'::text)),
    CONSTRAINT version_hash CHECK ((hash ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT version_reductions CHECK ((jsonb_typeof(reductions) = 'array'::text))
);

ALTER TABLE estate.version OWNER TO garant_owner;

ALTER TABLE estate.version ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME estate.version_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE hosting.move (
    id uuid NOT NULL,
    database text NOT NULL,
    tenant_type text NOT NULL,
    tenant text NOT NULL,
    source text NOT NULL,
    target text NOT NULL,
    step text NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    rate bigint NOT NULL,
    behind bigint NOT NULL,
    pause_ms bigint NOT NULL,
    proof jsonb NOT NULL,
    restore text NOT NULL,
    failure text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    started_by text NOT NULL,
    switched_at timestamp with time zone,
    finished_at timestamp with time zone,
    heard_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT move_tenant_check CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 38))),
    CONSTRAINT move_tenant_type_check CHECK ((tenant_type = ANY (ARRAY['uuid'::text, 'bigint'::text, 'text'::text])))
);

ALTER TABLE hosting.move OWNER TO garant_owner;

CREATE TABLE hosting.residence (
    database text NOT NULL,
    tenant_type text NOT NULL,
    tenant text NOT NULL,
    place text NOT NULL,
    paused boolean NOT NULL,
    move uuid NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    customer uuid NOT NULL,
    CONSTRAINT residence_tenant_check CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 38))),
    CONSTRAINT residence_tenant_type_check CHECK ((tenant_type = ANY (ARRAY['uuid'::text, 'bigint'::text, 'text'::text])))
);

ALTER TABLE ONLY hosting.residence FORCE ROW LEVEL SECURITY;

ALTER TABLE hosting.residence OWNER TO garant_owner;

ALTER TABLE hosting.told ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME hosting.told_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE job.outbox (
    id bigint NOT NULL,
    name text NOT NULL,
    args jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE job.outbox OWNER TO garant_owner;

ALTER TABLE job.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME job.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE job.recurrence (
    name text NOT NULL,
    slot timestamp with time zone NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    taken_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE job.recurrence OWNER TO garant_owner;

CREATE TABLE mail.message (
    id uuid NOT NULL,
    template text NOT NULL,
    person_id uuid NOT NULL,
    due text NOT NULL,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    next_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    problem text,
    done_at timestamp with time zone,
    CONSTRAINT message_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'sending'::text, 'sent'::text, 'dropped'::text, 'failed'::text]))),
    CONSTRAINT message_template_check CHECK ((template ~ '^[a-z]+(\.[a-z_]+)+$'::text))
);

ALTER TABLE mail.message OWNER TO garant_owner;

CREATE TABLE mail.preference (
    person_id uuid NOT NULL,
    language text,
    digest boolean DEFAULT true NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT preference_language_check CHECK ((language = ANY (ARRAY['fr'::text, 'en'::text])))
);

ALTER TABLE mail.preference OWNER TO garant_owner;

CREATE TABLE measure.annex_decision (
    proposal bigint NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    decided_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    decided_by text NOT NULL,
    version bigint,
    base_hash text,
    hash text,
    changes jsonb,
    CONSTRAINT annex_decision_check CHECK (((outcome = 'published'::text) = ((version IS NOT NULL) AND (base_hash ~ '^[0-9a-f]{64}$'::text) AND (hash ~ '^[0-9a-f]{64}$'::text)))),
    CONSTRAINT annex_decision_check1 CHECK (((outcome <> 'refused'::text) OR (reason <> ''::text))),
    CONSTRAINT annex_decision_decided_by_check CHECK ((decided_by ~ '^(person|system):.'::text)),
    CONSTRAINT annex_decision_outcome_check CHECK ((outcome = ANY (ARRAY['published'::text, 'refused'::text, 'withdrawn'::text]))),
    CONSTRAINT annex_decision_reason_check CHECK ((length(reason) <= 1000))
);

ALTER TABLE measure.annex_decision OWNER TO garant_owner;

CREATE TABLE measure.annex_draft (
    revision bigint NOT NULL,
    text text NOT NULL,
    hash text NOT NULL,
    edited_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    edited_by text NOT NULL,
    CONSTRAINT annex_draft_edited_by_check CHECK ((edited_by ~ '^(person|system):.'::text)),
    CONSTRAINT annex_draft_hash_check CHECK ((hash ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT annex_draft_revision_check CHECK ((revision > 0)),
    CONSTRAINT annex_draft_text_check CHECK ((octet_length(text) <= 1048576))
);

ALTER TABLE measure.annex_draft OWNER TO garant_owner;

CREATE TABLE measure.annex_proposal (
    id bigint NOT NULL,
    revision bigint NOT NULL,
    note text NOT NULL,
    proposed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    proposed_by text NOT NULL,
    CONSTRAINT annex_proposal_note_check CHECK ((length(note) <= 1000)),
    CONSTRAINT annex_proposal_proposed_by_check CHECK ((proposed_by ~ '^(person|system):.'::text))
);

ALTER TABLE measure.annex_proposal OWNER TO garant_owner;

ALTER TABLE measure.annex_proposal ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME measure.annex_proposal_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE measure.assignment (
    id bigint NOT NULL,
    measure_id text NOT NULL,
    responsible uuid,
    deputy uuid,
    deputy_until date,
    assigned_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    assigned_by text NOT NULL,
    CONSTRAINT assignment_assigned_by_check CHECK ((assigned_by ~ '^(person|system):.'::text)),
    CONSTRAINT assignment_check CHECK (((deputy IS NULL) = (deputy_until IS NULL))),
    CONSTRAINT assignment_check1 CHECK (((deputy IS NULL) OR ((responsible IS NOT NULL) AND (deputy <> responsible)))),
    CONSTRAINT assignment_measure_id_check CHECK ((measure_id <> ''::text))
);

ALTER TABLE measure.assignment OWNER TO garant_owner;

ALTER TABLE measure.assignment ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME measure.assignment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE measure.attestation (
    n bigint NOT NULL,
    id uuid NOT NULL,
    measure_id text NOT NULL,
    targets text[] NOT NULL,
    statement text NOT NULL,
    person_id uuid NOT NULL,
    on_behalf_of uuid,
    observed_on date NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    valid_until timestamp with time zone NOT NULL,
    note bytea,
    documents json NOT NULL,
    words_hash text NOT NULL,
    catalogue_hash text NOT NULL,
    estate_version bigint NOT NULL,
    build text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT attestation_check CHECK ((on_behalf_of <> person_id)),
    CONSTRAINT attestation_check1 CHECK ((valid_until > observed_at)),
    CONSTRAINT attestation_digest_check CHECK ((digest ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT attestation_measure_id_check CHECK ((measure_id <> ''::text)),
    CONSTRAINT attestation_observed CHECK ((observed_at <= (received_at + '1 day'::interval))),
    CONSTRAINT attestation_statement_check CHECK ((statement = ANY (ARRAY['confirmed'::text, 'refused'::text]))),
    CONSTRAINT attestation_targets_check CHECK ((cardinality(targets) > 0)),
    CONSTRAINT attestation_words_hash_check CHECK ((words_hash ~ '^[0-9a-f]{64}$'::text))
);

ALTER TABLE measure.attestation OWNER TO garant_owner;

ALTER TABLE measure.attestation ALTER COLUMN n ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME measure.attestation_n_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE measure.catalogue (
    hash text NOT NULL,
    content jsonb NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE measure.catalogue OWNER TO garant_owner;

CREATE TABLE measure.current (
    check_id text NOT NULL,
    evidence_id uuid NOT NULL,
    content_hash text NOT NULL,
    first_at timestamp with time zone NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    valid_until timestamp with time zone NOT NULL,
    observations bigint NOT NULL,
    written_at timestamp with time zone NOT NULL,
    written_count bigint NOT NULL,
    estate_version bigint NOT NULL,
    catalogue_hash text NOT NULL,
    build text NOT NULL,
    definite_id uuid,
    definite_at timestamp with time zone
);

ALTER TABLE measure.current OWNER TO garant_owner;

CREATE TABLE measure.evidence (
    id uuid NOT NULL,
    check_id text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    finding json NOT NULL,
    content_hash text NOT NULL,
    digest text NOT NULL,
    first_at timestamp with time zone NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    observations bigint NOT NULL,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    valid_until timestamp with time zone NOT NULL,
    catalogue_hash text NOT NULL,
    estate_version bigint NOT NULL,
    build text NOT NULL,
    CONSTRAINT evidence_check CHECK (((valid_until >= observed_at) AND (observed_at >= first_at))),
    CONSTRAINT evidence_kind_check CHECK ((kind = ANY (ARRAY['finding'::text, 'rollup'::text]))),
    CONSTRAINT evidence_observations_check CHECK ((observations > 0)),
    CONSTRAINT evidence_outcome_check CHECK ((outcome = ANY (ARRAY['pass'::text, 'fail'::text, 'error'::text, 'not_applicable'::text])))
);

ALTER TABLE measure.evidence OWNER TO garant_owner;

CREATE TABLE measure.reminder (
    measure_id text NOT NULL,
    person_id uuid NOT NULL,
    due text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE measure.reminder OWNER TO garant_owner;

CREATE TABLE measure.run (
    id uuid NOT NULL,
    check_id text NOT NULL,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    asked_by text NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    evidence_id uuid,
    outcome text
);

ALTER TABLE measure.run OWNER TO garant_owner;

CREATE TABLE measure.state_change (
    id bigint NOT NULL,
    measure_id text NOT NULL,
    state text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    cause text DEFAULT ''::text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT state_change_state_check CHECK ((state = ANY (ARRAY['met'::text, 'not_met'::text, 'stale'::text, 'unproven'::text, 'excluded'::text])))
);

ALTER TABLE measure.state_change OWNER TO garant_owner;

ALTER TABLE measure.state_change ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME measure.state_change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.goose_db_version (
    id integer NOT NULL,
    version_id bigint NOT NULL,
    is_applied boolean NOT NULL,
    tstamp timestamp without time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.goose_db_version OWNER TO garant_owner;

ALTER TABLE public.goose_db_version ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.goose_db_version_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE register.acknowledgement (
    document_id uuid NOT NULL,
    version integer NOT NULL,
    person_id uuid NOT NULL,
    account_id uuid NOT NULL,
    digest text NOT NULL,
    at timestamp with time zone NOT NULL
);

ALTER TABLE register.acknowledgement OWNER TO garant_owner;

CREATE TABLE register.change (
    id bigint NOT NULL,
    entry_id uuid NOT NULL,
    revision bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    action text NOT NULL,
    changes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT change_action_check CHECK ((action = ANY (ARRAY['created'::text, 'imported'::text, 'changed'::text, 'moved'::text, 'published'::text, 'removed'::text, 'purged'::text, 'attached'::text])))
);

ALTER TABLE register.change OWNER TO garant_owner;

ALTER TABLE register.change ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME register.change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE register.entry (
    id uuid NOT NULL,
    register text NOT NULL,
    revision bigint NOT NULL,
    state text NOT NULL,
    sort_key text NOT NULL COLLATE pg_catalog."C",
    search text NOT NULL COLLATE pg_catalog."C",
    fields jsonb NOT NULL,
    sealed bytea,
    purge_on date,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    updated_by text NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT entry_fields_check CHECK ((jsonb_typeof(fields) = 'object'::text)),
    CONSTRAINT entry_register_check CHECK ((register ~ '^[a-z][a-z_]*$'::text)),
    CONSTRAINT entry_revision_check CHECK ((revision > 0)),
    CONSTRAINT entry_state_check CHECK ((state <> ''::text))
);

ALTER TABLE register.entry OWNER TO garant_owner;

CREATE TABLE register.publication (
    entry_id uuid NOT NULL,
    version integer NOT NULL,
    at timestamp with time zone NOT NULL,
    by text NOT NULL,
    fields jsonb NOT NULL,
    digest text NOT NULL,
    CONSTRAINT publication_version_check CHECK ((version > 0))
);

ALTER TABLE register.publication OWNER TO garant_owner;

CREATE TABLE register.reference (
    entry_id uuid NOT NULL,
    field text NOT NULL,
    target_id uuid NOT NULL
);

ALTER TABLE register.reference OWNER TO garant_owner;

CREATE TABLE register.unique_value (
    register text NOT NULL,
    field text NOT NULL,
    value bytea NOT NULL,
    entry_id uuid NOT NULL,
    CONSTRAINT unique_value_value_check CHECK (((octet_length(value) >= 1) AND (octet_length(value) <= 2000)))
);

ALTER TABLE register.unique_value OWNER TO garant_owner;

CREATE TABLE tenancy.customer (
    customer uuid NOT NULL,
    database text NOT NULL,
    tenant text NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT customer_check CHECK ((customer = tenancy.customer_of(database, tenant)))
);

ALTER TABLE ONLY tenancy.customer FORCE ROW LEVEL SECURITY;

ALTER TABLE tenancy.customer OWNER TO garant_owner;

CREATE TABLE tenancy.customer_job (
    customer uuid NOT NULL,
    job uuid NOT NULL,
    database text NOT NULL,
    name text NOT NULL,
    why text NOT NULL,
    access text NOT NULL,
    any_tenant boolean NOT NULL,
    accepted_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    withdrawn_at timestamp with time zone
);

ALTER TABLE ONLY tenancy.customer_job FORCE ROW LEVEL SECURITY;

ALTER TABLE tenancy.customer_job OWNER TO garant_owner;

CREATE TABLE tenancy.installation (
    one boolean DEFAULT true NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    CONSTRAINT installation_one_check CHECK (one)
);

ALTER TABLE tenancy.installation OWNER TO garant_owner;

CREATE TABLE tenancy.job (
    id uuid NOT NULL,
    database text NOT NULL,
    name text NOT NULL,
    why text NOT NULL,
    access text NOT NULL,
    tenants text[] NOT NULL,
    any_tenant boolean NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    asked_by text NOT NULL,
    CONSTRAINT job_access_check CHECK ((access = ANY (ARRAY['r'::text, 'w'::text]))),
    CONSTRAINT job_asked_by_check CHECK ((asked_by ~ '^person:.'::text)),
    CONSTRAINT job_check CHECK ((any_tenant = (cardinality(tenants) = 0))),
    CONSTRAINT job_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,62}$'::text)),
    CONSTRAINT job_tenants_check CHECK ((cardinality(tenants) <= 1000)),
    CONSTRAINT job_why_check CHECK (((length(why) >= 1) AND (length(why) <= 1000)))
);

ALTER TABLE tenancy.job OWNER TO garant_owner;

CREATE TABLE tenancy.job_decision (
    job uuid NOT NULL,
    outcome text NOT NULL,
    any_tenant boolean NOT NULL,
    reason text NOT NULL,
    decided_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    decided_by text NOT NULL,
    CONSTRAINT job_decision_check CHECK (((outcome <> 'refused'::text) OR (reason <> ''::text))),
    CONSTRAINT job_decision_decided_by_check CHECK ((decided_by ~ '^person:.'::text)),
    CONSTRAINT job_decision_outcome_check CHECK ((outcome = ANY (ARRAY['accepted'::text, 'refused'::text]))),
    CONSTRAINT job_decision_reason_check CHECK ((length(reason) <= 1000))
);

ALTER TABLE tenancy.job_decision OWNER TO garant_owner;

CREATE TABLE tenancy.job_withdrawal (
    job uuid NOT NULL,
    reason text NOT NULL,
    withdrawn_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    withdrawn_by text NOT NULL,
    CONSTRAINT job_withdrawal_reason_check CHECK ((length(reason) <= 1000)),
    CONSTRAINT job_withdrawal_withdrawn_by_check CHECK ((withdrawn_by ~ '^(person|system):.'::text))
);

ALTER TABLE tenancy.job_withdrawal OWNER TO garant_owner;

CREATE TABLE tenancy.key (
    place uuid NOT NULL,
    id smallint NOT NULL,
    sealed bytea,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    made_by text NOT NULL,
    installed_at timestamp with time zone,
    retires_at timestamp with time zone,
    retired_at timestamp with time zone,
    longest interval DEFAULT '00:00:00'::interval NOT NULL,
    urgent boolean DEFAULT false NOT NULL,
    CONSTRAINT key_id_check CHECK (((id >= 0) AND (id <= 255))),
    CONSTRAINT key_made_by_check CHECK ((made_by ~ '^(person|system):.'::text))
);

ALTER TABLE tenancy.key OWNER TO garant_owner;

CREATE TABLE tenancy.minting (
    id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    database text NOT NULL,
    place uuid NOT NULL,
    key_id smallint NOT NULL,
    kind text NOT NULL,
    tenant_type text NOT NULL,
    tenant text NOT NULL,
    session uuid NOT NULL,
    job uuid,
    access text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    subject bytea,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor_session text,
    customer uuid NOT NULL,
    CONSTRAINT minting_access_check CHECK ((access = ANY (ARRAY['r'::text, 'w'::text]))),
    CONSTRAINT minting_actor_id_check CHECK ((actor_id <> ''::text)),
    CONSTRAINT minting_check CHECK (((kind = 'service'::text) = (job IS NOT NULL))),
    CONSTRAINT minting_check1 CHECK (((kind = 'login'::text) = (subject IS NOT NULL))),
    CONSTRAINT minting_kind_check CHECK ((kind = ANY (ARRAY['login'::text, 'service'::text, 'probe'::text]))),
    CONSTRAINT minting_tenant_check CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 38))),
    CONSTRAINT minting_tenant_type_check CHECK ((tenant_type = ANY (ARRAY['uuid'::text, 'bigint'::text, 'text'::text])))
)
PARTITION BY RANGE (at);

ALTER TABLE ONLY tenancy.minting FORCE ROW LEVEL SECURITY;

ALTER TABLE tenancy.minting OWNER TO garant_owner;

CREATE TABLE tenancy.minting_other (
    id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    database text NOT NULL,
    place uuid NOT NULL,
    key_id smallint NOT NULL,
    kind text NOT NULL,
    tenant_type text NOT NULL,
    tenant text NOT NULL,
    session uuid NOT NULL,
    job uuid,
    access text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    subject bytea,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor_session text,
    customer uuid NOT NULL,
    CONSTRAINT minting_access_check CHECK ((access = ANY (ARRAY['r'::text, 'w'::text]))),
    CONSTRAINT minting_actor_id_check CHECK ((actor_id <> ''::text)),
    CONSTRAINT minting_check CHECK (((kind = 'service'::text) = (job IS NOT NULL))),
    CONSTRAINT minting_check1 CHECK (((kind = 'login'::text) = (subject IS NOT NULL))),
    CONSTRAINT minting_kind_check CHECK ((kind = ANY (ARRAY['login'::text, 'service'::text, 'probe'::text]))),
    CONSTRAINT minting_tenant_check CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 38))),
    CONSTRAINT minting_tenant_type_check CHECK ((tenant_type = ANY (ARRAY['uuid'::text, 'bigint'::text, 'text'::text])))
);

ALTER TABLE tenancy.minting_other OWNER TO garant_owner;

CREATE TABLE tenancy.place (
    id uuid NOT NULL,
    database text NOT NULL,
    seq integer NOT NULL,
    system text NOT NULL,
    datname text NOT NULL,
    audience bytea NOT NULL,
    opened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    opened_by text NOT NULL,
    settled_at timestamp with time zone,
    CONSTRAINT place_audience_check CHECK ((octet_length(audience) = 16)),
    CONSTRAINT place_opened_by_check CHECK ((opened_by ~ '^(person|system):.'::text)),
    CONSTRAINT place_seq_check CHECK ((seq > 0))
);

ALTER TABLE tenancy.place OWNER TO garant_owner;

CREATE TABLE tenancy.revocation (
    database text NOT NULL,
    session uuid NOT NULL,
    until timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    revoked_by text NOT NULL,
    reason text NOT NULL,
    delivered_at timestamp with time zone,
    settled_at timestamp with time zone,
    CONSTRAINT revocation_reason_check CHECK ((length(reason) <= 1000)),
    CONSTRAINT revocation_revoked_by_check CHECK ((revoked_by ~ '^(person|system):.'::text))
);

ALTER TABLE tenancy.revocation OWNER TO garant_owner;

CREATE TABLE tenancy.session_end (
    customer uuid NOT NULL,
    database text NOT NULL,
    session uuid NOT NULL,
    ended_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY tenancy.session_end FORCE ROW LEVEL SECURITY;

ALTER TABLE tenancy.session_end OWNER TO garant_owner;

CREATE TABLE tenancy.status (
    database text NOT NULL,
    looked_at timestamp with time zone NOT NULL,
    trouble text DEFAULT ''::text NOT NULL,
    version integer DEFAULT 0 NOT NULL,
    design text DEFAULT ''::text NOT NULL,
    swept_at timestamp with time zone,
    ended bigint DEFAULT 0 NOT NULL
);

ALTER TABLE tenancy.status OWNER TO garant_owner;

CREATE TABLE witness.statement (
    id uuid NOT NULL,
    witness text NOT NULL,
    key text NOT NULL,
    sequence bigint NOT NULL,
    made_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    statement text NOT NULL,
    signature text NOT NULL,
    estate_version bigint NOT NULL,
    CONSTRAINT statement_check CHECK ((made_at <= (received_at + '00:00:02'::interval))),
    CONSTRAINT statement_key_check CHECK ((key ~ '^ed25519:'::text)),
    CONSTRAINT statement_sequence_check CHECK ((sequence > 0)),
    CONSTRAINT statement_statement_check CHECK ((octet_length(statement) <= 65536)),
    CONSTRAINT statement_witness_check CHECK ((witness <> ''::text))
);

ALTER TABLE witness.statement OWNER TO garant_owner;

ALTER TABLE ONLY audit.entry ATTACH PARTITION audit.entry_rest DEFAULT;

ALTER TABLE ONLY tenancy.minting ATTACH PARTITION tenancy.minting_other DEFAULT;

ALTER TABLE ONLY audit.entry ALTER COLUMN id SET DEFAULT nextval('audit.entry_number'::regclass);

ALTER TABLE ONLY annex.document
    ADD CONSTRAINT document_pkey PRIMARY KEY (id);

ALTER TABLE ONLY annex.freshness
    ADD CONSTRAINT freshness_pkey PRIMARY KEY (measure_id);

ALTER TABLE ONLY annex.history
    ADD CONSTRAINT history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY annex.published
    ADD CONSTRAINT published_pkey PRIMARY KEY (id);

ALTER TABLE ONLY annex.pulse
    ADD CONSTRAINT pulse_pkey PRIMARY KEY (minute);

ALTER TABLE ONLY annex.revision
    ADD CONSTRAINT revision_pkey PRIMARY KEY (id);

ALTER TABLE ONLY anonymise.certificate
    ADD CONSTRAINT certificate_pkey PRIMARY KEY (id);

ALTER TABLE ONLY anonymise.credential
    ADD CONSTRAINT credential_pkey PRIMARY KEY (database, role);

ALTER TABLE ONLY anonymise.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (id);

ALTER TABLE ONLY audit.anomaly
    ADD CONSTRAINT anomaly_kind_about_key UNIQUE (kind, about);

ALTER TABLE ONLY audit.anomaly
    ADD CONSTRAINT anomaly_pkey PRIMARY KEY (id);

ALTER TABLE ONLY audit.anomaly_word
    ADD CONSTRAINT anomaly_word_pkey PRIMARY KEY (anomaly, by, mac);

ALTER TABLE ONLY audit.checkpoint
    ADD CONSTRAINT checkpoint_pkey PRIMARY KEY (tree, size);

ALTER TABLE ONLY audit.cosignature
    ADD CONSTRAINT cosignature_pkey PRIMARY KEY (tree, size, witness);

ALTER TABLE ONLY audit.cursor
    ADD CONSTRAINT cursor_pkey PRIMARY KEY (one);

ALTER TABLE ONLY audit.dropped
    ADD CONSTRAINT dropped_pkey PRIMARY KEY (id);

ALTER TABLE ONLY audit.entry
    ADD CONSTRAINT entry_pkey PRIMARY KEY (id, at);

ALTER TABLE ONLY audit.entry_rest
    ADD CONSTRAINT entry_rest_pkey PRIMARY KEY (id, at);

ALTER TABLE ONLY audit.generation
    ADD CONSTRAINT generation_origin_key UNIQUE (origin);

ALTER TABLE ONLY audit.generation
    ADD CONSTRAINT generation_pkey PRIMARY KEY (generation);

ALTER TABLE ONLY audit.heartbeat
    ADD CONSTRAINT heartbeat_pkey PRIMARY KEY (id);

ALTER TABLE ONLY audit.hour
    ADD CONSTRAINT hour_pkey PRIMARY KEY (hour);

ALTER TABLE ONLY audit.leaf
    ADD CONSTRAINT leaf_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY audit.root_leaf
    ADD CONSTRAINT root_leaf_pkey PRIMARY KEY (tree, index);

ALTER TABLE ONLY audit.sample_item
    ADD CONSTRAINT sample_item_pkey PRIMARY KEY (sample_id, "position");

ALTER TABLE ONLY audit.sample_item
    ADD CONSTRAINT sample_item_sample_id_item_id_key UNIQUE (sample_id, item_id);

ALTER TABLE ONLY audit.sample_note
    ADD CONSTRAINT sample_note_pkey PRIMARY KEY (id);

ALTER TABLE ONLY audit.sample
    ADD CONSTRAINT sample_pkey PRIMARY KEY (id);

ALTER TABLE ONLY audit.searched
    ADD CONSTRAINT searched_pkey PRIMARY KEY (one);

ALTER TABLE ONLY audit.tile
    ADD CONSTRAINT tile_pkey PRIMARY KEY (tree, level, n);

ALTER TABLE ONLY audit.tree
    ADD CONSTRAINT tree_generation_name_key UNIQUE (generation, name);

ALTER TABLE ONLY audit.tree
    ADD CONSTRAINT tree_pkey PRIMARY KEY (tree);

ALTER TABLE ONLY audit.words
    ADD CONSTRAINT words_pkey PRIMARY KEY (entry);

ALTER TABLE ONLY audit.writer
    ADD CONSTRAINT writer_pkey PRIMARY KEY (writer);

ALTER TABLE ONLY auditlog.collected_event
    ADD CONSTRAINT collected_event_pkey PRIMARY KEY (mark);

ALTER TABLE ONLY auditlog.collected
    ADD CONSTRAINT collected_pkey PRIMARY KEY (database);

ALTER TABLE ONLY auditlog.replica
    ADD CONSTRAINT replica_pkey PRIMARY KEY (place);

ALTER TABLE ONLY auditlog.segment
    ADD CONSTRAINT segment_pkey PRIMARY KEY (place, generation, from_size);

ALTER TABLE ONLY auditlog.stream
    ADD CONSTRAINT stream_pkey PRIMARY KEY (name);

ALTER TABLE ONLY crypt.key
    ADD CONSTRAINT key_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY directory.api_token
    ADD CONSTRAINT api_token_hash UNIQUE (hash);

ALTER TABLE ONLY directory.api_token
    ADD CONSTRAINT api_token_pkey PRIMARY KEY (id);

ALTER TABLE ONLY directory.ceremony
    ADD CONSTRAINT ceremony_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY directory.link
    ADD CONSTRAINT link_hash UNIQUE (hash);

ALTER TABLE ONLY directory.link
    ADD CONSTRAINT link_pkey PRIMARY KEY (id);

ALTER TABLE ONLY directory.notice
    ADD CONSTRAINT notice_pkey PRIMARY KEY (id);

ALTER TABLE ONLY directory.passkey
    ADD CONSTRAINT passkey_credential UNIQUE (credential_id);

ALTER TABLE ONLY directory.passkey
    ADD CONSTRAINT passkey_pkey PRIMARY KEY (id);

ALTER TABLE ONLY directory.person
    ADD CONSTRAINT person_email_once UNIQUE (email_index);

ALTER TABLE ONLY directory.person
    ADD CONSTRAINT person_pkey PRIMARY KEY (id);

ALTER TABLE ONLY directory.recovery_code
    ADD CONSTRAINT recovery_code_pkey PRIMARY KEY (person_id, hash);

ALTER TABLE ONLY directory.seat_end
    ADD CONSTRAINT seat_end_pkey PRIMARY KEY (person_id, access_until);

ALTER TABLE ONLY directory.session
    ADD CONSTRAINT session_hash UNIQUE (hash);

ALTER TABLE ONLY directory.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (id);

ALTER TABLE ONLY directory.throttle
    ADD CONSTRAINT throttle_pkey PRIMARY KEY (key);

ALTER TABLE ONLY document.document
    ADD CONSTRAINT document_pkey PRIMARY KEY (id);

ALTER TABLE ONLY document.piece
    ADD CONSTRAINT piece_pkey PRIMARY KEY (document_id, n);

ALTER TABLE ONLY estate.confirmation
    ADD CONSTRAINT confirmation_pkey PRIMARY KEY (version);

ALTER TABLE ONLY estate.version
    ADD CONSTRAINT version_pkey PRIMARY KEY (id);

ALTER TABLE ONLY hosting.move
    ADD CONSTRAINT move_pkey PRIMARY KEY (id);

ALTER TABLE ONLY hosting.residence
    ADD CONSTRAINT residence_pkey PRIMARY KEY (database, tenant_type, tenant);

ALTER TABLE ONLY hosting.told
    ADD CONSTRAINT told_pkey PRIMARY KEY (id);

ALTER TABLE ONLY job.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY job.recurrence
    ADD CONSTRAINT recurrence_pkey PRIMARY KEY (name);

ALTER TABLE ONLY mail.message
    ADD CONSTRAINT message_once UNIQUE (template, person_id, due);

ALTER TABLE ONLY mail.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (id);

ALTER TABLE ONLY mail.preference
    ADD CONSTRAINT preference_pkey PRIMARY KEY (person_id);

ALTER TABLE ONLY measure.annex_decision
    ADD CONSTRAINT annex_decision_pkey PRIMARY KEY (proposal);

ALTER TABLE ONLY measure.annex_decision
    ADD CONSTRAINT annex_decision_version_key UNIQUE (version);

ALTER TABLE ONLY measure.annex_draft
    ADD CONSTRAINT annex_draft_pkey PRIMARY KEY (revision);

ALTER TABLE ONLY measure.annex_proposal
    ADD CONSTRAINT annex_proposal_pkey PRIMARY KEY (id);

ALTER TABLE ONLY measure.assignment
    ADD CONSTRAINT assignment_pkey PRIMARY KEY (id);

ALTER TABLE ONLY measure.attestation
    ADD CONSTRAINT attestation_pkey PRIMARY KEY (id);

ALTER TABLE ONLY measure.catalogue
    ADD CONSTRAINT catalogue_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY measure.current
    ADD CONSTRAINT current_pkey PRIMARY KEY (check_id);

ALTER TABLE ONLY measure.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (id);

ALTER TABLE ONLY measure.reminder
    ADD CONSTRAINT reminder_pkey PRIMARY KEY (measure_id, person_id, due);

ALTER TABLE ONLY measure.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (id);

ALTER TABLE ONLY measure.state_change
    ADD CONSTRAINT state_change_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.goose_db_version
    ADD CONSTRAINT goose_db_version_pkey PRIMARY KEY (id);

ALTER TABLE ONLY register.acknowledgement
    ADD CONSTRAINT acknowledgement_pkey PRIMARY KEY (document_id, version, person_id);

ALTER TABLE ONLY register.change
    ADD CONSTRAINT change_pkey PRIMARY KEY (id);

ALTER TABLE ONLY register.entry
    ADD CONSTRAINT entry_pkey PRIMARY KEY (id);

ALTER TABLE ONLY register.publication
    ADD CONSTRAINT publication_pkey PRIMARY KEY (entry_id, version);

ALTER TABLE ONLY register.reference
    ADD CONSTRAINT reference_pkey PRIMARY KEY (entry_id, field);

ALTER TABLE ONLY register.unique_value
    ADD CONSTRAINT unique_value_once PRIMARY KEY (register, field, value);

ALTER TABLE ONLY tenancy.customer_job
    ADD CONSTRAINT customer_job_pkey PRIMARY KEY (customer, job);

ALTER TABLE ONLY tenancy.customer
    ADD CONSTRAINT customer_pkey PRIMARY KEY (customer);

ALTER TABLE ONLY tenancy.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (one);

ALTER TABLE ONLY tenancy.job_decision
    ADD CONSTRAINT job_decision_pkey PRIMARY KEY (job);

ALTER TABLE ONLY tenancy.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tenancy.job_withdrawal
    ADD CONSTRAINT job_withdrawal_pkey PRIMARY KEY (job);

ALTER TABLE ONLY tenancy.key
    ADD CONSTRAINT key_pkey PRIMARY KEY (place, id);

ALTER TABLE ONLY tenancy.minting
    ADD CONSTRAINT minting_pkey PRIMARY KEY (at, id);

ALTER TABLE ONLY tenancy.minting_other
    ADD CONSTRAINT minting_other_pkey PRIMARY KEY (at, id);

ALTER TABLE ONLY tenancy.place
    ADD CONSTRAINT place_audience_key UNIQUE (audience);

ALTER TABLE ONLY tenancy.place
    ADD CONSTRAINT place_database_seq_key UNIQUE (database, seq);

ALTER TABLE ONLY tenancy.place
    ADD CONSTRAINT place_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tenancy.revocation
    ADD CONSTRAINT revocation_pkey PRIMARY KEY (database, session);

ALTER TABLE ONLY tenancy.session_end
    ADD CONSTRAINT session_end_pkey PRIMARY KEY (customer, database, session);

ALTER TABLE ONLY tenancy.status
    ADD CONSTRAINT status_pkey PRIMARY KEY (database);

ALTER TABLE ONLY witness.statement
    ADD CONSTRAINT statement_pkey PRIMARY KEY (id);

ALTER TABLE ONLY witness.statement
    ADD CONSTRAINT statement_witness_key_sequence_key UNIQUE (witness, key, sequence);

CREATE INDEX document_at ON annex.document USING btree (at);

CREATE INDEX history_at ON annex.history USING btree (at);

CREATE INDEX history_measure ON annex.history USING btree (measure_id, at);

CREATE INDEX published_at ON annex.published USING btree (at);

CREATE INDEX published_measure ON annex.published USING btree (measure_id, id DESC);

CREATE INDEX published_moment ON annex.published USING btree (measure_id, at DESC, id DESC);

CREATE INDEX revision_at ON annex.revision USING btree (at DESC, id DESC);

CREATE INDEX certificate_database ON anonymise.certificate USING btree (database, destroyed_at DESC);

CREATE INDEX run_database ON anonymise.run USING btree (database, seq DESC);

CREATE UNIQUE INDEX run_running ON anonymise.run USING btree (database) WHERE (outcome = 'running'::text);

CREATE INDEX checkpoint_at ON audit.checkpoint USING btree (at);

CREATE INDEX cosignature_latest ON audit.cosignature USING btree (tree, witness, size DESC);

CREATE INDEX entry_action ON ONLY audit.entry USING btree (action, id);

CREATE INDEX entry_actor ON ONLY audit.entry USING btree (actor_id, id);

CREATE INDEX entry_object ON ONLY audit.entry USING btree (object_kind, object_id, id);

CREATE INDEX entry_rest_action_id_idx ON audit.entry_rest USING btree (action, id);

CREATE INDEX entry_rest_actor_id_id_idx ON audit.entry_rest USING btree (actor_id, id);

CREATE INDEX entry_rest_object_kind_object_id_id_idx ON audit.entry_rest USING btree (object_kind, object_id, id);

CREATE INDEX entry_tenant ON ONLY audit.entry USING btree (tenant, id) WHERE (tenant IS NOT NULL);

CREATE INDEX entry_rest_tenant_id_idx ON audit.entry_rest USING btree (tenant, id) WHERE (tenant IS NOT NULL);

CREATE INDEX entry_xid ON ONLY audit.entry USING btree (xid, id);

CREATE INDEX entry_rest_xid_id_idx ON audit.entry_rest USING btree (xid, id);

CREATE INDEX heartbeat_writer ON audit.heartbeat USING btree (writer, n);

CREATE INDEX heartbeat_xid ON audit.heartbeat USING btree (xid, id);

CREATE INDEX leaf_entry ON audit.leaf USING btree (entry);

CREATE UNIQUE INDEX leaf_place ON audit.leaf USING btree (tree, index);

CREATE INDEX root_leaf_of ON audit.root_leaf USING btree (of, index) WHERE (of IS NOT NULL);

CREATE INDEX sample_note_item ON audit.sample_note USING btree (sample_id, "position", id);

CREATE INDEX words_words ON audit.words USING gin (words);

CREATE INDEX writer_last ON audit.writer USING btree (last_at) WHERE (NOT ended);

CREATE INDEX collected_event_at ON auditlog.collected_event USING brin (at);

CREATE UNIQUE INDEX segment_waiting ON auditlog.segment USING btree (place, generation) WHERE (put_at IS NULL);

CREATE INDEX api_token_person ON directory.api_token USING btree (person_id);

CREATE INDEX ceremony_expiry ON directory.ceremony USING btree (expires_at);

CREATE INDEX link_person ON directory.link USING btree (person_id);

CREATE INDEX notice_unseen ON directory.notice USING btree (person_id, at) WHERE (seen_at IS NULL);

CREATE INDEX passkey_person ON directory.passkey USING btree (person_id);

CREATE INDEX person_lead ON directory.person USING btree (id) WHERE ((role = 'lead'::text) AND (disabled_at IS NULL));

CREATE INDEX person_seat ON directory.person USING btree (access_until) WHERE (access_until IS NOT NULL);

CREATE INDEX session_person ON directory.session USING btree (person_id) WHERE (ended_at IS NULL);

CREATE INDEX session_seen ON directory.session USING btree (person_id, last_seen_at DESC);

CREATE INDEX throttle_started ON directory.throttle USING btree (started_at);

CREATE INDEX document_owner ON document.document USING btree (owner_kind, owner_id, id);

CREATE INDEX version_applied_at ON estate.version USING btree (applied_at);

CREATE INDEX move_started ON hosting.move USING btree (started_at);

CREATE INDEX residence_customer ON hosting.residence USING btree (customer);

CREATE INDEX told_customer ON hosting.told USING btree (customer, id);

CREATE INDEX told_place ON hosting.told USING btree (place, tenant, id) WHERE (database <> place);

CREATE INDEX told_tenant ON hosting.told USING btree (database, tenant, at);

CREATE INDEX message_failed ON mail.message USING btree (id) WHERE (state = 'failed'::text);

CREATE INDEX message_next ON mail.message USING btree (next_at) WHERE (state = ANY (ARRAY['waiting'::text, 'sending'::text]));

CREATE INDEX assignment_measure ON measure.assignment USING btree (measure_id, id DESC);

CREATE INDEX attestation_measure ON measure.attestation USING btree (measure_id, n DESC);

CREATE INDEX evidence_check ON measure.evidence USING btree (check_id, observed_at DESC, id);

CREATE INDEX evidence_order ON measure.evidence USING btree (check_id, id);

CREATE INDEX run_check ON measure.run USING btree (check_id, asked_at DESC);

CREATE INDEX state_change_at ON measure.state_change USING btree (at);

CREATE INDEX state_change_measure ON measure.state_change USING btree (measure_id, id DESC);

CREATE INDEX acknowledgement_person ON register.acknowledgement USING btree (person_id, at);

CREATE INDEX change_entry ON register.change USING btree (entry_id, id DESC);

CREATE INDEX entry_gone ON register.entry USING btree (register, id) WHERE (deleted_at IS NOT NULL);

CREATE INDEX entry_list ON register.entry USING btree (register, sort_key, id) WHERE (deleted_at IS NULL);

CREATE INDEX entry_ownerless ON register.entry USING btree (id) WHERE ((register = 'assets'::text) AND (deleted_at IS NULL) AND (state <> 'disposed'::text) AND ((fields ->> 'owner'::text) IS NULL));

CREATE INDEX entry_purge ON register.entry USING btree (purge_on) WHERE (purge_on IS NOT NULL);

CREATE INDEX entry_state ON register.entry USING btree (register, state) WHERE (deleted_at IS NULL);

CREATE INDEX reference_target ON register.reference USING btree (target_id);

CREATE INDEX unique_value_entry ON register.unique_value USING btree (entry_id);

CREATE INDEX customer_job_job ON tenancy.customer_job USING btree (job);

CREATE INDEX job_database ON tenancy.job USING btree (database, name, asked_at DESC);

CREATE UNIQUE INDEX key_coming ON tenancy.key USING btree (place) WHERE ((installed_at IS NULL) AND (retires_at IS NULL));

CREATE INDEX minting_customer ON ONLY tenancy.minting USING btree (customer, at, id);

CREATE INDEX minting_job ON ONLY tenancy.minting USING btree (job, at) WHERE (job IS NOT NULL);

CREATE INDEX minting_other_customer_at_id_idx ON tenancy.minting_other USING btree (customer, at, id);

CREATE INDEX minting_tenant ON ONLY tenancy.minting USING btree (database, tenant, at);

CREATE INDEX minting_other_database_tenant_at_idx ON tenancy.minting_other USING btree (database, tenant, at);

CREATE INDEX minting_other_job_at_idx ON tenancy.minting_other USING btree (job, at) WHERE (job IS NOT NULL);

CREATE INDEX minting_session ON ONLY tenancy.minting USING btree (session, at);

CREATE INDEX minting_other_session_at_idx ON tenancy.minting_other USING btree (session, at);

CREATE INDEX revocation_open ON tenancy.revocation USING btree (database) WHERE (settled_at IS NULL);

CREATE INDEX revocation_session ON tenancy.revocation USING btree (session);

CREATE INDEX session_end_time ON tenancy.session_end USING btree (customer, ended_at, database, session);

ALTER INDEX audit.entry_action ATTACH PARTITION audit.entry_rest_action_id_idx;

ALTER INDEX audit.entry_actor ATTACH PARTITION audit.entry_rest_actor_id_id_idx;

ALTER INDEX audit.entry_object ATTACH PARTITION audit.entry_rest_object_kind_object_id_id_idx;

ALTER INDEX audit.entry_pkey ATTACH PARTITION audit.entry_rest_pkey;

ALTER INDEX audit.entry_tenant ATTACH PARTITION audit.entry_rest_tenant_id_idx;

ALTER INDEX audit.entry_xid ATTACH PARTITION audit.entry_rest_xid_id_idx;

ALTER INDEX tenancy.minting_customer ATTACH PARTITION tenancy.minting_other_customer_at_id_idx;

ALTER INDEX tenancy.minting_tenant ATTACH PARTITION tenancy.minting_other_database_tenant_at_idx;

ALTER INDEX tenancy.minting_job ATTACH PARTITION tenancy.minting_other_job_at_idx;

ALTER INDEX tenancy.minting_pkey ATTACH PARTITION tenancy.minting_other_pkey;

ALTER INDEX tenancy.minting_session ATTACH PARTITION tenancy.minting_other_session_at_idx;

CREATE TRIGGER bound BEFORE INSERT ON directory.api_token FOR EACH ROW EXECUTE FUNCTION directory.bind_minting();

CREATE TRIGGER set_seat BEFORE INSERT OR UPDATE ON directory.person FOR EACH ROW EXECUTE FUNCTION directory.set_seat();

CREATE TRIGGER check_confirmation BEFORE INSERT ON estate.confirmation FOR EACH ROW EXECUTE FUNCTION estate.check_confirmation();

CREATE TRIGGER name_customer BEFORE INSERT ON hosting.residence FOR EACH ROW EXECUTE FUNCTION hosting.name_customer();

CREATE TRIGGER name_customer BEFORE INSERT ON hosting.told FOR EACH ROW EXECUTE FUNCTION hosting.name_customer();

CREATE TRIGGER check_annex_decision BEFORE INSERT ON measure.annex_decision FOR EACH ROW EXECUTE FUNCTION measure.check_annex_decision();

CREATE TRIGGER check_annex_draft BEFORE INSERT ON measure.annex_draft FOR EACH ROW EXECUTE FUNCTION measure.check_annex_draft();

CREATE TRIGGER check_annex_proposal BEFORE INSERT ON measure.annex_proposal FOR EACH ROW EXECUTE FUNCTION measure.check_annex_proposal();

CREATE TRIGGER check_job BEFORE INSERT ON tenancy.job FOR EACH ROW EXECUTE FUNCTION tenancy.check_job();

CREATE TRIGGER check_job_decision BEFORE INSERT ON tenancy.job_decision FOR EACH ROW EXECUTE FUNCTION tenancy.check_job_decision();

CREATE TRIGGER check_job_withdrawal BEFORE INSERT ON tenancy.job_withdrawal FOR EACH ROW EXECUTE FUNCTION tenancy.check_job_withdrawal();

CREATE TRIGGER check_minting BEFORE INSERT ON tenancy.minting FOR EACH ROW EXECUTE FUNCTION tenancy.check_minting();

CREATE TRIGGER check_revocation BEFORE INSERT ON tenancy.revocation FOR EACH ROW EXECUTE FUNCTION tenancy.check_revocation();

CREATE TRIGGER check_service_minting BEFORE INSERT ON tenancy.minting FOR EACH ROW WHEN ((new.kind = 'service'::text)) EXECUTE FUNCTION tenancy.check_service_minting();

CREATE TRIGGER tell_job AFTER INSERT ON tenancy.job_decision FOR EACH ROW WHEN ((new.outcome = 'accepted'::text)) EXECUTE FUNCTION tenancy.tell_job();

CREATE TRIGGER tell_job_minting AFTER INSERT ON tenancy.minting FOR EACH ROW WHEN ((new.kind = 'service'::text)) EXECUTE FUNCTION tenancy.tell_job_minting();

CREATE TRIGGER tell_job_withdrawal AFTER INSERT ON tenancy.job_withdrawal FOR EACH ROW EXECUTE FUNCTION tenancy.tell_job_withdrawal();

CREATE TRIGGER tell_session_end AFTER INSERT ON tenancy.revocation FOR EACH ROW EXECUTE FUNCTION tenancy.tell_session_end();

ALTER TABLE ONLY audit.anomaly_word
    ADD CONSTRAINT anomaly_word_anomaly_fkey FOREIGN KEY (anomaly) REFERENCES audit.anomaly(id);

ALTER TABLE ONLY audit.cursor
    ADD CONSTRAINT cursor_generation_fkey FOREIGN KEY (generation) REFERENCES audit.generation(generation);

ALTER TABLE ONLY audit.sample_item
    ADD CONSTRAINT sample_item_sample_id_fkey FOREIGN KEY (sample_id) REFERENCES audit.sample(id);

ALTER TABLE ONLY audit.sample_note
    ADD CONSTRAINT sample_note_sample_id_position_fkey FOREIGN KEY (sample_id, "position") REFERENCES audit.sample_item(sample_id, "position");

ALTER TABLE ONLY audit.tree
    ADD CONSTRAINT tree_generation_fkey FOREIGN KEY (generation) REFERENCES audit.generation(generation);

ALTER TABLE ONLY directory.api_token
    ADD CONSTRAINT api_token_person_id_fkey FOREIGN KEY (person_id) REFERENCES directory.person(id);

ALTER TABLE ONLY directory.ceremony
    ADD CONSTRAINT ceremony_session_id_fkey FOREIGN KEY (session_id) REFERENCES directory.session(id) ON DELETE CASCADE;

ALTER TABLE ONLY directory.link
    ADD CONSTRAINT link_person_id_fkey FOREIGN KEY (person_id) REFERENCES directory.person(id);

ALTER TABLE ONLY directory.notice
    ADD CONSTRAINT notice_person_id_fkey FOREIGN KEY (person_id) REFERENCES directory.person(id);

ALTER TABLE ONLY directory.passkey
    ADD CONSTRAINT passkey_person_id_fkey FOREIGN KEY (person_id) REFERENCES directory.person(id);

ALTER TABLE ONLY directory.recovery_code
    ADD CONSTRAINT recovery_code_person_id_fkey FOREIGN KEY (person_id) REFERENCES directory.person(id);

ALTER TABLE ONLY directory.seat_end
    ADD CONSTRAINT seat_end_person_id_fkey FOREIGN KEY (person_id) REFERENCES directory.person(id);

ALTER TABLE ONLY directory.session
    ADD CONSTRAINT session_person_id_fkey FOREIGN KEY (person_id) REFERENCES directory.person(id);

ALTER TABLE ONLY document.piece
    ADD CONSTRAINT piece_document_id_fkey FOREIGN KEY (document_id) REFERENCES document.document(id);

ALTER TABLE ONLY estate.confirmation
    ADD CONSTRAINT confirmation_version_fkey FOREIGN KEY (version) REFERENCES estate.version(id);

ALTER TABLE ONLY measure.annex_decision
    ADD CONSTRAINT annex_decision_proposal_fkey FOREIGN KEY (proposal) REFERENCES measure.annex_proposal(id);

ALTER TABLE ONLY measure.annex_proposal
    ADD CONSTRAINT annex_proposal_revision_fkey FOREIGN KEY (revision) REFERENCES measure.annex_draft(revision);

ALTER TABLE ONLY measure.current
    ADD CONSTRAINT current_definite_id_fkey FOREIGN KEY (definite_id) REFERENCES measure.evidence(id);

ALTER TABLE ONLY measure.current
    ADD CONSTRAINT current_evidence_id_fkey FOREIGN KEY (evidence_id) REFERENCES measure.evidence(id);

ALTER TABLE ONLY register.acknowledgement
    ADD CONSTRAINT acknowledgement_document_id_version_fkey FOREIGN KEY (document_id, version) REFERENCES register.publication(entry_id, version);

ALTER TABLE ONLY register.acknowledgement
    ADD CONSTRAINT acknowledgement_person_id_fkey FOREIGN KEY (person_id) REFERENCES register.entry(id);

ALTER TABLE ONLY register.change
    ADD CONSTRAINT change_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES register.entry(id);

ALTER TABLE ONLY register.publication
    ADD CONSTRAINT publication_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES register.entry(id);

ALTER TABLE ONLY register.reference
    ADD CONSTRAINT reference_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES register.entry(id);

ALTER TABLE ONLY register.reference
    ADD CONSTRAINT reference_target_id_fkey FOREIGN KEY (target_id) REFERENCES register.entry(id);

ALTER TABLE ONLY register.unique_value
    ADD CONSTRAINT unique_value_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES register.entry(id);

ALTER TABLE ONLY tenancy.job_decision
    ADD CONSTRAINT job_decision_job_fkey FOREIGN KEY (job) REFERENCES tenancy.job(id);

ALTER TABLE ONLY tenancy.job_withdrawal
    ADD CONSTRAINT job_withdrawal_job_fkey FOREIGN KEY (job) REFERENCES tenancy.job(id);

ALTER TABLE ONLY tenancy.key
    ADD CONSTRAINT key_place_fkey FOREIGN KEY (place) REFERENCES tenancy.place(id);

ALTER TABLE audit.entry ENABLE ROW LEVEL SECURITY;

ALTER TABLE audit.entry_rest ENABLE ROW LEVEL SECURITY;

CREATE POLICY garant_declared ON audit.entry TO garant_staff, garant_login, garant_worker, garant_checker, garant_checkpoint, garant_retention USING (true) WITH CHECK (((actor_kind = ANY (ARRAY['person'::text, 'system'::text, 'public'::text, 'user'::text])) AND (actor_id <> ''::text) AND (action ~ '^[a-z_]+(\.[a-z_]+)+$'::text) AND (outcome = ANY (ARRAY['permitted'::text, 'refused'::text])) AND ((writer IS NULL) = (mac IS NULL)) AND ((writer IS NULL) = (n IS NULL)) AND ((writer IS NULL) = (written IS NULL)) AND ((changes IS NULL) = (promise IS NULL)) AND ((changes IS NULL) OR (subject IS NOT NULL)) AND ((reason IS NULL) OR (octet_length(reason) <= 4000)) AND ((request IS NULL) OR (octet_length(request) <= 200)) AND ((subject IS NULL) OR (octet_length(subject) <= 200))));

CREATE POLICY garant_owner ON audit.entry TO garant_owner USING (true) WITH CHECK (((actor_kind = ANY (ARRAY['person'::text, 'system'::text, 'public'::text, 'user'::text])) AND (actor_id <> ''::text) AND (action ~ '^[a-z_]+(\.[a-z_]+)+$'::text) AND (outcome = ANY (ARRAY['permitted'::text, 'refused'::text])) AND ((writer IS NULL) = (mac IS NULL)) AND ((writer IS NULL) = (n IS NULL)) AND ((writer IS NULL) = (written IS NULL)) AND ((changes IS NULL) = (promise IS NULL)) AND ((changes IS NULL) OR (subject IS NOT NULL)) AND ((reason IS NULL) OR (octet_length(reason) <= 4000)) AND ((request IS NULL) OR (octet_length(request) <= 200)) AND ((subject IS NULL) OR (octet_length(subject) <= 200))));

CREATE POLICY garant_owner ON audit.entry_rest TO garant_owner USING (true) WITH CHECK (true);

CREATE POLICY garant_declared ON hosting.residence TO garant_staff, garant_worker, garant_checker USING (true) WITH CHECK (true);

CREATE POLICY garant_declared ON hosting.told TO garant_staff, garant_worker, garant_checker USING (true) WITH CHECK (true);

CREATE POLICY garant_owner ON hosting.residence TO garant_owner USING (true) WITH CHECK (true);

CREATE POLICY garant_owner ON hosting.told TO garant_owner USING (true) WITH CHECK (true);

ALTER TABLE hosting.residence ENABLE ROW LEVEL SECURITY;

ALTER TABLE hosting.told ENABLE ROW LEVEL SECURITY;

ALTER TABLE tenancy.customer ENABLE ROW LEVEL SECURITY;

ALTER TABLE tenancy.customer_job ENABLE ROW LEVEL SECURITY;

CREATE POLICY garant_declared ON tenancy.customer TO garant_staff, garant_worker, garant_checker USING (true) WITH CHECK (true);

CREATE POLICY garant_declared ON tenancy.customer_job TO garant_staff, garant_worker, garant_checker USING (true) WITH CHECK (true);

CREATE POLICY garant_declared ON tenancy.minting TO garant_staff, garant_worker, garant_checker USING (true) WITH CHECK (true);

CREATE POLICY garant_declared ON tenancy.session_end TO garant_staff, garant_worker, garant_checker USING (true) WITH CHECK (true);

CREATE POLICY garant_owner ON tenancy.customer TO garant_owner USING (true) WITH CHECK (true);

CREATE POLICY garant_owner ON tenancy.customer_job TO garant_owner USING (true) WITH CHECK (true);

CREATE POLICY garant_owner ON tenancy.minting TO garant_owner USING (true) WITH CHECK (true);

CREATE POLICY garant_owner ON tenancy.session_end TO garant_owner USING (true) WITH CHECK (true);

ALTER TABLE tenancy.minting ENABLE ROW LEVEL SECURITY;

ALTER TABLE tenancy.session_end ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA annex TO garant_staff;
GRANT USAGE ON SCHEMA annex TO garant_worker;
GRANT USAGE ON SCHEMA annex TO garant_public;

GRANT USAGE ON SCHEMA anonymise TO garant_staff;
GRANT USAGE ON SCHEMA anonymise TO garant_worker;
GRANT USAGE ON SCHEMA anonymise TO garant_checker;

GRANT USAGE ON SCHEMA audit TO garant_staff;
GRANT USAGE ON SCHEMA audit TO garant_login;
GRANT USAGE ON SCHEMA audit TO garant_worker;
GRANT USAGE ON SCHEMA audit TO garant_checker;
GRANT USAGE ON SCHEMA audit TO garant_checkpoint;
GRANT USAGE ON SCHEMA audit TO garant_retention;
GRANT USAGE ON SCHEMA audit TO garant_public;
GRANT USAGE ON SCHEMA audit TO garant_portal;

GRANT USAGE ON SCHEMA auditlog TO garant_staff;
GRANT USAGE ON SCHEMA auditlog TO garant_worker;
GRANT USAGE ON SCHEMA auditlog TO garant_checker;
GRANT USAGE ON SCHEMA auditlog TO garant_portal;

GRANT USAGE ON SCHEMA crypt TO garant_staff;
GRANT USAGE ON SCHEMA crypt TO garant_login;
GRANT USAGE ON SCHEMA crypt TO garant_worker;
GRANT USAGE ON SCHEMA crypt TO garant_checkpoint;

GRANT USAGE ON SCHEMA directory TO garant_staff;
GRANT USAGE ON SCHEMA directory TO garant_login;

GRANT USAGE ON SCHEMA document TO garant_staff;

GRANT USAGE ON SCHEMA estate TO garant_staff;
GRANT USAGE ON SCHEMA estate TO garant_worker;
GRANT USAGE ON SCHEMA estate TO garant_checker;

GRANT USAGE ON SCHEMA hosting TO garant_staff;
GRANT USAGE ON SCHEMA hosting TO garant_worker;
GRANT USAGE ON SCHEMA hosting TO garant_checker;
GRANT USAGE ON SCHEMA hosting TO garant_portal;

GRANT USAGE ON SCHEMA job TO garant_staff;
GRANT USAGE ON SCHEMA job TO garant_worker;

GRANT USAGE ON SCHEMA mail TO garant_staff;
GRANT USAGE ON SCHEMA mail TO garant_worker;

GRANT USAGE ON SCHEMA measure TO garant_staff;
GRANT USAGE ON SCHEMA measure TO garant_worker;
GRANT USAGE ON SCHEMA measure TO garant_checker;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA register TO garant_staff;
GRANT USAGE ON SCHEMA register TO garant_worker;
GRANT USAGE ON SCHEMA register TO garant_checker;

GRANT USAGE ON SCHEMA tenancy TO garant_staff;
GRANT USAGE ON SCHEMA tenancy TO garant_worker;
GRANT USAGE ON SCHEMA tenancy TO garant_checker;
GRANT USAGE ON SCHEMA tenancy TO garant_portal;

GRANT USAGE ON SCHEMA witness TO garant_staff;
GRANT USAGE ON SCHEMA witness TO garant_worker;
GRANT USAGE ON SCHEMA witness TO garant_checker;

REVOKE ALL ON FUNCTION audit.add_month(month date) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.add_month(month date) TO garant_retention;

REVOKE ALL ON FUNCTION audit.drop_before(month date, head_tree integer, head_size bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.drop_before(month date, head_tree integer, head_size bigint) TO garant_retention;

REVOKE ALL ON FUNCTION directory.bind_minting() FROM PUBLIC;

REVOKE ALL ON FUNCTION directory.set_seat() FROM PUBLIC;

REVOKE ALL ON FUNCTION estate.check_confirmation() FROM PUBLIC;

REVOKE ALL ON FUNCTION hosting.name_customer() FROM PUBLIC;

REVOKE ALL ON FUNCTION measure.check_annex_decision() FROM PUBLIC;

REVOKE ALL ON FUNCTION measure.check_annex_draft() FROM PUBLIC;

REVOKE ALL ON FUNCTION measure.check_annex_proposal() FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_creat(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_create(oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION register.purge(entry uuid, today date, now timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION register.purge(entry uuid, today date, now timestamp with time zone) TO garant_worker;

REVOKE ALL ON FUNCTION tenancy.add_partitions() FROM PUBLIC;
GRANT ALL ON FUNCTION tenancy.add_partitions() TO garant_worker;

REVOKE ALL ON FUNCTION tenancy.check_job() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.check_job_decision() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.check_job_withdrawal() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.check_minting() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.check_revocation() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.check_service_minting() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.customer_of(home text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION tenancy.customer_of(home text, tenant text) TO garant_staff;
GRANT ALL ON FUNCTION tenancy.customer_of(home text, tenant text) TO garant_worker;

GRANT SELECT ON TABLE hosting.told TO garant_staff;
GRANT SELECT ON TABLE hosting.told TO garant_worker;
GRANT SELECT ON TABLE hosting.told TO garant_checker;

GRANT SELECT(id) ON TABLE hosting.told TO garant_portal;

GRANT SELECT(at) ON TABLE hosting.told TO garant_portal;

GRANT INSERT(database) ON TABLE hosting.told TO garant_staff;
GRANT INSERT(database) ON TABLE hosting.told TO garant_worker;

GRANT INSERT(tenant_type) ON TABLE hosting.told TO garant_staff;
GRANT INSERT(tenant_type) ON TABLE hosting.told TO garant_worker;

GRANT INSERT(tenant) ON TABLE hosting.told TO garant_staff;
GRANT INSERT(tenant) ON TABLE hosting.told TO garant_worker;

GRANT INSERT(place) ON TABLE hosting.told TO garant_staff;
GRANT INSERT(place) ON TABLE hosting.told TO garant_worker;
GRANT SELECT(place) ON TABLE hosting.told TO garant_portal;

GRANT INSERT(paused) ON TABLE hosting.told TO garant_staff;
GRANT INSERT(paused) ON TABLE hosting.told TO garant_worker;
GRANT SELECT(paused) ON TABLE hosting.told TO garant_portal;

GRANT INSERT(move) ON TABLE hosting.told TO garant_staff;
GRANT INSERT(move) ON TABLE hosting.told TO garant_worker;

GRANT INSERT(step) ON TABLE hosting.told TO garant_staff;
GRANT INSERT(step) ON TABLE hosting.told TO garant_worker;

GRANT INSERT(told_by) ON TABLE hosting.told TO garant_staff;
GRANT INSERT(told_by) ON TABLE hosting.told TO garant_worker;

GRANT SELECT(customer) ON TABLE hosting.told TO garant_portal;

REVOKE ALL ON FUNCTION tenancy.home_of(database text, tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION tenancy.home_of(database text, tenant text) TO garant_staff;
GRANT ALL ON FUNCTION tenancy.home_of(database text, tenant text) TO garant_worker;

REVOKE ALL ON FUNCTION tenancy.tell_job() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.tell_job_minting() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.tell_job_withdrawal() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.tell_session_end() FROM PUBLIC;

GRANT SELECT ON TABLE annex.document TO garant_staff;
GRANT SELECT ON TABLE annex.document TO garant_worker;
GRANT SELECT ON TABLE annex.document TO garant_public;

GRANT INSERT(hash) ON TABLE annex.document TO garant_worker;

GRANT INSERT(payload) ON TABLE annex.document TO garant_worker;

GRANT SELECT ON TABLE annex.freshness TO garant_staff;
GRANT SELECT ON TABLE annex.freshness TO garant_public;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE annex.freshness TO garant_worker;

GRANT SELECT ON TABLE annex.history TO garant_staff;
GRANT SELECT,INSERT ON TABLE annex.history TO garant_worker;
GRANT SELECT ON TABLE annex.history TO garant_public;

GRANT SELECT ON TABLE annex.published TO garant_staff;
GRANT SELECT ON TABLE annex.published TO garant_worker;
GRANT SELECT ON TABLE annex.published TO garant_public;

GRANT INSERT(measure_id) ON TABLE annex.published TO garant_worker;

GRANT INSERT(payload) ON TABLE annex.published TO garant_worker;

GRANT SELECT ON TABLE annex.pulse TO garant_staff;
GRANT SELECT ON TABLE annex.pulse TO garant_public;
GRANT SELECT,INSERT ON TABLE annex.pulse TO garant_worker;

GRANT SELECT ON TABLE annex.revision TO garant_staff;
GRANT SELECT ON TABLE annex.revision TO garant_worker;
GRANT SELECT ON TABLE annex.revision TO garant_public;

GRANT INSERT(kind) ON TABLE annex.revision TO garant_worker;

GRANT INSERT(measure_id) ON TABLE annex.revision TO garant_worker;

GRANT INSERT(payload) ON TABLE annex.revision TO garant_worker;

GRANT SELECT ON TABLE anonymise.certificate TO garant_worker;
GRANT SELECT ON TABLE anonymise.certificate TO garant_staff;
GRANT SELECT ON TABLE anonymise.certificate TO garant_checker;

GRANT INSERT(database) ON TABLE anonymise.certificate TO garant_worker;

GRANT INSERT(copy) ON TABLE anonymise.certificate TO garant_worker;

GRANT INSERT(run) ON TABLE anonymise.certificate TO garant_worker;

GRANT INSERT(began_at) ON TABLE anonymise.certificate TO garant_worker;

GRANT INSERT(bytes) ON TABLE anonymise.certificate TO garant_worker;

GRANT INSERT(destroyed_at) ON TABLE anonymise.certificate TO garant_worker;

GRANT INSERT(reason) ON TABLE anonymise.certificate TO garant_worker;

GRANT SELECT,INSERT ON TABLE anonymise.credential TO garant_staff;
GRANT SELECT,INSERT ON TABLE anonymise.credential TO garant_worker;
GRANT SELECT ON TABLE anonymise.credential TO garant_checker;

GRANT UPDATE(sealed) ON TABLE anonymise.credential TO garant_staff;
GRANT UPDATE(sealed) ON TABLE anonymise.credential TO garant_worker;

GRANT UPDATE(issued_at) ON TABLE anonymise.credential TO garant_staff;
GRANT UPDATE(issued_at) ON TABLE anonymise.credential TO garant_worker;

GRANT UPDATE(issued_by) ON TABLE anonymise.credential TO garant_staff;
GRANT UPDATE(issued_by) ON TABLE anonymise.credential TO garant_worker;

GRANT UPDATE(settled_at) ON TABLE anonymise.credential TO garant_staff;
GRANT UPDATE(settled_at) ON TABLE anonymise.credential TO garant_worker;

GRANT SELECT,INSERT ON TABLE anonymise.run TO garant_worker;
GRANT SELECT ON TABLE anonymise.run TO garant_staff;
GRANT SELECT ON TABLE anonymise.run TO garant_checker;

GRANT UPDATE(run) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(stage) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(tables) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(rows) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(bytes) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(bytes_all) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(waiting) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(heard_at) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(ended_at) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(outcome) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(code) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(said) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(snapshot_at) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(anonymised) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(proof) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(report) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(schema) ON TABLE anonymise.run TO garant_worker;

GRANT UPDATE(published_at) ON TABLE anonymise.run TO garant_worker;

GRANT SELECT ON TABLE audit.anomaly TO garant_checkpoint;
GRANT SELECT ON TABLE audit.anomaly TO garant_worker;
GRANT SELECT ON TABLE audit.anomaly TO garant_staff;
GRANT SELECT ON TABLE audit.anomaly TO garant_checker;

GRANT INSERT(kind) ON TABLE audit.anomaly TO garant_checkpoint;
GRANT INSERT(kind) ON TABLE audit.anomaly TO garant_worker;

GRANT INSERT(about) ON TABLE audit.anomaly TO garant_checkpoint;
GRANT INSERT(about) ON TABLE audit.anomaly TO garant_worker;

GRANT INSERT(detail) ON TABLE audit.anomaly TO garant_checkpoint;
GRANT INSERT(detail) ON TABLE audit.anomaly TO garant_worker;

GRANT SELECT ON TABLE audit.anomaly_word TO garant_staff;
GRANT SELECT ON TABLE audit.anomaly_word TO garant_worker;
GRANT SELECT ON TABLE audit.anomaly_word TO garant_checker;
GRANT SELECT ON TABLE audit.anomaly_word TO garant_checkpoint;

GRANT INSERT(anomaly) ON TABLE audit.anomaly_word TO garant_staff;

GRANT INSERT(by) ON TABLE audit.anomaly_word TO garant_staff;

GRANT INSERT(reason) ON TABLE audit.anomaly_word TO garant_staff;

GRANT INSERT(mac) ON TABLE audit.anomaly_word TO garant_staff;

GRANT SELECT ON TABLE audit.began TO garant_checkpoint;
GRANT SELECT ON TABLE audit.began TO garant_staff;
GRANT SELECT ON TABLE audit.began TO garant_worker;

GRANT SELECT,INSERT,DELETE ON TABLE audit.checkpoint TO garant_checkpoint;
GRANT SELECT ON TABLE audit.checkpoint TO garant_staff;
GRANT SELECT ON TABLE audit.checkpoint TO garant_worker;
GRANT SELECT ON TABLE audit.checkpoint TO garant_checker;
GRANT SELECT ON TABLE audit.checkpoint TO garant_public;
GRANT SELECT ON TABLE audit.checkpoint TO garant_retention;

GRANT SELECT ON TABLE audit.cosignature TO garant_worker;
GRANT SELECT ON TABLE audit.cosignature TO garant_staff;
GRANT SELECT ON TABLE audit.cosignature TO garant_checkpoint;
GRANT SELECT ON TABLE audit.cosignature TO garant_checker;
GRANT SELECT ON TABLE audit.cosignature TO garant_public;
GRANT SELECT ON TABLE audit.cosignature TO garant_retention;

GRANT INSERT(tree) ON TABLE audit.cosignature TO garant_worker;
GRANT INSERT(tree) ON TABLE audit.cosignature TO garant_staff;

GRANT INSERT(size) ON TABLE audit.cosignature TO garant_worker;
GRANT INSERT(size) ON TABLE audit.cosignature TO garant_staff;

GRANT INSERT(witness) ON TABLE audit.cosignature TO garant_worker;
GRANT INSERT(witness) ON TABLE audit.cosignature TO garant_staff;

GRANT INSERT(line) ON TABLE audit.cosignature TO garant_worker;
GRANT INSERT(line) ON TABLE audit.cosignature TO garant_staff;

GRANT INSERT(at) ON TABLE audit.cosignature TO garant_worker;
GRANT INSERT(at) ON TABLE audit.cosignature TO garant_staff;

GRANT SELECT,INSERT,UPDATE ON TABLE audit.cursor TO garant_checkpoint;
GRANT SELECT ON TABLE audit.cursor TO garant_staff;
GRANT SELECT ON TABLE audit.cursor TO garant_worker;
GRANT SELECT ON TABLE audit.cursor TO garant_checker;
GRANT SELECT ON TABLE audit.cursor TO garant_retention;

GRANT SELECT ON TABLE audit.dropped TO garant_staff;
GRANT SELECT ON TABLE audit.dropped TO garant_worker;
GRANT SELECT ON TABLE audit.dropped TO garant_checker;
GRANT SELECT ON TABLE audit.dropped TO garant_retention;
GRANT SELECT ON TABLE audit.dropped TO garant_checkpoint;

GRANT SELECT ON TABLE audit.entry TO garant_staff;
GRANT SELECT ON TABLE audit.entry TO garant_worker;
GRANT SELECT ON TABLE audit.entry TO garant_checkpoint;
GRANT SELECT ON TABLE audit.entry TO garant_retention;

GRANT SELECT(id) ON TABLE audit.entry TO garant_portal;

GRANT SELECT(at) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(actor_kind) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(actor_kind) ON TABLE audit.entry TO garant_login;
GRANT INSERT(actor_kind) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(actor_kind) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(actor_kind) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(actor_kind) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(actor_kind) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(actor_id) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(actor_id) ON TABLE audit.entry TO garant_login;
GRANT INSERT(actor_id) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(actor_id) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(actor_id) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(actor_id) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(actor_id) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(session) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(session) ON TABLE audit.entry TO garant_login;
GRANT INSERT(session) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(session) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(session) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(session) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(session) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(origin) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(origin) ON TABLE audit.entry TO garant_login;
GRANT INSERT(origin) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(origin) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(origin) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(origin) ON TABLE audit.entry TO garant_retention;

GRANT INSERT(action) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(action) ON TABLE audit.entry TO garant_login;
GRANT INSERT(action) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(action) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(action) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(action) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(action) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(outcome) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(outcome) ON TABLE audit.entry TO garant_login;
GRANT INSERT(outcome) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(outcome) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(outcome) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(outcome) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(outcome) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(object_kind) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(object_kind) ON TABLE audit.entry TO garant_login;
GRANT INSERT(object_kind) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(object_kind) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(object_kind) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(object_kind) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(object_kind) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(object_id) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(object_id) ON TABLE audit.entry TO garant_login;
GRANT INSERT(object_id) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(object_id) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(object_id) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(object_id) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(object_id) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(detail) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(detail) ON TABLE audit.entry TO garant_login;
GRANT INSERT(detail) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(detail) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(detail) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(detail) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(detail) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(tenant) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(tenant) ON TABLE audit.entry TO garant_login;
GRANT INSERT(tenant) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(tenant) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(tenant) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(tenant) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(tenant) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(reason) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(reason) ON TABLE audit.entry TO garant_login;
GRANT INSERT(reason) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(reason) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(reason) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(reason) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(reason) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(request) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(request) ON TABLE audit.entry TO garant_login;
GRANT INSERT(request) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(request) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(request) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(request) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(request) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(subject) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(subject) ON TABLE audit.entry TO garant_login;
GRANT INSERT(subject) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(subject) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(subject) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(subject) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(subject) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(promise) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(promise) ON TABLE audit.entry TO garant_login;
GRANT INSERT(promise) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(promise) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(promise) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(promise) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(promise) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(changes) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(changes) ON TABLE audit.entry TO garant_login;
GRANT INSERT(changes) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(changes) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(changes) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(changes) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(changes) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(occurred) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(occurred) ON TABLE audit.entry TO garant_login;
GRANT INSERT(occurred) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(occurred) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(occurred) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(occurred) ON TABLE audit.entry TO garant_retention;
GRANT SELECT(occurred) ON TABLE audit.entry TO garant_portal;

GRANT INSERT(writer) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(writer) ON TABLE audit.entry TO garant_login;
GRANT INSERT(writer) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(writer) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(writer) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(writer) ON TABLE audit.entry TO garant_retention;

GRANT INSERT(n) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(n) ON TABLE audit.entry TO garant_login;
GRANT INSERT(n) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(n) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(n) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(n) ON TABLE audit.entry TO garant_retention;

GRANT INSERT(written) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(written) ON TABLE audit.entry TO garant_login;
GRANT INSERT(written) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(written) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(written) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(written) ON TABLE audit.entry TO garant_retention;

GRANT INSERT(mac) ON TABLE audit.entry TO garant_staff;
GRANT INSERT(mac) ON TABLE audit.entry TO garant_login;
GRANT INSERT(mac) ON TABLE audit.entry TO garant_worker;
GRANT INSERT(mac) ON TABLE audit.entry TO garant_checker;
GRANT INSERT(mac) ON TABLE audit.entry TO garant_checkpoint;
GRANT INSERT(mac) ON TABLE audit.entry TO garant_retention;

GRANT USAGE ON SEQUENCE audit.entry_number TO garant_staff;
GRANT USAGE ON SEQUENCE audit.entry_number TO garant_login;
GRANT USAGE ON SEQUENCE audit.entry_number TO garant_worker;
GRANT USAGE ON SEQUENCE audit.entry_number TO garant_checker;
GRANT USAGE ON SEQUENCE audit.entry_number TO garant_checkpoint;
GRANT USAGE ON SEQUENCE audit.entry_number TO garant_retention;

GRANT SELECT,INSERT ON TABLE audit.generation TO garant_checkpoint;
GRANT SELECT ON TABLE audit.generation TO garant_staff;
GRANT SELECT ON TABLE audit.generation TO garant_worker;

GRANT SELECT(generation) ON TABLE audit.generation TO garant_public;

GRANT SELECT(origin) ON TABLE audit.generation TO garant_public;

GRANT SELECT(key) ON TABLE audit.generation TO garant_public;

GRANT SELECT(began_at) ON TABLE audit.generation TO garant_public;

GRANT SELECT,DELETE ON TABLE audit.heartbeat TO garant_checkpoint;
GRANT SELECT ON TABLE audit.heartbeat TO garant_staff;
GRANT SELECT ON TABLE audit.heartbeat TO garant_worker;

GRANT INSERT(writer) ON TABLE audit.heartbeat TO garant_staff;
GRANT INSERT(writer) ON TABLE audit.heartbeat TO garant_login;
GRANT INSERT(writer) ON TABLE audit.heartbeat TO garant_worker;
GRANT INSERT(writer) ON TABLE audit.heartbeat TO garant_checker;

GRANT INSERT(n) ON TABLE audit.heartbeat TO garant_staff;
GRANT INSERT(n) ON TABLE audit.heartbeat TO garant_login;
GRANT INSERT(n) ON TABLE audit.heartbeat TO garant_worker;
GRANT INSERT(n) ON TABLE audit.heartbeat TO garant_checker;

GRANT INSERT(below) ON TABLE audit.heartbeat TO garant_staff;
GRANT INSERT(below) ON TABLE audit.heartbeat TO garant_login;
GRANT INSERT(below) ON TABLE audit.heartbeat TO garant_worker;
GRANT INSERT(below) ON TABLE audit.heartbeat TO garant_checker;

GRANT INSERT(claimed) ON TABLE audit.heartbeat TO garant_staff;
GRANT INSERT(claimed) ON TABLE audit.heartbeat TO garant_login;
GRANT INSERT(claimed) ON TABLE audit.heartbeat TO garant_worker;
GRANT INSERT(claimed) ON TABLE audit.heartbeat TO garant_checker;

GRANT INSERT(last) ON TABLE audit.heartbeat TO garant_staff;
GRANT INSERT(last) ON TABLE audit.heartbeat TO garant_login;
GRANT INSERT(last) ON TABLE audit.heartbeat TO garant_worker;
GRANT INSERT(last) ON TABLE audit.heartbeat TO garant_checker;

GRANT INSERT(written) ON TABLE audit.heartbeat TO garant_staff;
GRANT INSERT(written) ON TABLE audit.heartbeat TO garant_login;
GRANT INSERT(written) ON TABLE audit.heartbeat TO garant_worker;
GRANT INSERT(written) ON TABLE audit.heartbeat TO garant_checker;

GRANT INSERT(mac) ON TABLE audit.heartbeat TO garant_staff;
GRANT INSERT(mac) ON TABLE audit.heartbeat TO garant_login;
GRANT INSERT(mac) ON TABLE audit.heartbeat TO garant_worker;
GRANT INSERT(mac) ON TABLE audit.heartbeat TO garant_checker;

GRANT SELECT,INSERT,UPDATE ON TABLE audit.hour TO garant_worker;
GRANT SELECT ON TABLE audit.hour TO garant_staff;

GRANT SELECT,INSERT ON TABLE audit.leaf TO garant_checkpoint;
GRANT SELECT ON TABLE audit.leaf TO garant_staff;
GRANT SELECT ON TABLE audit.leaf TO garant_worker;
GRANT SELECT ON TABLE audit.leaf TO garant_retention;

GRANT SELECT,INSERT ON TABLE audit.root_leaf TO garant_checkpoint;
GRANT SELECT ON TABLE audit.root_leaf TO garant_staff;
GRANT SELECT ON TABLE audit.root_leaf TO garant_worker;
GRANT SELECT ON TABLE audit.root_leaf TO garant_public;

GRANT SELECT,INSERT ON TABLE audit.sample TO garant_staff;

GRANT SELECT,INSERT ON TABLE audit.sample_item TO garant_staff;

GRANT SELECT,INSERT ON TABLE audit.sample_note TO garant_staff;

GRANT SELECT ON TABLE audit.searched TO garant_worker;
GRANT SELECT ON TABLE audit.searched TO garant_staff;

GRANT UPDATE(seq) ON TABLE audit.searched TO garant_worker;

GRANT UPDATE(dropped) ON TABLE audit.searched TO garant_worker;

GRANT UPDATE(at) ON TABLE audit.searched TO garant_worker;

GRANT SELECT,INSERT ON TABLE audit.tile TO garant_checkpoint;
GRANT SELECT ON TABLE audit.tile TO garant_staff;
GRANT SELECT ON TABLE audit.tile TO garant_worker;
GRANT SELECT ON TABLE audit.tile TO garant_public;

GRANT SELECT,INSERT ON TABLE audit.tree TO garant_checkpoint;
GRANT SELECT ON TABLE audit.tree TO garant_staff;
GRANT SELECT ON TABLE audit.tree TO garant_worker;
GRANT SELECT ON TABLE audit.tree TO garant_checker;
GRANT SELECT ON TABLE audit.tree TO garant_public;
GRANT SELECT ON TABLE audit.tree TO garant_retention;

GRANT UPDATE(size) ON TABLE audit.tree TO garant_checkpoint;

GRANT UPDATE(edge) ON TABLE audit.tree TO garant_checkpoint;

GRANT SELECT,INSERT,DELETE ON TABLE audit.words TO garant_worker;
GRANT SELECT ON TABLE audit.words TO garant_staff;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE audit.writer TO garant_checkpoint;
GRANT SELECT ON TABLE audit.writer TO garant_staff;
GRANT SELECT ON TABLE audit.writer TO garant_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE auditlog.collected TO garant_worker;
GRANT SELECT ON TABLE auditlog.collected TO garant_staff;
GRANT SELECT ON TABLE auditlog.collected TO garant_checker;

GRANT SELECT,DELETE ON TABLE auditlog.collected_event TO garant_worker;
GRANT SELECT ON TABLE auditlog.collected_event TO garant_checker;

GRANT INSERT(mark) ON TABLE auditlog.collected_event TO garant_worker;

GRANT INSERT(database) ON TABLE auditlog.collected_event TO garant_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE auditlog.replica TO garant_worker;
GRANT SELECT ON TABLE auditlog.replica TO garant_staff;
GRANT SELECT ON TABLE auditlog.replica TO garant_checker;

GRANT SELECT,INSERT,DELETE ON TABLE auditlog.segment TO garant_worker;
GRANT SELECT ON TABLE auditlog.segment TO garant_staff;
GRANT SELECT ON TABLE auditlog.segment TO garant_checker;

GRANT UPDATE(to_size) ON TABLE auditlog.segment TO garant_worker;

GRANT UPDATE(to_seq) ON TABLE auditlog.segment TO garant_worker;

GRANT UPDATE(root) ON TABLE auditlog.segment TO garant_worker;

GRANT UPDATE(note) ON TABLE auditlog.segment TO garant_worker;

GRANT UPDATE(bytes) ON TABLE auditlog.segment TO garant_worker;

GRANT UPDATE(objects) ON TABLE auditlog.segment TO garant_worker;

GRANT UPDATE(put_at) ON TABLE auditlog.segment TO garant_worker;

GRANT SELECT ON TABLE auditlog.stream TO garant_worker;
GRANT SELECT ON TABLE auditlog.stream TO garant_staff;
GRANT SELECT ON TABLE auditlog.stream TO garant_checker;

GRANT INSERT(name) ON TABLE auditlog.stream TO garant_worker;

GRANT UPDATE("position") ON TABLE auditlog.stream TO garant_worker;

GRANT UPDATE(sending) ON TABLE auditlog.stream TO garant_worker;

GRANT UPDATE(sent) ON TABLE auditlog.stream TO garant_worker;

GRANT UPDATE(sent_at) ON TABLE auditlog.stream TO garant_worker;

GRANT UPDATE(failed_since) ON TABLE auditlog.stream TO garant_worker;

GRANT UPDATE(problem) ON TABLE auditlog.stream TO garant_worker;

GRANT UPDATE(said) ON TABLE auditlog.stream TO garant_worker;

GRANT SELECT,INSERT,DELETE ON TABLE crypt.key TO garant_staff;
GRANT SELECT,INSERT ON TABLE crypt.key TO garant_login;
GRANT SELECT,INSERT ON TABLE crypt.key TO garant_worker;
GRANT SELECT,INSERT ON TABLE crypt.key TO garant_checkpoint;

GRANT SELECT,DELETE ON TABLE directory.api_token TO garant_login;

GRANT SELECT(id) ON TABLE directory.api_token TO garant_staff;
GRANT INSERT(id) ON TABLE directory.api_token TO garant_login;

GRANT INSERT(hash) ON TABLE directory.api_token TO garant_login;

GRANT SELECT(person_id) ON TABLE directory.api_token TO garant_staff;
GRANT INSERT(person_id) ON TABLE directory.api_token TO garant_login;

GRANT INSERT(name) ON TABLE directory.api_token TO garant_login;

GRANT SELECT(scopes) ON TABLE directory.api_token TO garant_staff;
GRANT INSERT(scopes) ON TABLE directory.api_token TO garant_login;

GRANT SELECT(created_at) ON TABLE directory.api_token TO garant_staff;
GRANT INSERT(created_at) ON TABLE directory.api_token TO garant_login;

GRANT SELECT(expires_at) ON TABLE directory.api_token TO garant_staff;
GRANT INSERT(expires_at) ON TABLE directory.api_token TO garant_login;

GRANT SELECT(last_used_at) ON TABLE directory.api_token TO garant_staff;
GRANT UPDATE(last_used_at) ON TABLE directory.api_token TO garant_login;

GRANT SELECT(revoked_at),UPDATE(revoked_at) ON TABLE directory.api_token TO garant_staff;
GRANT UPDATE(revoked_at) ON TABLE directory.api_token TO garant_login;

GRANT SELECT(mint_databases) ON TABLE directory.api_token TO garant_staff;
GRANT INSERT(mint_databases) ON TABLE directory.api_token TO garant_login;

GRANT SELECT(mint_logins) ON TABLE directory.api_token TO garant_staff;
GRANT INSERT(mint_logins) ON TABLE directory.api_token TO garant_login;

GRANT SELECT(mint_jobs) ON TABLE directory.api_token TO garant_staff;
GRANT INSERT(mint_jobs) ON TABLE directory.api_token TO garant_login;

GRANT SELECT,INSERT,DELETE ON TABLE directory.ceremony TO garant_login;

GRANT SELECT,DELETE ON TABLE directory.link TO garant_login;

GRANT SELECT(id),INSERT(id) ON TABLE directory.link TO garant_staff;

GRANT INSERT(hash) ON TABLE directory.link TO garant_staff;

GRANT SELECT(person_id),INSERT(person_id) ON TABLE directory.link TO garant_staff;

GRANT SELECT(purpose),INSERT(purpose) ON TABLE directory.link TO garant_staff;

GRANT SELECT(created_at),INSERT(created_at) ON TABLE directory.link TO garant_staff;

GRANT SELECT(created_by),INSERT(created_by) ON TABLE directory.link TO garant_staff;

GRANT SELECT(expires_at),INSERT(expires_at) ON TABLE directory.link TO garant_staff;

GRANT SELECT(used_at) ON TABLE directory.link TO garant_staff;
GRANT UPDATE(used_at) ON TABLE directory.link TO garant_login;

GRANT SELECT(void_at),UPDATE(void_at) ON TABLE directory.link TO garant_staff;
GRANT UPDATE(void_at) ON TABLE directory.link TO garant_login;

GRANT SELECT,INSERT,DELETE ON TABLE directory.notice TO garant_login;

GRANT UPDATE(seen_at) ON TABLE directory.notice TO garant_login;

GRANT SELECT,DELETE ON TABLE directory.passkey TO garant_login;

GRANT SELECT(id) ON TABLE directory.passkey TO garant_staff;
GRANT INSERT(id) ON TABLE directory.passkey TO garant_login;

GRANT SELECT(person_id) ON TABLE directory.passkey TO garant_staff;
GRANT INSERT(person_id) ON TABLE directory.passkey TO garant_login;

GRANT INSERT(credential_id) ON TABLE directory.passkey TO garant_login;

GRANT INSERT(public_key) ON TABLE directory.passkey TO garant_login;

GRANT INSERT(flags),UPDATE(flags) ON TABLE directory.passkey TO garant_login;

GRANT INSERT(sign_count),UPDATE(sign_count) ON TABLE directory.passkey TO garant_login;

GRANT INSERT(aaguid) ON TABLE directory.passkey TO garant_login;

GRANT INSERT(transports) ON TABLE directory.passkey TO garant_login;

GRANT INSERT(name),UPDATE(name) ON TABLE directory.passkey TO garant_login;

GRANT SELECT(created_at) ON TABLE directory.passkey TO garant_staff;
GRANT INSERT(created_at) ON TABLE directory.passkey TO garant_login;

GRANT SELECT(last_used_at) ON TABLE directory.passkey TO garant_staff;
GRANT INSERT(last_used_at),UPDATE(last_used_at) ON TABLE directory.passkey TO garant_login;

GRANT SELECT(suspect_at) ON TABLE directory.passkey TO garant_staff;
GRANT UPDATE(suspect_at) ON TABLE directory.passkey TO garant_login;

GRANT SELECT,INSERT ON TABLE directory.person TO garant_staff;

GRANT SELECT(id) ON TABLE directory.person TO garant_login;

GRANT SELECT(email_index) ON TABLE directory.person TO garant_login;

GRANT SELECT(email) ON TABLE directory.person TO garant_login;

GRANT SELECT(name) ON TABLE directory.person TO garant_login;

GRANT UPDATE(role) ON TABLE directory.person TO garant_staff;
GRANT SELECT(role) ON TABLE directory.person TO garant_login;

GRANT UPDATE(disabled_at) ON TABLE directory.person TO garant_staff;
GRANT SELECT(disabled_at) ON TABLE directory.person TO garant_login;

GRANT UPDATE(access_until) ON TABLE directory.person TO garant_staff;
GRANT SELECT(access_until) ON TABLE directory.person TO garant_login;

GRANT SELECT,DELETE ON TABLE directory.recovery_code TO garant_login;

GRANT SELECT(person_id) ON TABLE directory.recovery_code TO garant_staff;
GRANT INSERT(person_id) ON TABLE directory.recovery_code TO garant_login;

GRANT INSERT(hash) ON TABLE directory.recovery_code TO garant_login;

GRANT SELECT(created_at) ON TABLE directory.recovery_code TO garant_staff;
GRANT INSERT(created_at) ON TABLE directory.recovery_code TO garant_login;

GRANT SELECT(used_at) ON TABLE directory.recovery_code TO garant_staff;
GRANT UPDATE(used_at) ON TABLE directory.recovery_code TO garant_login;

GRANT SELECT ON TABLE directory.seat_end TO garant_staff;
GRANT SELECT,INSERT ON TABLE directory.seat_end TO garant_login;

GRANT SELECT,DELETE ON TABLE directory.session TO garant_login;

GRANT SELECT(id) ON TABLE directory.session TO garant_staff;
GRANT INSERT(id) ON TABLE directory.session TO garant_login;

GRANT INSERT(hash),UPDATE(hash) ON TABLE directory.session TO garant_login;

GRANT SELECT(person_id) ON TABLE directory.session TO garant_staff;
GRANT INSERT(person_id) ON TABLE directory.session TO garant_login;

GRANT SELECT(method) ON TABLE directory.session TO garant_staff;
GRANT INSERT(method) ON TABLE directory.session TO garant_login;

GRANT SELECT(enrolled) ON TABLE directory.session TO garant_staff;
GRANT INSERT(enrolled),UPDATE(enrolled) ON TABLE directory.session TO garant_login;

GRANT SELECT(opened_at) ON TABLE directory.session TO garant_staff;
GRANT INSERT(opened_at) ON TABLE directory.session TO garant_login;

GRANT SELECT(verified_at) ON TABLE directory.session TO garant_staff;
GRANT INSERT(verified_at),UPDATE(verified_at) ON TABLE directory.session TO garant_login;

GRANT SELECT(last_seen_at) ON TABLE directory.session TO garant_staff;
GRANT INSERT(last_seen_at),UPDATE(last_seen_at) ON TABLE directory.session TO garant_login;

GRANT SELECT(expires_at) ON TABLE directory.session TO garant_staff;
GRANT INSERT(expires_at),UPDATE(expires_at) ON TABLE directory.session TO garant_login;

GRANT SELECT(ended_at),UPDATE(ended_at) ON TABLE directory.session TO garant_staff;
GRANT UPDATE(ended_at) ON TABLE directory.session TO garant_login;

GRANT SELECT(ended_reason),UPDATE(ended_reason) ON TABLE directory.session TO garant_staff;
GRANT UPDATE(ended_reason) ON TABLE directory.session TO garant_login;

GRANT SELECT(origin) ON TABLE directory.session TO garant_staff;
GRANT INSERT(origin) ON TABLE directory.session TO garant_login;

GRANT SELECT(agent) ON TABLE directory.session TO garant_staff;
GRANT INSERT(agent) ON TABLE directory.session TO garant_login;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE directory.throttle TO garant_login;

GRANT SELECT ON TABLE document.document TO garant_staff;

GRANT INSERT(id) ON TABLE document.document TO garant_staff;

GRANT INSERT(owner_kind) ON TABLE document.document TO garant_staff;

GRANT INSERT(owner_id) ON TABLE document.document TO garant_staff;

GRANT INSERT(name) ON TABLE document.document TO garant_staff;

GRANT INSERT(type) ON TABLE document.document TO garant_staff;

GRANT INSERT(size) ON TABLE document.document TO garant_staff;

GRANT INSERT(sha256) ON TABLE document.document TO garant_staff;

GRANT INSERT(pieces) ON TABLE document.document TO garant_staff;

GRANT INSERT(added_by) ON TABLE document.document TO garant_staff;

GRANT SELECT,INSERT ON TABLE document.piece TO garant_staff;

GRANT SELECT ON TABLE estate.confirmation TO garant_staff;
GRANT SELECT ON TABLE estate.confirmation TO garant_worker;
GRANT SELECT ON TABLE estate.confirmation TO garant_checker;

GRANT INSERT(version) ON TABLE estate.confirmation TO garant_staff;

GRANT INSERT(confirmed_by) ON TABLE estate.confirmation TO garant_staff;

GRANT INSERT(reason) ON TABLE estate.confirmation TO garant_staff;

GRANT SELECT ON TABLE estate.version TO garant_staff;
GRANT SELECT ON TABLE estate.version TO garant_worker;
GRANT SELECT ON TABLE estate.version TO garant_checker;

GRANT INSERT(hash) ON TABLE estate.version TO garant_staff;

GRANT INSERT(source) ON TABLE estate.version TO garant_staff;

GRANT INSERT(files) ON TABLE estate.version TO garant_staff;

GRANT INSERT(applied_by) ON TABLE estate.version TO garant_staff;

GRANT INSERT(reductions) ON TABLE estate.version TO garant_staff;

GRANT SELECT,INSERT ON TABLE hosting.move TO garant_staff;
GRANT SELECT,INSERT ON TABLE hosting.move TO garant_worker;
GRANT SELECT ON TABLE hosting.move TO garant_checker;

GRANT UPDATE(step) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(step) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(rows) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(rows) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(bytes) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(bytes) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(rate) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(rate) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(behind) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(behind) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(pause_ms) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(pause_ms) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(proof) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(proof) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(restore) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(restore) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(failure) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(failure) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(switched_at) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(switched_at) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(finished_at) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(finished_at) ON TABLE hosting.move TO garant_worker;

GRANT UPDATE(heard_at) ON TABLE hosting.move TO garant_staff;
GRANT UPDATE(heard_at) ON TABLE hosting.move TO garant_worker;

GRANT SELECT,INSERT,DELETE ON TABLE hosting.residence TO garant_staff;
GRANT SELECT,INSERT,DELETE ON TABLE hosting.residence TO garant_worker;
GRANT SELECT ON TABLE hosting.residence TO garant_checker;

GRANT UPDATE(place) ON TABLE hosting.residence TO garant_staff;
GRANT UPDATE(place) ON TABLE hosting.residence TO garant_worker;
GRANT SELECT(place) ON TABLE hosting.residence TO garant_portal;

GRANT UPDATE(paused) ON TABLE hosting.residence TO garant_staff;
GRANT UPDATE(paused) ON TABLE hosting.residence TO garant_worker;
GRANT SELECT(paused) ON TABLE hosting.residence TO garant_portal;

GRANT UPDATE(move) ON TABLE hosting.residence TO garant_staff;
GRANT UPDATE(move) ON TABLE hosting.residence TO garant_worker;

GRANT UPDATE(since) ON TABLE hosting.residence TO garant_staff;
GRANT UPDATE(since) ON TABLE hosting.residence TO garant_worker;
GRANT SELECT(since) ON TABLE hosting.residence TO garant_portal;

GRANT SELECT(customer) ON TABLE hosting.residence TO garant_portal;

GRANT SELECT,DELETE,UPDATE ON TABLE job.outbox TO garant_worker;

GRANT INSERT(name) ON TABLE job.outbox TO garant_staff;
GRANT INSERT(name) ON TABLE job.outbox TO garant_worker;

GRANT INSERT(args) ON TABLE job.outbox TO garant_staff;
GRANT INSERT(args) ON TABLE job.outbox TO garant_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE job.recurrence TO garant_worker;

GRANT SELECT ON TABLE mail.message TO garant_staff;
GRANT SELECT,DELETE ON TABLE mail.message TO garant_worker;

GRANT INSERT(id) ON TABLE mail.message TO garant_staff;
GRANT INSERT(id) ON TABLE mail.message TO garant_worker;

GRANT INSERT(template) ON TABLE mail.message TO garant_staff;
GRANT INSERT(template) ON TABLE mail.message TO garant_worker;

GRANT INSERT(person_id) ON TABLE mail.message TO garant_staff;
GRANT INSERT(person_id) ON TABLE mail.message TO garant_worker;

GRANT INSERT(due) ON TABLE mail.message TO garant_staff;
GRANT INSERT(due) ON TABLE mail.message TO garant_worker;

GRANT INSERT(args) ON TABLE mail.message TO garant_staff;
GRANT INSERT(args) ON TABLE mail.message TO garant_worker;

GRANT INSERT(expires_at),UPDATE(expires_at) ON TABLE mail.message TO garant_staff;
GRANT INSERT(expires_at) ON TABLE mail.message TO garant_worker;

GRANT INSERT(state),UPDATE(state) ON TABLE mail.message TO garant_staff;
GRANT INSERT(state),UPDATE(state) ON TABLE mail.message TO garant_worker;

GRANT INSERT(next_at),UPDATE(next_at) ON TABLE mail.message TO garant_staff;
GRANT INSERT(next_at),UPDATE(next_at) ON TABLE mail.message TO garant_worker;

GRANT UPDATE(attempts) ON TABLE mail.message TO garant_worker;
GRANT UPDATE(attempts) ON TABLE mail.message TO garant_staff;

GRANT INSERT(problem) ON TABLE mail.message TO garant_staff;
GRANT INSERT(problem),UPDATE(problem) ON TABLE mail.message TO garant_worker;

GRANT INSERT(done_at) ON TABLE mail.message TO garant_staff;
GRANT INSERT(done_at),UPDATE(done_at) ON TABLE mail.message TO garant_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE mail.preference TO garant_staff;
GRANT SELECT ON TABLE mail.preference TO garant_worker;

GRANT SELECT ON TABLE measure.annex_decision TO garant_staff;
GRANT SELECT ON TABLE measure.annex_decision TO garant_worker;

GRANT INSERT(proposal) ON TABLE measure.annex_decision TO garant_staff;

GRANT INSERT(outcome) ON TABLE measure.annex_decision TO garant_staff;

GRANT INSERT(reason) ON TABLE measure.annex_decision TO garant_staff;

GRANT INSERT(decided_by) ON TABLE measure.annex_decision TO garant_staff;

GRANT INSERT(version) ON TABLE measure.annex_decision TO garant_staff;

GRANT INSERT(base_hash) ON TABLE measure.annex_decision TO garant_staff;

GRANT INSERT(hash) ON TABLE measure.annex_decision TO garant_staff;

GRANT INSERT(changes) ON TABLE measure.annex_decision TO garant_staff;

GRANT SELECT ON TABLE measure.annex_draft TO garant_staff;
GRANT SELECT ON TABLE measure.annex_draft TO garant_worker;

GRANT INSERT(revision) ON TABLE measure.annex_draft TO garant_staff;

GRANT INSERT(text) ON TABLE measure.annex_draft TO garant_staff;

GRANT INSERT(hash) ON TABLE measure.annex_draft TO garant_staff;

GRANT INSERT(edited_by) ON TABLE measure.annex_draft TO garant_staff;

GRANT SELECT ON TABLE measure.annex_proposal TO garant_staff;
GRANT SELECT ON TABLE measure.annex_proposal TO garant_worker;

GRANT INSERT(revision) ON TABLE measure.annex_proposal TO garant_staff;

GRANT INSERT(note) ON TABLE measure.annex_proposal TO garant_staff;

GRANT INSERT(proposed_by) ON TABLE measure.annex_proposal TO garant_staff;

GRANT SELECT ON TABLE measure.assignment TO garant_staff;
GRANT SELECT ON TABLE measure.assignment TO garant_worker;
GRANT SELECT ON TABLE measure.assignment TO garant_checker;

GRANT INSERT(measure_id) ON TABLE measure.assignment TO garant_staff;

GRANT INSERT(responsible) ON TABLE measure.assignment TO garant_staff;

GRANT INSERT(deputy) ON TABLE measure.assignment TO garant_staff;

GRANT INSERT(deputy_until) ON TABLE measure.assignment TO garant_staff;

GRANT INSERT(assigned_by) ON TABLE measure.assignment TO garant_staff;

GRANT SELECT ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(n) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(n) ON TABLE measure.attestation TO garant_checker;

GRANT SELECT(id) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(id) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(id) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(measure_id) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(measure_id) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(measure_id) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(targets) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(targets) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(targets) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(statement) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(statement) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(statement) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(person_id) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(person_id) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(person_id) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(on_behalf_of) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(on_behalf_of) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(on_behalf_of) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(observed_on) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(observed_on) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(observed_on) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(observed_at) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(observed_at) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(observed_at) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(received_at) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(received_at) ON TABLE measure.attestation TO garant_checker;

GRANT SELECT(valid_until) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(valid_until) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(valid_until) ON TABLE measure.attestation TO garant_staff;

GRANT INSERT(note) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(documents) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(documents) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(documents) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(words_hash) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(words_hash) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(words_hash) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(catalogue_hash) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(catalogue_hash) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(catalogue_hash) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(estate_version) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(estate_version) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(estate_version) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(build) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(build) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(build) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT(digest) ON TABLE measure.attestation TO garant_worker;
GRANT SELECT(digest) ON TABLE measure.attestation TO garant_checker;
GRANT INSERT(digest) ON TABLE measure.attestation TO garant_staff;

GRANT SELECT ON TABLE measure.catalogue TO garant_staff;
GRANT SELECT ON TABLE measure.catalogue TO garant_worker;
GRANT SELECT ON TABLE measure.catalogue TO garant_checker;

GRANT INSERT(hash) ON TABLE measure.catalogue TO garant_worker;

GRANT INSERT(content) ON TABLE measure.catalogue TO garant_worker;

GRANT SELECT ON TABLE measure.current TO garant_staff;
GRANT SELECT ON TABLE measure.current TO garant_worker;
GRANT SELECT,INSERT,UPDATE ON TABLE measure.current TO garant_checker;

GRANT SELECT ON TABLE measure.evidence TO garant_staff;
GRANT SELECT ON TABLE measure.evidence TO garant_worker;
GRANT SELECT ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(id) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(check_id) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(kind) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(outcome) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(finding) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(content_hash) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(digest) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(first_at) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(observed_at) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(observations) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(valid_until) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(catalogue_hash) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(estate_version) ON TABLE measure.evidence TO garant_checker;

GRANT INSERT(build) ON TABLE measure.evidence TO garant_checker;

GRANT SELECT ON TABLE measure.reminder TO garant_staff;
GRANT SELECT ON TABLE measure.reminder TO garant_worker;

GRANT INSERT(measure_id) ON TABLE measure.reminder TO garant_worker;

GRANT INSERT(person_id) ON TABLE measure.reminder TO garant_worker;

GRANT INSERT(due) ON TABLE measure.reminder TO garant_worker;

GRANT SELECT ON TABLE measure.run TO garant_staff;
GRANT SELECT ON TABLE measure.run TO garant_worker;
GRANT SELECT ON TABLE measure.run TO garant_checker;

GRANT INSERT(id) ON TABLE measure.run TO garant_staff;

GRANT INSERT(check_id) ON TABLE measure.run TO garant_staff;

GRANT INSERT(asked_by) ON TABLE measure.run TO garant_staff;

GRANT UPDATE(started_at) ON TABLE measure.run TO garant_checker;

GRANT UPDATE(finished_at) ON TABLE measure.run TO garant_checker;

GRANT UPDATE(evidence_id) ON TABLE measure.run TO garant_checker;

GRANT UPDATE(outcome) ON TABLE measure.run TO garant_checker;

GRANT SELECT ON TABLE measure.state_change TO garant_staff;
GRANT SELECT ON TABLE measure.state_change TO garant_worker;

GRANT INSERT(measure_id) ON TABLE measure.state_change TO garant_worker;

GRANT INSERT(state) ON TABLE measure.state_change TO garant_worker;

GRANT INSERT(cause) ON TABLE measure.state_change TO garant_worker;

GRANT INSERT(reason) ON TABLE measure.state_change TO garant_worker;

GRANT SELECT,INSERT ON TABLE register.acknowledgement TO garant_staff;
GRANT SELECT ON TABLE register.acknowledgement TO garant_worker;

GRANT SELECT(document_id) ON TABLE register.acknowledgement TO garant_checker;

GRANT SELECT(version) ON TABLE register.acknowledgement TO garant_checker;

GRANT SELECT(person_id) ON TABLE register.acknowledgement TO garant_checker;

GRANT SELECT(at) ON TABLE register.acknowledgement TO garant_checker;

GRANT SELECT ON TABLE register.change TO garant_staff;

GRANT INSERT(entry_id) ON TABLE register.change TO garant_staff;

GRANT INSERT(revision) ON TABLE register.change TO garant_staff;

GRANT INSERT(at) ON TABLE register.change TO garant_staff;

GRANT INSERT(actor_kind) ON TABLE register.change TO garant_staff;

GRANT INSERT(actor_id) ON TABLE register.change TO garant_staff;

GRANT INSERT(action) ON TABLE register.change TO garant_staff;

GRANT INSERT(changes) ON TABLE register.change TO garant_staff;

GRANT SELECT,INSERT ON TABLE register.entry TO garant_staff;

GRANT SELECT(id) ON TABLE register.entry TO garant_worker;
GRANT SELECT(id) ON TABLE register.entry TO garant_checker;

GRANT SELECT(register) ON TABLE register.entry TO garant_worker;
GRANT SELECT(register) ON TABLE register.entry TO garant_checker;

GRANT UPDATE(revision) ON TABLE register.entry TO garant_staff;
GRANT SELECT(revision) ON TABLE register.entry TO garant_worker;

GRANT UPDATE(state) ON TABLE register.entry TO garant_staff;
GRANT SELECT(state) ON TABLE register.entry TO garant_worker;
GRANT SELECT(state) ON TABLE register.entry TO garant_checker;

GRANT UPDATE(sort_key) ON TABLE register.entry TO garant_staff;

GRANT UPDATE(search) ON TABLE register.entry TO garant_staff;

GRANT UPDATE(fields) ON TABLE register.entry TO garant_staff;
GRANT SELECT(fields) ON TABLE register.entry TO garant_worker;
GRANT SELECT(fields) ON TABLE register.entry TO garant_checker;

GRANT UPDATE(sealed) ON TABLE register.entry TO garant_staff;

GRANT UPDATE(purge_on) ON TABLE register.entry TO garant_staff;
GRANT SELECT(purge_on) ON TABLE register.entry TO garant_worker;

GRANT UPDATE(updated_at) ON TABLE register.entry TO garant_staff;

GRANT UPDATE(updated_by) ON TABLE register.entry TO garant_staff;

GRANT UPDATE(deleted_at) ON TABLE register.entry TO garant_staff;
GRANT SELECT(deleted_at) ON TABLE register.entry TO garant_worker;
GRANT SELECT(deleted_at) ON TABLE register.entry TO garant_checker;

GRANT SELECT,INSERT ON TABLE register.publication TO garant_staff;

GRANT SELECT(entry_id) ON TABLE register.publication TO garant_worker;
GRANT SELECT(entry_id) ON TABLE register.publication TO garant_checker;

GRANT SELECT(version) ON TABLE register.publication TO garant_worker;
GRANT SELECT(version) ON TABLE register.publication TO garant_checker;

GRANT SELECT(at) ON TABLE register.publication TO garant_worker;
GRANT SELECT(at) ON TABLE register.publication TO garant_checker;

GRANT SELECT(fields) ON TABLE register.publication TO garant_checker;

GRANT SELECT(digest) ON TABLE register.publication TO garant_worker;

GRANT SELECT,INSERT,DELETE ON TABLE register.reference TO garant_staff;
GRANT SELECT ON TABLE register.reference TO garant_worker;
GRANT SELECT ON TABLE register.reference TO garant_checker;

GRANT SELECT,INSERT,DELETE ON TABLE register.unique_value TO garant_staff;

GRANT SELECT ON TABLE tenancy.customer TO garant_staff;
GRANT SELECT ON TABLE tenancy.customer TO garant_worker;

GRANT INSERT(customer) ON TABLE tenancy.customer TO garant_staff;
GRANT INSERT(customer) ON TABLE tenancy.customer TO garant_worker;
GRANT SELECT(customer) ON TABLE tenancy.customer TO garant_portal;

GRANT INSERT(database) ON TABLE tenancy.customer TO garant_staff;
GRANT INSERT(database) ON TABLE tenancy.customer TO garant_worker;
GRANT SELECT(database) ON TABLE tenancy.customer TO garant_portal;

GRANT INSERT(tenant) ON TABLE tenancy.customer TO garant_staff;
GRANT INSERT(tenant) ON TABLE tenancy.customer TO garant_worker;
GRANT SELECT(tenant) ON TABLE tenancy.customer TO garant_portal;

GRANT SELECT,INSERT ON TABLE tenancy.customer_job TO garant_staff;
GRANT SELECT,INSERT ON TABLE tenancy.customer_job TO garant_worker;
GRANT SELECT ON TABLE tenancy.customer_job TO garant_portal;

GRANT UPDATE(withdrawn_at) ON TABLE tenancy.customer_job TO garant_staff;
GRANT UPDATE(withdrawn_at) ON TABLE tenancy.customer_job TO garant_worker;

GRANT SELECT ON TABLE tenancy.installation TO garant_staff;
GRANT SELECT ON TABLE tenancy.installation TO garant_worker;
GRANT SELECT ON TABLE tenancy.installation TO garant_checker;

GRANT SELECT ON TABLE tenancy.job TO garant_staff;
GRANT SELECT ON TABLE tenancy.job TO garant_worker;
GRANT SELECT ON TABLE tenancy.job TO garant_checker;

GRANT INSERT(id) ON TABLE tenancy.job TO garant_staff;

GRANT INSERT(database) ON TABLE tenancy.job TO garant_staff;

GRANT INSERT(name) ON TABLE tenancy.job TO garant_staff;

GRANT INSERT(why) ON TABLE tenancy.job TO garant_staff;

GRANT INSERT(access) ON TABLE tenancy.job TO garant_staff;

GRANT INSERT(tenants) ON TABLE tenancy.job TO garant_staff;

GRANT INSERT(any_tenant) ON TABLE tenancy.job TO garant_staff;

GRANT INSERT(ends_at) ON TABLE tenancy.job TO garant_staff;

GRANT INSERT(asked_by) ON TABLE tenancy.job TO garant_staff;

GRANT SELECT ON TABLE tenancy.job_decision TO garant_staff;
GRANT SELECT ON TABLE tenancy.job_decision TO garant_worker;
GRANT SELECT ON TABLE tenancy.job_decision TO garant_checker;

GRANT INSERT(job) ON TABLE tenancy.job_decision TO garant_staff;

GRANT INSERT(outcome) ON TABLE tenancy.job_decision TO garant_staff;

GRANT INSERT(any_tenant) ON TABLE tenancy.job_decision TO garant_staff;

GRANT INSERT(reason) ON TABLE tenancy.job_decision TO garant_staff;

GRANT INSERT(decided_by) ON TABLE tenancy.job_decision TO garant_staff;

GRANT SELECT ON TABLE tenancy.job_withdrawal TO garant_staff;
GRANT SELECT ON TABLE tenancy.job_withdrawal TO garant_worker;
GRANT SELECT ON TABLE tenancy.job_withdrawal TO garant_checker;

GRANT INSERT(job) ON TABLE tenancy.job_withdrawal TO garant_staff;

GRANT INSERT(reason) ON TABLE tenancy.job_withdrawal TO garant_staff;

GRANT INSERT(withdrawn_by) ON TABLE tenancy.job_withdrawal TO garant_staff;

GRANT SELECT ON TABLE tenancy.key TO garant_staff;
GRANT SELECT ON TABLE tenancy.key TO garant_worker;

GRANT INSERT(place) ON TABLE tenancy.key TO garant_staff;
GRANT INSERT(place) ON TABLE tenancy.key TO garant_worker;
GRANT SELECT(place) ON TABLE tenancy.key TO garant_checker;

GRANT INSERT(id) ON TABLE tenancy.key TO garant_staff;
GRANT INSERT(id) ON TABLE tenancy.key TO garant_worker;
GRANT SELECT(id) ON TABLE tenancy.key TO garant_checker;

GRANT INSERT(sealed),UPDATE(sealed) ON TABLE tenancy.key TO garant_staff;
GRANT INSERT(sealed),UPDATE(sealed) ON TABLE tenancy.key TO garant_worker;

GRANT SELECT(made_at) ON TABLE tenancy.key TO garant_checker;

GRANT INSERT(made_by) ON TABLE tenancy.key TO garant_staff;
GRANT INSERT(made_by) ON TABLE tenancy.key TO garant_worker;

GRANT UPDATE(installed_at) ON TABLE tenancy.key TO garant_staff;
GRANT UPDATE(installed_at) ON TABLE tenancy.key TO garant_worker;
GRANT SELECT(installed_at) ON TABLE tenancy.key TO garant_checker;

GRANT UPDATE(retires_at) ON TABLE tenancy.key TO garant_staff;
GRANT UPDATE(retires_at) ON TABLE tenancy.key TO garant_worker;
GRANT SELECT(retires_at) ON TABLE tenancy.key TO garant_checker;

GRANT UPDATE(retired_at) ON TABLE tenancy.key TO garant_staff;
GRANT UPDATE(retired_at) ON TABLE tenancy.key TO garant_worker;
GRANT SELECT(retired_at) ON TABLE tenancy.key TO garant_checker;

GRANT UPDATE(longest) ON TABLE tenancy.key TO garant_staff;
GRANT UPDATE(longest) ON TABLE tenancy.key TO garant_worker;

GRANT INSERT(urgent),UPDATE(urgent) ON TABLE tenancy.key TO garant_staff;
GRANT INSERT(urgent),UPDATE(urgent) ON TABLE tenancy.key TO garant_worker;

GRANT SELECT ON TABLE tenancy.minting TO garant_staff;
GRANT SELECT ON TABLE tenancy.minting TO garant_worker;

GRANT INSERT(id) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(id) ON TABLE tenancy.minting TO garant_worker;
GRANT SELECT(id) ON TABLE tenancy.minting TO garant_portal;

GRANT SELECT(at) ON TABLE tenancy.minting TO garant_portal;

GRANT INSERT(database) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(database) ON TABLE tenancy.minting TO garant_worker;
GRANT SELECT(database) ON TABLE tenancy.minting TO garant_portal;

GRANT INSERT(place) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(place) ON TABLE tenancy.minting TO garant_worker;

GRANT INSERT(key_id) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(key_id) ON TABLE tenancy.minting TO garant_worker;

GRANT INSERT(kind) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(kind) ON TABLE tenancy.minting TO garant_worker;
GRANT SELECT(kind) ON TABLE tenancy.minting TO garant_portal;

GRANT INSERT(tenant_type) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(tenant_type) ON TABLE tenancy.minting TO garant_worker;

GRANT INSERT(tenant) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(tenant) ON TABLE tenancy.minting TO garant_worker;

GRANT INSERT(session) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(session) ON TABLE tenancy.minting TO garant_worker;
GRANT SELECT(session) ON TABLE tenancy.minting TO garant_portal;

GRANT INSERT(job) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(job) ON TABLE tenancy.minting TO garant_worker;
GRANT SELECT(job) ON TABLE tenancy.minting TO garant_portal;

GRANT INSERT(access) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(access) ON TABLE tenancy.minting TO garant_worker;
GRANT SELECT(access) ON TABLE tenancy.minting TO garant_portal;

GRANT INSERT(expires_at) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(expires_at) ON TABLE tenancy.minting TO garant_worker;
GRANT SELECT(expires_at) ON TABLE tenancy.minting TO garant_portal;

GRANT INSERT(subject) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(subject) ON TABLE tenancy.minting TO garant_worker;
GRANT SELECT(subject) ON TABLE tenancy.minting TO garant_portal;

GRANT INSERT(actor_kind) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(actor_kind) ON TABLE tenancy.minting TO garant_worker;

GRANT INSERT(actor_id) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(actor_id) ON TABLE tenancy.minting TO garant_worker;

GRANT INSERT(actor_session) ON TABLE tenancy.minting TO garant_staff;
GRANT INSERT(actor_session) ON TABLE tenancy.minting TO garant_worker;

GRANT SELECT(customer) ON TABLE tenancy.minting TO garant_portal;

GRANT SELECT ON TABLE tenancy.place TO garant_staff;
GRANT SELECT ON TABLE tenancy.place TO garant_worker;
GRANT SELECT ON TABLE tenancy.place TO garant_checker;

GRANT INSERT(id) ON TABLE tenancy.place TO garant_staff;
GRANT INSERT(id) ON TABLE tenancy.place TO garant_worker;

GRANT INSERT(database) ON TABLE tenancy.place TO garant_staff;
GRANT INSERT(database) ON TABLE tenancy.place TO garant_worker;

GRANT INSERT(seq) ON TABLE tenancy.place TO garant_staff;
GRANT INSERT(seq) ON TABLE tenancy.place TO garant_worker;

GRANT INSERT(system) ON TABLE tenancy.place TO garant_staff;
GRANT INSERT(system) ON TABLE tenancy.place TO garant_worker;

GRANT INSERT(datname) ON TABLE tenancy.place TO garant_staff;
GRANT INSERT(datname) ON TABLE tenancy.place TO garant_worker;

GRANT INSERT(audience) ON TABLE tenancy.place TO garant_staff;
GRANT INSERT(audience) ON TABLE tenancy.place TO garant_worker;

GRANT INSERT(opened_by) ON TABLE tenancy.place TO garant_staff;
GRANT INSERT(opened_by) ON TABLE tenancy.place TO garant_worker;

GRANT UPDATE(settled_at) ON TABLE tenancy.place TO garant_staff;
GRANT UPDATE(settled_at) ON TABLE tenancy.place TO garant_worker;

GRANT SELECT ON TABLE tenancy.revocation TO garant_staff;
GRANT SELECT ON TABLE tenancy.revocation TO garant_worker;

GRANT INSERT(database) ON TABLE tenancy.revocation TO garant_staff;
GRANT INSERT(database) ON TABLE tenancy.revocation TO garant_worker;

GRANT INSERT(session) ON TABLE tenancy.revocation TO garant_staff;
GRANT INSERT(session) ON TABLE tenancy.revocation TO garant_worker;

GRANT INSERT(until) ON TABLE tenancy.revocation TO garant_staff;
GRANT INSERT(until) ON TABLE tenancy.revocation TO garant_worker;

GRANT INSERT(revoked_by) ON TABLE tenancy.revocation TO garant_staff;
GRANT INSERT(revoked_by) ON TABLE tenancy.revocation TO garant_worker;

GRANT INSERT(reason) ON TABLE tenancy.revocation TO garant_staff;
GRANT INSERT(reason) ON TABLE tenancy.revocation TO garant_worker;

GRANT UPDATE(delivered_at) ON TABLE tenancy.revocation TO garant_staff;
GRANT UPDATE(delivered_at) ON TABLE tenancy.revocation TO garant_worker;

GRANT UPDATE(settled_at) ON TABLE tenancy.revocation TO garant_staff;
GRANT UPDATE(settled_at) ON TABLE tenancy.revocation TO garant_worker;

GRANT SELECT,INSERT ON TABLE tenancy.session_end TO garant_staff;
GRANT SELECT,INSERT ON TABLE tenancy.session_end TO garant_worker;
GRANT SELECT ON TABLE tenancy.session_end TO garant_portal;

GRANT SELECT,INSERT,UPDATE ON TABLE tenancy.status TO garant_staff;
GRANT SELECT,INSERT,UPDATE ON TABLE tenancy.status TO garant_worker;
GRANT SELECT ON TABLE tenancy.status TO garant_checker;

GRANT SELECT ON TABLE witness.statement TO garant_staff;
GRANT SELECT ON TABLE witness.statement TO garant_worker;
GRANT SELECT ON TABLE witness.statement TO garant_checker;

GRANT INSERT(id) ON TABLE witness.statement TO garant_checker;

GRANT INSERT(witness) ON TABLE witness.statement TO garant_checker;

GRANT INSERT(key) ON TABLE witness.statement TO garant_checker;

GRANT INSERT(sequence) ON TABLE witness.statement TO garant_checker;

GRANT INSERT(made_at) ON TABLE witness.statement TO garant_checker;

GRANT INSERT(statement) ON TABLE witness.statement TO garant_checker;

GRANT INSERT(signature) ON TABLE witness.statement TO garant_checker;

GRANT INSERT(estate_version) ON TABLE witness.statement TO garant_checker;

ALTER DEFAULT PRIVILEGES FOR ROLE garant_owner REVOKE ALL ON FUNCTIONS  FROM PUBLIC;
