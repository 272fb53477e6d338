package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/token"
)

// What is looked at is bounded, so that a look ends: what has more of it is an error, not a pass.
const (
	maxRelations = 20000
	maxColumns   = 400000
	maxFunctions = 50000
	maxRoles     = 20000
)

// reader reads a catalogue; after the first error it reads nothing more.
type reader struct {
	ctx context.Context
	tx  pgx.Tx
	err error
}

// one reads a single row.
func (r *reader) one(sql string, into ...any) {
	if r.err == nil {
		r.err = r.tx.QueryRow(r.ctx, sql).Scan(into...)
	}
}

// each reads rows; into are scanned again for every call of row.
func (r *reader) each(sql string, into []any, row func()) {
	if r.err != nil {
		return
	}
	rows, err := r.tx.Query(r.ctx, sql)
	if err == nil {
		_, err = pgx.ForEachRow(rows, into, func() error { row(); return nil })
	}
	r.err = err
}

// bound makes what there is too much of an error.
func (r *reader) bound(count, most int, what string) {
	if r.err == nil && count > most {
		r.err = tooMuch(what, most)
	}
}

// acls reads grants: of sql's rows the first column is the oid of what they are on.
func (r *reader) acls(sql string, of func(oid uint32) *[]grant) {
	var oid uint32
	var g grant
	r.each(sql, []any{&oid, &g.grantee, &g.privilege, &g.grantable}, func() {
		if acl := of(oid); acl != nil {
			*acl = append(*acl, g)
		}
	})
}

// ours holds for schemas of the company and for Garant's own: not the system's, not of somebody's
// session. theirs are tables and functions
// of extensions, and constructors that came with a type.
const (
	ours   = ` n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' `
	theirs = ` EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = '%s'::regclass AND d.objid = %s.oid AND (d.deptype = 'e' OR d.deptype = 'i' AND d.classid = 'pg_proc'::regclass)) `
	// closed are relations of the system that not everybody may read, because they hold values of rows,
	// secrets or files.
	closed = ` 'pg_authid', 'pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_user_mapping', 'pg_file_settings', 'pg_hba_file_rules',
	'pg_ident_file_mappings', 'pg_config', 'pg_shmem_allocations', 'pg_backend_memory_contexts', 'pg_replication_origin_status' `
	exploded = ` a.grantee, a.privilege_type, a.is_grantable `
)

// read reads the whole catalogue in the caller's transaction, which should be one snapshot.
func read(ctx context.Context, tx pgx.Tx) (*catalogue, error) {
	c := &catalogue{
		roles: map[uint32]*role{}, byName: map[string]*role{}, schemas: map[uint32]*schema{}, relations: map[uint32]*relation{},
		functions: map[uint32]*function{}, values: map[string]string{}, hidden: map[string]string{},
	}
	r := &reader{ctx: ctx, tx: tx}
	r.one(`SELECT d.datname::text, quote_ident(d.datname), d.datdba, current_setting('server_version_num')::integer, current_user::text,
	(SELECT u.rolsuper FROM pg_roles AS u WHERE u.rolname = current_user)
FROM pg_database AS d WHERE d.datname = current_database()`, &c.database, &c.printed, &c.owner, &c.version, &c.me, &c.super)
	r.acls(`SELECT d.oid,`+exploded+`FROM pg_database AS d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a WHERE d.datname = current_database()`,
		func(uint32) *[]grant { return &c.acl })
	r.roles(c)
	r.schemas(c)
	r.relations(c)
	r.columns(c)
	r.policies(c)
	r.keys(c)
	r.functions(c)
	r.references(c)
	r.cluster(c)
	r.outside(c)
	r.settings(c)
	r.tenancy(c)
	return c, r.err
}

func (r *reader) roles(c *catalogue) {
	var x role
	r.each(fmt.Sprintf(`SELECT oid, rolname::text, quote_ident(rolname), rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls
FROM pg_roles ORDER BY oid LIMIT %d`, maxRoles+1),
		[]any{&x.oid, &x.name, &x.printed, &x.super, &x.inherit, &x.createRole, &x.createDB, &x.login, &x.replication, &x.bypassRLS},
		func() { one := x; c.roles[one.oid] = &one; c.byName[one.name] = &one })
	r.bound(len(c.roles), maxRoles, "roles")
	// From version 16 on a membership may be one in name only: neither inherited nor open to SET
	// ROLE. With the admin option its holder changes that alone.
	usable := `true`
	if c.version >= 160000 {
		usable = `inherit_option OR set_option OR admin_option`
	}
	var m membership
	r.each(`SELECT roleid, member, bool_or(admin_option), bool_or(`+usable+`) FROM pg_auth_members GROUP BY roleid, member ORDER BY roleid, member`,
		[]any{&m.group, &m.member, &m.admin, &m.usable}, func() { c.members = append(c.members, m) })
}

func (r *reader) schemas(c *catalogue) {
	var x schema
	r.each(`SELECT n.oid, n.nspname::text, quote_ident(n.nspname), n.nspowner FROM pg_namespace AS n WHERE`+ours+`OR n.nspname = 'pg_catalog' ORDER BY n.oid`,
		[]any{&x.oid, &x.name, &x.printed, &x.owner}, func() { one := x; c.schemas[one.oid] = &one })
	r.acls(`SELECT n.oid,`+exploded+`FROM pg_namespace AS n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a WHERE`+ours,
		func(oid uint32) *[]grant { return &c.schemas[oid].acl })
}

const relationKinds = ` c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND (` + ours + ` OR n.nspname = 'pg_catalog' AND c.relname IN (` + closed + `)) `

func (r *reader) relations(c *catalogue) {
	const from = ` FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE` + relationKinds
	var x relation
	var space uint32
	r.each(`SELECT c.oid, c.relnamespace, c.relname::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind::text, c.relowner, c.relrowsecurity, c.relforcerowsecurity,
	EXISTS (SELECT FROM pg_options_to_table(c.reloptions) AS o WHERE o.option_name = 'security_invoker' AND o.option_value::boolean), c.relispopulated, c.relispartition,`+
		fmt.Sprintf(theirs, "pg_class", "c")+from+fmt.Sprintf(`ORDER BY c.oid LIMIT %d`, maxRelations+1),
		[]any{&x.oid, &space, &x.name, &x.printed, &x.kind, &x.owner, &x.rls, &x.forced, &x.invoker, &x.populated, &x.partition, &x.extension},
		func() { one := x; one.schema = c.schemas[space]; c.relations[one.oid] = &one })
	r.bound(len(c.relations), maxRelations, "tables, views and sequences")
	r.acls(`SELECT c.oid,`+exploded+`FROM (SELECT c.oid, c.relacl`+from+`) AS c, aclexplode(c.relacl) AS a`, func(oid uint32) *[]grant { return &c.relations[oid].acl })
	var child, parent uint32
	r.each(`SELECT inhrelid, inhparent FROM pg_inherits ORDER BY inhrelid, inhseqno`, []any{&child, &parent}, func() {
		if rel := c.relations[child]; rel != nil {
			rel.parents = append(rel.parents, parent)
		}
	})
	r.each(`SELECT d.objid, d.refobjid FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid AND c.relkind = 'S'
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')`, []any{&child, &parent}, func() {
		if rel := c.relations[child]; rel != nil {
			rel.ownedBy = parent
		}
	})
}

// domain is what a type is made over.
type domain struct {
	base    uint32
	notNull bool
	name    string
}

func (r *reader) columns(c *catalogue) {
	domains := map[uint32]domain{}
	var oid, typ uint32
	var d domain
	r.each(`SELECT t.oid, t.typbasetype, t.typnotnull, format_type(t.typbasetype, NULL) FROM pg_type AS t WHERE t.typtype = 'd'`,
		[]any{&oid, &d.base, &d.notNull, &d.name}, func() { domains[oid] = d })
	const from = ` FROM pg_attribute AS t JOIN pg_class AS c ON c.oid = t.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE t.attnum > 0 AND NOT t.attisdropped AND c.relkind <> 'S' AND n.nspname <> 'pg_catalog' AND` + relationKinds
	var x column
	seen := 0
	r.each(`SELECT c.oid, t.attnum, t.attname::text, quote_ident(t.attname), t.atttypid, format_type(t.atttypid, NULL), t.attnotnull,
	CASE WHEN t.attgenerated = '' THEN coalesce((SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d WHERE d.adrelid = t.attrelid AND d.adnum = t.attnum), '') ELSE '' END,
	t.attidentity <> '', t.attidentity = 'a' OR t.attgenerated <> '', coalesce((SELECT NOT l.collisdeterministic FROM pg_collation AS l WHERE l.oid = t.attcollation), false)`+from+
		fmt.Sprintf(`ORDER BY t.attrelid, t.attnum LIMIT %d`, maxColumns+1),
		[]any{&oid, &x.number, &x.name, &x.printed, &typ, &x.typ, &x.notNull, &x.value, &x.serial, &x.always, &x.loose}, func() {
			one := x
			for at, ok := domains[typ]; ok; at, ok = domains[at.base] {
				one.typ, one.notNull = at.name, one.notNull || at.notNull
			}
			one.serial = one.serial || strings.Contains(one.value, "nextval(")
			c.relations[oid].columns = append(c.relations[oid].columns, &one)
			seen++
		})
	r.bound(seen, maxColumns, "columns")
	var number int16
	var g grant
	r.each(`SELECT t.oid, t.attnum,`+exploded+`FROM (SELECT c.oid, t.attnum, t.attacl`+from+`AND t.attacl IS NOT NULL) AS t, aclexplode(t.attacl) AS a`,
		[]any{&oid, &number, &g.grantee, &g.privilege, &g.grantable}, func() {
			if col := c.relations[oid].number(number); col != nil {
				col.acl = append(col.acl, g)
			}
		})
}

func (r *reader) policies(c *catalogue) {
	var oid, of uint32
	var x policy
	byOID := map[uint32]*policy{}
	r.each(`SELECT p.oid, p.polrelid, p.polname::text, quote_ident(p.polname), p.polpermissive, p.polroles::oid[], p.polcmd::text,
	coalesce(pg_get_expr(p.polqual, p.polrelid), ''), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') FROM pg_policy AS p ORDER BY p.polrelid, p.polname`,
		[]any{&oid, &of, &x.name, &x.printed, &x.permissive, &x.roles, &x.command, &x.using, &x.check}, func() {
			one := x
			one.roles = slices.Clone(x.roles)
			byOID[oid] = &one
			if rel := c.relations[of]; rel != nil {
				rel.policies = append(rel.policies, &one)
			}
		})
	var ref uint32
	var procedure bool
	r.each(`SELECT DISTINCT d.objid, d.refobjid, d.refclassid = 'pg_proc'::regclass FROM pg_depend AS d JOIN pg_policy AS p ON p.oid = d.objid
WHERE d.classid = 'pg_policy'::regclass AND (d.refclassid = 'pg_proc'::regclass OR d.refclassid = 'pg_class'::regclass AND d.refobjid <> p.polrelid) ORDER BY 1, 2`,
		[]any{&oid, &ref, &procedure}, func() {
			switch p := byOID[oid]; {
			case p == nil:
			case procedure:
				p.calls = append(p.calls, ref)
			default:
				p.reads = append(p.reads, ref)
			}
		})
}

func (r *reader) keys(c *catalogue) {
	var of uint32
	var i index
	r.each(`SELECT x.indrelid, k.relname::text, quote_ident(n.nspname) || '.' || quote_ident(k.relname), x.indisunique, x.indisprimary, x.indisvalid, x.indisexclusion, x.indpred IS NOT NULL, EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhrelid = x.indexrelid),
	(x.indkey::int2[])[0:x.indnkeyatts - 1], EXISTS (SELECT FROM pg_constraint AS q WHERE q.conindid = x.indexrelid AND q.contype IN ('p', 'u', 'x')), m.amname::text
FROM pg_index AS x JOIN pg_class AS k ON k.oid = x.indexrelid JOIN pg_class AS c ON c.oid = x.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_am AS m ON m.oid = k.relam
WHERE n.nspname <> 'pg_catalog' AND`+relationKinds+`ORDER BY 1, 2`,
		[]any{&of, &i.name, &i.printed, &i.unique, &i.primary, &i.valid, &i.exclusion, &i.partial, &i.inherited, &i.columns, &i.constraint, &i.method}, func() {
			one := i
			one.columns = slices.Clone(i.columns)
			c.relations[of].indexes = append(c.relations[of].indexes, &one)
		})
	var k constraint
	r.each(`SELECT q.conrelid, q.conname::text, quote_ident(q.conname), q.contype::text, coalesce(q.conkey, '{}'), q.confrelid, coalesce(q.confkey, '{}'), q.confupdtype::text, q.confdeltype::text,
	q.convalidated, q.conparentid <> 0 FROM pg_constraint AS q WHERE q.contype IN ('f', 'c') AND q.conrelid <> 0 ORDER BY q.conrelid, q.conname`,
		[]any{&of, &k.name, &k.printed, &k.kind, &k.columns, &k.references, &k.referenced, &k.onUpdate, &k.onDelete, &k.validated, &k.inherited}, func() {
			if rel := c.relations[of]; rel != nil {
				one := k
				one.columns, one.referenced = slices.Clone(k.columns), slices.Clone(k.referenced)
				rel.constraints = append(rel.constraints, &one)
			}
		})
	var t trigger
	r.each(`SELECT t.tgrelid, t.tgname::text, quote_ident(t.tgname), t.tgfoid, t.tgenabled <> 'D', `+token.TriggerColumns+` FROM pg_trigger AS t WHERE NOT t.tgisinternal AND t.tgparentid = 0 ORDER BY 1, 2`,
		append([]any{&of, &t.name, &t.printed, &t.function, &t.enabled}, t.is.Targets()...), func() {
			if rel := c.relations[of]; rel != nil {
				rel.triggers = append(rel.triggers, t)
			}
		})
	var cast string
	r.each(`SELECT pg_describe_object('pg_cast'::regclass, c.oid, 0) FROM pg_cast AS c JOIN pg_proc AS p ON p.oid = c.castfunc JOIN pg_language AS l ON l.oid = p.prolang
WHERE c.oid >= 16384 AND c.casttarget IN ('json'::regtype, 'jsonb'::regtype) AND l.lanname NOT IN ('c', 'internal') ORDER BY 1`, []any{&cast}, func() { c.casts = append(c.casts, cast) })
	var name string
	r.each(`SELECT w.ev_class, quote_ident(w.rulename) FROM pg_rewrite AS w WHERE w.rulename <> '_RETURN' ORDER BY 1, 2`, []any{&of, &name}, func() {
		if rel := c.relations[of]; rel != nil {
			rel.rules = append(rel.rules, name)
		}
	})
}

// functionKinds are functions of the company, and of the system those that not everybody was
// given, because they reach files, sessions or other people's statistics.
const functionKinds = ` (` + ours + `OR n.nspname = 'pg_catalog' AND (p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea') OR EXISTS (SELECT FROM pg_init_privs AS i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid
	AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) AS e WHERE e.grantee = 0)))) `

func (r *reader) functions(c *catalogue) {
	const from = ` FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang WHERE` + functionKinds
	var x function
	var space uint32
	r.each(`SELECT p.oid, p.pronamespace, p.proname::text, quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')', p.prokind::text, p.proowner,
	p.prosecdef, p.proleakproof, coalesce(p.proconfig, '{}'), l.lanname::text, CASE WHEN n.nspname = 'pg_catalog' THEN '' ELSE coalesce(p.prosrc, '') END, CASE WHEN n.nspname = 'garant' THEN coalesce(pg_get_function_sqlbody(p.oid), '') ELSE '' END,`+
		fmt.Sprintf(theirs, "pg_proc", "p")+`, p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype), n.nspname = 'pg_catalog',
	coalesce((SELECT array_agg(format_type(t.typ, NULL) ORDER BY t.n) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t (typ, n)), '{}'), p.proretset, format_type(p.prorettype, NULL), p.provolatile = 'v'`+
		from+fmt.Sprintf(`ORDER BY p.oid LIMIT %d`, maxFunctions+1),
		[]any{&x.oid, &space, &x.name, &x.printed, &x.kind, &x.owner, &x.definer, &x.leakproof, &x.config, &x.language, &x.source, &x.body, &x.extension, &x.trigger, &x.system,
			&x.arguments, &x.setOf, &x.returns, &x.volatile}, func() {
			one := x
			one.schema, one.config, one.arguments = c.schemas[space], slices.Clone(x.config), slices.Clone(x.arguments)
			c.functions[one.oid] = &one
		})
	r.bound(len(c.functions), maxFunctions, "functions")
	r.acls(`SELECT p.oid,`+exploded+`FROM (SELECT p.oid, p.proacl, p.proowner`+from+`) AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a`,
		func(oid uint32) *[]grant { return &c.functions[oid].acl })
}

// references reads what views and functions in standard SQL name.
func (r *reader) references(c *catalogue) {
	var from, to uint32
	r.each(`SELECT DISTINCT w.ev_class, d.refobjid FROM pg_rewrite AS w JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
	AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass) AND d.refobjid <> w.ev_class WHERE w.rulename = '_RETURN' ORDER BY 1, 2`,
		[]any{&from, &to}, func() {
			if rel := c.relations[from]; rel != nil {
				rel.reads = append(rel.reads, to)
			}
		})
	r.each(`SELECT DISTINCT d.objid, d.refobjid FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass) AND d.deptype = 'n' ORDER BY 1, 2`,
		[]any{&from, &to}, func() {
			if f := c.functions[from]; f != nil {
				f.reads = append(f.reads, to)
			}
		})
}

func (r *reader) cluster(c *catalogue) {
	var name, printed string
	r.each(`SELECT extname::text, quote_ident(extname) FROM pg_extension ORDER BY extname`, []any{&name, &printed}, func() { c.extensions = append(c.extensions, extension{name, printed}) })
	var l language
	r.each(`SELECT lanname::text, quote_ident(lanname), lanpltrusted, lanowner FROM pg_language WHERE lanname NOT IN ('internal', 'c', 'sql') ORDER BY lanname`,
		[]any{&l.name, &l.printed, &l.trusted, &l.owner}, func() { c.languages = append(c.languages, l) })
	var d defaultACL
	var oid uint32
	var acl = map[uint32]*defaultACL{}
	var order []uint32
	r.each(`SELECT d.oid, d.defaclrole, coalesce((SELECT quote_ident(n.nspname) FROM pg_namespace AS n WHERE n.oid = d.defaclnamespace), ''), d.defaclobjtype::text FROM pg_default_acl AS d ORDER BY 2, 3, 4`,
		[]any{&oid, &d.owner, &d.schema, &d.kind}, func() { one := d; acl[oid] = &one; order = append(order, oid) })
	r.acls(`SELECT d.oid,`+exploded+`FROM pg_default_acl AS d, aclexplode(d.defaclacl) AS a`, func(oid uint32) *[]grant { return &acl[oid].acl })
	for _, id := range order {
		c.defaults = append(c.defaults, *acl[id])
	}
	var p parameterGrant
	params := map[uint32]*parameterGrant{}
	order = nil
	r.each(`SELECT oid, parname FROM pg_parameter_acl ORDER BY parname`, []any{&oid, &p.name}, func() { one := p; params[oid] = &one; order = append(order, oid) })
	r.acls(`SELECT p.oid,`+exploded+`FROM pg_parameter_acl AS p, aclexplode(p.paracl) AS a`, func(oid uint32) *[]grant { return &params[oid].acl })
	for _, id := range order {
		c.parameters = append(c.parameters, *params[id])
	}
}

func (r *reader) outside(c *catalogue) {
	var s server
	var oid uint32
	servers := map[uint32]*server{}
	var order []uint32
	r.each(`SELECT s.oid, s.srvname::text, quote_ident(s.srvname), w.fdwname::text, s.srvowner, coalesce((SELECT array_agg(m.umuser ORDER BY m.umuser) FROM pg_user_mappings AS m WHERE m.srvid = s.oid), '{}')
FROM pg_foreign_server AS s JOIN pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw ORDER BY s.srvname`,
		[]any{&oid, &s.name, &s.printed, &s.wrapper, &s.owner, &s.mapped}, func() {
			one := s
			one.mapped = slices.Clone(s.mapped)
			servers[oid] = &one
			order = append(order, oid)
		})
	r.acls(`SELECT s.oid,`+exploded+`FROM pg_foreign_server AS s, aclexplode(s.srvacl) AS a`, func(oid uint32) *[]grant { return &servers[oid].acl })
	for _, id := range order {
		c.servers = append(c.servers, *servers[id])
	}
	var p publication
	index := map[uint32]int{}
	r.each(`SELECT oid, pubname::text, quote_ident(pubname), puballtables FROM pg_publication ORDER BY pubname`, []any{&oid, &p.name, &p.printed, &p.all},
		func() { index[oid] = len(c.pubs); c.pubs = append(c.pubs, p) })
	var t published
	r.each(`SELECT p.oid, c.oid, t.rowfilter IS NOT NULL FROM pg_publication_tables AS t JOIN pg_publication AS p ON p.pubname = t.pubname
JOIN pg_namespace AS n ON n.nspname = t.schemaname JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.tablename ORDER BY 1, 2`,
		[]any{&oid, &t.relation, &t.filtered}, func() { c.pubs[index[oid]].tables = append(c.pubs[index[oid]].tables, t) })
	var name string
	r.each(`SELECT quote_ident(slot_name) FROM pg_replication_slots WHERE NOT temporary AND (database IS NULL OR database = current_database()) ORDER BY slot_name`, []any{&name},
		func() { c.slots = append(c.slots, name) })
	r.each(`SELECT DISTINCT usename::text FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename IS NOT NULL ORDER BY 1`,
		[]any{&name}, func() { c.activity = append(c.activity, name) })
	r.large(c)
	r.jobs(c)
}

func (r *reader) large(c *catalogue) {
	var id int
	var owner uint32
	var rows []largeObject
	r.each(`SELECT min(m.n)::integer, m.lomowner FROM (SELECT dense_rank() OVER (ORDER BY lomowner, lomacl::text) AS n, lomowner FROM pg_largeobject_metadata) AS m GROUP BY m.n, m.lomowner ORDER BY m.n`,
		[]any{&id, &owner}, func() { rows = append(rows, largeObject{owner: owner}) })
	r.acls(`SELECT m.n::oid,`+exploded+`FROM (SELECT DISTINCT dense_rank() OVER (ORDER BY lomowner, lomacl::text) AS n, lomacl FROM pg_largeobject_metadata) AS m, aclexplode(m.lomacl) AS a ORDER BY 1`,
		func(n uint32) *[]grant { return &rows[n-1].acl })
	c.large = rows
}

// jobs reads those of pg_cron, which shows everybody only their own.
func (r *reader) jobs(c *catalogue) {
	var there, readable bool
	r.one(`SELECT to_regclass('cron.job') IS NOT NULL`, &there)
	if !there || r.err != nil {
		return
	}
	r.one(`SELECT has_schema_privilege('cron', 'USAGE') AND has_table_privilege('cron.job', 'SELECT') AND NOT row_security_active('cron.job')`, &readable)
	if r.err == nil && !readable {
		c.hidden["cron.job"] = "This role may not read every job of pg_cron."
		return
	}
	var j job
	r.optional(c, "cron.job", "The jobs of pg_cron cannot be read.", func() {
		r.each(`SELECT jobid, username::text FROM cron.job WHERE database = current_database() ORDER BY jobid`, []any{&j.id, &j.username}, func() { c.jobs = append(c.jobs, j) })
	})
}

// watched are settings that checks judge.
const watched = ` 'log_statement', 'log_min_duration_statement', 'log_min_duration_sample', 'log_transaction_sample_rate', 'log_parameter_max_length', 'log_parameter_max_length_on_error',
	'lo_compat_privileges', 'track_activities', 'max_prepared_transactions', 'default_transaction_isolation', 'row_security', 'session_replication_role', 'shared_preload_libraries', 'session_preload_libraries', 'local_preload_libraries', 'wal_level' `

func (r *reader) settings(c *catalogue) {
	var s roleSetting
	var line string
	r.each(`SELECT s.setrole, s.setdatabase <> 0, l FROM pg_db_role_setting AS s, unnest(s.setconfig) AS l
WHERE s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1, 2, 3`, []any{&s.role, &s.database, &line}, func() {
		one := s
		one.name, one.value, _ = strings.Cut(line, "=")
		c.settings = append(c.settings, one)
	})
	var name, value string
	r.each(`SELECT name, setting FROM pg_settings WHERE name IN (`+watched+`)`, []any{&name, &value}, func() { c.values[name] = value })
	var readable bool
	r.one(`SELECT has_table_privilege('pg_file_settings', 'SELECT') AND has_function_privilege('pg_show_all_file_settings()', 'EXECUTE')`, &readable)
	if !readable && r.err == nil {
		c.hidden["pg_file_settings"] = "This role may not read pg_file_settings."
		return
	}
	r.each(`SELECT name, coalesce(setting, '') FROM pg_file_settings WHERE name IS NOT NULL ORDER BY 1, 2`, []any{&name, &value}, func() { c.files = append(c.files, fileSetting{name, value}) })
}

// tenancy reads what stands in schema garant: its version for everybody, its keys for who may ask
// for their ages.
func (r *reader) tenancy(c *catalogue) {
	var there, readable bool
	r.one(`SELECT to_regclass('garant.installed') IS NOT NULL AND to_regprocedure('garant.keys()') IS NOT NULL`, &there)
	if !there || r.err != nil {
		return
	}
	r.one(`SELECT has_schema_privilege('garant', 'USAGE') AND has_table_privilege('garant.installed', 'SELECT')`, &readable)
	if !readable {
		c.hidden["garant.installed"] = "This role may not read garant.installed."
	} else {
		r.optional(c, "garant.installed", "garant.installed cannot be read.", func() {
			r.each(`SELECT version, design FROM garant.installed`, []any{&c.tenancy.version, &c.tenancy.design}, func() {})
		})
	}
	r.one(`SELECT has_schema_privilege('garant', 'USAGE') AND has_function_privilege('garant.keys()', 'EXECUTE')`, &readable)
	if r.err == nil && !readable {
		c.hidden["garant.keys"] = "This role may not ask for the ages of keys: GRANT EXECUTE ON FUNCTION garant.keys() TO it."
		return
	}
	var k key
	r.optional(c, "garant.keys", "garant.keys() does not answer.", func() {
		r.each(`SELECT id, database::text, installed_at, retires_at FROM garant.keys()`, []any{&k.id, &k.database, &k.installed, &k.retires}, func() { c.tenancy.keys = append(c.tenancy.keys, k) })
	})
}

// optional reads what may fail without hiding the rest: tables and functions that somebody else
// may have changed.
func (r *reader) optional(c *catalogue, what, why string, look func()) {
	if r.err != nil {
		return
	}
	outer := r.tx
	sub, err := outer.Begin(r.ctx)
	if err != nil {
		r.err = err
		return
	}
	r.tx = sub
	look()
	r.tx = outer
	if r.err != nil && r.ctx.Err() == nil {
		c.hidden[what], r.err = why, sub.Rollback(r.ctx)
		return
	}
	_ = sub.Rollback(r.ctx)
}
