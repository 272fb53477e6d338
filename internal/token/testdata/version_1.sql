-- Schema garant as version 1 made it, of design pinned. Run as garant_sec.

CREATE TABLE garant.key (
	id           smallint PRIMARY KEY CHECK (id BETWEEN 0 AND 255),
	audience     bytea NOT NULL,
	database     name NOT NULL,
	inner_pad    bytea NOT NULL,
	outer_pad    bytea NOT NULL,
	installed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	retires_at   timestamptz
);
ALTER TABLE garant.key ALTER inner_pad SET STATISTICS 0, ALTER outer_pad SET STATISTICS 0;
ALTER TABLE garant.key ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY sec ON garant.key TO garant_sec USING (true) WITH CHECK (true);

CREATE TABLE garant.revocation (
	session    uuid PRIMARY KEY,
	revoked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	until      timestamptz NOT NULL
);
ALTER TABLE garant.revocation ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY sec ON garant.revocation TO garant_sec USING (true) WITH CHECK (true);

CREATE TABLE garant.key_inbox (
	id         smallint,
	audience   bytea,
	inner_pad  bytea,
	outer_pad  bytea,
	retires_at timestamptz
);
GRANT INSERT ON garant.key_inbox TO garant_keeper;

CREATE TABLE garant.installed (
	version integer NOT NULL,
	design  text NOT NULL CHECK (design IN ('pinned', 'statement')),
	at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	ends    bigint NOT NULL DEFAULT 0
);

CREATE SEQUENCE garant.ends MINVALUE 0 START 0 OWNED BY garant.installed.ends;

CREATE OR REPLACE FUNCTION garant.version() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT i.version FROM garant.installed i);

CREATE OR REPLACE FUNCTION garant.design() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT i.design FROM garant.installed i);

CREATE OR REPLACE FUNCTION garant.take_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NEW.id IS NULL OR NEW.id NOT BETWEEN 0 AND 255
		OR octet_length(NEW.audience) IS DISTINCT FROM 16 OR octet_length(NEW.inner_pad) IS DISTINCT FROM 64 OR octet_length(NEW.outer_pad) IS DISTINCT FROM 64 THEN
		RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'garant: this is not a key';
	END IF;
	IF EXISTS (SELECT FROM garant.key k WHERE k.id = NEW.id) THEN
		RAISE EXCEPTION USING ERRCODE = '23505', MESSAGE = 'garant: a key with that id is there already';
	END IF;
	INSERT INTO garant.key (id, audience, database, inner_pad, outer_pad, retires_at)
	VALUES (NEW.id, NEW.audience, current_database(), NEW.inner_pad, NEW.outer_pad, NEW.retires_at);
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER take_key BEFORE INSERT ON garant.key_inbox FOR EACH ROW EXECUTE FUNCTION garant.take_key();

CREATE OR REPLACE FUNCTION garant.keys() RETURNS TABLE (id smallint, audience bytea, database name, installed_at timestamptz, retires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT k.id, k.audience, k.database, k.installed_at, k.retires_at FROM garant.key k ORDER BY k.id;
END;

CREATE OR REPLACE FUNCTION garant.retire(id smallint, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE garant.key k SET retires_at = least(k.retires_at, retire.at) WHERE k.id = retire.id;
	UPDATE garant.installed i SET ends = i.ends + 1;
END;

CREATE OR REPLACE FUNCTION garant.revoke(session uuid, until timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	INSERT INTO garant.revocation (session, until) VALUES (revoke.session, revoke.until)
	ON CONFLICT ON CONSTRAINT revocation_pkey DO UPDATE SET until = greatest(excluded.until, revocation.until);
	UPDATE garant.installed i SET ends = i.ends + 1;
END;

CREATE OR REPLACE FUNCTION garant.behind() RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT i.ends FROM garant.installed i) < (SELECT e.last_value FROM garant.ends e);
END
$$;

CREATE OR REPLACE FUNCTION garant.sweep() RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ended integer;
	known bigint;
BEGIN
	-- First, so that who comes in on an older snapshot holds locks already, or is refused (garant.behind). Two
	-- sweeps at once do not set it back.
	IF NOT pg_is_in_recovery() AND (SELECT i.ends FROM garant.installed i) <> (SELECT e.last_value FROM garant.ends e) THEN
		SELECT i.ends INTO known FROM garant.installed i FOR UPDATE;
		PERFORM setval('garant.ends', known);
	END IF;
	SELECT count(*) FILTER (WHERE pg_terminate_backend(o.pid)) INTO ended
	FROM (
		SELECT DISTINCT l.pid FROM pg_locks l
		WHERE l.locktype = 'advisory' AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND l.granted
			AND (l.objsubid = 2 AND l.classid::bigint BETWEEN 1197568512 AND 1197568767 AND (to_timestamp(l.objid::bigint + 1577836801) <= clock_timestamp()
					OR NOT EXISTS (SELECT FROM garant.key k WHERE k.id = l.classid::bigint - 1197568512 AND (k.retires_at IS NULL OR k.retires_at > clock_timestamp())))
				OR l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) IN (
					SELECT hashtextextended(replace(r.session::text, '-', ''), 0) FROM garant.revocation r))
			AND l.pid <> pg_backend_pid()
			AND NOT EXISTS (SELECT FROM pg_stat_activity a JOIN pg_roles u ON u.oid = a.usesysid WHERE a.pid = l.pid AND u.rolsuper)
	) o;
	-- A row may go a minute after the last token of its session: no clock is that wrong.
	IF NOT pg_is_in_recovery() THEN
		DELETE FROM garant.revocation r WHERE r.until < clock_timestamp() - interval '1 minute';
		DELETE FROM garant.key k WHERE k.retires_at < clock_timestamp() - interval '1 day';
	END IF;
	RETURN ended;
END
$$;


CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(split_part(current_setting('backtrace_functions'), 'garant_u_', 2), '')::uuid;

CREATE OR REPLACE FUNCTION garant.writer_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(split_part(current_setting('backtrace_functions'), '77garant_u_', 2), '')::uuid;

CREATE OR REPLACE FUNCTION garant.tenant_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || nullif(split_part(current_setting('backtrace_functions'), 'garant_i_', 2), ''))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION garant.writer_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || nullif(split_part(current_setting('backtrace_functions'), '77garant_i_', 2), ''))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION garant.tenant_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(decode(nullif(split_part(current_setting('backtrace_functions'), 'garant_t_', 2), ''), 'hex'), 'UTF8');

CREATE OR REPLACE FUNCTION garant.writer_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(decode(nullif(split_part(current_setting('backtrace_functions'), '77garant_t_', 2), ''), 'hex'), 'UTF8');

CREATE OR REPLACE FUNCTION garant.session() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_')
	THEN substr(current_setting('backtrace_functions'), 8, 32)::uuid END;
CREATE OR REPLACE FUNCTION garant.enter(token bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	expires bigint;
	pin     text;
	lives   text;
	ticket  text;
	verdict text;
BEGIN
	IF octet_length(token) = 132 AND get_byte(token, 0) = 1 AND get_byte(token, 18) IN (105, 116, 117) THEN
		expires := ('x' || encode(substr(token, 93, 8), 'hex'))::bit(64)::bigint;
		pin := 'garant_' || encode(substr(token, 59, 34), 'hex') || 'garant_' || chr(get_byte(token, 18)) || '_' || encode(substr(token, 21, get_byte(token, 19)), 'hex');
		lives := encode(substr(sha256('tenant '::bytea || substr(token, 19, 40)), 1, 16), 'hex');
		
		IF pg_advisory_xact_lock_shared(hashtextextended(substr(pin, 8, 32), 0)) IS NULL
			OR pg_advisory_xact_lock_shared(hashtextextended(lives, 0)) IS NULL
			OR pg_advisory_xact_lock_shared(1197568512 + get_byte(token, 1), greatest(0, least(expires / 1000000 - 1577836800, 2147483647))::int) IS NULL THEN
			RETURN;
		END IF;
		SELECT coalesce(CASE
			WHEN expires::float8 <= date_part('epoch', clock_timestamp()) * 1000000 THEN 'GT002'
			WHEN current_setting('transaction_isolation') <> 'read committed' AND (clock_timestamp() > transaction_timestamp() + interval '1 second' OR garant.behind()) THEN 'GT006'
			WHEN EXISTS (SELECT FROM pg_cursor() c WHERE c.name <> '') THEN 'GT005'
			END,
			(SELECT CASE r.session WHEN lives::uuid THEN 'GT007' ELSE 'GT003' END FROM garant.revocation r WHERE r.session IN (substr(pin, 8, 32)::uuid, lives::uuid) LIMIT 1),
			CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_') AND current_setting('backtrace_functions') <> pin THEN 'GT004' ELSE set_config('backtrace_functions', pin, true) END
		) INTO verdict
		FROM garant.key k
		WHERE k.id::int = get_byte(token, 1)
			AND sha256(sha256(k.outer_pad || sha256(k.inner_pad || substr(token, 1, 100)))) = sha256(substr(token, 101, 32))
			AND k.audience = substr(token, 3, 16)
			AND k.database = current_database()
			AND (k.retires_at IS NULL OR k.retires_at > clock_timestamp());
	END IF;
	IF length(verdict) > 5 THEN
		IF get_byte(token, 91) <> 119 THEN
			PERFORM set_config('transaction_read_only', 'on', true);
		END IF;
		RETURN;
	END IF;
	CASE verdict
	WHEN 'GT002' THEN
		RAISE EXCEPTION USING ERRCODE = 'GT002', MESSAGE = 'garant: the token has expired', HINT = 'Ask for a new one.';
	WHEN 'GT003' THEN
		RAISE EXCEPTION USING ERRCODE = 'GT003', MESSAGE = 'garant: this session was ended', HINT = 'Sign in again.';
	WHEN 'GT004' THEN
		RAISE EXCEPTION USING ERRCODE = 'GT004', MESSAGE = 'garant: this transaction belongs to another tenant or session already',
			HINT = 'One transaction serves one login: end it first.';
	WHEN 'GT005' THEN
		RAISE EXCEPTION USING ERRCODE = 'GT005', MESSAGE = 'garant: a cursor is open on this connection, which may belong to another tenant',
			HINT = 'Close it, and let the pooler run DISCARD ALL between clients.';
	WHEN 'GT006' THEN
		RAISE EXCEPTION USING ERRCODE = 'GT006', MESSAGE = 'garant: the snapshot of this transaction may be older than the end of a session',
			HINT = 'Enter within a second of BEGIN, or use READ COMMITTED.';
	WHEN 'GT007' THEN
		RAISE EXCEPTION USING ERRCODE = 'GT007', MESSAGE = 'garant: this tenant lives in another database', HINT = 'Ask where, and go on there.';
	ELSE
		RAISE EXCEPTION USING ERRCODE = 'GT001', MESSAGE = 'garant: this is no valid token for this database';
	END CASE;
END
$$;
INSERT INTO garant.installed (version, design) VALUES (1, 'pinned');
