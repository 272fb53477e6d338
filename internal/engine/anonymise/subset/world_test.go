package subset

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

var (
	copies, laptop *cluster.Cluster
	worlds         atomic.Int64
)

func TestMain(m *testing.M) {
	os.Exit(pgtest.WithCluster(cluster.Options{Users: []string{"dev", "hidden"}}, func(c *cluster.Cluster) int {
		copies = c
		return pgtest.WithCluster(cluster.Options{Users: []string{"me"}}, func(c *cluster.Cluster) int {
			laptop = c
			for _, x := range []struct {
				c   *cluster.Cluster
				sql string
			}{
				{copies, `CREATE ROLE dev LOGIN BYPASSRLS; CREATE ROLE hidden LOGIN; CREATE ROLE "app role"`},
				{laptop, `CREATE ROLE me LOGIN CREATEDB CREATEROLE`},
			} {
				if err := execute(x.c.DSN(cluster.SuperUser, "postgres"), x.sql); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return 1
				}
			}
			return m.Run()
		})
	}))
}

func execute(dsn, sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.PgConn().Exec(ctx, sql).Close()
}

// world is a published copy, and a laptop.
type world struct {
	t    *testing.T
	copy string // its database
	name string // that the subset gets
	conn *pgx.Conn
	sub  *pgx.Conn // to the subset
}

// newWorld makes a copy by a file of testdata; without one it is empty.
func newWorld(t *testing.T, file string) *world {
	t.Helper()
	n := worlds.Add(1)
	w := &world{t: t, copy: fmt.Sprintf("shop_dev_%d", n), name: fmt.Sprintf("mine_%d", n)}
	super := copies.DSN(cluster.SuperUser, "postgres")
	w.must(execute(super, `CREATE DATABASE `+w.copy))
	w.must(execute(super, `COMMENT ON DATABASE `+w.copy+` IS '{"garant": "copy", "run": "0123456789ab", "name": "`+w.copy+`", "began": "2026-11-27T06:00:00Z", "proof": "passed"}'`))
	t.Cleanup(func() {
		_ = execute(super, `DROP DATABASE IF EXISTS `+w.copy+` WITH (FORCE)`)
		for _, d := range w.databases() {
			_ = execute(laptop.DSN(cluster.SuperUser, "postgres"), `DROP DATABASE IF EXISTS `+d+` WITH (FORCE)`)
		}
	})
	w.conn = w.connect(copies, w.copy)
	if file != "" {
		sql, err := os.ReadFile(filepath.Join("testdata", file))
		w.must(err)
		w.exec(string(sql))
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// connect is as the superuser.
func (w *world) connect(c *cluster.Cluster, database string) *pgx.Conn {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), c.DSN(cluster.SuperUser, database))
	w.must(err)
	w.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// exec changes the copy, and lets developers read all of it.
func (w *world) exec(sql string) {
	w.t.Helper()
	w.must(w.conn.PgConn().Exec(context.Background(), sql).Close())
	w.must(w.conn.PgConn().Exec(context.Background(), `DO $$ DECLARE s text; BEGIN FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
		EXECUTE format('GRANT USAGE ON SCHEMA %1$I TO dev, hidden; GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO dev, hidden; GRANT SELECT ON ALL SEQUENCES IN SCHEMA %1$I TO dev, hidden', s); END LOOP; END $$`).Close())
}

func (w *world) options(s Subset) Options {
	return Options{Source: copies.DSN("dev", w.copy), Target: laptop.DSN("me", w.name), Subset: s, Workers: 2, BinDir: copies.BinDir(), Replace: true}
}

func (w *world) take(s Subset) *Report {
	w.t.Helper()
	if w.sub != nil {
		_ = w.sub.Close(context.Background()) // a superuser's session cannot be sent away
	}
	r, err := Take(w.t.Context(), w.options(s))
	w.must(err)
	w.only(w.name)
	w.t.Logf("%.2f %% in %.2f s: %v", r.Share, r.Seconds, r.Stages)
	return r
}

// databases lists those that pulls made.
func (w *world) databases() []string {
	w.t.Helper()
	return column[string](w, w.connect(laptop, "postgres"), `SELECT datname::text FROM pg_database WHERE starts_with(datname, '`+w.name+`') ORDER BY 1`)
}

func (w *world) only(names ...string) {
	w.t.Helper()
	if got := w.databases(); !slices.Equal(got, names) {
		w.t.Errorf("the laptop has %v, want %v", got, names)
	}
}

func column[T any](w *world, on *pgx.Conn, sql string, args ...any) []T {
	w.t.Helper()
	rows, err := on.Query(context.Background(), sql, args...)
	w.must(err)
	out, err := pgx.CollectRows(rows, pgx.RowTo[T])
	w.must(err)
	return out
}

func ask[T any](w *world, on *pgx.Conn, sql string, args ...any) T {
	w.t.Helper()
	var v T
	if err := on.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
	return v
}

// contents are the rows of all tables of a database, sorted.
func (w *world) contents(conn *pgx.Conn) map[string][]string {
	w.t.Helper()
	out := map[string][]string{}
	for _, t := range column[string](w, conn, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`) {
		out[t] = column[string](w, conn, `SELECT t::text FROM ONLY `+t+` t ORDER BY 1`)
	}
	return out
}

// within makes sure that every row of a subset is one of the copy, and as often.
func within(t *testing.T, part, all map[string][]string) {
	t.Helper()
	if len(part) != len(all) {
		t.Errorf("%d tables, want %d", len(part), len(all))
	}
	for table, rows := range part {
		have := map[string]int{}
		for _, r := range all[table] {
			have[r]++
		}
		for _, r := range rows {
			if have[r]--; have[r] < 0 {
				t.Fatalf("%s has a row that the copy has not: %s", table, r)
			}
		}
	}
}

// holds makes sure, by joins of its own, that no row of a database refers to one that is not there, and that all constraints are validated.
func (w *world) holds(conn *pgx.Conn) {
	w.t.Helper()
	type key struct {
		Name, From, To   string
		Columns, Targets []string
		Valid            bool
	}
	rows, err := conn.Query(context.Background(), `SELECT k.conname::text, k.conrelid::regclass::text, k.confrelid::regclass::text,
		ARRAY(SELECT quote_ident(attname) FROM unnest(k.conkey) WITH ORDINALITY u(n, o) JOIN pg_attribute ON attrelid = k.conrelid AND attnum = n ORDER BY o),
		ARRAY(SELECT quote_ident(attname) FROM unnest(k.confkey) WITH ORDINALITY u(n, o) JOIN pg_attribute ON attrelid = k.confrelid AND attnum = n ORDER BY o), k.convalidated
		FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0`)
	w.must(err)
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	w.must(err)
	if len(keys) == 0 {
		w.t.Error("there is no foreign key")
	}
	for _, k := range keys {
		var on, present []string
		for i := range k.Columns {
			on = append(on, "p."+k.Targets[i]+" = c."+k.Columns[i])
			present = append(present, "c."+k.Columns[i]+" IS NOT NULL")
		}
		lost := ask[int](w, conn, `SELECT count(*) FROM `+k.From+` c LEFT JOIN `+k.To+` p ON `+strings.Join(on, " AND ")+` WHERE `+strings.Join(present, " AND ")+` AND p.tableoid IS NULL`)
		if lost > 0 || !k.Valid {
			w.t.Errorf("%s of %s: %d rows refer to nothing, validated %t", k.Name, k.From, lost, k.Valid)
		}
	}
}

// subset is what a pull made, as the superuser sees it.
func (w *world) subset() *pgx.Conn {
	w.t.Helper()
	if w.sub == nil || w.sub.IsClosed() {
		w.sub = w.connect(laptop, w.name)
	}
	return w.sub
}

// dumped is a database as pg_dump writes it.
func dumped(t *testing.T, c *cluster.Cluster, database string, args ...string) string {
	t.Helper()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(c.BinDir(), "pg_dump"), append(args, "--no-owner", "--no-privileges", "--dbname="+c.DSN(cluster.SuperUser, database))...) //nolint:gosec // of the installation
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("pg_dump: %v: %s", err, &said)
	}
	return out.String()
}

func (r *Report) table(t *testing.T, name string) TableReport {
	t.Helper()
	i := slices.IndexFunc(r.Tables, func(x TableReport) bool { return x.Table == name })
	if i < 0 {
		t.Fatalf("the report has no table %s", name)
	}
	return r.Tables[i]
}
