// Package pgtest gives each test a database of its own on a real PostgreSQL: a clone of a
// template that was migrated once for the test binary, reached as the serving roles.
//
// A package that uses it says so in its TestMain:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
package pgtest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
)

const template = "garant_template"

// running is the cluster of this test binary, between Main's start and end.
var running struct {
	cluster *cluster.Cluster
	dsn     func(role, database string) string
	next    atomic.Int64
}

// Main starts a cluster, runs the tests, and stops the cluster again.
func Main(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	return WithCluster(cluster.Options{Users: roles(), Settings: map[string]string{"max_connections": "200"}}, func(c *cluster.Cluster) int {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := prepare(ctx, c); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest: the template cannot be migrated:", err)
			return 1
		}
		running.cluster, running.dsn = c, c.DSN
		return m.Run()
	})
}

// WithCluster runs tests with a cluster of their own, which holds nothing yet: for packages whose tests change roles, since
// roles belong to all of a cluster. o says who may sign in and what is set besides; the exit code is that of run, 1 when
// the cluster does not start.
//
//	var running *cluster.Cluster
//
//	func TestMain(m *testing.M) {
//		os.Exit(pgtest.WithCluster(cluster.Options{Users: []string{"app"}}, func(c *cluster.Cluster) int {
//			running = c
//			return m.Run()
//		}))
//	}
func WithCluster(o cluster.Options, run func(*cluster.Cluster) int) int {
	dir, err := os.MkdirTemp("", "garant-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := open(ctx, filepath.Join(dir, "pg"), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest: the test cluster does not start:", err)
		return 1
	}
	defer func() { _ = c.Close(context.Background()) }()
	return run(c)
}

// Start starts a cluster for tests with the roles of Garant: durable enough for nothing.
func Start(ctx context.Context, dir string) (*cluster.Cluster, error) {
	return open(ctx, dir, cluster.Options{Users: roles(), Settings: map[string]string{"max_connections": "200"}})
}

func roles() []string {
	users := []string{}
	for _, r := range pg.Roles() {
		users = append(users, string(r))
	}
	return users
}

func open(ctx context.Context, dir string, o cluster.Options) (*cluster.Cluster, error) {
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { //nolint:gosec // PostgreSQL's account must enter
		return nil, err
	}
	settings := map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
	maps.Copy(settings, o.Settings)
	o.Name, o.Dir, o.Settings = "test", dir, settings
	return cluster.Open(ctx, o)
}

func prepare(ctx context.Context, c *cluster.Cluster) error {
	if err := pg.Bootstrap(ctx, c.DSN(cluster.SuperUser, "postgres"), template); err != nil {
		return err
	}
	_, err := pg.Migrate(ctx, c.DSN(string(pg.Owner), template))
	return err
}

// New returns a database of the test's own, open as every serving role. It goes with the test.
func New(t testing.TB) *pg.DB {
	t.Helper()
	name := NewName(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := pg.Open(ctx, func(r pg.Role) string { return running.dsn(string(r), name) }, pg.ServingRoles()...)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// NewName makes a database for the test and returns its name, for tests that open it themselves.
func NewName(t testing.TB) string {
	t.Helper()
	if running.dsn == nil {
		t.Fatal("pgtest: the package's TestMain must call pgtest.Main")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	name := fmt.Sprintf("t%d_%s", running.next.Add(1), clean(t.Name()))
	super := Superuser(t, "postgres")
	quoted := pgx.Identifier{name}.Sanitize()
	if _, err := super.Exec(ctx, "CREATE DATABASE "+quoted+" TEMPLATE "+template+" OWNER garant_owner STRATEGY file_copy"); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if err := pg.Secure(ctx, super, name); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		_, _ = Superuser(t, "postgres").Exec(context.Background(), "DROP DATABASE IF EXISTS "+quoted+" WITH (FORCE)")
	})
	return name
}

// DSN returns how a role reaches a database of the test cluster.
func DSN(role, database string) string { return running.dsn(role, database) }

// Superuser returns a connection of the cluster's superuser, for setting up what no serving
// role may.
func Superuser(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), running.dsn(cluster.SuperUser, database))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Connect signs in at a cluster, for as long as the test.
func Connect(t testing.TB, c *cluster.Cluster, role, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), c.DSN(role, database))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Exec runs statements that a test needs to have run.
func Exec(t testing.TB, on *pgx.Conn, sql string) {
	t.Helper()
	if _, err := on.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
}

// Cluster returns the cluster of this test binary.
func Cluster() *cluster.Cluster { return running.cluster }

func clean(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '_'
	}, name)
	return name[:min(len(name), 40)]
}
