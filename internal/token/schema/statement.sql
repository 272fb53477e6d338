-- Design S: where nobody is superuser. The context is a ticket in a setting that anybody may set,
-- so that each statement verifies it: pin, key id and an HMAC over them and the moment at which this
-- transaction began, which no statement can choose. A ticket left in a session by an earlier
-- transaction is therefore worth nothing.

-- pin tells the pin of this transaction; NULL: it has none, or its ticket is not good.
CREATE OR REPLACE FUNCTION garant.pin() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ticket text := current_setting('garant.context', true);
	mac    bytea;
BEGIN
	IF ticket IS NULL OR ticket !~ '^[0-9a-f]{66}garant_[rw][uit][0-9a-f]{32}_([0-9a-f]{2}){1,38}$' THEN
		RETURN NULL;
	END IF;
	mac := sha256(decode(left(ticket, 64), 'hex'));
	PERFORM FROM garant.key k
	WHERE k.id = ('x' || substr(ticket, 65, 2))::bit(8)::int
		AND sha256(sha256(k.outer_pad || sha256(k.inner_pad || convert_to('context ' || substr(ticket, 67) || ' ' || (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint, 'UTF8')))) = mac;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	RETURN substr(ticket, 67);
END
$$;

CREATE OR REPLACE FUNCTION garant.enter(token bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	pin      text := garant.verified(token);
	standing text := garant.pin();
	ticket   text;
BEGIN
	IF pin IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'GT001', MESSAGE = 'garant: this is no valid token for this database';
	END IF;
	IF standing <> pin THEN
		RAISE EXCEPTION USING ERRCODE = 'GT004', MESSAGE = 'garant: this transaction belongs to another tenant or session already',
			HINT = 'One transaction serves one login: end it first.';
	END IF;
	SELECT encode(sha256(k.outer_pad || sha256(k.inner_pad || convert_to('context ' || pin || ' ' || (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint, 'UTF8'))), 'hex')
		|| lpad(to_hex(k.id::int), 2, '0') || pin
	INTO ticket FROM garant.key k WHERE k.id = get_byte(token, 1);
	PERFORM set_config('garant.context', ticket, true);
	IF substr(pin, 8, 1) = 'r' THEN
		PERFORM set_config('transaction_read_only', 'on', true);
	END IF;
END
$$;

-- tenant tells the tenant's key as hex, when the pin has that access and type.
CREATE OR REPLACE FUNCTION garant.tenant(form text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	pin text := garant.pin();
BEGIN
	RETURN CASE WHEN substr(pin, 8, 2) LIKE form THEN substr(pin, 43) END;
END
$$;

CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN garant.tenant('_u')::uuid;

CREATE OR REPLACE FUNCTION garant.writer_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN garant.tenant('wu')::uuid;

CREATE OR REPLACE FUNCTION garant.tenant_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || garant.tenant('_i'))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION garant.writer_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || garant.tenant('wi'))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION garant.tenant_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(decode(garant.tenant('_t'), 'hex'), 'UTF8');

CREATE OR REPLACE FUNCTION garant.writer_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(decode(garant.tenant('wt'), 'hex'), 'UTF8');

CREATE OR REPLACE FUNCTION garant.session() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN substr(garant.pin(), 10, 32)::uuid;
