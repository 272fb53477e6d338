package access

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// running is the cluster of this test binary. Roles and pg_hba.conf belong to all of it, so that
// tests which change them do not run side by side.
var running struct {
	cluster *cluster.Cluster
	dir     string
}

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "garant-access-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := start(dir); err != nil {
		fmt.Fprintln(os.Stderr, "the test cluster does not start:", err)
		return 1
	}
	defer func() { _ = running.cluster.Close(context.Background()) }()
	return m.Run()
}

func start(dir string) error {
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account must enter
		return err
	}
	ca, err := servers.NewCA("Test authority", time.Now())
	if err != nil {
		return err
	}
	key, err := servers.NewKey()
	if err != nil {
		return err
	}
	now := time.Now()
	cert, err := ca.IssueFor(key, "db.example.test", now.Add(-time.Hour), now.Add(time.Hour), "Test")
	if err != nil {
		return err
	}
	text, err := servers.EncodeKey(key)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"server.pem": chain(cert.Certificate), "server.key": text, "ca.pem": ca.PEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	running.dir = filepath.Join(dir, "pg")
	running.cluster, err = cluster.Open(ctx, cluster.Options{
		Name: "test", Dir: running.dir, Users: []string{"garant_reader", "dev_anna", "metrics", "app"},
		TCP:      &cluster.TCP{Port: port, CertFile: filepath.Join(dir, "server.pem"), KeyFile: filepath.Join(dir, "server.key")},
		Settings: map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
	})
	return err
}

// world is a database that is in order, with the estate that declares it.
type world struct {
	t      testing.TB
	super  *pgx.Conn
	estate *estate.Estate
}

const roles = `
CREATE ROLE app_owner NOLOGIN;
CREATE ROLE app_rw NOLOGIN;
CREATE ROLE app LOGIN;
GRANT app_rw TO app;
CREATE ROLE cs_reader LOGIN;
CREATE ROLE it_ops LOGIN;
GRANT pg_read_all_data TO it_ops;
CREATE ROLE developers NOLOGIN;
CREATE ROLE dev_anna LOGIN;
GRANT developers TO dev_anna;
CREATE ROLE metrics LOGIN;
CREATE ROLE garant_reader LOGIN PASSWORD 'reader';
GRANT pg_read_all_settings TO garant_reader;
`

const objects = `
REVOKE ALL ON DATABASE shop FROM PUBLIC;
GRANT CONNECT ON DATABASE shop TO app, cs_reader, it_ops, metrics, garant_reader;
GRANT SELECT ON pg_catalog.pg_hba_file_rules TO garant_reader;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO garant_reader;
SET ROLE app_owner;
CREATE SCHEMA customer;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA customer, shop TO app_rw, cs_reader, metrics;
CREATE TABLE customer.organisation (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE customer.applicant (id bigint PRIMARY KEY, organisation_id bigint, first_name text, last_name text, email text, date_of_birth date, score integer);
CREATE TABLE shop.product (id bigint PRIMARY KEY, name text, price numeric);
CREATE VIEW shop.scores AS SELECT id, score FROM customer.applicant;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA customer, shop TO app_rw;
GRANT SELECT ON customer.applicant TO cs_reader;
GRANT SELECT ON shop.product, shop.scores, customer.organisation TO metrics;
CREATE FUNCTION shop.price(bigint) RETURNS numeric LANGUAGE sql SECURITY DEFINER AS 'SELECT price FROM shop.product WHERE id = $1';
RESET ROLE;
`

func newWorld(t testing.TB) *world {
	t.Helper()
	ctx := context.Background()
	connect := func(database string) *pgx.Conn {
		conn, err := pgx.Connect(ctx, running.cluster.DSN(cluster.SuperUser, database))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(ctx) })
		return conn
	}
	root := connect("postgres")
	exec(t, root, roles)
	exec(t, root, "CREATE DATABASE shop OWNER app_owner")
	t.Cleanup(func() {
		exec(t, root, "DROP DATABASE shop WITH (FORCE)")
		exec(t, root, "DROP ROLE app_owner, app_rw, app, cs_reader, it_ops, developers, dev_anna, metrics, garant_reader")
	})
	w := &world{t: t, super: connect("shop")}
	t.Cleanup(func() { _ = w.super.Close(ctx) }) // before the database is dropped
	exec(t, w.super, objects)
	w.estate = w.declare()
	return w
}

// declare reads the estate as garant.yaml would have it.
func (w *world) declare() *estate.Estate {
	w.t.Helper()
	w.address(running.cluster.DSN("garant_reader", "shop"))
	source := `company: {name: Test, country: BE, languages: [fr], time_zone: UTC, contact: a@company.example}
databases:
  - name: production
    url: env:GARANT_TEST_URL
    database: shop
    system: "` + strconv.FormatUint(running.cluster.SystemIdentifier(), 10) + `"
    environment: production
    customer_data: true
    readers:
      - {role: app, service: Application}
      - {role: cs_reader, team: Customer Success}
    privileged:
      - {role: ` + cluster.SuperUser + `, holder: IT Operations, why: Runs the cluster}
      - {role: it_ops, holder: IT Operations, why: Operations}
      - {role: app_owner, service: Application, why: Migrations}
    developers: [developers, dev_absent]
    labels:
      - {columns: customer.applicant.*, class: Confidential}
`
	e, err := estate.Parse([]byte(source), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *world) address(url string) {
	w.t.Helper()
	if err := os.Setenv("GARANT_TEST_URL", url); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) database() *estate.Database { return &w.estate.Databases[0] }

func (w *world) exec(sql string) { exec(w.t, w.super, sql) }

func exec(t testing.TB, on *pgx.Conn, sql string) {
	t.Helper()
	if _, err := on.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
}

const hbaFile = "conf/pg_hba.conf"

// rules puts lines before those of pg_hba.conf, until the returned function is called.
func (w *world) rules(lines ...string) (mend func()) {
	w.t.Helper()
	path := filepath.Join(running.dir, hbaFile)
	sound, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	write := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o640); err != nil { //nolint:gosec // as the cluster writes it
			w.t.Fatal(err)
		}
	}
	write(strings.Join(lines, "\n") + "\n" + string(sound))
	return func() { write(string(sound)) }
}
