-- Design statement: where nobody is superuser. The context is a ticket in a setting that anybody may set,
-- so that each statement verifies it: a MAC in hex (64 digits) and the pin. The MAC covers the pin and the
-- moment at which this transaction began, which no statement can choose. A ticket left in a session by an
-- earlier transaction is therefore worth nothing. What is signed here is never what is signed in a token:
-- that begins with 1, this with the high byte of a time, which is 0 until the year 4283.
--
-- Nothing of a ticket is read before its MAC was found good, by its hash as in a token.

-- mac tells the MAC of a pin in this transaction. The planner puts it in place of the call, so that the
-- pads stay columns.
CREATE OR REPLACE FUNCTION garant.mac(outer_pad bytea, inner_pad bytea, pin text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN encode(sha256(outer_pad || sha256(inner_pad || timestamptz_send(transaction_timestamp()) || convert_to(pin, 'UTF8'))), 'hex');

-- tenant tells what stands behind a mark in the pin of this transaction; NULL: it has none, or its ticket
-- is not good, or there is no such mark.
CREATE OR REPLACE FUNCTION garant.tenant(mark text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ticket text := current_setting('garant.context', true);
	found_ text;
BEGIN
	SELECT nullif(split_part(ticket, mark, 2), '') INTO found_
	FROM garant.key k
	WHERE sha256(convert_to(garant.mac(k.outer_pad, k.inner_pad, substr(ticket, 65)), 'UTF8')) = sha256(convert_to(left(ticket, 64), 'UTF8'));
	RETURN found_;
END
$$;

CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN garant.tenant('garant_u_')::uuid;

CREATE OR REPLACE FUNCTION garant.writer_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN garant.tenant('77garant_u_')::uuid;

CREATE OR REPLACE FUNCTION garant.tenant_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || garant.tenant('garant_i_'))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION garant.writer_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || garant.tenant('77garant_i_'))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION garant.tenant_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(decode(garant.tenant('garant_t_'), 'hex'), 'UTF8');

CREATE OR REPLACE FUNCTION garant.writer_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(decode(garant.tenant('77garant_t_'), 'hex'), 'UTF8');

CREATE OR REPLACE FUNCTION garant.session() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN left(garant.tenant('garant_'), 32)::uuid;
