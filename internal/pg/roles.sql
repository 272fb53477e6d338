-- The roles of Garant, made by a superuser or a role with CREATEROLE; safe to run again.
-- They log in by peer authentication in the private cluster, or with credentials that the
-- administrator of an external cluster sets (ALTER ROLE … PASSWORD).
--
--   garant_owner    owns the schemas; used by migrations only
--   garant_staff    the console and the command line, for people who are signed in
--   garant_login    sign-in: sessions, links, passkeys, recovery codes, tokens
--   garant_public   the public annex: reads the published projection
--   garant_portal   customers: reads what a customer may know of itself, and only inside a tenant context
--   garant_worker   jobs, the scheduler, publishing
--   garant_checker  inserts findings
--   garant_checkpoint puts the audit record in order: adds leaves, tiles and heads to its trees, changes no entry
--   garant_retention  drops what the audit record holds beyond its time, once it is proven elsewhere
DO $$
DECLARE
	r text;
BEGIN
	FOREACH r IN ARRAY ARRAY['garant_owner', 'garant_staff', 'garant_login', 'garant_public', 'garant_portal', 'garant_worker', 'garant_checker', 'garant_checkpoint', 'garant_retention'] LOOP
		IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = r) THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', r);
		END IF;
	END LOOP;
END
$$;
ALTER ROLE garant_public SET statement_timeout = '5s';
ALTER ROLE garant_public SET default_transaction_read_only = on;
ALTER ROLE garant_portal SET statement_timeout = '5s';
ALTER ROLE garant_portal SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE garant_login SET statement_timeout = '5s';
ALTER ROLE garant_staff SET statement_timeout = '30s';
ALTER ROLE garant_worker SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE garant_checker SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE garant_checkpoint SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE garant_retention SET statement_timeout = '60s';
