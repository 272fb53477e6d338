package move

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/internal/token"
)

func readSchema(ctx context.Context, conn *pgx.Conn) (*schema.Database, error) {
	return schema.Read(ctx, conn)
}

// prepare makes the target's tables when it has none: all of the source's, private ones too, which
// stay empty, so that the application's migrations find what they know. Keys, indexes, policies and
// triggers come after the rows.
func (m *Mover) prepare(ctx context.Context) error {
	if !m.st.Fresh {
		return nil
	}
	if err := m.roles(ctx); err != nil {
		return err
	}
	conn, err := m.dst.another(ctx)
	if err != nil {
		return err
	}
	_, err = token.Install(ctx, conn, m.design())
	if err == nil {
		for _, app := range m.o.Manifest.App {
			if err = token.Admit(ctx, conn, app); err != nil {
				break
			}
		}
	}
	hangUp(conn)
	if err != nil {
		return m.dst.named(err)
	}
	m.o.at("guarded")
	if err := m.tx(ctx, m.dst, func(tx pgx.Tx) error { return token.Close(ctx, tx, m.id) }); err != nil {
		return err
	}
	if _, done, err := m.did(ctx, "tables"); err != nil || done {
		return err
	}
	text, err := m.dump(ctx, "pre-data", func(string) bool { return true })
	if err != nil {
		return err
	}
	m.o.at("dumped")
	return m.restore(ctx, strings.Join(m.databaseRights(), "\n")+"\n"+text+"\n"+m.markSQL("tables")+";")
}

// design of a target whose tables the move makes: what is there already, else what was asked for, else the source's.
func (m *Mover) design() token.Design {
	return cmp.Or(token.Design(m.dst.db.Design), m.o.Design, token.Design(m.src.db.Design))
}

// mayGuard refuses a target in which nobody can install its design, before anything is done.
func (m *Mover) mayGuard(ctx context.Context) error {
	if m.design() != token.Pinned || m.dst.db.Design != "" {
		return nil
	}
	var may bool
	if err := m.dst.conn.QueryRow(ctx, `SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND has_parameter_privilege(oid, 'backtrace_functions', 'SET'))`, token.Guard).Scan(&may); err != nil {
		return m.dst.named(pg.Wrap(err))
	}
	if !may {
		return errs.New(errs.Denied, "move.design", "The target cannot hold the design pinned: that takes one statement of a superuser, and you are none there.").
			WithFix("Have a superuser run there: " + token.PinnedNeeds + " (create the role garant_sec NOLOGIN before). Or move with --design statement, in which the same policies hold.")
	}
	return nil
}

// restore runs what pg_dump wrote, as one transaction on a connection of its own: it sets things for its session.
func (m *Mover) restore(ctx context.Context, sql string) error {
	conn, err := m.dst.another(ctx)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	return m.dst.named(run(ctx, conn, sql))
}

// indexes makes the target's keys and indexes, defaults' rights and policies: all that comes after
// the rows but foreign keys and triggers.
func (m *Mover) indexes(ctx context.Context) error {
	if !m.st.Fresh {
		return nil
	}
	if _, done, err := m.did(ctx, "indexes"); err != nil || done {
		return err
	}
	text, err := m.dump(ctx, "post-data", func(kind string) bool { return !later(kind) })
	if err != nil {
		return err
	}
	return m.restore(ctx, text+"\n"+m.markSQL("indexes")+";")
}

// later are the kinds that would fire, or look at other tables, while rows still come in.
func later(kind string) bool {
	return kind == "TRIGGER" || kind == "FK CONSTRAINT" || kind == "RULE"
}

// fires makes foreign keys, not validated, and triggers, within the pause. A partitioned table's
// foreign keys cannot be left for later, and are validated at once.
func (m *Mover) fires(ctx context.Context) (sql string, err error) {
	var b strings.Builder
	for _, r := range m.src.db.Relations {
		for _, k := range r.ForeignKeys {
			if k.Inherited {
				continue
			}
			fmt.Fprintf(&b, "ALTER TABLE %s ADD CONSTRAINT %s %s", r.QualifiedName(), sqlname.Quote(k.Name), strings.TrimSuffix(k.Definition, " NOT VALID"))
			if r.Kind != manifest.KindPartitioned {
				b.WriteString(" NOT VALID")
			}
			b.WriteString(";\n")
		}
	}
	text, err := m.dump(ctx, "post-data", func(kind string) bool { return later(kind) && kind != "FK CONSTRAINT" })
	if err != nil {
		return "", err
	}
	return b.String() + text + "\n" + m.markSQL("keys") + ";", nil
}

// filler lends the target the function by whose triggers the source fills columns that garant isolation apply added, until
// the triggers are made.
func (m *Mover) filler(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
	var fills bool
	if err := m.src.conn.QueryRow(ctx, `SELECT to_regprocedure('garant.fill()') IS NOT NULL`).Scan(&fills); err != nil || !fills || !m.st.Fresh {
		return m.src.named(err)
	}
	return m.dst.named(do(ctx, m.dst.conn))
}

// unfire takes back what fires made, when a pause was given up: what follows must not fire.
func (m *Mover) unfire(ctx context.Context) error {
	if !m.st.Fresh {
		return nil
	}
	if _, done, err := m.did(ctx, "keys"); err != nil || !done {
		return err
	}
	return m.tx(ctx, m.dst, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT 'ALTER TABLE ' || k.conrelid::regclass || ' DROP CONSTRAINT ' || quote_ident(k.conname) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE k.contype = 'f' AND k.conparentid = 0 AND n.nspname NOT IN ('garant', 'garant_move', 'pg_catalog', 'information_schema')
UNION ALL SELECT 'DROP TRIGGER ' || quote_ident(t.tgname) || ' ON ' || t.tgrelid::regclass FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname !~ '^garant_move_' AND n.nspname NOT IN ('garant', 'garant_move', 'pg_catalog', 'information_schema')
UNION ALL SELECT 'DROP RULE ' || quote_ident(w.rulename) || ' ON ' || w.ev_class::regclass FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE w.rulename <> '_RETURN' AND n.nspname NOT IN ('garant', 'garant_move', 'pg_catalog', 'information_schema')`)
		if err != nil {
			return err
		}
		statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, sql := range append(statements, `DELETE FROM garant_move.did WHERE what = 'keys'`) {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// settle validates the target's foreign keys and fills its materialised views.
func (m *Mover) settle(ctx context.Context) error {
	if !m.st.Fresh {
		return nil
	}
	if _, done, err := m.did(ctx, "settled"); err != nil || done {
		return err
	}
	rows, err := m.dst.conn.Query(ctx, `SELECT 'ALTER TABLE ' || k.conrelid::regclass || ' VALIDATE CONSTRAINT ' || quote_ident(k.conname) FROM pg_constraint k
WHERE k.contype = 'f' AND NOT k.convalidated ORDER BY 1`)
	if err != nil {
		return m.dst.named(err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return m.dst.named(err)
	}
	var done []*schema.Relation
	for _, r := range m.src.db.Relations {
		done = views(r, done)
	}
	for _, r := range done {
		statements = append(statements, "REFRESH MATERIALIZED VIEW "+r.QualifiedName())
	}
	for _, sql := range statements {
		if _, err := m.dst.conn.Exec(ctx, sql); err != nil {
			return m.dst.named(err)
		}
		m.o.at("settling")
	}
	_, err = m.dst.conn.Exec(ctx, m.markSQL("settled")+` ON CONFLICT DO NOTHING`)
	return m.dst.named(err)
}

// views adds a materialised view after those that it reads.
func views(r *schema.Relation, done []*schema.Relation) []*schema.Relation {
	if slices.Contains(done, r) {
		return done
	}
	for _, read := range r.Reads {
		done = views(read, done)
	}
	if r.Kind == manifest.KindMatview {
		done = append(done, r)
	}
	return done
}

// roles makes the roles at the target that the source's rights, owners and policies name: without a
// password, so that nobody signs in as one before an administrator says how.
func (m *Mover) roles(ctx context.Context) error {
	rows, err := m.src.conn.Query(ctx, `SELECT r.rolname, r.rolcanlogin, coalesce(bool_or(d.deptype = 'o'), false) FROM pg_roles r LEFT JOIN pg_shdepend d
	ON r.oid = d.refobjid AND d.refclassid = 'pg_authid'::regclass AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
WHERE d.refobjid IS NOT NULL AND r.rolname !~ '^(pg_|garant_(sec|keeper)$)' OR r.rolname = ANY ($1) GROUP BY 1, 2 ORDER BY 1`, m.o.Manifest.App)
	if err != nil {
		return m.src.named(err)
	}
	for rows.Next() {
		var name string
		var login, owns bool
		if err := rows.Scan(&name, &login, &owns); err != nil {
			rows.Close()
			return m.src.named(err)
		}
		if m.dst.db.Role(name) != nil {
			continue
		}
		sql := "CREATE ROLE " + sqlname.Quote(name)
		if login {
			sql += " LOGIN"
		}
		if owns { // whoever gives a table to a role is to be a member of it
			sql += "; GRANT " + sqlname.Quote(name) + " TO CURRENT_USER"
		}
		if _, err := m.dst.conn.Exec(ctx, sql); err != nil && pg.SQLState(err) != "42710" {
			rows.Close()
			if pg.SQLState(err) == "42501" {
				return errs.New(errs.Denied, "move.role", "The target lacks the role "+sqlname.Quote(name)+", and you may not make it.").WithFix("Have an administrator run there: " + sql + ".")
			}
			return m.dst.named(err)
		}
		m.o.Log("The target has the role " + sqlname.Quote(name) + " now, without a password.")
	}
	return m.src.named(rows.Err())
}

// databaseRights are those on the database itself, which pg_dump leaves out.
func (m *Mover) databaseRights() []string {
	here := sqlname.Quote(m.dst.db.Name)
	sql := []string{"REVOKE ALL ON DATABASE " + here + " FROM PUBLIC;"}
	for _, r := range m.src.db.ACL {
		grantee := "PUBLIC"
		if r.Grantee != "" {
			grantee = sqlname.Quote(r.Grantee)
		}
		if r.Grantee != m.src.db.Owner && r.Grantee != token.Guard {
			sql = append(sql, "GRANT "+r.Privilege+" ON DATABASE "+here+" TO "+grantee+";")
		}
	}
	return sql
}

var entry = regexp.MustCompile(`^\d+; \d+ \d+ (TABLE DATA|FK CONSTRAINT|CHECK CONSTRAINT|DEFAULT ACL|ROW SECURITY|EVENT TRIGGER|INDEX ATTACH|MATERIALIZED VIEW DATA|[A-Z]+) `)

var commented = regexp.MustCompile(`^\d+; \d+ \d+ COMMENT .* (CONSTRAINT|TRIGGER|RULE) `)

// dump writes what pg_dump says of a section of the source, of the kinds that keep wants, as SQL.
func (m *Mover) dump(ctx context.Context, section string, keep func(kind string) bool) (string, error) {
	if m.dumpFile == "" {
		f, err := os.CreateTemp("", "garant-move-*.dump") // mode 0600
		if err != nil {
			return "", errs.New(errs.Unavailable, "move.temp", "No temporary file can be made for the schema.").Wrap(err)
		}
		m.dumpFile = f.Name()
		if err := f.Close(); err != nil {
			return "", err
		}
		dsn, password := bare(m.o.From.DSN, m.src.config.Password)
		if _, err := m.program(ctx, password, "pg_dump", "--format=custom", "--schema-only", "--no-publications", "--no-subscriptions", "--no-tablespaces",
			"--exclude-schema=garant", "--exclude-schema=garant_move", "--lock-wait-timeout=10s", "--file="+m.dumpFile, "--dbname="+dsn); err != nil {
			m.dropDump()
			return "", err
		}
	}
	toc, err := m.program(ctx, "", "pg_restore", "--list", m.dumpFile)
	if err != nil {
		return "", err
	}
	var use bytes.Buffer
	for line := range strings.Lines(toc) {
		k := entry.FindStringSubmatch(line)
		if k != nil && k[1] == "COMMENT" && commented.MatchString(line) {
			k[1] = "TRIGGER" // comes with what it is on
		}
		if k == nil || !keep(k[1]) || k[1] == "EVENT TRIGGER" || k[1] == "DATABASE" || strings.Contains(line, " garant_move_") {
			continue
		}
		use.WriteString(line)
	}
	if use.Len() == 0 {
		return "", nil
	}
	wanted := m.dumpFile + ".list"
	if err := os.WriteFile(wanted, use.Bytes(), 0o600); err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(wanted) }()
	sql, err := m.program(ctx, "", "pg_restore", "--section="+section, "--use-list="+wanted, "--file=-", m.dumpFile)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for line := range strings.Lines(sql) {
		if !strings.HasPrefix(line, `\restrict `) && !strings.HasPrefix(line, `\unrestrict `) { // for psql only
			b.WriteString(line)
		}
	}
	// A schema that every database has is left as it is.
	return strings.ReplaceAll(b.String(), "\nCREATE SCHEMA public;\n", "\nCREATE SCHEMA IF NOT EXISTS public;\n"), nil
}

// dropDump forgets the schema as it was dumped.
func (m *Mover) dropDump() {
	if m.dumpFile != "" {
		_ = os.Remove(m.dumpFile)
		m.dumpFile = ""
	}
}

var secret = regexp.MustCompile(`(?i)\bpassword\s*=\s*('(\\.|[^'\\])*'|\S*)`)

// bare takes the password out of an address: arguments of programs can be read by everybody on the machine.
func bare(dsn, password string) (without, secretWord string) {
	if u, err := url.Parse(dsn); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		q := u.Query()
		q.Del("password")
		u.RawQuery = q.Encode()
		return u.String(), password
	}
	return secret.ReplaceAllString(dsn, ""), password
}

func (m *Mover) program(ctx context.Context, password, name string, args ...string) (string, error) {
	path := name
	if m.o.BinDir != "" {
		path = filepath.Join(m.o.BinDir, name)
	}
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // pg_dump or pg_restore
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LC_ALL=C", "PGAPPNAME=garant tenant move"}
	if password != "" {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return "", errs.New(errs.Unavailable, "move.program", name+" did not do its work.").
			WithFix("Install PostgreSQL's client programs of the source's version or newer; it said: " + first).Wrap(err)
	}
	return out.String(), nil
}
