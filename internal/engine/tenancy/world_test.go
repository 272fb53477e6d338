package tenancy

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// running is the cluster of this test binary: Garant's own databases and the guarded ones. Roles
// belong to all of it, so that no test is parallel.
var running struct {
	cluster *cluster.Cluster
	dir     string
	next    atomic.Int64
}

const garantTemplate = "garant_template"

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	if os.Getenv("GARANT_TENANCY_CHILD") != "" { // a process of TestKilled, which has a cluster
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "garant-tenancy-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	running.dir = dir
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if running.cluster, err = startCluster(ctx, filepath.Join(dir, "pg")); err != nil {
		fmt.Fprintln(os.Stderr, "the test cluster does not start:", err)
		return 1
	}
	defer func() { _ = running.cluster.Close(context.Background()) }()
	if err := pg.Bootstrap(ctx, running.cluster.DSN(cluster.SuperUser, "postgres"), garantTemplate); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := pg.Migrate(ctx, running.cluster.DSN(string(pg.Owner), garantTemplate)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func startCluster(ctx context.Context, dir string) (*cluster.Cluster, error) {
	users := []string{"keeper", "app"}
	for _, r := range pg.Roles() {
		users = append(users, string(r))
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil { //nolint:gosec // as below
		return nil, err
	}
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { //nolint:gosec // PostgreSQL's account must enter
		return nil, err
	}
	return cluster.Open(ctx, cluster.Options{Name: "test", Dir: dir, Users: users,
		Settings: map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}})
}

// world is a Garant with a guarded database, an issuer of logins, and two people.
type world struct {
	t       testing.TB
	db      *pg.DB
	name    string // of Garant's database
	box     *crypt.Box
	tenancy *Tenancy
	super   *pgx.Conn // in the guarded database
	estate  *estate.Estate
	pending []estate.Reduction
	idp     *idp
	own     *OwnDatabase // nil: not under guard
	log     *bytes.Buffer
	logging sync.Mutex

	anna, bob, app actor.Actor
	a, b           uuid.UUID     // tenants
	ahead          time.Duration // of the clock
}

func (w *world) Write(p []byte) (int, error) {
	w.logging.Lock()
	defer w.logging.Unlock()
	return w.log.Write(p)
}

func (w *world) now() time.Time { return time.Now().Add(w.ahead).UTC() }

func connectTo(t testing.TB, c *cluster.Cluster, role, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), c.DSN(role, database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (w *world) connect(role, database string) *pgx.Conn {
	w.t.Helper()
	return connectTo(w.t, running.cluster, role, database)
}

func exec(t testing.TB, on *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := on.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
}

const shop = `CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO app;
CREATE TABLE shop.item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id uuid NOT NULL, name text NOT NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.item TO app;
ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_select ON shop.item FOR SELECT TO app USING (tenant_id = (SELECT garant.tenant_uuid()));
CREATE POLICY tenant_insert ON shop.item FOR INSERT TO app WITH CHECK (tenant_id = (SELECT garant.writer_uuid()))`

// guard puts a database under guard, with a keeper and an application.
func guard(t testing.TB, c *cluster.Cluster, a, b uuid.UUID) *pgx.Conn {
	t.Helper()
	root := connectTo(t, c, cluster.SuperUser, "postgres")
	exec(t, root, `DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'keeper') THEN CREATE ROLE keeper LOGIN; END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') THEN CREATE ROLE app LOGIN; END IF;
END $$`)
	exec(t, root, `CREATE DATABASE shop`)
	super := connectTo(t, c, cluster.SuperUser, "shop")
	if _, err := token.Install(context.Background(), super, token.Pinned); err != nil {
		t.Fatal(err)
	}
	exec(t, super, `GRANT garant_keeper TO keeper`)
	if err := token.Admit(context.Background(), super, "app"); err != nil {
		t.Fatal(err)
	}
	exec(t, super, shop)
	exec(t, super, fmt.Sprintf(`INSERT INTO shop.item (tenant_id, name) SELECT t, 'item ' || n FROM (VALUES ('%s'::uuid, 3), ('%s', 5)) AS v (t, c), generate_series(1, c) AS n`, a, b))
	return super
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, a: uuid.New(), b: uuid.New(), log: &bytes.Buffer{}}
	w.super = guard(t, running.cluster, w.a, w.b)
	t.Cleanup(func() {
		_ = w.super.Close(ctx)
		exec(t, w.connect(cluster.SuperUser, "postgres"), `DROP DATABASE shop WITH (FORCE)`)
	})
	w.openGarant()
	w.idp = newIDP(t)
	w.estate = w.parse(w.source(running.cluster))
	w.t.(interface{ Setenv(key, value string) }).Setenv("GARANT_TEST_KEEPER", running.cluster.DSN("keeper", "shop"))
	person := func(role actor.Role) actor.Actor {
		return actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Role: role, Permissions: role.Permissions(), Session: uuid.NewString()}
	}
	w.anna, w.bob, w.app = person(actor.Lead), person(actor.Lead), person(actor.Lead)
	w.app.Session, w.app.Permissions = "token:"+uuid.NewString(), []actor.Permission{actor.MintTokens}
	w.tenancy = w.server()
	return w
}

// openGarant makes Garant's own database.
func (w *world) openGarant() {
	w.t.Helper()
	ctx := context.Background()
	name := fmt.Sprintf("garant_%d", running.next.Add(1))
	w.name = name
	super := w.connect(cluster.SuperUser, "postgres")
	exec(w.t, super, `CREATE DATABASE `+w.name+` TEMPLATE `+garantTemplate+` OWNER garant_owner`)
	if err := pg.Secure(ctx, super, w.name); err != nil {
		w.t.Fatal(err)
	}
	db, err := pg.Open(ctx, func(r pg.Role) string { return running.cluster.DSN(string(r), w.name) }, pg.ServingRoles()...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = db
	w.t.Cleanup(func() {
		db.Close()
		exec(w.t, w.connect(cluster.SuperUser, "postgres"), `DROP DATABASE `+name+` WITH (FORCE)`)
	})
	provider, err := crypt.KeyfileProvider(filepath.Join(w.t.TempDir(), "key"), true)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.box, err = crypt.NewBox(ctx, db.Pool(pg.Staff), provider); err != nil {
		w.t.Fatal(err)
	}
}

// server is one Garant on the world's database: a test has as many as it likes.
func (w *world) server() *Tenancy {
	w.t.Helper()
	x, err := Open(Deps{DB: w.db, Box: w.box, Now: w.now, Own: w.own, Log: slog.New(slog.NewJSONHandler(w, nil)),
		View: func(context.Context) (measure.View, error) {
			return measure.View{Estate: w.estate, Pending: w.pending}, nil
		}})
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

func (w *world) source(c *cluster.Cluster) string {
	return `company: {name: Test, country: BE, languages: [fr], time_zone: UTC, contact: a@company.example}
databases:
  - name: shop
    url: env:GARANT_TEST_URL
    database: shop
    system: "` + strconv.FormatUint(c.SystemIdentifier(), 10) + `"
    environment: production
    customer_data: true
    tenancy:
      keeper: env:GARANT_TEST_KEEPER
      design: pinned
      key: {type: uuid}
      login: {issuer: "` + w.idp.issuer() + `", audience: sponsorship, tenant_claim: org_id, trust: file:idp.pem}
`
}

func (w *world) parse(source string) *estate.Estate {
	w.t.Helper()
	e, err := parseWith(source, w.idp.ca())
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// tend looks after the database until nothing moves any more.
func (w *world) tend() {
	w.t.Helper()
	for range 2 {
		if err := w.tenancy.Tend(context.Background(), "shop"); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) trouble() Problem {
	w.t.Helper()
	s, err := statusOf(context.Background(), w.db.Pool(pg.Staff), "shop")
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Trouble
}

// login has a token minted for a user of a tenant.
func (w *world) login(of uuid.UUID) (Minted, error) {
	w.t.Helper()
	return w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: w.idp.sign(w.idp.claims(of.String()))})
}

func (w *world) mustLogin(of uuid.UUID) Minted {
	w.t.Helper()
	m, err := w.login(of)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// rows tells how many rows a token opens; the error is that of garant.enter.
func (w *world) rows(m Minted) (int, error) {
	w.t.Helper()
	return rowsIn(w.t, running.cluster, m)
}

func rowsIn(t testing.TB, c *cluster.Cluster, m Minted) (n int, err error) {
	t.Helper()
	conn := connectTo(t, c, "app", "shop")
	defer func() { _ = conn.Close(context.Background()) }()
	err = pgx.BeginFunc(context.Background(), conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(context.Background(), `SELECT garant.enter($1)`, m.Token.Bytes()); err != nil {
			return tenant.Explain(err)
		}
		return tx.QueryRow(context.Background(), `SELECT count(*) FROM shop.item`).Scan(&n)
	})
	return n, err
}

// opens expects a token to open so many rows.
func (w *world) opens(m Minted, want int) {
	w.t.Helper()
	if n, err := w.rows(m); err != nil || n != want {
		w.t.Errorf("%d rows, %v; want %d", n, err, want)
	}
}

// one reads a value of Garant's database as its superuser.
func one[T any](w *world, sql string, args ...any) (v T) {
	w.t.Helper()
	if err := w.connect(cluster.SuperUser, w.name).QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
	return v
}

func (w *world) actions() string {
	w.t.Helper()
	return one[string](w, `SELECT coalesce(string_agg(action || ' ' || outcome, ', ' ORDER BY id), '') FROM audit.entry`)
}

// keys says how the keys of the last place stand: "2 mints, 1 retires".
func (w *world) keys() string {
	w.t.Helper()
	p, err := lastPlace(context.Background(), w.db.Pool(pg.Staff), "shop")
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := keysOf(context.Background(), w.db.Pool(pg.Staff), p.id, true)
	if err != nil {
		w.t.Fatal(err)
	}
	var said []string
	for _, k := range keys {
		state := "comes"
		switch {
		case k.RetiredAt != nil && k.sealed == nil:
			state = "retired"
		case k.RetiresAt != nil:
			state = "retires"
		case k.InstalledAt != nil:
			state = "mints"
		}
		said = append(said, fmt.Sprintf("%d %s", k.ID, state))
	}
	return strings.Join(said, ", ")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// reductionsOf is what the estate of now waits for against an earlier one.
func reductionsOf(before *estate.Estate, w *world) []estate.Reduction {
	return estate.Reductions(before, w.estate)
}

func parseWith(source string, ca []byte) (*estate.Estate, error) {
	return estate.Parse([]byte(source), estate.Files{"idp.pem": ca})
}
