package token

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/tenant"
)

// running is the cluster of this test binary. Roles belong to all of it, so that no test is parallel.
var running *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(pgtest.WithCluster(cluster.Options{Users: []string{"app", "dba", "keeper", "snoop", "app_owner"}, Settings: map[string]string{"max_prepared_transactions": "5"}}, func(c *cluster.Cluster) int {
		running = c
		return m.Run()
	}))
}

// world is a guarded database with two tenants, a tenant table and an application.
type world struct {
	t      testing.TB
	design Design
	super  *pgx.Conn // nobody in design statement: the superuser only prepares and looks
	keeper *pgx.Conn
	key    tenant.Key
	a, b   uuid.UUID
}

const cast = `
CREATE ROLE dba LOGIN CREATEROLE CREATEDB;
CREATE ROLE app_owner LOGIN;
CREATE ROLE app LOGIN;
CREATE ROLE keeper LOGIN;
CREATE ROLE snoop LOGIN;
CREATE ROLE "Odd ""role""";
GRANT pg_read_all_data TO snoop;
GRANT app_owner TO dba`

// both runs a test under either design. Statement is installed, granted and used by roles that never were
// superusers.
func both(t *testing.T, test func(*testing.T, *world)) {
	for _, d := range []Design{Pinned, Statement} {
		t.Run(string(d), func(t *testing.T) { test(t, newWorld(t, d)) })
	}
}

func newWorld(t testing.TB, d Design) *world {
	t.Helper()
	w := &world{t: t, design: d, a: uuid.New(), b: uuid.New()}
	root := w.connect(cluster.SuperUser, "postgres")
	w.exec(root, cast)
	w.exec(root, "CREATE DATABASE shop OWNER dba")
	t.Cleanup(func() {
		root := w.connect(cluster.SuperUser, "postgres")
		w.exec(root, "DROP DATABASE shop WITH (FORCE)")
		w.exec(root, `DO $$ BEGIN IF to_regrole('garant_sec') IS NOT NULL THEN REVOKE SET ON PARAMETER backtrace_functions FROM garant_sec; END IF; END $$;
DROP ROLE IF EXISTS garant_sec; DROP ROLE IF EXISTS garant_keeper`)
		w.exec(root, `DROP ROLE app, keeper, snoop, dba, app_owner, "Odd ""role"""`)
	})
	w.super = w.connect(cluster.SuperUser, "shop")
	installer := w.super
	if d == Statement {
		installer = w.connect("dba", "shop")
	}
	if _, err := Install(context.Background(), installer, d); err != nil {
		t.Fatal(err)
	}
	w.exec(installer, `GRANT garant_keeper TO keeper; GRANT CREATE ON DATABASE shop TO app_owner`)
	for _, role := range []string{"app", "app_owner", `Odd "role"`} { // the owner's default calls a function too
		if err := Admit(context.Background(), installer, role); err != nil {
			t.Fatal(err)
		}
	}
	owner := w.connect("app_owner", "shop")
	w.exec(owner, `CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO app;
CREATE TABLE shop.item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id uuid NOT NULL DEFAULT garant.tenant_uuid(), name text NOT NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.item TO app`)
	w.exec(owner, fmt.Sprintf(`INSERT INTO shop.item (tenant_id, name) SELECT t, 'item ' || n FROM (VALUES ('%s'::uuid, 3), ('%s', 5)) AS v (t, c), generate_series(1, c) AS n`, w.a, w.b))
	w.exec(owner, `ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_select ON shop.item FOR SELECT TO app USING (tenant_id = (SELECT garant.tenant_uuid()));
CREATE POLICY tenant_insert ON shop.item FOR INSERT TO app WITH CHECK (tenant_id = (SELECT garant.writer_uuid()));
CREATE POLICY tenant_update ON shop.item FOR UPDATE TO app USING (tenant_id = (SELECT garant.writer_uuid())) WITH CHECK (tenant_id = (SELECT garant.writer_uuid()));
CREATE POLICY tenant_delete ON shop.item FOR DELETE TO app USING (tenant_id = (SELECT garant.writer_uuid()))`)
	w.key = w.newKey(1)
	w.keeper = w.connect("keeper", "shop")
	if err := InstallKey(context.Background(), w.keeper, w.key, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) newKey(id byte) tenant.Key {
	k := tenant.Key{ID: id, Audience: Audience(uuid.New(), uuid.New())}
	_, _ = rand.Read(k.Secret[:]) // never fails
	return k
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

func (w *world) app() *pgx.Conn { return w.connect("app", "shop") }

func (w *world) exec(on *pgx.Conn, sql string) {
	w.t.Helper()
	if _, err := on.Exec(context.Background(), sql); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
}

// claims are of a login that may write.
func (w *world) claims(of uuid.UUID) tenant.Claims {
	return tenant.Claims{Tenant: tenant.UUID(of), Session: uuid.New(), Kind: tenant.Login, Access: tenant.Write, Expires: time.Now().Add(time.Minute)}
}

func (w *world) mint(c tenant.Claims) tenant.Token {
	w.t.Helper()
	token, err := w.key.Mint(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) token(of uuid.UUID) tenant.Token { return w.mint(w.claims(of)) }

func (w *world) begin(conn *pgx.Conn) pgx.Tx {
	w.t.Helper()
	tx, err := conn.Begin(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func enter(on pg.Execer, token []byte) error {
	_, err := on.Exec(context.Background(), `SELECT garant.enter($1)`, token)
	return tenant.Explain(err)
}

// count tells how many rows are there to be seen.
func (w *world) count(on pg.Querier) int {
	w.t.Helper()
	var n int
	if err := on.QueryRow(context.Background(), `SELECT count(*) FROM shop.item`).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) wants(err, want error) {
	w.t.Helper()
	if !errors.Is(err, want) {
		w.t.Errorf("got %v, want %v", err, want)
	}
}
