-- enter, of both designs. {setting} is where the design keeps what {held} tells, {ticket} comes before; {other} is true
-- when what was there is of another login. Run as garant_sec at each install and upgrade, after the design's own functions.
--
-- A pin is garant_, the token's session, kind, purpose and access in hex (68 digits), _garant_, and the
-- type of the tenant's key, its length and the key in hex. What stands before the tenant is not what stands before the session,
-- whose first digits may be those of any type and length.
--
-- The locks are how a transaction is found when its tenant moves to another database (hash of the tenant), when its
-- session is ended (hash of the session), when its token expires or its key is retired (0x476172, the id of the key, and the
-- expiry in units of 2^16 microseconds, of which 32 bits are kept: more than four years away is taken for past). They come before the look at the key, which
-- tells of what was ended: whoever ends something looks for them after that is committed. They need no
-- valid token: anybody may take advisory locks.
--
-- Each function and operator in here costs every transaction, called or not: PostgreSQL asks for each, anew in every transaction, whether
-- it may be called. So what is rare stands in statements of its own.
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
		{ticket}
		IF pg_advisory_xact_lock_shared(t, s) IS NULL
			OR pg_advisory_xact_lock_shared(('x476172' || encode(substr(token, 2, 1) || substr(token, 95, 4), 'hex'))::bit(64)::bigint) IS NULL THEN
			RETURN; -- never: they wait, or raise
		END IF;
		SELECT CASE
			WHEN substr(token, 93, 8) <= timestamptz_send(clock_timestamp() + interval '946684800 s') THEN 'GT002' -- from 1970, from 2000
			WHEN EXISTS (SELECT FROM pg_cursor() c WHERE c.name <> '') THEN 'GT005'
			WHEN (k.ended && ARRAY[s, t]) IS NOT FALSE THEN 'look'
			ELSE '' END, {held}
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
			was := current_setting('{setting}', true);
			IF was <> '' THEN
				IF {other} THEN
					verdict := 'GT004';
				END IF;
			END IF;
		END IF;
		IF verdict = '' THEN
			held := set_config('{setting}', held, true);
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
