package isolation

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/apply"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/plan"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// running is the cluster of this test binary. Roles belong to all of it, so that no test is parallel.
var running *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(pgtest.WithCluster(cluster.Options{Users: []string{"app", "reader", "app_owner"}}, func(c *cluster.Cluster) int {
		running = c
		defer closeOwn()
		return m.Run()
	}))
}

// world is a database that plan and apply have isolated, with the estate that declares it.
type world struct {
	t        testing.TB
	super    *pgx.Conn
	manifest []byte
	estate   *estate.Estate
}

const cast = `
CREATE ROLE app_owner NOLOGIN;
CREATE ROLE app LOGIN;
CREATE ROLE reader LOGIN;
GRANT pg_read_all_settings TO reader`

const objects = `
REVOKE ALL ON DATABASE shop FROM PUBLIC;
GRANT CONNECT ON DATABASE shop TO app, reader;
GRANT SELECT ON pg_catalog.pg_hba_file_rules, pg_catalog.pg_file_settings TO reader;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules(), pg_catalog.pg_show_all_file_settings() TO reader;
SET ROLE app_owner;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO app;
CREATE TABLE shop.country (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE shop.customer (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id uuid NOT NULL REFERENCES shop.customer, item text NOT NULL);
CREATE TABLE shop.line (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint NOT NULL REFERENCES shop.orders, text text NOT NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.customer, shop.orders, shop.line TO app;
GRANT SELECT ON shop.country TO app;
INSERT INTO shop.customer (name) SELECT 'Customer ' || n FROM generate_series(1, 3) AS n;
INSERT INTO shop.orders (customer_id, item) SELECT id, 'Item' FROM shop.customer;
INSERT INTO shop.line (order_id, text) SELECT id, 'Line' FROM shop.orders;
RESET ROLE`

func newWorld(t testing.TB) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t}
	root := w.connect("postgres")
	w.on(root, cast)
	w.on(root, "CREATE DATABASE shop OWNER app_owner")
	t.Cleanup(func() {
		root := w.connect("postgres")
		w.on(root, "DROP DATABASE IF EXISTS shop WITH (FORCE)")
		w.on(root, `DO $$ BEGIN IF to_regrole('garant_sec') IS NOT NULL THEN REVOKE SET ON PARAMETER backtrace_functions FROM garant_sec; END IF; END $$`)
		w.on(root, "DROP ROLE IF EXISTS garant_sec, garant_keeper, app, reader, app_owner")
	})
	w.super = w.connect("shop")
	w.on(w.super, objects)
	db, err := schema.Read(ctx, w.super)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Propose(db, nil, plan.Wish{App: []string{"app"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Manifest.Tables { // the reviewer's decision
		if entry := &p.Manifest.Tables[i]; entry.Name == "country" {
			entry.Class, entry.Grants, entry.Doubts = manifest.Shared, []string{"SELECT"}, nil
		}
	}
	var written bytes.Buffer
	if err := p.Manifest.Write(&written); err != nil {
		t.Fatal(err)
	}
	w.manifest = written.Bytes()
	m, err := manifest.Parse(w.manifest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apply.Run(ctx, w.super, m, apply.Options{}); err != nil {
		t.Fatalf("%v\n%s", err, w.manifest)
	}
	key := tenant.Key{ID: 1, Audience: token.Audience(uuid.New(), uuid.New())}
	_, _ = rand.Read(key.Secret[:]) // never fails
	if err := token.InstallKey(ctx, w.super, key, nil); err != nil {
		t.Fatal(err)
	}
	w.declare(w.manifest)
	return w
}

// declare reads the estate as garant.yaml would have it.
func (w *world) declare(m []byte) {
	w.t.Helper()
	for name, role := range map[string]string{"GARANT_TEST_URL": "reader", "GARANT_TEST_APP": "app", "GARANT_TEST_COPY": cluster.SuperUser} {
		w.address(name, running.DSN(role, "shop"))
	}
	source := `company: {name: Test, country: BE, languages: [fr], time_zone: UTC, contact: a@company.example}
databases:
  - name: production
    url: env:GARANT_TEST_URL
    database: shop
    system: "` + strconv.FormatUint(running.SystemIdentifier(), 10) + `"
    environment: production
    customer_data: true
    tenancy:
      keeper: env:GARANT_TEST_KEEPER
      design: pinned
      key: {type: uuid}
      manifest: file:isolation.yaml
      application: env:GARANT_TEST_APP
      copy: env:GARANT_TEST_COPY
`
	e, err := estate.Parse([]byte(source), estate.Files{"isolation.yaml": m})
	if err != nil {
		w.t.Fatal(err)
	}
	w.estate = e
}

func (w *world) address(name, url string) {
	w.t.Helper()
	if err := os.Setenv(name, url); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tenancy() *estate.Tenancy { return w.estate.Databases[0].Tenancy }

func (w *world) connect(database string) *pgx.Conn {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), running.DSN(cluster.SuperUser, database))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (w *world) exec(sql string) { w.on(w.super, sql) }

func (w *world) on(conn *pgx.Conn, sql string) {
	w.t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
}
