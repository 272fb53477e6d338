-- What both designs share. Run as garant_sec at each install and upgrade.
--
-- A token's layout stands in tenant/token.go; substr counts from 1:
--   version 1 · key id 2 · audience 3–18 · type 19 · length 20 · tenant 21–58 · session 59–74 ·
--   kind 75 · purpose 76–91 · access 92 · expiry 93–100 · MAC 101–132
--
-- The pads appear only as columns in a query's condition: a variable would be printed with the plan
-- under debug_print_plan, and an ASSERT can be switched off. MACs are compared by their hashes, so
-- that the time it takes says nothing.

CREATE OR REPLACE FUNCTION garant.version() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT i.version FROM garant.installed i);

CREATE OR REPLACE FUNCTION garant.design() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT i.design FROM garant.installed i);

-- verified tells the pin that a token stands for, or raises. What it takes locks on is how a
-- transaction is found when its session is ended (last 8 bytes of the session), its tenant moves
-- to another database (last 8 bytes of what stands for it) or its token
-- expires (the second of the expiry, under a class of its own). The locks come before the look at
-- garant.revocation: whoever ends a session looks for them after the row is committed.
CREATE OR REPLACE FUNCTION garant.verified(token bytea) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	body     bytea;
	mac      bytea;
	sess     bytea;
	expires  bigint;
	lives    uuid; -- stands for the tenant in garant.revocation, see away.go
	ended    uuid;
BEGIN
	IF octet_length(token) <> 132 OR get_byte(token, 0) <> 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'GT001', MESSAGE = 'garant: this is no valid token for this database';
	END IF;
	body := substr(token, 1, 100);
	mac := sha256(substr(token, 101, 32));
	sess := substr(token, 59, 16);
	expires := ('x' || encode(substr(token, 93, 8), 'hex'))::bit(64)::bigint;

	PERFORM FROM garant.key k
	WHERE k.id = get_byte(token, 1)
		AND sha256(sha256(k.outer_pad || sha256(k.inner_pad || body))) = mac
		AND k.audience = substr(token, 3, 16)
		AND k.database = current_database()
		AND (k.retires_at IS NULL OR k.retires_at > clock_timestamp());
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'GT001', MESSAGE = 'garant: this is no valid token for this database';
	END IF;

	IF to_timestamp(expires / 1000000.0) <= clock_timestamp() THEN
		RAISE EXCEPTION USING ERRCODE = 'GT002', MESSAGE = 'garant: the token has expired', HINT = 'Ask for a new one.';
	END IF;
	IF current_setting('transaction_isolation') <> 'read committed' AND clock_timestamp() > transaction_timestamp() + interval '1 second' THEN
		RAISE EXCEPTION USING ERRCODE = 'GT006', MESSAGE = 'garant: the snapshot of this transaction may be older than the end of a session',
			HINT = 'Enter within a second of BEGIN, or use READ COMMITTED.';
	END IF;
	IF EXISTS (SELECT FROM pg_cursor() c WHERE c.name <> '') THEN
		RAISE EXCEPTION USING ERRCODE = 'GT005', MESSAGE = 'garant: a cursor is open on this connection, which may belong to another tenant',
			HINT = 'Close it, and let the pooler run DISCARD ALL between clients.';
	END IF;

	PERFORM pg_advisory_xact_lock_shared(('x' || encode(substr(token, 67, 8), 'hex'))::bit(64)::bigint);
	PERFORM pg_advisory_xact_lock_shared(1197568609, least(expires / 1000000 - 1577836800, 2147483647)::int);
	lives := encode(substr(sha256('tenant '::bytea || substr(token, 19, 40)), 1, 16), 'hex')::uuid;
	PERFORM pg_advisory_xact_lock_shared(('x' || right(replace(lives::text, '-', ''), 16))::bit(64)::bigint);
	SELECT r.session INTO ended FROM garant.revocation r WHERE r.session IN (encode(sess, 'hex')::uuid, lives) ORDER BY r.session = lives DESC LIMIT 1;
	IF ended = lives THEN
		RAISE EXCEPTION USING ERRCODE = 'GT007', MESSAGE = 'garant: this tenant lives in another database',
			HINT = 'Ask where, and go on there.';
	ELSIF ended IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'GT003', MESSAGE = 'garant: this session was ended', HINT = 'Sign in again.';
	END IF;

	RETURN 'garant_' || chr(get_byte(token, 91)) || chr(get_byte(token, 18)) || encode(sess, 'hex') || '_'
		|| encode(substr(token, 21, get_byte(token, 19)), 'hex');
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
	INSERT INTO garant.key (id, audience, database, inner_pad, outer_pad, retires_at)
	VALUES (NEW.id, NEW.audience, current_database(), NEW.inner_pad, NEW.outer_pad, NEW.retires_at);
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER take_key BEFORE INSERT ON garant.key_inbox FOR EACH ROW EXECUTE FUNCTION garant.take_key();

-- keys tells which keys there are, and nothing that a token does not show as well.
CREATE OR REPLACE FUNCTION garant.keys() RETURNS TABLE (id smallint, audience bytea, database name, installed_at timestamptz, retires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT k.id, k.audience, k.database, k.installed_at, k.retires_at FROM garant.key k ORDER BY k.id;
END;

-- retire ends a key at a moment, which may be now; it never gives it a longer life.
CREATE OR REPLACE FUNCTION garant.retire(id smallint, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE garant.key k SET retires_at = least(k.retires_at, retire.at) WHERE k.id = retire.id;
END;

-- revoke ends a session; sweep then ends its transactions. until: when its last token ends.
CREATE OR REPLACE FUNCTION garant.revoke(session uuid, until timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	INSERT INTO garant.revocation (session, until) VALUES (revoke.session, revoke.until)
	ON CONFLICT ON CONSTRAINT revocation_pkey DO UPDATE SET until = greatest(excluded.until, revocation.until);
END;

-- sweep terminates the connections whose transaction is of an ended session or of an expired
-- token, forgets what no token needs any more, and returns how many it terminated. A superuser's
-- connection is left alone: garant_sec may not end it, and it needs no token.
CREATE OR REPLACE FUNCTION garant.sweep() RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ended integer;
BEGIN
	SELECT count(*) FILTER (WHERE pg_terminate_backend(o.pid)) INTO ended
	FROM (
		SELECT DISTINCT l.pid FROM pg_locks l
		WHERE l.locktype = 'advisory' AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND l.granted
			AND (l.objsubid = 2 AND l.classid = 1197568609 AND to_timestamp(l.objid::bigint + 1577836801) <= clock_timestamp()
				OR l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) IN (
					SELECT ('x' || right(replace(r.session::text, '-', ''), 16))::bit(64)::bigint FROM garant.revocation r))
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
