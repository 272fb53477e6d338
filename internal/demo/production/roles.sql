-- The roles of the example's production cluster. Run at every start, as the superuser.
DO $$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN SELECT * FROM (VALUES
    ('app_owner',     'NOLOGIN'),            -- owns the schema; migrations run as it
    ('app_rw',        'NOLOGIN'),            -- what the application may do
    ('app',           'LOGIN'),              -- the application
    ('cs_reader',     'LOGIN'),              -- Customer Success
    ('it_ops',        'LOGIN'),              -- IT Operations
    ('backup',        'LOGIN REPLICATION'),  -- copies the cluster, and the schema for Garant
    ('reporting',     'LOGIN'),              -- figures without persons
    ('developers',    'NOLOGIN'),            -- development team: no path leads from it here
    ('dev_1',         'LOGIN'),
    ('dev_2',         'LOGIN'),
    ('garant_reader', 'LOGIN'),              -- reads the catalogue, no table
    ('garant_keys',   'LOGIN'),              -- puts keys in and ends sessions, reads no table
    ('garant_counter', 'LOGIN'),             -- asks whether a customer has rows, and reads none
    ('copy_reader',   'LOGIN BYPASSRLS')     -- reads for the anonymised copy
  ) AS w (name, options) LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
      EXECUTE format('CREATE ROLE %I %s', wanted.name, wanted.options);
    END IF;
  END LOOP;
END $$;
GRANT app_rw TO app;
GRANT developers TO dev_1, dev_2;
GRANT pg_monitor, pg_signal_backend TO it_ops;
GRANT pg_read_all_settings TO garant_reader;
GRANT pg_read_all_data TO copy_reader;
GRANT pg_read_all_data TO backup; -- pg_dump locks every table; no policy lets it see a row
