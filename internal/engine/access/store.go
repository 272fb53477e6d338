package access

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// read connects to a database as the role of its declared address and reads its catalogue in
// one read-only transaction. No table of the company is opened. The second result says why
// nothing was read.
func (k *looker) read(ctx context.Context, d *estate.Database) (*snapshot, *item) {
	cannot := func(p Problem, expected, actual string) (*snapshot, *item) {
		return nil, &item{p, expected, clean(actual)}
	}
	address, err := d.URL.Reveal()
	if err != nil {
		return cannot(BadAddress, "postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full", "the secret cannot be read")
	}
	cfg, err := pgx.ParseConfig(address)
	if err != nil || !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") && !strings.Contains(address, "=") {
		return cannot(BadAddress, "postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full", "not an address of PostgreSQL")
	}
	if !pg.Verified(cfg) {
		return cannot(Unverified, "sslmode=verify-full", "the server’s certificate is not verified")
	}
	// Nothing is prepared by name, so that a pooler between us does no harm.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.RuntimeParams["application_name"] = "garant"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return cannot(connection(err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var s *snapshot
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		r := &reader{ctx: ctx, tx: tx, tables: k.tables}
		s = r.snapshot()
		return r.err
	})
	var large *tooLarge
	switch {
	case errors.As(err, &large):
		return cannot(TooLarge, fmt.Sprintf("at most %d %s", large.most, large.what), "more")
	case err != nil:
		return cannot(Unreadable, "the system catalogue", unreadable(err))
	}
	if s.system != d.System || s.name != d.Database {
		return cannot(Impostor, "system "+d.System+", database "+d.Database, "system "+s.system+", database "+s.name)
	}
	return s, nil
}

// connection says why a database did not let us in, in words that hold no part of the address.
func connection(err error) (p Problem, expected, actual string) {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		switch answer.Code[:2] {
		case "28", "3D", "42", "55":
			return Refused, "a connection", "SQLSTATE " + answer.Code
		}
		return Unreachable, "a connection", "SQLSTATE " + answer.Code
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return Unverified, "a certificate that verifies", "the server’s certificate does not verify"
	}
	if strings.Contains(err.Error(), "server refused TLS") {
		return Unverified, "TLS", "the server refuses TLS"
	}
	return Unreachable, "a connection", "no answer"
}

func unreadable(err error) string {
	if state := pg.SQLState(err); state != "" {
		return "SQLSTATE " + state
	}
	return "the connection was lost"
}

// tooLarge says that a database has more of something than is looked at.
type tooLarge struct {
	what string
	most int
}

func (t *tooLarge) Error() string { return fmt.Sprintf("more than %d %s", t.most, t.what) }

// reader reads a snapshot; after the first error it reads nothing more.
type reader struct {
	ctx    context.Context
	tx     pgx.Tx
	tables int
	err    error
}

// one reads a single row.
func (r *reader) one(sql string, into ...any) {
	if r.err == nil {
		r.err = r.tx.QueryRow(r.ctx, sql).Scan(into...)
	}
}

// each reads rows; into are scanned again for every call of row.
func (r *reader) each(sql string, into []any, row func(), args ...any) {
	if r.err != nil {
		return
	}
	rows, err := r.tx.Query(r.ctx, sql, args...)
	if err == nil {
		_, err = pgx.ForEachRow(rows, into, func() error { row(); return nil })
	}
	r.err = err
}

// bound makes what there is too much of an error.
func (r *reader) bound(count, most int, what string) {
	if r.err == nil && count > most {
		r.err = &tooLarge{what, most}
	}
}

// own holds for schemas of the company: not the system's, not of somebody's session.
const own = ` n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' `

// holders are tables of the system that hold values of the company's: statistics of columns, and
// large objects. Nobody but superusers may read them unless somebody granted it.
const holders = `'pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject'`

func (r *reader) snapshot() *snapshot {
	s := newSnapshot()
	if r.err == nil {
		_, r.err = r.tx.Exec(r.ctx, `SET LOCAL search_path = pg_catalog`)
	}
	if r.err == nil {
		_, r.err = r.tx.Exec(r.ctx, `SET LOCAL statement_timeout = '8s'`)
	}
	if r.err == nil {
		_, r.err = r.tx.Exec(r.ctx, `SET LOCAL lock_timeout = '2s'`)
	}
	r.one(`SELECT (SELECT system_identifier::text FROM pg_control_system()), d.datname::text, d.datdba, current_setting('server_version_num')::integer,
	current_user::text, coalesce(NOT (inet_server_addr() <<= inet '127.0.0.0/8' OR inet_server_addr() = inet '::1'), false), coalesce((SELECT t.ssl FROM pg_stat_ssl AS t WHERE t.pid = pg_backend_pid()), false)
FROM pg_database AS d WHERE d.datname = current_database()`, &s.system, &s.name, &s.owner, &s.version, &s.me, &s.remote, &s.encrypted)
	r.roles(s)
	r.schemas(s)
	r.relations(s)
	r.functions(s)
	r.settings(s)
	r.rules(s)
	return s
}

func (r *reader) roles(s *snapshot) {
	var x role
	r.each(`SELECT oid, rolname::text, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls FROM pg_roles ORDER BY oid LIMIT $1`,
		[]any{&x.oid, &x.name, &x.super, &x.inherit, &x.createRole, &x.createDB, &x.login, &x.replication, &x.bypassRLS},
		func() { one := x; s.roles[one.oid] = &one; s.byName[one.name] = &one }, maxRoles+1)
	r.bound(len(s.roles), maxRoles, "roles")
	// From version 16 on a membership may be one in name only: neither inherited nor open to
	// SET ROLE. With the admin option its holder changes that alone.
	of := `true`
	if s.version >= 160000 {
		of = `inherit_option OR set_option OR admin_option`
	}
	var member, group uint32
	edges := 0
	r.each(`SELECT DISTINCT member, roleid FROM pg_auth_members WHERE `+of+` ORDER BY member, roleid LIMIT $1`, []any{&member, &group}, //nolint:gosec // constants
		func() { edges++; s.memberOf[member] = append(s.memberOf[member], group) }, 10*maxRoles+1)
	r.bound(edges, 10*maxRoles, "memberships")
}

func (r *reader) schemas(s *snapshot) {
	var x schema
	r.each(`SELECT n.oid, n.nspname::text, n.nspowner FROM pg_namespace AS n WHERE`+own+`OR n.nspname = 'pg_catalog' ORDER BY n.oid`, []any{&x.oid, &x.name, &x.owner},
		func() { one := x; s.schemas[one.oid] = &one })
	var oid, grantee uint32
	var privilege string
	r.each(`SELECT n.oid, a.grantee, a.privilege_type FROM pg_namespace AS n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a WHERE`+own+`OR n.nspname = 'pg_catalog'`,
		[]any{&oid, &grantee, &privilege}, func() { s.schemas[oid].grants.add(privilege, grantee) })
	r.each(`SELECT a.grantee, a.privilege_type FROM pg_database AS d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a WHERE d.datname = current_database()`,
		[]any{&grantee, &privilege}, func() { s.grants.add(privilege, grantee) })
	var describe string
	r.each(`SELECT DISTINCT d.refobjid FROM pg_shdepend AS d WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'
	AND (d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) OR d.classid = 'pg_database'::regclass AND d.objid = (SELECT oid FROM pg_database WHERE datname = current_database()))`,
		[]any{&oid}, func() { s.owners[oid] = true })
	var kind string
	r.each(`SELECT d.refobjid, d.deptype::text, coalesce(pg_describe_object(d.classid, d.objid, d.objsubid), 'an object')
FROM pg_shdepend AS d WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype IN ('o', 'a', 'r')
	AND (d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) OR d.classid = 'pg_database'::regclass AND d.objid = (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY 1, 2, 3 LIMIT $1`, []any{&oid, &kind, &describe}, func() { s.depends[oid] = append(s.depends[oid], dependence{kind == "o", describe}) }, maxColumns)
}

func (r *reader) relations(s *snapshot) {
	const kinds = ` c.relkind IN ('r', 'p', 'v', 'm', 'f') AND (` + own + `OR n.nspname = 'pg_catalog' AND c.relname IN (` + holders + `)) `
	var x relation
	var space uint32
	r.each(`SELECT c.oid, c.relnamespace, c.relname::text, c.relkind::text, c.relowner,
	EXISTS (SELECT FROM pg_options_to_table(c.reloptions) AS o WHERE o.option_name = 'security_invoker' AND o.option_value::boolean)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE`+kinds+`ORDER BY c.oid LIMIT $1`,
		[]any{&x.oid, &space, &x.name, &x.kind, &x.owner, &x.invoker}, func() { one := x; one.schema = s.schemas[space]; s.relations[one.oid] = &one }, r.tables+1)
	r.bound(len(s.relations), r.tables, "tables and views")
	var oid, grantee uint32
	var number int16
	var name, typ, privilege string
	r.each(`SELECT c.oid, a.grantee, a.privilege_type FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, aclexplode(c.relacl) AS a WHERE`+kinds,
		[]any{&oid, &grantee, &privilege}, func() { s.relations[oid].grants.add(privilege, grantee) })
	columns := 0
	// A domain is told by what it is made of.
	r.each(`SELECT a.attrelid, a.attnum, a.attname::text, format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END, NULL)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped AND`+kinds+`ORDER BY a.attrelid, a.attnum LIMIT $1`,
		[]any{&oid, &number, &name, &typ}, func() {
			columns++
			s.relations[oid].columns = append(s.relations[oid].columns, &column{number: number, name: name, typ: typ})
		}, maxColumns+1)
	r.bound(columns, maxColumns, "columns")
	r.each(`SELECT a.attrelid, a.attnum, e.grantee, e.privilege_type
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace, aclexplode(a.attacl) AS e
WHERE a.attnum > 0 AND NOT a.attisdropped AND`+kinds, []any{&oid, &number, &grantee, &privilege}, func() {
		if c := s.relations[oid].column(number); c != nil {
			c.grants.add(privilege, grantee)
		}
	})
	// What views and rules read: the columns they name, or the whole relation when they name none.
	var reads uint32
	var subject int32
	r.each(`SELECT DISTINCT w.ev_class, d.refobjid, d.refobjsubid FROM pg_rewrite AS w JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
	AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
JOIN pg_class AS c ON c.oid = w.ev_class JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE`+kinds+`ORDER BY 1, 2, 3`,
		[]any{&oid, &reads, &subject}, func() {
			s.relations[oid].reads = append(s.relations[oid].reads, reference{reads, int16(subject)}) //nolint:gosec // a column's number
		})
}

func (r *reader) functions(s *snapshot) {
	const from = ` FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.prokind IN ('f', 'p', 'w') AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') AND`
	var x function
	var space uint32
	r.each(`SELECT p.oid, p.pronamespace, p.proname::text, p.proowner, p.prosecdef, p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype), l.lanname::text, left(p.prosrc, 20001)`+
		from+own+`ORDER BY p.oid LIMIT $1`,
		[]any{&x.oid, &space, &x.name, &x.owner, &x.definer, &x.trigger, &x.language, &x.source},
		func() { one := x; one.schema = s.schemas[space]; s.functions[one.oid] = &one }, maxFunctions+1)
	r.bound(len(s.functions), maxFunctions, "functions")
	var oid, grantee, reads uint32
	var privilege string
	r.each(`SELECT f.oid, a.grantee, a.privilege_type FROM (SELECT p.oid, p.proacl, p.proowner`+from+own+`AND p.prosecdef) AS f,
	aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS a`, []any{&oid, &grantee, &privilege}, func() { s.functions[oid].grants.add(privilege, grantee) })
	// Bodies in standard SQL name what they read in the catalogue rather than in their text.
	r.each(`SELECT DISTINCT d.objid, d.refobjid FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass) AND d.deptype = 'n'`,
		[]any{&oid, &reads}, func() {
			if f := s.functions[oid]; f != nil {
				f.reads = append(f.reads, reads)
			}
		})
}

func (r *reader) settings(s *snapshot) {
	var name, value string
	r.each(`SELECT name, setting FROM pg_settings WHERE name IN ('ssl', 'ssl_min_protocol_version', 'listen_addresses')`, []any{&name, &value}, func() { s.settings[name] = value })
}

func (r *reader) rules(s *snapshot) {
	r.one(`SELECT has_table_privilege('pg_hba_file_rules', 'SELECT') AND has_function_privilege('pg_hba_file_rules()', 'EXECUTE')`, &s.rulesSeen)
	if !s.rulesSeen {
		return
	}
	var x rule
	r.each(`SELECT coalesce(line_number, 0), coalesce(type, ''), coalesce(database, '{}'), coalesce(user_name, '{}'), coalesce(address, ''), coalesce(netmask, ''), coalesce(auth_method, ''), coalesce(error, '') <> ''
FROM pg_hba_file_rules`, []any{&x.line, &x.kind, &x.databases, &x.users, &x.address, &x.mask, &x.method, &x.broken}, func() { s.rules = append(s.rules, x); x = rule{} })
}
