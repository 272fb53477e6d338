package anonymise

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// lookAtAvailable signs in to the copy as developers do, and tries to sign in to the source with the same credentials (SEG-7).
func (a *Anonymise) lookAtAvailable(ctx context.Context, l *look) {
	copies, ok := a.arrive(ctx, l)
	if !ok || l.missing() {
		return
	}
	target, err := l.d.Anonymised.Target.Reveal()
	if err != nil {
		l.add(BadAddress, "an address", "that of the target cannot be read")
		return
	}
	l.rights(ctx, target, copies)
	for _, role := range l.d.Anonymised.Developers {
		if l.blind() {
			return
		}
		a.signIn(ctx, l, role)
	}
	l.inSource(ctx)
	l.raw["run"] = l.served.Run
}

// rights sees, as the copier, who may connect to the copies and what the developers' roles may besides.
func (l *look) rights(ctx context.Context, target string, copies []run.Copied) {
	conn, err := connect(ctx, target, l.d.Anonymised.Name)
	if err != nil {
		l.add(Unreachable, "an answer", "none of the copy"+state(err))
		return
	}
	defer hangUp(ctx, conn)
	var names []string
	for _, c := range copies {
		if c.State == run.Served || c.State == run.Previous { // nobody may enter the others
			names = append(names, c.Database)
		}
	}
	ask := func(p Problem, expected, sql string, args ...any) {
		rows, err := conn.Query(ctx, sql, args...)
		if err == nil {
			var found []string
			if found, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
				several(l, p, expected, found, func(s string) string { return s })
			}
		}
		if err != nil {
			l.add(Unreachable, "an answer", "the catalogue of the cluster for copies cannot be read"+state(err))
		}
	}
	developers := l.d.Anonymised.Developers
	// Whoever a right was given to, and of those who sign in also whoever has it through another role.
	ask(Others, strings.Join(developers, ", ")+" and no one else", `
WITH copy AS (SELECT oid, datname, datdba, datacl FROM pg_database WHERE datname = ANY ($1))
SELECT c.datname || ': ' || coalesce(r.rolname, 'everybody') FROM copy AS c CROSS JOIN aclexplode(coalesce(c.datacl, acldefault('d', c.datdba))) AS x LEFT JOIN pg_roles AS r ON r.oid = x.grantee
WHERE x.grantee <> c.datdba AND coalesce(r.rolname, '') <> ALL ($2) AND x.privilege_type = 'CONNECT'
UNION SELECT c.datname || ': ' || r.rolname FROM copy AS c CROSS JOIN pg_roles AS r
WHERE r.rolcanlogin AND NOT r.rolsuper AND r.oid <> c.datdba AND r.rolname <> ALL ($2) AND has_database_privilege(r.oid, c.oid, 'CONNECT')
ORDER BY 1`, names, developers)
	ask(Mighty, "roles that may sign in and nothing else", `
SELECT r.rolname || ': ' || concat_ws(', ', CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolcreaterole THEN 'makes roles' END, CASE WHEN r.rolcreatedb THEN 'makes databases' END,
	CASE WHEN r.rolreplication THEN 'replication' END, CASE WHEN r.rolbypassrls THEN 'passes row-level security' END,
	(SELECT 'member of ' || string_agg(g.rolname, ', ' ORDER BY g.rolname) FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid WHERE m.member = r.oid),
	(SELECT 'owner of ' || string_agg(d.datname, ', ' ORDER BY d.datname) FROM pg_database AS d WHERE d.datdba = r.oid))
FROM pg_roles AS r WHERE r.rolname = ANY ($1) AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
	OR EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid) OR EXISTS (SELECT FROM pg_database AS d WHERE d.datdba = r.oid))
ORDER BY 1`, developers)
	// A copy has neither: what is there was put in by hand, and leads elsewhere, wherever its options point.
	ask(Bridge, "none", `
SELECT 'foreign server ' || srvname FROM pg_foreign_server
UNION ALL SELECT 'subscription ' || subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1`)
}

// signIn does what a developer does with what Garant issued, in the copy and at the source's address.
func (a *Anonymise) signIn(ctx context.Context, l *look, role string) {
	pool := a.DB.Pool(pg.Worker) // the checker has no part in what opens the box
	have, err := credentialsOf(ctx, pool, l.d.Name)
	if err != nil {
		l.add(Unknown, "the credentials", "Garant’s own database does not answer")
		return
	}
	if !slices.ContainsFunc(have, func(c Credential) bool { return c.Role == role }) {
		l.add(NoCredential, "credentials for "+role, "none were issued")
		return
	}
	address, err := a.address(ctx, pool, l.d, role)
	if err != nil {
		l.add(Unknown, "the credentials of "+role, "they cannot be opened")
		return
	}
	if !l.reads(ctx, role, address) {
		return
	}
	l.count["roles"]++
	l.keptOut(ctx, role, address)
}

// reads sees that a developers' role is let in and finds tables that it may read.
func (l *look) reads(ctx context.Context, role, address string) bool {
	conn, err := connect(ctx, address, "")
	if err != nil {
		if refused(err) {
			l.add(ShutOut, "a session of "+role+" with what was issued", "refused"+state(err))
		} else {
			l.add(Unreachable, "an answer", "none for "+role+state(err))
		}
		return false
	}
	defer hangUp(ctx, conn)
	var tables int
	var closed []string
	if err := conn.QueryRow(ctx, `
WITH t AS (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS open
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
	AND NOT EXISTS (SELECT FROM pg_depend AS x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e'))
SELECT count(*) FILTER (WHERE open), ARRAY(SELECT name FROM t WHERE NOT open ORDER BY 1 LIMIT 3) FROM t`).Scan(&tables, &closed); err != nil {
		l.add(Unreachable, "an answer", "none for "+role+state(err))
		return false
	}
	if tables == 0 || len(closed) > 0 {
		l.add(Unreadable, "every table, for "+role, fmt.Sprintf("%d tables can be read, not %s", tables, strings.Join(closed, ", ")))
		return false
	}
	l.count["tables"] = max(l.count["tables"], tables)
	return true
}

// refused reports whether a server answered, and would not let somebody in: the credentials, the role, the rules or the right to connect.
func refused(err error) bool {
	code := pg.SQLState(err)
	return strings.HasPrefix(code, "28") || code == "3D000" || code == "42501"
}

// keptOut tries the credentials at the source. Only a refusal of whoever shows them will do.
func (l *look) keptOut(ctx context.Context, role, address string) {
	mine, err := pgx.ParseConfig(address)
	if err != nil {
		l.add(BadAddress, "an address", "that of the copy cannot be read")
		return
	}
	reader, err := l.d.Anonymised.Reader.Reveal()
	if err != nil {
		l.add(BadAddress, "an address", "that of the reader cannot be read")
		return
	}
	config, err := pgx.ParseConfig(reader)
	if err != nil {
		l.add(BadAddress, "an address", "that of the reader cannot be read")
		return
	}
	config.User, config.Password = role, mine.Password
	config.RuntimeParams = map[string]string{"application_name": "garant anonymise"}
	conn, err := pgx.ConnectConfig(ctx, config)
	switch code := pg.SQLState(err); {
	case err == nil:
		hangUp(ctx, conn)
		l.add(SourceOpen, "no session of "+role, "one, in "+l.d.Name)
	case strings.HasPrefix(code, "28"): // who shows them is not let in
	case refused(err): // they hold, and only this database is closed
		l.add(SourceOpen, "no session of "+role, "the credentials hold there"+state(err))
	default:
		l.add(SourceUnseen, "a refusal", "no answer to "+role+state(err))
	}
}

// source reaches the source as the reader does; nil: what keeps from it was added.
func (l *look) source(ctx context.Context) *pgx.Conn {
	address, err := l.d.Anonymised.Reader.Reveal()
	if err != nil {
		l.add(BadAddress, "an address", "that of the reader cannot be read")
		return nil
	}
	conn, err := connect(ctx, address, "")
	if err != nil {
		l.add(SourceUnseen, "an answer", "none of the source"+state(err))
		return nil
	}
	var system string
	switch err := conn.QueryRow(ctx, `SELECT system_identifier::text FROM pg_control_system()`).Scan(&system); {
	case err != nil:
		l.add(SourceUnseen, "an answer", "none of the source"+state(err))
	case system != l.d.System:
		l.add(Impostor, l.d.System, system+" at the address of the reader")
	default:
		return conn
	}
	hangUp(ctx, conn)
	return nil
}

// inSource looks for roles of the developers' names that may sign in to the source.
func (l *look) inSource(ctx context.Context) {
	conn := l.source(ctx)
	if conn == nil {
		return
	}
	defer hangUp(ctx, conn)
	rows, err := conn.Query(ctx, `SELECT rolname::text FROM pg_roles WHERE rolname = ANY ($1) AND rolcanlogin AND has_database_privilege(oid, current_database(), 'CONNECT') ORDER BY 1`, l.d.Anonymised.Developers)
	if err == nil {
		var found []string
		if found, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			several(l, SourceRole, "no role of a developers’ name", found, func(s string) string { return s })
		}
	}
	if err != nil {
		l.add(SourceUnseen, "the roles", "they cannot be read"+state(err))
	}
}

func sumAvailable(looks []*look) map[string]measure.Fact {
	roles, tables := 0, 0
	for _, l := range looks {
		roles += l.count["roles"]
		tables += l.count["tables"]
	}
	return map[string]measure.Fact{"roles": measure.Count(roles), "tables": measure.Count(tables), "anonymised": measure.Proven(allAnonymised(looks))}
}
