-- What guards the rows of the example's database, as one digest, and how many superusers other
-- than Garant's own programs are signed in: people at a shell. $1: what the connections of the arena and of a
-- customer's move are called. What a move puts up and takes down is no part of the wall.
WITH parts (what) AS (
  SELECT concat_ws(' ', 'table', c.oid::regclass, c.relkind, c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity, c.relacl, c.reloptions)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'garant_move') AND n.nspname NOT LIKE 'pg\_temp%' AND n.nspname NOT LIKE 'pg\_toast%' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  UNION ALL
  SELECT concat_ws(' ', 'policy', polrelid::regclass, polname, polcmd, polpermissive, polroles::regrole[], pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid))
  FROM pg_catalog.pg_policy
  UNION ALL
  SELECT concat_ws(' ', 'function', p.oid::regprocedure, p.proowner::regrole, p.prosecdef, p.proacl, pg_catalog.md5(coalesce(p.prosqlbody::text, p.prosrc)))
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'garant_move')
  UNION ALL
  SELECT concat_ws(' ', 'trigger', tgrelid::regclass, tgname, tgenabled) FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgname NOT LIKE 'garant\_move\_%'
  UNION ALL
  SELECT concat_ws(' ', 'view', c.oid::regclass, pg_catalog.md5(pg_catalog.pg_get_viewdef(c.oid)))
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  UNION ALL
  SELECT concat_ws(' ', 'role', rolname, rolsuper, rolinherit, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin, rolconfig) FROM pg_catalog.pg_roles
  UNION ALL
  SELECT concat_ws(' ', 'member', roleid::regrole, member::regrole) FROM pg_catalog.pg_auth_members
  UNION ALL
  SELECT concat_ws(' ', 'setting', setdatabase, setrole, setconfig) FROM pg_catalog.pg_db_role_setting
  UNION ALL
  SELECT concat_ws(' ', 'parameter', parname, paracl) FROM pg_catalog.pg_parameter_acl
  UNION ALL
  SELECT concat_ws(' ', 'schema', nspname, nspowner::regrole, nspacl) FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'garant_move'
)
SELECT pg_catalog.md5(pg_catalog.string_agg(what, E'\n' ORDER BY what COLLATE "C")),
  (SELECT count(*)::integer FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
   WHERE r.rolsuper AND a.backend_type = 'client backend' AND a.application_name <> ALL ($1) AND a.pid <> pg_catalog.pg_backend_pid())
FROM parts
