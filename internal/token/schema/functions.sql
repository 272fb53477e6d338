-- What both designs share. Run as garant_sec at each install and upgrade.
--
-- A token's layout stands in tenant/token.go; substr counts from 1:
--   version 1 · key id 2 · audience 3–18 · type 19 · length 20 · tenant 21–58 · session 59–74 ·
--   kind 75 · purpose 76–91 · access 92 · expiry 93–100 · MAC 101–132
--
-- The pads appear only as columns of a query: a variable would be printed with the plan under
-- debug_print_plan, and an ASSERT can be switched off. MACs of tokens are compared by their hashes, so
-- that the time it takes says nothing.

CREATE OR REPLACE FUNCTION garant.version() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT i.version FROM garant.installed i);

CREATE OR REPLACE FUNCTION garant.design() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT i.design FROM garant.installed i);

-- stands_for names a tenant in garant.revocation, where a row of it refuses every token of the tenant (away.go). who: in hex, as in a pin.
CREATE OR REPLACE FUNCTION garant.stands_for(who text) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN encode(substr(sha256('tenant '::bytea || decode(rpad(who, 80, '0'), 'hex')), 1, 16), 'hex')::uuid;

-- note writes beside each key what garant.revocation holds: the hashes, or NULL when they are not all known, or many. Who calls it has
-- updated garant.installed first: so two at once wait for each other, and the second sees what the first committed (above READ COMMITTED it fails).
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

-- keys tells which keys there are, and nothing that a token does not show as well.
CREATE OR REPLACE FUNCTION garant.keys() RETURNS TABLE (id smallint, audience bytea, database name, installed_at timestamptz, retires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT k.id, k.audience, k.database, k.installed_at, nullif(k.retires_at, 'infinity') FROM garant.key k ORDER BY k.id;
END;

-- retire ends a key at a moment, which may be now; it never gives it a longer life.
CREATE OR REPLACE FUNCTION garant.retire(id smallint, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE garant.installed i SET ends = i.ends + 1;
	UPDATE garant.key k SET retires_at = least(k.retires_at, retire.at) WHERE k.id = retire.id;
END;

-- revoke ends a session; sweep then ends its transactions. until: when its last token ends.
CREATE OR REPLACE FUNCTION garant.revoke(session uuid, until timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE garant.installed i SET ends = i.ends + 1;
	INSERT INTO garant.revocation (session, hash, until) VALUES (revoke.session, hashtext(replace(revoke.session::text, '-', '')), revoke.until)
	ON CONFLICT ON CONSTRAINT revocation_pkey DO UPDATE SET until = greatest(excluded.until, revocation.until);
	SELECT garant.note();
END;

-- behind tells whether a sweep knows of an end that the snapshot of this transaction does not
-- show. The age of the transaction does not tell that of its snapshot, which may be another's (SET TRANSACTION SNAPSHOT).
CREATE OR REPLACE FUNCTION garant.behind() RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT i.ends FROM garant.installed i) < (SELECT e.last_value FROM garant.ends e);
END
$$;

-- sweep terminates the connections whose transaction is of an ended session, of an expired
-- token or of a retired key, forgets what no token needs any more, and returns how many it terminated. A superuser's
-- connection is left alone: garant_sec may not end it, and it needs no token.
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
			AND (l.objsubid = 1 AND l.classid::bigint BETWEEN 1197568512 AND 1197568767
					AND (((floor(date_part('epoch', clock_timestamp()) * 1000000 / 65536)::bigint - l.objid::bigint) & 4294967295) BETWEEN 1 AND 2147483647
					OR NOT EXISTS (SELECT FROM garant.key k WHERE k.id = l.classid::bigint - 1197568512 AND k.retires_at > clock_timestamp()))
				OR l.objsubid = 2 AND EXISTS (SELECT FROM garant.revocation r WHERE r.hash::bigint & 4294967295 IN (l.classid::bigint, l.objid::bigint)))
			AND l.pid <> pg_backend_pid()
			AND NOT EXISTS (SELECT FROM pg_stat_activity a JOIN pg_roles u ON u.oid = a.usesysid WHERE a.pid = l.pid AND u.rolsuper)
	) o;
	-- A row may go a minute after the last token of its session: no clock is that wrong.
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
