package sdktest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// running is the cluster of this test binary, with one guarded database of each design.
var running struct {
	dir     string
	cluster *cluster.Cluster
	worlds  map[token.Design]*world
}

var designs = []token.Design{token.Pinned, token.Statement}

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	fail := func(err error) int { fmt.Fprintln(os.Stderr, "sdktest:", err); return 1 }
	dir, err := os.MkdirTemp("", "garant-sdk-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account must enter
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	running.dir = dir
	running.cluster, err = cluster.Open(ctx, cluster.Options{
		Name: "test", Dir: filepath.Join(dir, "pg"), Users: []string{"app", "owner", "keeper"},
		Settings: map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
	})
	if err != nil {
		return fail(err)
	}
	defer func() { _ = running.cluster.Close(context.Background()) }()
	running.worlds = map[token.Design]*world{}
	for _, d := range designs {
		if running.worlds[d], err = newWorld(ctx, d); err != nil {
			return fail(err)
		}
	}
	return m.Run()
}

// world is a guarded database with two tenants: a has 3 items, b has 5.
type world struct {
	design   token.Design
	database string
	super    *pgx.Conn
	key      tenant.Key
	a, b     uuid.UUID
}

const cast = `
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') THEN
		CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE ROLE keeper LOGIN;
	END IF;
END $$`

const shop = `
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO app;
CREATE TABLE shop.item (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id uuid NOT NULL DEFAULT garant.tenant_uuid(), name text NOT NULL,
	n integer NOT NULL DEFAULT 0, UNIQUE (tenant_id, n) DEFERRABLE INITIALLY DEFERRED);
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.item TO app;
INSERT INTO shop.item (tenant_id, name, n) SELECT '%[1]s', 'a ' || n, n FROM generate_series(1, 3) AS n;
INSERT INTO shop.item (tenant_id, name, n) SELECT '%[2]s', 'b ' || n, n FROM generate_series(1, 5) AS n;
ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY s ON shop.item FOR SELECT TO app USING (tenant_id = (SELECT garant.tenant_uuid()));
CREATE POLICY i ON shop.item FOR INSERT TO app WITH CHECK (tenant_id = (SELECT garant.writer_uuid()));
CREATE POLICY u ON shop.item FOR UPDATE TO app USING (tenant_id = (SELECT garant.writer_uuid())) WITH CHECK (tenant_id = (SELECT garant.writer_uuid()));
CREATE POLICY d ON shop.item FOR DELETE TO app USING (tenant_id = (SELECT garant.writer_uuid()))`

func newWorld(ctx context.Context, d token.Design) (*world, error) {
	w := &world{design: d, database: "shop_" + string(d), a: uuid.New(), b: uuid.New(), key: tenant.Key{ID: 1, Audience: token.Audience(uuid.New(), uuid.New())}}
	_, _ = rand.Read(w.key.Secret[:]) // never fails
	root, err := pgx.Connect(ctx, running.cluster.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close(ctx) }()
	for _, sql := range []string{cast, "CREATE DATABASE " + w.database} {
		if _, err := root.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	if w.super, err = pgx.Connect(ctx, running.cluster.DSN(cluster.SuperUser, w.database)); err != nil {
		return nil, err
	}
	if _, err := token.Install(ctx, w.super, d); err != nil {
		return nil, err
	}
	if err := errors.Join(token.Admit(ctx, w.super, "app"), token.InstallKey(ctx, w.super, w.key, nil)); err != nil {
		return nil, err
	}
	_, err = w.super.Exec(ctx, fmt.Sprintf(shop, w.a, w.b))
	return w, err
}

// both runs a test under either design.
func both(t *testing.T, test func(*testing.T, *world)) {
	for _, d := range designs {
		t.Run(string(d), func(t *testing.T) { test(t, running.worlds[d]) })
	}
}

// wires counts how often a client turned from writing to reading, which is one round trip each.
type wires struct {
	trips atomic.Int64
	wrote atomic.Bool
}

type wireConn struct {
	net.Conn
	count *wires
}

func (c wireConn) Write(b []byte) (int, error) {
	c.count.wrote.Store(true)
	return c.Conn.Write(b)
}

func (c wireConn) Read(b []byte) (int, error) {
	if c.count.wrote.Swap(false) {
		c.count.trips.Add(1)
	}
	return c.Conn.Read(b)
}

func (w *world) config(t testing.TB) *pgxpool.Config {
	t.Helper()
	c, err := pgxpool.ParseConfig(running.cluster.DSN("app", w.database))
	if err != nil {
		t.Fatal(err)
	}
	c.MaxConns = 4
	return c
}

func open(t testing.TB, c *pgxpool.Config) *pgxpool.Pool {
	t.Helper()
	p, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// one opens a pool of one connection.
func (w *world) one(t testing.TB) *pgxpool.Pool {
	c := w.config(t)
	c.MaxConns = 1
	return open(t, c)
}

func (w *world) claims(of uuid.UUID) tenant.Claims {
	return tenant.Claims{Tenant: tenant.UUID(of), Session: uuid.New(), Kind: tenant.Login, Access: tenant.Write, Expires: time.Now().Add(time.Minute)}
}

func (w *world) mint(t testing.TB, c tenant.Claims) tenant.Token {
	t.Helper()
	token, err := w.key.Mint(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (w *world) token(t testing.TB, of uuid.UUID) tenant.Token { return w.mint(t, w.claims(of)) }

// expired is a token whose time is over.
func (w *world) expired(t testing.TB, of uuid.UUID) tenant.Token {
	c := w.claims(of)
	c.Expires = time.Now().Add(-time.Second)
	return w.mint(t, c)
}

// scalar asks for one value.
func scalar[T any](t testing.TB, row pgx.Row) (v T) {
	t.Helper()
	if err := row.Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

const count = `SELECT count(*) FROM shop.item`

// atRest fails when a pool has not got everything back, or a session of the application is still in a transaction.
func (w *world) atRest(t testing.TB, pools ...*pgxpool.Pool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for _, p := range pools {
		for p.Stat().AcquiredConns() > 0 {
			if time.Now().After(deadline) {
				t.Fatalf("%d connections were not given back", p.Stat().AcquiredConns())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	for {
		n := scalar[int](t, w.super.QueryRow(context.Background(), `SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND datname = current_database() AND state <> 'idle'`))
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions of the application are in the middle of something", n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
