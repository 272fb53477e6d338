package schema

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// own holds for schemas of the database's own.
const own = `n.nspname NOT IN ('pg_catalog', 'information_schema', 'garant', 'garant_move') AND n.nspname !~ '^pg_(toast|temp)'`

// notOfExtension leaves out what an extension brought.
const notOfExtension = `NOT EXISTS (SELECT FROM pg_catalog.pg_depend x WHERE x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND x.objid = c.oid AND x.deptype = 'e')`

// Read reads the catalogue in one read-only transaction.
func Read(ctx context.Context, conn *pgx.Conn) (*Database, error) {
	r := &reading{db: &Database{}, by: map[uint32]*Relation{}}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		// Names are printed with their schema only where the search path lacks it.
		if _, err := tx.Exec(ctx, `SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = '60s'`); err != nil {
			return err
		}
		for _, part := range []func(context.Context, pgx.Tx) error{
			r.database, r.roles, r.namespaces, r.relations, r.columns, r.indexes, r.foreignKeys, r.policies, r.triggers, r.tree, r.views,
			r.sequences, r.defaults, r.definers, r.large, r.casts, r.publications, r.guard,
		} {
			if err := part(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, pg.Wrap(err)
	}
	r.unseen()
	return r.db, nil
}

// unseen says what the catalogue does not tell.
func (r *reading) unseen() {
	never := 0
	for _, o := range r.db.Relations {
		if _, _, known := o.Size(); !known && o.Bound == "" {
			never++
		}
	}
	if never > 0 {
		r.say("%d tables were never counted by ANALYZE: their size is not known.", never)
	}
	for _, e := range r.db.Extensions {
		r.say("The relations of extension %s are left out: they are its own.", e)
	}
	if me := r.db.Role(r.db.Me); me == nil || !me.Super {
		r.say("What views, functions and jobs of other databases and of the operating system read cannot be seen as %s.", r.db.Me)
	}
}

func (r *reading) say(format string, args ...any) {
	r.db.Unseen = append(r.db.Unseen, fmt.Sprintf(format, args...))
}

// reading is what the parts of Read share.
type reading struct {
	db *Database
	by map[uint32]*Relation
}

// rows runs a query and gives each row to scan.
func rows(ctx context.Context, tx pgx.Tx, sql string, each func(pgx.Rows) error) error {
	found, err := tx.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		if err := each(found); err != nil {
			return err
		}
	}
	return found.Err()
}

func (r *reading) database(ctx context.Context, tx pgx.Tx) error {
	d := r.db
	err := tx.QueryRow(ctx, `SELECT d.datname, pg_get_userbyid(d.datdba), current_setting('server_version_num')::integer, current_user::text
FROM pg_database d WHERE d.datname = current_database()`).Scan(&d.Name, &d.Owner, &d.Version, &d.Me)
	if err != nil {
		return err
	}
	return rows(ctx, tx, `SELECT CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, pg_get_userbyid(a.grantor), a.privilege_type, a.is_grantable
FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, nr)
WHERE d.datname = current_database() ORDER BY a.nr`, func(f pgx.Rows) error {
		var g Right
		err := f.Scan(&g.Grantee, &g.Grantor, &g.Privilege, &g.Grantable)
		d.ACL = append(d.ACL, g)
		return err
	})
}

func (r *reading) roles(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `WITH RECURSIVE reach AS (
	SELECT m.member, m.roleid FROM pg_auth_members m
	UNION SELECT reach.member, m.roleid FROM reach JOIN pg_auth_members m ON m.member = reach.roleid)
SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolreplication, r.rolcanlogin,
	coalesce((SELECT array_agg(pg_get_userbyid(x.roleid)::text ORDER BY 1) FROM reach x WHERE x.member = r.oid), '{}'),
	(SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid AND a.datname = current_database()),
	coalesce((SELECT s.setconfig FROM pg_db_role_setting s WHERE s.setrole = r.oid AND s.setdatabase = 0), '{}')
FROM pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY r.rolname`, func(f pgx.Rows) error {
		o := &Role{}
		err := f.Scan(&o.Name, &o.Super, &o.Bypass, &o.Create, &o.Replication, &o.CanLogin, &o.MemberOf, &o.Sessions, &o.Settings)
		r.db.Roles = append(r.db.Roles, o)
		return err
	})
}

func (r *reading) namespaces(ctx context.Context, tx pgx.Tx) error {
	err := rows(ctx, tx, `SELECT n.nspname, pg_get_userbyid(n.nspowner) FROM pg_namespace n WHERE `+own+` ORDER BY n.nspname`, func(f pgx.Rows) error {
		n := &Namespace{}
		err := f.Scan(&n.Name, &n.Owner)
		r.db.Namespaces = append(r.db.Namespaces, n)
		return err
	})
	if err != nil {
		return err
	}
	return rows(ctx, tx, `SELECT n.nspname, CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, pg_get_userbyid(a.grantor), a.privilege_type, a.is_grantable
FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, nr)
WHERE `+own+` ORDER BY n.nspname, a.nr`, func(f pgx.Rows) error {
		var name string
		var g Right
		err := f.Scan(&name, &g.Grantee, &g.Grantor, &g.Privilege, &g.Grantable)
		if n := r.db.Namespace(name); n != nil {
			n.ACL = append(n.ACL, g)
		}
		return err
	})
}

func (r *reading) relations(ctx context.Context, tx pgx.Tx) error {
	err := rows(ctx, tx, `SELECT c.oid, n.nspname, c.relname,
	CASE WHEN c.relispartition THEN 'partition' WHEN c.relkind = 'p' THEN 'partitioned' WHEN c.relkind = 'r' THEN 'table' WHEN c.relkind = 'v' THEN 'view' WHEN c.relkind = 'm' THEN 'matview' ELSE 'foreign' END,
	pg_get_userbyid(c.relowner), c.relrowsecurity, c.relforcerowsecurity,
	coalesce((SELECT bool_or(o.option_name = 'security_invoker' AND o.option_value IN ('true', 'on', '1', 'yes')) FROM pg_options_to_table(c.reloptions) o), false),
	coalesce((SELECT bool_or(o.option_name = 'security_invoker') FROM pg_options_to_table(c.reloptions) o), false),
	c.reltuples::float8, c.relpages::bigint, c.relacl IS NOT NULL, coalesce(pg_get_expr(c.relpartbound, c.oid), ''),
	coalesce((SELECT array_agg(a.attname::text ORDER BY k.nr) FROM pg_partitioned_table p, unnest(p.partattrs) WITH ORDINALITY k(attnum, nr), pg_attribute a
		WHERE p.partrelid = c.oid AND a.attrelid = c.oid AND a.attnum = k.attnum), '{}')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND `+own+` AND `+notOfExtension, func(f pgx.Rows) error {
		o := &Relation{ColumnACL: map[string][]Right{}, Checks: map[string]bool{}}
		err := f.Scan(&o.OID, &o.Schema, &o.Name, &o.Kind, &o.Owner, &o.RLS, &o.Force, &o.Invoker, &o.InvokerSet, &o.Rows, &o.Pages, &o.Explicit, &o.Bound, &o.PartKey)
		r.by[o.OID] = o
		r.db.Relations = append(r.db.Relations, o)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(r.db.Relations, byName)
	err = rows(ctx, tx, `SELECT c.oid, CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, pg_get_userbyid(a.grantor), a.privilege_type, a.is_grantable
FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, nr)
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.oid, a.nr`, func(f pgx.Rows) error {
		var oid uint32
		var g Right
		err := f.Scan(&oid, &g.Grantee, &g.Grantor, &g.Privilege, &g.Grantable)
		if o := r.by[oid]; o != nil {
			o.ACL = append(o.ACL, g)
		}
		return err
	})
	if err != nil {
		return err
	}
	return rows(ctx, tx, `SELECT DISTINCT e.extname FROM pg_extension e JOIN pg_depend x ON x.refclassid = 'pg_extension'::regclass AND x.refobjid = e.oid AND x.deptype = 'e' AND x.classid = 'pg_class'::regclass
JOIN pg_class c ON c.oid = x.objid AND c.relkind IN ('r', 'p', 'v', 'm', 'f') JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+own+` ORDER BY 1`, func(f pgx.Rows) error {
		var name string
		err := f.Scan(&name)
		r.db.Extensions = append(r.db.Extensions, name)
		return err
	})
}

func (r *reading) columns(ctx context.Context, tx pgx.Tx) error {
	err := rows(ctx, tx, `WITH RECURSIVE base AS (
	SELECT t.oid, t.typbasetype, t.typtypmod FROM pg_type t WHERE t.typtype = 'd'
	UNION ALL SELECT b.oid, t.typbasetype, CASE WHEN b.typtypmod >= 0 THEN b.typtypmod ELSE t.typtypmod END FROM base b JOIN pg_type t ON t.oid = b.typbasetype AND t.typtype = 'd')
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod),
	coalesce((SELECT format_type(b.typbasetype, b.typtypmod) FROM base b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.oid = a.atttypid AND t.typtype <> 'd'), format_type(a.atttypid, a.atttypmod)),
	a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), ''), a.attgenerated <> '', a.attidentity <> '', a.attislocal
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND `+own+` ORDER BY a.attrelid, a.attnum`, func(f pgx.Rows) error {
		var oid uint32
		var c Column
		err := f.Scan(&oid, &c.Name, &c.Type, &c.Base, &c.NotNull, &c.Default, &c.Generated, &c.Identity, &c.Local)
		if o := r.by[oid]; o != nil {
			o.Columns = append(o.Columns, c)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = rows(ctx, tx, `SELECT a.attrelid, a.attname, CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee) END, pg_get_userbyid(x.grantor), x.privilege_type, x.is_grantable
FROM pg_attribute a, aclexplode(a.attacl) WITH ORDINALITY x(grantor, grantee, privilege_type, is_grantable, nr)
WHERE a.attacl IS NOT NULL AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum, x.nr`, func(f pgx.Rows) error {
		var oid uint32
		var name string
		var g Right
		err := f.Scan(&oid, &name, &g.Grantee, &g.Grantor, &g.Privilege, &g.Grantable)
		if o := r.by[oid]; o != nil {
			o.ColumnACL[name] = append(o.ColumnACL[name], g)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = rows(ctx, tx, `SELECT c.oid, s.attname, max(s.avg_width) FROM pg_stats s JOIN pg_namespace n ON n.nspname = s.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
WHERE `+own+` GROUP BY 1, 2`, func(f pgx.Rows) error {
		var oid uint32
		var name string
		var width int
		err := f.Scan(&oid, &name, &width)
		if o := r.by[oid]; o != nil && o.Column(name) != nil {
			o.Column(name).Width = width
		}
		return err
	})
	if err != nil {
		return err
	}
	return rows(ctx, tx, `SELECT conrelid, conname, convalidated FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0`, func(f pgx.Rows) error {
		var oid uint32
		var name string
		var valid bool
		err := f.Scan(&oid, &name, &valid)
		if o := r.by[oid]; o != nil {
			o.Checks[name] = valid
		}
		return err
	})
}

func (r *reading) indexes(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `SELECT i.indrelid, x.relname,
	CASE WHEN 0 = ANY (i.indkey[0:i.indnkeyatts - 1]) THEN NULL ELSE (SELECT array_agg(a.attname::text ORDER BY k.nr) FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(attnum, nr)
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) END,
	i.indisunique, i.indisprimary, i.indpred IS NOT NULL, i.indisvalid AND i.indisready, coalesce(k.conname, ''), i.indimmediate, i.indisexclusion
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x') AND k.conrelid = i.indrelid
WHERE `+own+` ORDER BY i.indrelid, x.relname`, func(f pgx.Rows) error {
		var oid uint32
		var x Index
		err := f.Scan(&oid, &x.Name, &x.Columns, &x.Unique, &x.Primary, &x.Partial, &x.Valid, &x.Constraint, &x.Immediate, &x.Exclusion)
		if o := r.by[oid]; o != nil {
			o.Indexes = append(o.Indexes, x)
		}
		return err
	})
}

func (r *reading) foreignKeys(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `SELECT k.conrelid, k.confrelid, k.conname,
	(SELECT array_agg(a.attname::text ORDER BY u.nr) FROM unnest(k.conkey) WITH ORDINALITY u(attnum, nr) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum),
	(SELECT array_agg(a.attname::text ORDER BY u.nr) FROM unnest(k.confkey) WITH ORDINALITY u(attnum, nr) JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum),
	k.confupdtype::text, k.confdeltype::text,
	coalesce((SELECT array_agg(a.attname::text ORDER BY u.nr) FROM unnest(k.confdelsetcols) WITH ORDINALITY u(attnum, nr) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum), '{}'),
	k.confmatchtype::text, k.condeferrable, k.condeferred, k.convalidated, pg_get_constraintdef(k.oid), k.conparentid <> 0
FROM pg_constraint k WHERE k.contype = 'f' ORDER BY k.conrelid, k.conname`, func(f pgx.Rows) error {
		var oid, target uint32
		var k ForeignKey
		err := f.Scan(&oid, &target, &k.Name, &k.Columns, &k.Refers, &k.OnUpdate, &k.OnDelete, &k.SetColumns, &k.Match, &k.Deferrable, &k.Deferred, &k.Validated, &k.Definition, &k.Inherited)
		// A key to a partitioned table has a copy for each partition, which has a parent too.
		if o := r.by[oid]; o != nil && r.by[target] != nil && !(k.Inherited && o.Bound == "") {
			k.Target = r.by[target]
			o.ForeignKeys = append(o.ForeignKeys, k)
		}
		return err
	})
}

func (r *reading) policies(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `SELECT p.polrelid, p.polname, p.polpermissive, p.polcmd::text,
	(SELECT array_agg(CASE WHEN u.role = 0 THEN 'public' ELSE pg_get_userbyid(u.role)::text END ORDER BY 1) FROM unnest(p.polroles) u(role)),
	coalesce(pg_get_expr(p.polqual, p.polrelid), ''), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
FROM pg_policy p ORDER BY p.polrelid, p.polname`, func(f pgx.Rows) error {
		var oid uint32
		var p Policy
		err := f.Scan(&oid, &p.Name, &p.Permissive, &p.Command, &p.Roles, &p.Using, &p.Check)
		if o := r.by[oid]; o != nil {
			o.Policies = append(o.Policies, p)
		}
		return err
	})
}

func (r *reading) triggers(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `SELECT t.tgrelid, t.tgname, t.tgtype & 16 <> 0, pg_get_triggerdef(t.oid), `+token.TriggerColumns+` FROM pg_trigger t WHERE NOT t.tgisinternal ORDER BY t.tgrelid, t.tgname`, func(f pgx.Rows) error {
		var oid uint32
		var t Trigger
		err := f.Scan(append([]any{&oid, &t.Name, &t.OnUpdate, &t.Definition}, t.Found.Targets()...)...)
		if o := r.by[oid]; o != nil {
			o.Triggers = append(o.Triggers, t)
		}
		return err
	})
}

func (r *reading) tree(ctx context.Context, tx pgx.Tx) error {
	err := rows(ctx, tx, `SELECT i.inhrelid, i.inhparent FROM pg_inherits i ORDER BY i.inhrelid, i.inhseqno`, func(f pgx.Rows) error {
		var child, parent uint32
		err := f.Scan(&child, &parent)
		if c, p := r.by[child], r.by[parent]; c != nil && p != nil {
			c.Parents, p.Children = append(c.Parents, p), append(p.Children, c)
		}
		return err
	})
	for _, o := range r.db.Relations {
		slices.SortFunc(o.Children, byName)
	}
	return err
}

func (r *reading) views(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `SELECT DISTINCT w.ev_class, d.refobjid FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class AND c.relkind IN ('v', 'm')
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class`, func(f pgx.Rows) error {
		var view, read uint32
		err := f.Scan(&view, &read)
		if v, o := r.by[view], r.by[read]; v != nil && o != nil {
			v.Reads = append(v.Reads, o)
			slices.SortFunc(v.Reads, byName)
		}
		return err
	})
}

func (r *reading) sequences(ctx context.Context, tx pgx.Tx) error {
	type key struct{ table, sequence uint32 }
	acl := map[uint32][]Right{}
	err := rows(ctx, tx, `SELECT c.oid, CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, pg_get_userbyid(a.grantor), a.privilege_type, a.is_grantable
FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('s', c.relowner))) WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, nr)
WHERE c.relkind = 'S' ORDER BY c.oid, a.nr`, func(f pgx.Rows) error {
		var oid uint32
		var g Right
		err := f.Scan(&oid, &g.Grantee, &g.Grantor, &g.Privilege, &g.Grantable)
		acl[oid] = append(acl[oid], g)
		return err
	})
	if err != nil {
		return err
	}
	seen := map[key]bool{}
	return rows(ctx, tx, `SELECT x.tab, s.oid, n.nspname, s.relname, bool_or(x.identity), pg_get_userbyid(s.relowner)
FROM (SELECT d.refobjid AS tab, d.objid AS seq, d.deptype = 'i' AS identity FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
	UNION ALL SELECT a.adrelid, d.refobjid, false FROM pg_depend d JOIN pg_attrdef a ON a.oid = d.objid WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass) x
JOIN pg_class s ON s.oid = x.seq AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace
GROUP BY x.tab, s.oid, n.nspname, s.relname, s.relowner ORDER BY x.tab, n.nspname, s.relname`, func(f pgx.Rows) error {
		var table, sequence uint32
		var s Sequence
		err := f.Scan(&table, &sequence, &s.Schema, &s.Name, &s.Identity, &s.Owner)
		if o := r.by[table]; o != nil && !seen[key{table, sequence}] {
			seen[key{table, sequence}] = true
			s.ACL = acl[sequence]
			o.Sequences = append(o.Sequences, s)
		}
		return err
	})
}

func (r *reading) defaults(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `SELECT pg_get_userbyid(d.defaclrole), coalesce((SELECT n.nspname FROM pg_namespace n WHERE n.oid = d.defaclnamespace), ''), d.defaclobjtype::text,
	CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, pg_get_userbyid(a.grantor), a.privilege_type, a.is_grantable
FROM pg_default_acl d, aclexplode(d.defaclacl) WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, nr) ORDER BY 1, 2, 3, a.nr`, func(f pgx.Rows) error {
		var d DefaultRights
		var g Right
		err := f.Scan(&d.Role, &d.Schema, &d.Kind, &g.Grantee, &g.Grantor, &g.Privilege, &g.Grantable)
		if n := len(r.db.Defaults); n > 0 && r.db.Defaults[n-1].Role == d.Role && r.db.Defaults[n-1].Schema == d.Schema && r.db.Defaults[n-1].Kind == d.Kind {
			r.db.Defaults[n-1].ACL = append(r.db.Defaults[n-1].ACL, g)
			return err
		}
		d.ACL = []Right{g}
		r.db.Defaults = append(r.db.Defaults, d)
		return err
	})
}

func (r *reading) definers(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `SELECT n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), pg_get_userbyid(p.proowner)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND `+own+` AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e') ORDER BY 1, 2, 3`, func(f pgx.Rows) error {
		var d Definer
		err := f.Scan(&d.Schema, &d.Name, &d.Arguments, &d.Owner)
		r.db.Definers = append(r.db.Definers, d)
		return err
	})
}

func (r *reading) large(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `SELECT 'pg_catalog.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', pg_get_userbyid(p.proowner),
	CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, pg_get_userbyid(a.grantor), a.privilege_type, a.is_grantable
FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, nr)
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea') ORDER BY 1, a.nr`, func(f pgx.Rows) error {
		var fn Function
		var g Right
		err := f.Scan(&fn.Name, &fn.Owner, &g.Grantee, &g.Grantor, &g.Privilege, &g.Grantable)
		if n := len(r.db.Large); n == 0 || r.db.Large[n-1].Name != fn.Name {
			r.db.Large = append(r.db.Large, fn)
		}
		last := &r.db.Large[len(r.db.Large)-1]
		last.ACL = append(last.ACL, g)
		return err
	})
}

func (r *reading) casts(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `SELECT pg_describe_object('pg_cast'::regclass, c.oid, 0) FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc JOIN pg_language l ON l.oid = p.prolang
WHERE c.oid >= 16384 AND c.casttarget IN ('json'::regtype, 'jsonb'::regtype) AND l.lanname NOT IN ('c', 'internal') ORDER BY 1`, func(f pgx.Rows) error {
		var cast string
		err := f.Scan(&cast)
		r.db.JSONCasts = append(r.db.JSONCasts, cast)
		return err
	})
}

func (r *reading) publications(ctx context.Context, tx pgx.Tx) error {
	return rows(ctx, tx, `SELECT p.pubname FROM pg_publication p WHERE p.puballtables OR EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid)
	OR EXISTS (SELECT FROM pg_publication_rel s WHERE s.prpubid = p.oid AND s.prqual IS NULL) ORDER BY 1`, func(f pgx.Rows) error {
		var name string
		err := f.Scan(&name)
		r.db.Publications = append(r.db.Publications, name)
		return err
	})
}

// guard reads what stands of schema garant.
func (r *reading) guard(ctx context.Context, tx pgx.Tx) error {
	var here, role bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'garant' AND c.relname = 'installed'),
	EXISTS (SELECT FROM pg_roles WHERE rolname = 'garant_sec')`).Scan(&here, &role)
	if err != nil {
		return err
	}
	if role {
		if err := tx.QueryRow(ctx, `SELECT has_parameter_privilege('garant_sec', 'backtrace_functions', 'SET')`).Scan(&r.db.SetsPin); err != nil {
			return err
		}
	}
	if here {
		if err := tx.QueryRow(ctx, `SELECT design, version FROM garant.installed`).Scan(&r.db.Design, &r.db.GarantVersion); err != nil {
			return err
		}
	}
	return rows(ctx, tx, `SELECT CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, pg_get_userbyid(a.grantor), a.privilege_type, a.is_grantable,
	'garant.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')'
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE n.nspname = 'garant' ORDER BY 5, 1`, func(f pgx.Rows) error {
		var g Right
		err := f.Scan(&g.Grantee, &g.Grantor, &g.Privilege, &g.Grantable, &g.Object)
		r.db.Executes = append(r.db.Executes, g)
		return err
	})
}

func byName(a, b *Relation) int {
	return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
}
