-- enter, of both designs. {other} is true when the transaction has another pin already, {hold} gives
-- it this one, {ticket} comes before; the design says how. Run as garant_sec at each install and upgrade, after the design's own functions.
--
-- A pin is garant_, the token's session, kind, purpose and access in hex (68 digits), garant_, the
-- type of the tenant's key, _, and the key in hex.
--
-- The locks are how a transaction is found when its session is ended (a hash of the session), when its
-- tenant moves to another database (a hash of what stands for it), when its token expires or its key is
-- retired (the second of the expiry, under a class for each id of a key: 0x47617200 and the id). They come before the look at
-- garant.revocation: whoever ends a session looks for them after the row is committed. They need no
-- valid token: anybody may take advisory locks.
--
-- Each expression, each query and each function in them costs every transaction, so there is one query. k.id is cast
-- so that the few keys are read one after the other: opening the index costs more.
CREATE OR REPLACE FUNCTION garant.enter(token bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	expires bigint;
	pin     text;
	lives   text; -- stands for the tenant in garant.revocation, see away.go
	ticket  text; -- of design S: what its MAC covers
	verdict text;
BEGIN
	IF octet_length(token) = 132 AND get_byte(token, 0) = 1 AND get_byte(token, 18) IN (105, 116, 117) THEN
		expires := ('x' || encode(substr(token, 93, 8), 'hex'))::bit(64)::bigint;
		pin := 'garant_' || encode(substr(token, 59, 34), 'hex') || 'garant_' || chr(get_byte(token, 18)) || '_' || encode(substr(token, 21, get_byte(token, 19)), 'hex');
		lives := encode(substr(sha256('tenant '::bytea || substr(token, 19, 40)), 1, 16), 'hex');
		{ticket}
		IF pg_advisory_xact_lock_shared(hashtextextended(substr(pin, 8, 32), 0)) IS NULL
			OR pg_advisory_xact_lock_shared(hashtextextended(lives, 0)) IS NULL
			OR pg_advisory_xact_lock_shared(1197568512 + get_byte(token, 1), greatest(0, least(expires / 1000000 - 1577836800, 2147483647))::int) IS NULL THEN
			RETURN; -- never: they wait, or raise
		END IF;
		SELECT coalesce(CASE
			WHEN expires::float8 <= date_part('epoch', clock_timestamp()) * 1000000 THEN 'GT002'
			WHEN current_setting('transaction_isolation') <> 'read committed' AND (clock_timestamp() > transaction_timestamp() + interval '1 second' OR garant.behind()) THEN 'GT006'
			WHEN EXISTS (SELECT FROM pg_cursor() c WHERE c.name <> '') THEN 'GT005'
			END,
			(SELECT CASE r.session WHEN lives::uuid THEN 'GT007' ELSE 'GT003' END FROM garant.revocation r WHERE r.session IN (substr(pin, 8, 32)::uuid, lives::uuid) LIMIT 1),
			CASE WHEN {other} THEN 'GT004' ELSE {hold} END
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
