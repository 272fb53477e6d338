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

	"github.com/garant-project/garant/internal/estate/personal"
)

// server is whom the connection reached.
type server struct {
	version  string
	database string
	role     string // that reads
	system   string // empty: the role may not read it
}

// role is a role of the cluster with the rights that make it privileged.
type role struct {
	oid    uint32
	name   string
	login  bool
	super  bool
	rights []string // "superuser", "CREATEROLE", "member of admins"
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

func read(ctx context.Context, config *pgx.ConnConfig) (*seen, error) {
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
		if s.personal, s.columns, s.more, err = readColumns(ctx, tx); err != nil {
			return err
		}
		return readReaders(ctx, tx, s.personal, s.roles)
	})
	return s, err
}

// countPersonal says how many tables of a database seem to hold personal data.
func countPersonal(ctx context.Context, config *pgx.ConnConfig) (n int, err error) {
	err = reading(ctx, config, func(tx pgx.Tx, _ *pgconn.PgConn) error {
		tables, _, _, err := readColumns(ctx, tx)
		n = len(tables)
		return err
	})
	return n, err
}

func readServer(ctx context.Context, tx pgx.Tx) (s server, err error) {
	var may bool
	err = tx.QueryRow(ctx, `SELECT split_part(current_setting('server_version'), ' ', 1), current_database()::text, current_user::text,
	has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')`).Scan(&s.version, &s.database, &s.role, &may)
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

// readRoles reads roles with what makes them privileged: their attributes, ownership in this
// database, and predefined roles (PostgreSQL, "Predefined Roles"), their own or of a role whose
// rights they have or can take.
func readRoles(ctx context.Context, tx pgx.Tx) ([]role, error) {
	rows, err := tx.Query(ctx, `SELECT r.oid, r.rolname::text, r.rolcanlogin, r.rolsuper, array_remove(ARRAY[
	CASE WHEN r.rolsuper THEN 'superuser' END,
	CASE WHEN r.rolcreaterole AND NOT r.rolsuper THEN 'CREATEROLE' END,
	CASE WHEN r.rolcreatedb AND NOT r.rolsuper THEN 'CREATEDB' END,
	CASE WHEN r.rolbypassrls AND NOT r.rolsuper THEN 'BYPASSRLS' END,
	CASE WHEN r.rolreplication AND NOT r.rolsuper THEN 'REPLICATION' END,
	CASE WHEN NOT r.rolsuper AND (r.oid = d.datdba OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid)
		OR EXISTS (SELECT FROM pg_namespace n WHERE n.nspowner = r.oid) OR EXISTS (SELECT FROM pg_proc f WHERE f.proowner = r.oid)) THEN 'owner of objects' END
	], NULL), ARRAY(SELECT g.rolname::text FROM pg_roles g WHERE g.oid <> r.oid AND pg_has_role(r.oid, g.oid, 'MEMBER') ORDER BY g.rolname)
FROM pg_roles r CROSS JOIN pg_database d
WHERE d.datname = current_database() AND r.rolname !~ '^pg_'
ORDER BY r.rolname LIMIT $1`, maxRoles+1)
	if err != nil {
		return nil, err
	}
	roles, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r role, err error) {
		err = row.Scan(&r.oid, &r.name, &r.login, &r.super, &r.rights, &r.above)
		return r, err
	})
	if err != nil {
		return nil, err
	}
	own := map[string][]string{}
	for _, r := range roles {
		own[r.name] = slices.DeleteFunc(slices.Clone(r.rights), func(right string) bool { return right == "REPLICATION" }) // is not inherited
	}
	for i := range roles {
		r := &roles[i]
		for _, above := range r.above {
			switch {
			case r.super: // has everything anyway
			case powerful(above), len(own[above]) > 0:
				r.rights = append(r.rights, "member of "+above)
			}
		}
		r.above = append(r.above, r.name)
	}
	return roles, nil
}

// powerful reports whether a predefined role has rights over more than its own.
func powerful(name string) bool {
	return slices.Contains([]string{"pg_read_all_data", "pg_write_all_data", "pg_execute_server_program", "pg_read_server_files", "pg_write_server_files",
		"pg_signal_backend", "pg_monitor", "pg_read_all_stats", "pg_read_all_settings", "pg_stat_scan_tables", "pg_maintain", "pg_create_subscription"}, name)
}

// readColumns reads the names and types of columns and keeps the tables of which some seem to
// hold personal data, in order.
func readColumns(ctx context.Context, tx pgx.Tx) (tables []table, columns int, more bool, err error) {
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
		found, ok := personal.Detect(personal.Column{Schema: t.schema, Table: t.name, Name: column, Type: kind})
		if !ok {
			return nil
		}
		if n := len(tables); n == 0 || tables[n-1].oid != t.oid {
			tables = append(tables, table{oid: t.oid, schema: t.schema, name: t.name})
		}
		last := &tables[len(tables)-1]
		last.columns = append(last.columns, column)
		if what := strings.ReplaceAll(string(found), "_", " "); !slices.Contains(last.kinds, what) {
			last.kinds = append(last.kinds, what)
		}
		return nil
	})
	return tables, columns, more, err
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
