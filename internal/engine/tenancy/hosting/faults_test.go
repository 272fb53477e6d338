package hosting

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// running is the cluster of this test binary.
var running *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(pgtest.WithCluster(cluster.Options{Users: []string{"counter", "weak"}}, func(c *cluster.Cluster) int {
		running = c
		return m.Run()
	}))
}

const objects = `
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id uuid PRIMARY KEY, name text);
CREATE TABLE shop.item (id int PRIMARY KEY, customer_id uuid, name text);
CREATE TABLE shop.event (id int, customer_id uuid, at date) PARTITION BY RANGE (at);
CREATE TABLE shop.event_all PARTITION OF shop.event DEFAULT;
ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE shop.country (code text);
GRANT USAGE ON SCHEMA shop TO counter, weak;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO counter, weak;`

type world struct {
	t           *testing.T
	shared, own *pgx.Conn
	estate      *estate.Estate
	a, b        uuid.UUID
}

func (w *world) connect(database string) *pgx.Conn {
	w.t.Helper()
	return pgtest.Connect(w.t, running, cluster.SuperUser, database)
}

func (w *world) exec(on *pgx.Conn, sql string) {
	w.t.Helper()
	pgtest.Exec(w.t, on, sql)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, a: uuid.New(), b: uuid.New()}
	root := w.connect("postgres")
	w.exec(root, "CREATE ROLE counter LOGIN BYPASSRLS; CREATE ROLE weak LOGIN")
	w.exec(root, "CREATE DATABASE shop")
	w.exec(root, "CREATE DATABASE acme")
	w.shared, w.own = w.connect("shop"), w.connect("acme")
	fill := func(on *pgx.Conn, id uuid.UUID, n int) {
		w.exec(on, fmt.Sprintf(`INSERT INTO shop.customer VALUES ('%[1]s', 'x'); INSERT INTO shop.item VALUES (%[2]d, '%[1]s', 'x'); INSERT INTO shop.event VALUES (%[2]d, '%[1]s', '2026-01-01')`, id, n))
	}
	w.exec(w.shared, objects)
	w.exec(w.own, objects)
	fill(w.shared, w.b, 1)
	fill(w.own, w.a, 2)
	m := &manifest.Manifest{Version: 1, Database: "shop", Design: manifest.Pinned, App: []string{"app"}, Key: manifest.Key{Table: "shop.customer", Column: "id", Type: "uuid"}, Tables: []manifest.Table{
		{Schema: "shop", Name: "customer", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "id"},
		{Schema: "shop", Name: "item", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "customer_id"},
		{Schema: "shop", Name: "event", Kind: manifest.KindPartitioned, Class: manifest.Tenant, Column: "customer_id"},
		{Schema: "shop", Name: "event_all", Kind: manifest.KindPartition, Class: manifest.Tenant, Column: "customer_id"},
		{Schema: "shop", Name: "country", Kind: manifest.KindTable, Class: manifest.Shared},
	}}
	m.Sort()
	var written bytes.Buffer
	if err := m.Write(&written); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	place := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	system := fmt.Sprint(running.SystemIdentifier())
	source := strings.NewReplacer("$DIR", dir, "$SYSTEM", system, "$A", w.a.String()).Replace(`company:
  name: Ardoise
  country: BE
  languages: [en]
  time_zone: UTC
  contact: a@ardoise.example
databases:
  - name: production
    url: file:$DIR/url
    database: shop
    system: "$SYSTEM"
    environment: production
    customer_data: true
    tenancy:
      keeper: file:$DIR/url
      design: pinned
      key: {type: uuid}
      manifest: file:isolation.yaml
  - name: acme
    url: file:$DIR/url
    database: acme
    system: "$SYSTEM"
    environment: production
    customer_data: true
    dedicated:
      of: production
      tenant: $A
      place: Brussels, BE
      counter: file:$DIR/own
      shared_counter: file:$DIR/shared
`)
	place("url", "postgres://nobody@127.0.0.1/x")
	place("own", running.DSN("counter", "acme"))
	place("shared", running.DSN("counter", "shop"))
	place("weak", running.DSN("weak", "shop"))
	var err error
	if w.estate, err = estate.Parse([]byte(source), estate.Files{"isolation.yaml": written.Bytes()}); err != nil {
		t.Fatal(err)
	}
	return w
}

// faults is every way in which the two databases are broken. The literal has no keys: a check
// without faults does not compile.
func (w *world) faults() Set[[]measuretest.Fault] {
	sql := func(name string, want measure.Outcome, problem Problem, on *pgx.Conn, breaks, mends string) measuretest.Fault {
		return measuretest.Fault{Name: name, Want: want, Item: measure.Item{Target: "acme", Problem: string(problem)},
			Break: func(testing.TB) { w.exec(on, breaks) }, Mend: func(testing.TB) { w.exec(on, mends) }}
	}
	own := func() *estate.Database { return &w.estate.Databases[1] }
	declared := func(name string, want measure.Outcome, problem Problem, change func()) measuretest.Fault {
		sound, dedicated, first := *own(), *own().Dedicated, w.estate.Databases[0]
		return measuretest.Fault{Name: name, Want: want, Item: measure.Item{Target: "acme", Problem: string(problem)}, Break: func(testing.TB) { change() },
			Mend: func(testing.TB) { d := dedicated; *own() = sound; own().Dedicated = &d; w.estate.Databases[0] = first }}
	}
	a, b := w.a.String(), w.b.String()
	return Set[[]measuretest.Fault]{[]measuretest.Fault{
		sql("a row left behind", measure.Fail, LeftBehind, w.shared, "INSERT INTO shop.item VALUES (9, '"+a+"', 'x')", "DELETE FROM shop.item WHERE id = 9"),
		sql("a row left behind in a partition", measure.Fail, LeftBehind, w.shared, "INSERT INTO shop.event VALUES (9, '"+a+"', '2026-01-01')", "DELETE FROM shop.event WHERE id = 9"),
		sql("another customer", measure.Fail, Others, w.own, "INSERT INTO shop.customer VALUES ('"+b+"', 'x')", "DELETE FROM shop.customer WHERE id = '"+b+"'"),
		sql("a row of nobody", measure.Fail, Others, w.own, "INSERT INTO shop.item VALUES (8, NULL, 'x')", "DELETE FROM shop.item WHERE id = 8"),
		sql("a new table", measure.Fail, Unclassified, w.own, "CREATE TABLE shop.new (customer_id uuid)", "DROP TABLE shop.new"),
		sql("a new table in the shared database", measure.Fail, Unclassified, w.shared, "CREATE TABLE shop.new (customer_id uuid)", "DROP TABLE shop.new"),
		sql("a copy as a materialised view", measure.Fail, Unclassified, w.shared, "CREATE MATERIALIZED VIEW shop.copy AS SELECT id FROM shop.item", "DROP MATERIALIZED VIEW shop.copy"),
		declared("a move that never happened", measure.Fail, Nobody, func() { own().Dedicated.Tenant = uuid.New().String() }),
		sql("a login that sees nothing", measure.Error, Hidden, w.own, "ALTER ROLE counter NOBYPASSRLS", "ALTER ROLE counter BYPASSRLS"),
		sql("a policy that shows some rows", measure.Error, Hidden, w.own, "ALTER ROLE counter NOBYPASSRLS; CREATE POLICY partly ON shop.item TO counter USING (id > 0)", "DROP POLICY partly ON shop.item; ALTER ROLE counter BYPASSRLS"),
		sql("a policy that shows all rows and one that hides some", measure.Error, Hidden, w.own, "ALTER ROLE counter NOBYPASSRLS; CREATE POLICY every ON shop.item TO counter USING (true); CREATE POLICY less ON shop.item AS RESTRICTIVE USING (id > 0)",
			"DROP POLICY less ON shop.item; DROP POLICY every ON shop.item; ALTER ROLE counter BYPASSRLS"),
		sql("a right taken away", measure.Error, Unseen, w.own, "REVOKE SELECT ON shop.item FROM counter", "GRANT SELECT ON shop.item TO counter"),
		sql("a table that is gone", measure.Error, Unseen, w.own, "ALTER TABLE shop.event RENAME TO gone", "ALTER TABLE shop.gone RENAME TO event"),
		sql("no way in", measure.Error, Unreachable, w.shared, "ALTER ROLE counter NOLOGIN", "ALTER ROLE counter LOGIN"),
		declared("another system", measure.Error, Impostor, func() { own().System = "1" }),
		declared("another database", measure.Error, Impostor, func() { w.estate.Databases[0].Database = "other" }),
		declared("no manifest", measure.Error, BadManifest, func() {
			t := *w.estate.Databases[0].Tenancy
			t.Manifest = []byte("isolation: 1\n")
			w.estate.Databases[0].Tenancy = &t
		}),
		declared("no shared database", measure.Error, BadManifest, func() { own().Dedicated.Of = "nowhere" }),
		declared("no address", measure.Error, BadAddress, func() { own().Dedicated.Counter = estate.Secret{} }),
	}}
}

// TestFaults breaks two real databases in every way that the check claims to see.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	for i, check := range Checks().All() {
		t.Run(check.ID, func(t *testing.T) {
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: w.estate, Faults: w.faults().All()[i]})
		})
	}
}

// Every problem has its sentence and its next step in both languages, and a fault that brings it about.
func TestProblemsHaveWords(t *testing.T) {
	for lang, words := range Messages() {
		for _, p := range Problems() {
			for _, id := range []string{string(p), string(p) + ".fix"} {
				if !strings.Contains("\n"+string(words), "\n"+id+": ") {
					t.Errorf("%s lacks %s", lang, id)
				}
			}
		}
	}
}
