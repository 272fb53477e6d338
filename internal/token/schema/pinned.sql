-- Design P: the context is a pin in a setting that only a superuser and garant_sec may set
-- (GRANT SET ON PARAMETER backtrace_functions TO garant_sec). Transaction-local: commit and rollback
-- take it away. Its side effect, backtraces of functions called garant_…, is none.

CREATE OR REPLACE FUNCTION garant.enter(token bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	pin      text := garant.verified(token);
	standing text := current_setting('backtrace_functions');
BEGIN
	IF pin IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'GT001', MESSAGE = 'garant: this is no valid token for this database';
	END IF;
	IF starts_with(standing, 'garant_') AND standing <> pin THEN
		RAISE EXCEPTION USING ERRCODE = 'GT004', MESSAGE = 'garant: this transaction belongs to another tenant or session already',
			HINT = 'One transaction serves one login: end it first.';
	END IF;
	PERFORM set_config('backtrace_functions', pin, true);
	IF substr(pin, 8, 1) = 'r' THEN
		PERFORM set_config('transaction_read_only', 'on', true);
	END IF;
END
$$;

-- What follows is read in every statement, and is written so that the planner puts it in place of
-- the call. The beginning and the type are compared; what else stands there, garant_sec wrote.
-- The writer_… functions are for what writes: RESET transaction_read_only, which PostgreSQL 15 lets
-- anybody say, must not turn a token for reading into one for writing.

CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_') AND substr(current_setting('backtrace_functions'), 9, 1) = 'u'
	THEN substr(current_setting('backtrace_functions'), 43)::uuid END;

CREATE OR REPLACE FUNCTION garant.writer_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_wu')
	THEN substr(current_setting('backtrace_functions'), 43)::uuid END;

CREATE OR REPLACE FUNCTION garant.tenant_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_') AND substr(current_setting('backtrace_functions'), 9, 1) = 'i'
	THEN ('x' || substr(current_setting('backtrace_functions'), 43))::bit(64)::bigint END;

CREATE OR REPLACE FUNCTION garant.writer_bigint() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_wi')
	THEN ('x' || substr(current_setting('backtrace_functions'), 43))::bit(64)::bigint END;

CREATE OR REPLACE FUNCTION garant.tenant_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_') AND substr(current_setting('backtrace_functions'), 9, 1) = 't'
	THEN convert_from(decode(substr(current_setting('backtrace_functions'), 43), 'hex'), 'UTF8') END;

CREATE OR REPLACE FUNCTION garant.writer_text() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_wt')
	THEN convert_from(decode(substr(current_setting('backtrace_functions'), 43), 'hex'), 'UTF8') END;

CREATE OR REPLACE FUNCTION garant.session() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_')
	THEN substr(current_setting('backtrace_functions'), 10, 32)::uuid END;
