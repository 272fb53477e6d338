-- What stands in schema garant, piece by piece: kind, name, what it is a piece of, state, and the statement that takes it
-- away where it should not be. $1: the functions that the application's roles may execute. Run with search_path = pg_catalog.
WITH f AS (
	SELECT p.*, 'garant.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')' AS signature
	FROM pg_proc p WHERE p.pronamespace = 'garant'::regnamespace
), t AS (
	SELECT c.*, 'garant.' || quote_ident(c.relname) AS printed FROM pg_class c WHERE c.relnamespace = 'garant'::regnamespace AND c.relkind IN ('r', 'p', 'S', 'v', 'm', 'f')
), owned AS (
	SELECT 'function' AS kind, f.signature AS name, f.proowner AS owner, coalesce(f.proacl, acldefault('f', f.proowner)) AS acl,
		f.signature = ANY ($1::text[]) OR f.signature IN ('garant.version()', 'garant.design()', 'garant.session()', 'garant.keys()', 'garant.capture()') AS free -- capture is lent to who applies a manifest
	FROM f
	UNION ALL
	SELECT CASE t.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, t.printed, t.relowner, t.relacl, false FROM t
	UNION ALL
	SELECT 'schema', 'garant', n.nspowner, n.nspacl, false FROM pg_namespace n WHERE n.nspname = 'garant'
)
SELECT 'printed', 'by version', '', (current_setting('server_version_num')::integer / 10000)::text, ''
UNION ALL
SELECT 'shape', f.signature, f.signature, f.prokind::text || ' ' || pg_get_function_result(f.oid) || ' ' || coalesce(f.proargnames::text, ''), 'DROP ROUTINE ' || f.signature FROM f
UNION ALL
SELECT 'function', f.signature, f.signature, left(encode(sha256(convert_to(concat_ws(E'\n', l.lanname, f.prosecdef, f.proleakproof, f.proisstrict, f.provolatile, f.proparallel,
	f.prosupport, f.proconfig::text, CASE WHEN f.prosqlbody IS NULL THEN f.prosrc || coalesce(f.probin, '') END), 'UTF8')), 'hex'), 16), ''
FROM f JOIN pg_language l ON l.oid = f.prolang
UNION ALL
SELECT 'body', f.signature, f.signature, left(encode(sha256(convert_to(pg_get_function_sqlbody(f.oid), 'UTF8')), 'hex'), 16), '' FROM f WHERE f.prosqlbody IS NOT NULL
UNION ALL
SELECT 'table', t.printed, t.printed, t.relkind::text || t.relpersistence::text, '' FROM t
UNION ALL
SELECT 'row-level security', t.printed, t.printed, t.relrowsecurity::text || ' ' || t.relforcerowsecurity::text, '' FROM t WHERE t.relkind = 'r'
UNION ALL
SELECT 'column', t.printed || '.' || quote_ident(a.attname), t.printed, concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END,
	nullif(a.attgenerated, ''), nullif(a.attidentity, ''), pg_get_expr(d.adbin, d.adrelid)), ''
FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE t.relkind = 'r'
UNION ALL
SELECT 'samples', t.printed || '.' || quote_ident(a.attname), t.printed, 'none', '' FROM t JOIN pg_attribute a ON a.attrelid = t.oid WHERE a.attnum > 0 AND a.attstattarget = 0 AND t.relkind = 'r'
UNION ALL
SELECT 'constraint', t.printed || '.' || quote_ident(c.conname), t.printed, pg_get_constraintdef(c.oid), '' FROM t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype <> 'n'
UNION ALL
SELECT 'trigger', t.printed || '.' || quote_ident(g.tgname), t.printed, g.tgenabled::text || ' ' || pg_get_triggerdef(g.oid), ''
FROM t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
UNION ALL
SELECT 'policy', t.printed || '.' || quote_ident(p.polname), t.printed, concat_ws(' ', p.polcmd, p.polpermissive, ARRAY(SELECT r.rolname FROM pg_roles r WHERE r.oid = ANY (p.polroles) ORDER BY 1)::text,
	pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)), format('DROP POLICY %I ON %s', p.polname, t.printed)
FROM t JOIN pg_policy p ON p.polrelid = t.oid
UNION ALL
SELECT 'owner', o.kind || ' ' || o.name, o.name, r.rolname, format('ALTER %s %s OWNER TO garant_sec', o.kind, o.name)
FROM owned o JOIN pg_roles r ON r.oid = o.owner WHERE r.rolname <> 'garant_sec'
UNION ALL
SELECT 'right', x.name || ' of ' || x.who, x.name, x.may, format('REVOKE ALL ON %s %s FROM %s CASCADE', x.kind, x.name, x.who)
FROM (
	SELECT o.kind, o.name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS who, string_agg(DISTINCT a.privilege_type, ' ') AS may
	FROM owned o, aclexplode(o.acl) a WHERE a.grantee <> o.owner AND NOT (o.free AND a.grantee <> 0)
	GROUP BY 1, 2, 3
) x
UNION ALL
SELECT 'right', x.name || ' of ' || x.who, x.printed, x.may, format('REVOKE ALL (%I) ON TABLE %s FROM %s CASCADE', x.attname, x.printed, x.who)
FROM (
	SELECT t.printed, a.attname, t.printed || '.' || quote_ident(a.attname) AS name, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END AS who,
		string_agg(DISTINCT g.privilege_type, ' ') AS may
	FROM t JOIN pg_attribute a ON a.attrelid = t.oid, aclexplode(a.attacl) g WHERE g.grantee <> t.relowner
	GROUP BY 1, 2, 3, 4
) x
ORDER BY 1, 2
