-- What holds the organisations apart, in the database that they share and in the one that one of them has
-- to itself. Run at every start, as the superuser, after schema garant is there: it makes good whatever a
-- fault took away. isolation.yaml says the same in words.
DO $$
DECLARE
  t record;
  p record;
BEGIN
  FOR t IN SELECT * FROM (VALUES
    ('customer.organisation', 'id'), ('customer.member', 'organisation_id'), ('customer.applicant', 'organisation_id'), ('customer.application', 'organisation_id'),
    ('customer.payment', 'organisation_id'), ('customer.event', 'organisation_id'), ('billing.invoice', 'organisation_id')
  ) AS w (name, col) LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO app_owner', t.name);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t.name);
    IF t.col <> 'id' THEN
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT garant.tenant_bigint()', t.name, t.col);
    END IF;
    FOR p IN SELECT polname FROM pg_policy WHERE polrelid = t.name::regclass LOOP
      EXECUTE format('DROP POLICY %I ON %s', p.polname, t.name);
    END LOOP;
    EXECUTE format('CREATE POLICY garant_select ON %s FOR SELECT TO app USING (%I = (SELECT garant.tenant_bigint()))', t.name, t.col);
    EXECUTE format('CREATE POLICY garant_insert ON %s FOR INSERT TO app WITH CHECK (%I = (SELECT garant.writer_bigint()))', t.name, t.col);
    EXECUTE format('CREATE POLICY garant_update ON %1$s FOR UPDATE TO app USING (%2$I = (SELECT garant.writer_bigint())) WITH CHECK (%2$I = (SELECT garant.writer_bigint()))', t.name, t.col);
    EXECUTE format('CREATE POLICY garant_delete ON %s FOR DELETE TO app USING (%I = (SELECT garant.writer_bigint()))', t.name, t.col);
    -- FORCE binds the owner too: migrations, and the view of totals, which has its owner's rights.
    EXECUTE format('CREATE POLICY garant_owner ON %s TO app_owner USING (true) WITH CHECK (true)', t.name);
    EXECUTE format('GRANT SELECT ON %s TO garant_counter', t.name);
  END LOOP;
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO garant_counter', current_database());
END $$;
-- Every change of what is the organisations' becomes an event of the audit log, with the values of the columns that isolation.yaml lets be kept.
DO $$
DECLARE
  t record;
  o record;
BEGIN
  FOR t IN SELECT * FROM (VALUES
    ('customer.organisation', 'id', 'all', '{}'), ('customer.member', 'organisation_id', 'all', '{}'), ('customer.applicant', 'organisation_id', 'but', '{"iban"}'),
    ('customer.application', 'organisation_id', 'all', '{}'), ('customer.payment', 'organisation_id', 'but', '{"iban"}'), ('customer.event', 'organisation_id', 'all', '{}'),
    ('billing.invoice', 'organisation_id', 'only', '{}')
  ) AS w (name, col, mode, listed) LOOP
    FOR o IN SELECT * FROM (VALUES
      ('insert', ' REFERENCING NEW TABLE AS garant_new'), ('update', ' REFERENCING OLD TABLE AS garant_old NEW TABLE AS garant_new'), ('delete', ' REFERENCING OLD TABLE AS garant_old'), ('truncate', '')
    ) AS w (op, sees) LOOP
      EXECUTE format('DROP TRIGGER IF EXISTS garant_capture_%s ON %s', o.op, t.name);
      EXECUTE format('CREATE TRIGGER garant_capture_%1$s AFTER %1$s ON %2$s%3$s FOR EACH STATEMENT EXECUTE FUNCTION garant.capture(%4$L, ''bigint'', %7$L, %5$L, %6$L, %2$L)', o.op, t.name, o.sees, t.col, t.mode, t.listed,
        CASE t.name WHEN 'billing.invoice' THEN '{"number"}' ELSE '{"id"}' END);
    END LOOP;
  END LOOP;
END $$;
-- It asks whether there is a row of a customer who has left, or of another than the one who lives there: no policy may hide one.
GRANT USAGE ON SCHEMA customer, billing TO garant_counter;
ALTER ROLE garant_counter BYPASSRLS;
-- The application's group asks for the tenant of its transaction too; its members alone can enter.
GRANT EXECUTE ON FUNCTION garant.tenant_uuid(), garant.tenant_bigint(), garant.tenant_text(), garant.writer_uuid(), garant.writer_bigint(), garant.writer_text() TO app_rw;
-- What Garant looks at: the age of keys, never a key; and the files of settings, in which a pin could stand.
GRANT EXECUTE ON FUNCTION garant.keys(), pg_catalog.pg_show_all_file_settings() TO garant_reader, backup;
GRANT SELECT ON pg_catalog.pg_file_settings TO garant_reader, backup;
GRANT SELECT ON pg_catalog.pg_hba_file_rules TO garant_reader;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO garant_reader;
-- Customer Success reads for all organisations: a declared way around.
ALTER ROLE cs_reader BYPASSRLS;
-- Everybody's statements are signed in as the one role of the application: none sees another's in pg_stat_activity, or ends it.
ALTER ROLE app SET track_activities = off;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend(integer, bigint), pg_catalog.pg_cancel_backend(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend(integer, bigint), pg_catalog.pg_cancel_backend(integer) TO pg_signal_backend;
-- Large objects and session locks know no organisation, and the application needs neither.
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea), pg_catalog.lo_import(text), pg_catalog.lo_import(text, oid) FROM PUBLIC;
