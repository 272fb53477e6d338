-- Schema garant as version 2 made it, of design pinned. Run as garant_sec.

CREATE TABLE garant.key (
	id           smallint PRIMARY KEY CHECK (id BETWEEN 0 AND 255),
	audience     bytea NOT NULL,
	database     name NOT NULL, -- where it was put in: a copy under another name refuses its tokens
	inner_pad    bytea NOT NULL,
	outer_pad    bytea NOT NULL,
	installed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	retires_at   timestamptz NOT NULL DEFAULT 'infinity', -- from then on no token of it is accepted
	prefix       bytea GENERATED ALWAYS AS ('\x01'::bytea || set_byte('\x00'::bytea, 0, id) || audience) STORED, -- how its tokens begin
	ended        integer[] DEFAULT '{}' -- hashes of what garant.revocation holds; NULL: look there
);
ALTER TABLE garant.key ALTER inner_pad SET STATISTICS 0, ALTER outer_pad SET STATISTICS 0;
ALTER TABLE garant.key ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY sec ON garant.key TO garant_sec USING (true) WITH CHECK (true);

CREATE TABLE garant.revocation (
	session    uuid PRIMARY KEY, -- or what stands for a tenant
	hash       integer, -- under which it is locked; NULL: as version 1 left it
	revoked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	until      timestamptz NOT NULL -- no token of it is valid later, so that the row may go
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
	ends    bigint NOT NULL DEFAULT 0 -- how often sessions, tenants and keys were ended
);

CREATE SEQUENCE garant.ends MINVALUE 0 START 0 OWNED BY garant.installed.ends;

INSERT INTO garant.installed (version, design) VALUES (2, 'pinned');

CREATE OR REPLACE FUNCTION garant.version() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT i.version FROM garant.installed i);

CREATE OR REPLACE FUNCTION garant.design() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT i.design FROM garant.installed i);

CREATE OR REPLACE FUNCTION garant.stands_for(who text) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN encode(substr(sha256('tenant '::bytea || decode(rpad(who, 80, '0'), 'hex')), 1, 16), 'hex')::uuid;

CREATE OR REPLACE FUNCTION garant.note() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE garant.key SET ended = (SELECT CASE WHEN count(*) <= 500 AND count(*) = count(r.hash) THEN coalesce(array_agg(r.hash), '{}') END FROM garant.revocation r);
END
$$;

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
	UPDATE garant.installed SET ends = ends + 1;
	INSERT INTO garant.key (id, audience, database, inner_pad, outer_pad, retires_at)
	VALUES (NEW.id, NEW.audience, current_database(), NEW.inner_pad, NEW.outer_pad, coalesce(NEW.retires_at, 'infinity'));
	PERFORM garant.note();
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER take_key BEFORE INSERT ON garant.key_inbox FOR EACH ROW EXECUTE FUNCTION garant.take_key();

CREATE OR REPLACE FUNCTION garant.keys() RETURNS TABLE (id smallint, audience bytea, database name, installed_at timestamptz, retires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT k.id, k.audience, k.database, k.installed_at, nullif(k.retires_at, 'infinity') FROM garant.key k ORDER BY k.id;
END;

CREATE OR REPLACE FUNCTION garant.retire(id smallint, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE garant.installed i SET ends = i.ends + 1;
	UPDATE garant.key k SET retires_at = least(k.retires_at, retire.at) WHERE k.id = retire.id;
END;

CREATE OR REPLACE FUNCTION garant.revoke(session uuid, until timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE garant.installed i SET ends = i.ends + 1;
	INSERT INTO garant.revocation (session, hash, until) VALUES (revoke.session, hashtext(replace(revoke.session::text, '-', '')), revoke.until)
	ON CONFLICT ON CONSTRAINT revocation_pkey DO UPDATE SET until = greatest(excluded.until, revocation.until);
	SELECT garant.note();
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
	IF NOT pg_is_in_recovery() AND (SELECT i.ends FROM garant.installed i) <> (SELECT e.last_value FROM garant.ends e) THEN
		SELECT i.ends INTO known FROM garant.installed i FOR UPDATE;
		PERFORM setval('garant.ends', known);
	END IF;
	SELECT count(*) FILTER (WHERE pg_terminate_backend(o.pid)) INTO ended
	FROM (
		SELECT DISTINCT l.pid FROM pg_locks l
		WHERE l.locktype = 'advisory' AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND l.granted
			AND (l.objsubid = 1 AND l.classid::bigint BETWEEN 1197568512 AND 1197568767
					AND (((floor(date_part('epoch', clock_timestamp()) * 1000000 / 65536)::bigint - l.objid::bigint) & 4294967295) BETWEEN 1 AND 2147483647
					OR NOT EXISTS (SELECT FROM garant.key k WHERE k.id = l.classid::bigint - 1197568512 AND k.retires_at > clock_timestamp()))
				OR l.objsubid = 2 AND EXISTS (SELECT FROM garant.revocation r WHERE r.hash::bigint & 4294967295 IN (l.classid::bigint, l.objid::bigint)))
			AND l.pid <> pg_backend_pid()
			AND NOT EXISTS (SELECT FROM pg_stat_activity a JOIN pg_roles u ON u.oid = a.usesysid WHERE a.pid = l.pid AND u.rolsuper)
	) o;
	IF NOT pg_is_in_recovery() THEN
		IF EXISTS (SELECT FROM garant.revocation r WHERE r.until < clock_timestamp() - interval '1 minute') THEN
			UPDATE garant.installed SET ends = ends + 1;
			DELETE FROM garant.revocation r WHERE r.until < clock_timestamp() - interval '1 minute';
			PERFORM garant.note();
		END IF;
		DELETE FROM garant.key k WHERE k.retires_at < clock_timestamp() - interval '1 day';
	END IF;
	RETURN ended;
END
$$;

CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(split_part(current_setting('backtrace_functions'), '_garant_7510', 2), '')::uuid;

CREATE OR REPLACE FUNCTION garant.writer_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(split_part(current_setting('backtrace_functions'), '77_garant_7510', 2), '')::uuid;

CREATE OR REPLACE FUNCTION garant.tenant_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || nullif(split_part(current_setting('backtrace_functions'), '_garant_6908', 2), ''))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION garant.writer_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || nullif(split_part(current_setting('backtrace_functions'), '77_garant_6908', 2), ''))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION garant.tenant_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(decode(nullif(substr(split_part(current_setting('backtrace_functions'), '_garant_74', 2), 3), ''), 'hex'), 'UTF8');

CREATE OR REPLACE FUNCTION garant.writer_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(decode(nullif(substr(split_part(current_setting('backtrace_functions'), '77_garant_74', 2), 3), ''), 'hex'), 'UTF8');

CREATE OR REPLACE FUNCTION garant.session() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_')
	THEN substr(current_setting('backtrace_functions'), 8, 32)::uuid END;

CREATE OR REPLACE FUNCTION garant.enter(token bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	who     text; -- the tenant: type, length and key, in hex
	pin     text;
	s       integer;
	t       integer;
	ticket  text; -- of design statement: what its MAC covers
	verdict text; -- empty: let in
	held    text;
	was     text;
BEGIN
	IF octet_length(token) = 132 THEN
		who := encode(substr(token, 19, 2 + get_byte(token, 19)), 'hex');
		pin := 'garant_' || encode(substr(token, 59, 34), 'hex') || '_garant_' || who;
		s := hashtext(substr(pin, 8, 32));
		t := hashtext(who);
		
		IF pg_advisory_xact_lock_shared(t, s) IS NULL
			OR pg_advisory_xact_lock_shared(('x476172' || encode(substr(token, 2, 1) || substr(token, 95, 4), 'hex'))::bit(64)::bigint) IS NULL THEN
			RETURN; -- never: they wait, or raise
		END IF;
		SELECT CASE
			WHEN substr(token, 93, 8) <= timestamptz_send(clock_timestamp() + interval '946684800 s') THEN 'GT002' -- from 1970, from 2000
			WHEN EXISTS (SELECT FROM pg_cursor() c WHERE c.name <> '') THEN 'GT005'
			WHEN (k.ended && ARRAY[s, t]) IS NOT FALSE THEN 'look'
			ELSE '' END, pin
		INTO verdict, held
		FROM garant.key k
		WHERE k.prefix = substr(token, 1, 18)
			AND sha256(sha256(k.outer_pad || sha256(k.inner_pad || substr(token, 1, 100)))) = sha256(substr(token, 101, 32))
			AND k.database = current_catalog
			AND k.retires_at > clock_timestamp();
		IF verdict = 'look' THEN
			verdict := coalesce((SELECT CASE r.session WHEN garant.stands_for(who) THEN 'GT007' ELSE 'GT003' END
				FROM garant.revocation r WHERE r.session IN (substr(pin, 8, 32)::uuid, garant.stands_for(who)) LIMIT 1), '');
		END IF;
		IF verdict = '' THEN
			IF current_setting('transaction_isolation') <> 'read committed' THEN
				IF clock_timestamp() > transaction_timestamp() + interval '1 second' OR garant.behind() THEN
					verdict := 'GT006';
				END IF;
			END IF;
			was := current_setting('backtrace_functions', true);
			IF was <> '' THEN
				IF was <> pin AND starts_with(was, 'garant_') THEN
					verdict := 'GT004';
				END IF;
			END IF;
		END IF;
		IF verdict = '' THEN
			held := set_config('backtrace_functions', held, true);
			IF get_byte(token, 91) <> 119 THEN
				held := set_config('transaction_read_only', 'on', true);
			END IF;
			RETURN;
		END IF;
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
