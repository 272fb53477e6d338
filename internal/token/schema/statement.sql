-- Design statement: where nobody is superuser. The context is a ticket in a setting that anybody may set,
-- so that each statement verifies it: a MAC in hex (64 digits) and the pin. The MAC covers the pin and the
-- moment at which this transaction began, which no statement can choose. A ticket left in a session by an
-- earlier transaction is therefore worth nothing. What is signed here is never what is signed in a token:
-- that begins with 1, this with the high byte of a time, which is 0 until the year 4283.
--
-- Nothing of a ticket is read before its MAC was found good, by its hash as in a token.

-- mac tells the MAC of the rest of a ticket in this transaction. The planner puts it in place of the call, so that the
-- pads stay columns.
CREATE OR REPLACE FUNCTION garant.mac(outer_pad bytea, inner_pad bytea, rest text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN encode(sha256(outer_pad || sha256(inner_pad || timestamptz_send(transaction_timestamp()) || convert_to(rest, 'UTF8'))), 'hex');

-- tenant tells what stands behind a mark in the pin of this transaction; NULL: it has none, or its ticket
-- is not good any more, or there is no such mark.
--
-- Whoever holds a ticket can take it off, roll back to before the locks that enter took, and put it on again; or use it in
-- another transaction that began with the same message: no sweep finds who does. So a ticket is good no longer than its
-- token, its key and, from the next sweep on, its session. Only above READ COMMITTED, where the end of the
-- session is not to be seen, it is good until its token expires. The list of ended sessions is looked at only when
-- the number of ends is another than when the ticket was made: the look costs as much as all the rest.
CREATE OR REPLACE FUNCTION garant.tenant(mark text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ticket text := current_setting('garant.context', true);
	found_ text;
BEGIN
	SELECT nullif(split_part(ticket, mark, 2), '') INTO found_
	FROM garant.key k
	WHERE sha256(convert_to(garant.mac(k.outer_pad, k.inner_pad, substr(ticket, 65)), 'UTF8')) = sha256(convert_to(left(ticket, 64), 'UTF8'))
		AND k.retires_at > clock_timestamp()
		AND k.database = current_catalog
		AND substr(ticket, 81, 16) COLLATE "C" > encode(timestamptz_send(clock_timestamp() + interval '946684800 s'), 'hex');
	IF found_ IS NOT NULL AND substr(ticket, 65, 16) <> encode(int8send(coalesce(pg_sequence_last_value('garant.ends'), 0)), 'hex') THEN
		IF EXISTS (SELECT FROM garant.revocation r WHERE r.session IN (substr(ticket, 104, 32)::uuid, garant.stands_for(substr(ticket, 180)))) THEN
			RETURN NULL;
		END IF;
	END IF;
	RETURN found_;
END
$$;

CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN garant.tenant('_garant_7510')::uuid;

CREATE OR REPLACE FUNCTION garant.writer_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN garant.tenant('77_garant_7510')::uuid;

CREATE OR REPLACE FUNCTION garant.tenant_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || garant.tenant('_garant_6908'))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION garant.writer_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || garant.tenant('77_garant_6908'))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION garant.tenant_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(decode(substr(garant.tenant('_garant_74'), 3), 'hex'), 'UTF8');

CREATE OR REPLACE FUNCTION garant.writer_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(decode(substr(garant.tenant('77_garant_74'), 3), 'hex'), 'UTF8');

CREATE OR REPLACE FUNCTION garant.session() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN left(garant.tenant('garant_'), 32)::uuid;

-- pin tells who entered this transaction (enter.sql), for what runs as garant_sec; NULL: nobody, or their ticket is not good any more.
CREATE OR REPLACE FUNCTION garant.pin() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN garant.tenant('garant_') IS NOT NULL THEN substr(current_setting('garant.context', true), 97) END;
