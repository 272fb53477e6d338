package discover

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// server is whom the connection reached.
type server struct {
	version  string
	database string
	system   string // empty: the role may not read it
}

// role is a role of the cluster with the rights that make it privileged.
type role struct {
	oid    uint32
	name   string
	login  bool
	rights []string // "superuser", "CREATEROLE", …; in the order of the query
	above  []string // roles whose rights it has or can take, itself included
}

// privileged says why a role is, "" when it is not.
func (r role) privileged() string { return strings.Join(r.rights, ", ") }

// reading runs fn in one transaction that the server holds to reading, with its own names only.
func reading(ctx context.Context, config *pgx.ConnConfig, fn func(pgx.Tx, *pgconn.PgConn) error) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		for _, setting := range []string{"SET LOCAL search_path = pg_catalog", fmt.Sprintf("SET LOCAL statement_timeout = %d", statementLimit.Milliseconds()), "SET LOCAL lock_timeout = 2000"} {
			if _, err := tx.Exec(ctx, setting); err != nil {
				return err
			}
		}
		return fn(tx, conn.PgConn())
	})
}

func (p *Postgres) read(ctx context.Context, config *pgx.ConnConfig) (*seen, error) {
	s := &seen{}
	err := reading(ctx, config, func(tx pgx.Tx, conn *pgconn.PgConn) (err error) {
		_, s.secured = conn.Conn().(*tls.Conn)
		s.local = conn.Conn().RemoteAddr().Network() == "unix"
		if s.server, err = readServer(ctx, tx); err != nil {
			return err
		}
		if s.neighbours, err = readNeighbours(ctx, tx); err != nil {
			return err
		}
		if s.roles, err = readRoles(ctx, tx); err != nil {
			return err
		}
		if s.personal, s.columns, s.more, err = p.readColumns(ctx, tx); err != nil {
			return err
		}
		return readReaders(ctx, tx, s.personal, s.roles)
	})
	return s, err
}

// countPersonal says how many tables of a database seem to hold personal data.
func (p *Postgres) countPersonal(ctx context.Context, config *pgx.ConnConfig) (n int, err error) {
	err = reading(ctx, config, func(tx pgx.Tx, _ *pgconn.PgConn) error {
		tables, _, _, err := p.readColumns(ctx, tx)
		n = len(tables)
		return err
	})
	return n, err
}

func readServer(ctx context.Context, tx pgx.Tx) (s server, err error) {
	var may bool
	err = tx.QueryRow(ctx, `SELECT split_part(current_setting('server_version'), ' ', 1), current_database()::text,
	has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')`).Scan(&s.version, &s.database, &may)
	if err == nil && may {
		err = tx.QueryRow(ctx, "SELECT system_identifier::text FROM pg_control_system()").Scan(&s.system)
	}
	s.version = printable(s.version, 20)
	return s, err
}

func readNeighbours(ctx context.Context, tx pgx.Tx) ([]neighbour, error) {
	rows, err := tx.Query(ctx, `SELECT datname::text FROM pg_database
WHERE NOT datistemplate AND datallowconn AND datname NOT IN (current_database(), 'postgres')
ORDER BY datname LIMIT 100`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (n neighbour, err error) {
		err = row.Scan(&n.name)
		return n, err
	})
}

// readRoles reads roles with what makes them privileged: their attributes, ownership of this
// database or of a schema or table in it, and membership in predefined roles that reach
// everything (PostgreSQL, "Predefined Roles").
func readRoles(ctx context.Context, tx pgx.Tx) ([]role, error) {
	rows, err := tx.Query(ctx, `SELECT r.oid, r.rolname::text, r.rolcanlogin, array_remove(ARRAY[
	CASE WHEN r.rolsuper THEN 'superuser' END,
	CASE WHEN r.rolcreaterole AND NOT r.rolsuper THEN 'CREATEROLE' END,
	CASE WHEN r.rolbypassrls AND NOT r.rolsuper THEN 'BYPASSRLS' END,
	CASE WHEN r.rolreplication AND NOT r.rolsuper THEN 'REPLICATION' END,
	CASE WHEN d.datdba = r.oid AND NOT r.rolsuper THEN 'owner of the database' END,
	CASE WHEN NOT r.rolsuper AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema') THEN 'owner of tables' END
	], NULL) || ARRAY(SELECT 'member of ' || g.rolname FROM pg_roles g
		WHERE NOT r.rolsuper AND pg_has_role(r.oid, g.oid, 'MEMBER') AND g.rolname IN ('pg_read_all_data', 'pg_write_all_data',
			'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
		ORDER BY g.rolname),
	ARRAY(SELECT g.rolname::text FROM pg_roles g WHERE pg_has_role(r.oid, g.oid, 'MEMBER') ORDER BY g.rolname)
FROM pg_roles r CROSS JOIN pg_database d
WHERE d.datname = current_database() AND r.rolname !~ '^pg_'
ORDER BY r.rolname LIMIT $1`, maxRoles+1)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r role, err error) {
		err = row.Scan(&r.oid, &r.name, &r.login, &r.rights, &r.above)
		return r, err
	})
}

// readColumns reads the names and types of columns and keeps the tables of which some seem to
// hold personal data, in order.
func (p *Postgres) readColumns(ctx context.Context, tx pgx.Tx) (personal []table, columns int, more bool, err error) {
	rows, err := tx.Query(ctx, `SELECT c.oid, n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, NULL)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
	AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname, a.attnum LIMIT $1`, maxColumns+1)
	if err != nil {
		return nil, 0, false, err
	}
	var t table
	var column, kind string
	_, err = pgx.ForEachRow(rows, []any{&t.oid, &t.schema, &t.name, &column, &kind}, func() error {
		if columns++; columns > maxColumns {
			columns, more = maxColumns, true
			return nil
		}
		what := p.Personal(t.schema, t.name, column, kind)
		if what == "" {
			return nil
		}
		if n := len(personal); n == 0 || personal[n-1].oid != t.oid {
			personal = append(personal, table{oid: t.oid, schema: t.schema, name: t.name})
		}
		last := &personal[len(personal)-1]
		last.columns = append(last.columns, column)
		if !slices.Contains(last.kinds, what) {
			last.kinds = append(last.kinds, what)
		}
		return nil
	})
	return personal, columns, more, err
}

// readReaders fills in who can read each table: by a right of its own or of PUBLIC, on the table
// or on one of its columns, or by a role whose rights it has or can take.
func readReaders(ctx context.Context, tx pgx.Tx, tables []table, roles []role) error {
	if len(tables) == 0 {
		return nil
	}
	at := map[uint32]*table{}
	for i := range tables {
		at[tables[i].oid] = &tables[i]
	}
	rows, err := tx.Query(ctx, `SELECT c.oid, r.rolname::text
FROM pg_roles r CROSS JOIN unnest($1::oid[]) AS t (oid) JOIN pg_class c ON c.oid = t.oid
WHERE has_schema_privilege(r.oid, c.relnamespace, 'USAGE')
	AND (has_table_privilege(r.oid, c.oid, 'SELECT') OR has_any_column_privilege(r.oid, c.oid, 'SELECT'))`, slices.Sorted(maps.Keys(at)))
	if err != nil {
		return err
	}
	direct := map[uint32]map[string]bool{}
	var oid uint32
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&oid, &name}, func() error {
		if direct[oid] == nil {
			direct[oid] = map[string]bool{}
		}
		direct[oid][name] = true
		return nil
	}); err != nil {
		return err
	}
	for oid, t := range at {
		for _, r := range roles {
			if slices.ContainsFunc(r.above, func(name string) bool { return direct[oid][name] }) {
				t.readers = append(t.readers, r.name)
			}
		}
	}
	return nil
}
