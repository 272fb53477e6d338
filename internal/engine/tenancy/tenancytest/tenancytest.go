// Package tenancytest gives tests of tenancy a PostgreSQL cluster of their own, because roles
// belong to all of it, with databases whose schemas are as odd as those that people have.
//
//	func TestMain(m *testing.M) { tenancytest.Main(m) }
//
// No test of a package that uses it is parallel.
package tenancytest

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// Odd is a database with everything that PostgreSQL lets people do: see its comments.
//
//go:embed odd.sql
var Odd string

// The two customers of Odd.
const (
	A = "aaaaaaaa-0000-4000-8000-000000000001"
	B = "bbbbbbbb-0000-4000-8000-000000000002"
)

// Cast are the roles of Odd: shop_owner owns all, dba is a member of it and may create roles, app
// is the application, by way of the group shop_rw, reporting reads, keeper puts keys in.
const Cast = `
CREATE ROLE shop_owner NOLOGIN;
CREATE ROLE shop_rw NOLOGIN;
CREATE ROLE dba LOGIN CREATEROLE IN ROLE shop_owner;
CREATE ROLE app LOGIN IN ROLE shop_rw;
CREATE ROLE reporting LOGIN;
CREATE ROLE keeper LOGIN;
`

// running is the cluster of this test binary, between Main's start and end.
var running struct{ cluster *cluster.Cluster }

// Main starts a cluster, runs the tests, and stops the cluster again.
func Main(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	return pgtest.WithCluster(cluster.Options{Users: []string{"app", "dba", "keeper", "reporting", "shop_app", "solo"}}, func(c *cluster.Cluster) int {
		running.cluster = c
		return m.Run()
	})
}

// Shop makes the database shop, owned by shop_owner, with the roles of Cast, and runs SQL in it
// as superuser. Database and roles go with the test.
func Shop(t testing.TB, sql ...string) *pgx.Conn {
	t.Helper()
	root := Connect(t, cluster.SuperUser, "postgres")
	Exec(t, root, Cast)
	Exec(t, root, "CREATE DATABASE shop OWNER shop_owner")
	t.Cleanup(func() {
		root := Connect(t, cluster.SuperUser, "postgres")
		Exec(t, root, "DROP DATABASE shop WITH (FORCE)")
		Exec(t, root, "DO $$ BEGIN IF EXISTS (SELECT FROM pg_parameter_acl) THEN REVOKE SET ON PARAMETER backtrace_functions FROM garant_sec; END IF; END $$")
		Exec(t, root, "DROP ROLE IF EXISTS app, shop_rw, dba, shop_owner, reporting, keeper, shop_app, solo, garant_sec, garant_keeper")
	})
	super := Connect(t, cluster.SuperUser, "shop")
	for _, s := range sql {
		Exec(t, super, s)
	}
	return super
}

// Connect signs in as a role; the connection goes with the test.
func Connect(t testing.TB, role, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), running.cluster.DSN(role, database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Superuser is the name of the cluster's superuser.
func Superuser() string { return cluster.SuperUser }

// DSN is how a role reaches a database.
func DSN(role, database string) string { return running.cluster.DSN(role, database) }

// Exec runs statements.
func Exec(t testing.TB, on *pgx.Conn, sql string) {
	t.Helper()
	if _, err := on.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
}

// Value asks for one value.
func Value[T any](t testing.TB, on interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := on.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
	return v
}

// Dump is the schema of a database as pg_dump writes it, with its rights.
func Dump(t testing.TB, database string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(running.cluster.BinDir(), "pg_dump"), "--schema-only", "--create", "--restrict-key=test", "-d", DSN(cluster.SuperUser, database))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v: %s", err, &stderr)
	}
	return string(out)
}
