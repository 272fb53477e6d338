package verify

import (
	"context"
	"crypto/rand"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/apply"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// running is the cluster of this test binary. Roles belong to all of it, so that no test is parallel.
var running *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(pgtest.WithCluster(cluster.Options{Users: users(), Settings: map[string]string{"wal_level": "logical"}}, func(c *cluster.Cluster) int {
		running = c
		defer closeShared()
		return m.Run()
	}))
}

// copies is the cluster in which most tests make their scratch copies. It starts with the first.
var copies struct {
	dir     string
	cluster *cluster.Cluster
}

func closeShared() {
	if copies.cluster != nil {
		_ = copies.cluster.Close(context.Background())
		_ = os.RemoveAll(copies.dir)
	}
}

// sharedCluster empties the cluster of copies instead of stopping it. That a cluster of the copy's own does as well, TestWhole
// and TestLeavesNoTrace show.
func sharedCluster(ctx context.Context, o cluster.Options) (*cluster.Cluster, func(context.Context), error) {
	if copies.cluster == nil {
		var err error
		if copies.dir, err = os.MkdirTemp("", scratchDir); err != nil {
			return nil, nil, err
		}
		if err = os.Chmod(copies.dir, 0o711); err != nil {
			return nil, nil, err
		}
		o.Dir, o.Users = filepath.Join(copies.dir, "pg"), users()
		if copies.cluster, err = cluster.Open(context.WithoutCancel(ctx), o); err != nil {
			return nil, nil, err
		}
	}
	return copies.cluster, func(ctx context.Context) {
		if err := emptied(ctx, copies.cluster); err != nil {
			panic(err)
		}
	}, nil
}

// emptied takes every database, role, right and default out of a cluster.
func emptied(ctx context.Context, c *cluster.Cluster) error {
	conn, err := open(ctx, c.DSN(c.SuperUser(), "template1"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	statements := []string{"ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()", "DELETE FROM pg_db_role_setting"}
	for _, list := range []string{
		`SELECT 'DROP DATABASE ' || quote_ident(datname) || ' WITH (FORCE)' FROM pg_database WHERE oid >= 16384`,
		`SELECT 'DROP OWNED BY ' || string_agg(quote_ident(rolname), ', ') || ' CASCADE' FROM pg_roles WHERE oid >= 16384 HAVING count(*) > 0`,
		`SELECT 'DROP ROLE ' || string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE oid >= 16384 HAVING count(*) > 0`,
	} {
		rows, err := conn.Query(ctx, list)
		if err != nil {
			return err
		}
		more, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		statements = append(statements, more...)
	}
	return run1(ctx, conn, statements...)
}

func users() []string { return []string{"app", "backup", "keeper", "visitor", "dba"} }

const cast = `
CREATE ROLE shop_owner NOLOGIN;
CREATE ROLE shop_rw NOLOGIN;
CREATE ROLE app LOGIN IN ROLE shop_rw;
CREATE ROLE backup LOGIN BYPASSRLS;
CREATE ROLE keeper LOGIN;
CREATE ROLE visitor LOGIN;
ALTER ROLE app SET track_activities = off;
GRANT pg_read_all_data TO backup;
`

// sound is a database as garant isolation apply leaves it, with the things that people have.
const sound = `
REVOKE ALL ON DATABASE shop FROM PUBLIC;
GRANT CONNECT ON DATABASE shop TO app, backup, keeper, visitor;
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
CREATE SCHEMA customer AUTHORIZATION shop_owner;
CREATE SCHEMA reference AUTHORIZATION shop_owner;
CREATE SCHEMA internal AUTHORIZATION shop_owner;
GRANT USAGE ON SCHEMA customer, reference TO shop_rw;
SET ROLE shop_owner;
CREATE TABLE customer.organisation (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE customer.member (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organisation_id uuid NOT NULL DEFAULT garant.tenant_uuid() REFERENCES customer.organisation (id) ON DELETE CASCADE,
	email text NOT NULL, UNIQUE (organisation_id, email), UNIQUE (organisation_id, id));
CREATE TABLE customer.invoice (organisation_id uuid NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY, member_id uuid, total numeric NOT NULL DEFAULT 0 CHECK (total >= 0),
	PRIMARY KEY (organisation_id, number), FOREIGN KEY (organisation_id, member_id) REFERENCES customer.member (organisation_id, id) ON DELETE CASCADE);
CREATE TABLE customer.event (organisation_id uuid NOT NULL, id bigint NOT NULL, at timestamptz NOT NULL DEFAULT now(), what text, PRIMARY KEY (organisation_id, id, at)) PARTITION BY RANGE (at);
CREATE TABLE customer.event_old PARTITION OF customer.event FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE customer.event_new PARTITION OF customer.event FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
CREATE TABLE reference.country (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE internal.job (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text NOT NULL UNIQUE);
CREATE SEQUENCE customer.ticket;
CREATE VIEW customer.member_list WITH (security_invoker = true) AS SELECT id, email FROM customer.member;
CREATE VIEW reference.countries AS SELECT code FROM reference.country;
CREATE MATERIALIZED VIEW internal.totals AS SELECT organisation_id, sum(total) AS total FROM customer.invoice GROUP BY 1;
CREATE FUNCTION customer.plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE FUNCTION customer.touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.email := lower(NEW.email); RETURN NEW; END';
CREATE TRIGGER touched BEFORE INSERT OR UPDATE ON customer.member FOR EACH ROW EXECUTE FUNCTION customer.touched();
CREATE FUNCTION reference.country_name(text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM reference.country WHERE code = $1';
GRANT SELECT, INSERT, UPDATE, DELETE ON customer.organisation, customer.member, customer.invoice, customer.event TO shop_rw;
GRANT SELECT ON reference.country, reference.countries, customer.member_list TO shop_rw;
GRANT USAGE ON SEQUENCE customer.ticket TO shop_rw;
RESET ROLE;
`

// guardTable puts a tenant table under its policies.
func guardTable(name, column, keyType string) string {
	reads, writes := column+" = (SELECT garant.tenant_"+keyType+"())", column+" = (SELECT garant.writer_"+keyType+"())"
	return "ALTER TABLE " + name + " ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;" +
		"CREATE POLICY tenant_select ON " + name + " FOR SELECT TO app USING (" + reads + ");" +
		"CREATE POLICY tenant_insert ON " + name + " FOR INSERT TO app WITH CHECK (" + writes + ");" +
		"CREATE POLICY tenant_update ON " + name + " FOR UPDATE TO app USING (" + writes + ") WITH CHECK (" + writes + ");" +
		"CREATE POLICY tenant_delete ON " + name + " FOR DELETE TO app USING (" + writes + ");"
}

func shopManifest() *manifest.Manifest {
	all := manifest.GrantWords()
	m := &manifest.Manifest{
		Version: 1, Database: "shop", Design: manifest.Pinned, Key: manifest.Key{Table: "customer.organisation", Column: "id", Type: manifest.TypeUUID}, App: []string{"app"},
		Around: []manifest.Path{{Role: cluster.SuperUser, Kind: "superuser"}, {Role: "shop_owner", Kind: "owner"}, {Role: "backup", Kind: "backup"}},
		Tables: []manifest.Table{
			{Schema: "customer", Name: "organisation", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "id", Grants: all},
			{Schema: "customer", Name: "member", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "organisation_id", Grants: all, Record: &manifest.Record{Mode: manifest.RecordBut, Columns: []string{"email"}}},
			{Schema: "customer", Name: "invoice", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "organisation_id", Grants: all},
			{Schema: "customer", Name: "event", Kind: manifest.KindPartitioned, Class: manifest.Tenant, Column: "organisation_id", Grants: all, Record: &manifest.Record{Mode: manifest.RecordAll}},
			{Schema: "customer", Name: "event_old", Kind: manifest.KindPartition, Class: manifest.Tenant, Column: "organisation_id"},
			{Schema: "customer", Name: "event_new", Kind: manifest.KindPartition, Class: manifest.Tenant, Column: "organisation_id"},
			{Schema: "customer", Name: "member_list", Kind: manifest.KindView, Class: manifest.Tenant, Grants: []string{"SELECT"}},
			{Schema: "reference", Name: "country", Kind: manifest.KindTable, Class: manifest.Shared, Grants: []string{"SELECT"}},
			{Schema: "reference", Name: "countries", Kind: manifest.KindView, Class: manifest.Shared, Grants: []string{"SELECT"}},
			{Schema: "internal", Name: "job", Kind: manifest.KindTable, Class: manifest.Private},
			{Schema: "internal", Name: "totals", Kind: manifest.KindMatview, Class: manifest.Private},
		},
	}
	m.Sort()
	return m
}

// world is a sound database with its manifest.
type world struct {
	t        testing.TB
	super    *pgx.Conn
	manifest *manifest.Manifest
	key      tenant.Key
	now      func() time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOf(t, token.Pinned)
}

func newWorldOf(t testing.TB, d token.Design) *world {
	t.Helper()
	w := &world{t: t, manifest: shopManifest(), now: time.Now}
	w.manifest.Design = string(d)
	t.Cleanup(func() {
		root := w.connect(cluster.SuperUser, "postgres")
		w.exec(root, "DROP DATABASE shop WITH (FORCE)")
		w.exec(root, "DO $$ BEGIN IF EXISTS (SELECT FROM pg_parameter_acl) THEN REVOKE SET ON PARAMETER backtrace_functions FROM garant_sec; END IF; END $$")
		w.exec(root, "DROP ROLE app, shop_rw, shop_owner, backup, keeper, visitor, garant_sec, garant_keeper")
	})
	w.build(d)
	return w
}

// build makes the sound database in the cluster that is running.
func (w *world) build(d token.Design) {
	w.t.Helper()
	root := w.connect(cluster.SuperUser, "postgres")
	w.exec(root, cast)
	w.exec(root, "CREATE DATABASE shop")
	w.super = w.connect(cluster.SuperUser, "shop")
	if _, err := token.Install(context.Background(), w.super, d); err != nil {
		w.t.Fatal(err)
	}
	w.exec(w.super, "GRANT garant_keeper TO keeper")
	for _, role := range []string{"app", "shop_owner"} { // the owner's defaults call a function too
		if err := token.Admit(context.Background(), w.super, role); err != nil {
			w.t.Fatal(err)
		}
	}
	w.exec(w.super, sound)
	for name, column := range map[string]string{"organisation": "id", "member": "organisation_id", "invoice": "organisation_id", "event": "organisation_id"} {
		w.exec(w.super, guardTable("customer."+name, column, "uuid"))
	}
	for _, c := range recorded() {
		for _, g := range c.Triggers() {
			w.exec(w.super, g.SQL)
		}
	}
	w.key = newKey(1)
	w.putKey(w.key)
}

// recorded are the tables whose changes become events.
func recorded() []token.Capture {
	member := token.Capture{Table: "customer.member", Tenant: "organisation_id", Type: "uuid", Keys: []string{"id"}, Mode: token.CaptureBut, Columns: []string{"email"}, As: "customer.member"}
	list := []token.Capture{member}
	for _, name := range []string{"event", "event_old", "event_new"} {
		list = append(list, token.Capture{Table: "customer." + name, Tenant: "organisation_id", Type: "uuid", Keys: []string{"id", "at"}, Mode: token.CaptureAll, As: "customer.event"})
	}
	return list
}

// elsewhere builds the world once more, in a cluster of its own with settings that need a start, and returns how to come back.
func (w *world) elsewhere(settings map[string]string) func() {
	w.t.Helper()
	here, super, key := running, w.super, w.key
	started, leave := make(chan *cluster.Cluster), make(chan bool)
	go func() {
		defer close(started)
		pgtest.WithCluster(cluster.Options{Users: users(), Settings: settings}, func(c *cluster.Cluster) int {
			started <- c
			<-leave
			return 0
		})
	}()
	there := <-started
	if there == nil {
		w.t.Fatal("the other cluster does not start")
	}
	running = there
	w.build(token.Pinned)
	return func() {
		_ = w.super.Close(context.Background())
		running, w.super, w.key = here, super, key
		close(leave)
		<-started
	}
}

func newKey(id byte) tenant.Key {
	k := tenant.Key{ID: id, Audience: token.Audience(uuid.New(), uuid.New())}
	_, _ = rand.Read(k.Secret[:]) // never fails
	return k
}

func (w *world) putKey(k tenant.Key) {
	w.t.Helper()
	conn := w.connect("keeper", "shop")
	if err := token.InstallKey(context.Background(), conn, k, nil); err != nil {
		w.t.Fatal(err)
	}
	_ = conn.Close(context.Background())
}

func (w *world) connect(role, database string) *pgx.Conn {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), running.DSN(role, database))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (w *world) exec(on *pgx.Conn, sql string) {
	w.t.Helper()
	if _, err := on.Exec(context.Background(), sql); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
}

func (w *world) options() Options {
	return Options{URL: running.DSN(cluster.SuperUser, "shop"), Manifest: w.manifest, Now: w.now, clusters: sharedCluster}
}

// red runs the static checks and returns what came out false, by check.
func (w *world) red() map[string][]string {
	w.t.Helper()
	c, err := catalogueOf(context.Background(), w.super)
	if err != nil {
		w.t.Fatal(err)
	}
	return redOf(w.t, newJudge(c, w.manifest, w.now(), DefaultMaxKeyAge).static(Checks()))
}

func redOf(t testing.TB, results []Result) map[string][]string {
	t.Helper()
	red := map[string][]string{}
	for _, r := range results {
		if r.Outcome == Pass {
			continue
		}
		red[r.ID] = []string{}
		if r.Error != "" {
			red[r.ID] = append(red[r.ID], "error: "+r.Error)
		}
		for _, f := range r.Findings {
			red[r.ID] = append(red[r.ID], f.Object+": "+f.Found)
			if f.Object == "" || !strings.HasSuffix(f.Found, ".") || f.Mend == "" {
				t.Errorf("%s: a finding needs an object, a sentence and a mend: %+v", r.ID, f)
			}
		}
	}
	return red
}

// wants compares what came out false with what should.
func wants(t testing.TB, red map[string][]string, want ...string) {
	t.Helper()
	for _, id := range want {
		if len(red[id]) == 0 {
			t.Errorf("%s is green", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(red)) {
		if !slices.Contains(want, id) {
			t.Errorf("%s is red too: %s", id, strings.Join(red[id], " | "))
		}
	}
}

func TestSound(t *testing.T) {
	for _, d := range []token.Design{token.Pinned, token.Statement} {
		t.Run(string(d), func(t *testing.T) { wants(t, newWorldOf(t, d).red()) })
	}
}

// TestFunctionsAreKnown holds the fingerprints to what package token installs in both designs.
func TestFunctionsAreKnown(t *testing.T) {
	var lines []string
	for _, d := range []token.Design{token.Pinned, token.Statement} {
		t.Run(string(d), func(t *testing.T) {
			w := newWorldOf(t, d)
			if _, err := apply.Run(context.Background(), w.super, w.manifest, apply.Options{}); err != nil { // brings garant.fill
				t.Fatal(err)
			}
			c, err := catalogueOf(context.Background(), w.super)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range newJudge(c, w.manifest, w.now(), DefaultMaxKeyAge).guardFunctions() {
				lines = append(lines, string(d)+" "+signature(f)+" "+fingerprint(f)+"\n")
			}
		})
	}
	slices.Sort(lines)
	text := strings.Join(lines, "")
	if os.Getenv("GARANT_UPDATE") == "1" {
		if err := os.WriteFile("fingerprints.txt", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != prints {
		t.Error("schema garant is not the one whose functions are known here: GARANT_UPDATE=1 go test ./internal/engine/tenancy/verify -run TestFunctionsAreKnown")
	}
}
