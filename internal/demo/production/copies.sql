-- The roles of the example's cluster for copies. Run at every start, as the superuser.
DO $$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN SELECT * FROM (VALUES
    ('copier',    'LOGIN CREATEDB'),   -- makes the copies, and nobody else may enter one that is not proven
    ('issuer',    'LOGIN CREATEROLE'), -- makes the developers' roles, with their passwords
    ('app',       'NOLOGIN'),          -- policies of the schema name these two
    ('app_owner', 'NOLOGIN')
  ) AS w (name, options) LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
      EXECUTE format('CREATE ROLE %I %s', wanted.name, wanted.options);
    END IF;
  END LOOP;
END $$;
GRANT pg_signal_backend TO copier; -- the sessions at the copy before end when the name changes
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO copier, issuer;
