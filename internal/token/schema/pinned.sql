-- Design pinned: the context is a pin in a setting that only a superuser and garant_sec may set
-- (GRANT SET ON PARAMETER backtrace_functions TO garant_sec). Transaction-local: commit and rollback
-- take it away. Its side effect, backtraces of functions called garant_…, is none.

-- What follows is read in every statement, and is written so that the planner puts it in place of
-- the call, looks at the setting once, and finds nothing unless _garant_, type and length stand there (75 is u, 69 is i, 74 is t). Before
-- that, in hex, stands the access: 77 is w. What else stands there, garant_sec wrote.
-- The writer_… functions are for what writes: RESET transaction_read_only, which PostgreSQL 15 lets
-- anybody say, must not turn a token for reading into one for writing.

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

-- pin tells who entered this transaction (enter.sql), for what runs as garant_sec.
CREATE OR REPLACE FUNCTION garant.pin() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'garant_') THEN current_setting('backtrace_functions') END;
