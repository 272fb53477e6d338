package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// running is the cluster of this test binary: Garant's own databases and the guarded one. Roles belong to all of it, so that no test is
// parallel.
var running struct {
	cluster *cluster.Cluster
	next    atomic.Int64
}

const template = "garant_template"

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	if os.Getenv("GARANT_COLLECT_CHILD") != "" { // a process of TestKilledAtEveryStep, which has a cluster
		return m.Run()
	}
	users := []string{"keeper", "app", "weak"}
	for _, r := range pg.Roles() {
		users = append(users, string(r))
	}
	return pgtest.WithCluster(cluster.Options{Users: users, Settings: map[string]string{"fsync": "off", "max_connections": "200"}}, func(c *cluster.Cluster) int {
		running.cluster = c
		ctx := context.Background()
		if err := pg.Bootstrap(ctx, c.DSN(cluster.SuperUser, "postgres"), template); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if _, err := pg.Migrate(ctx, c.DSN(string(pg.Owner), template)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	})
}

// world is a Garant with a guarded database, in which an application works.
type world struct {
	t       testing.TB
	db      *pg.DB
	name    string // of Garant's database
	keyFile string
	box     *crypt.Box
	super   *pgx.Conn // in Garant's database
	shop    *pgx.Conn // superuser in the guarded database
	key     tenant.Key
	a, b    uuid.UUID
	estate  *estate.Estate
	c       *Collector
	wrong   []Wrong // that Captures tells
	tables  int
	mu      sync.Mutex
	asked   int // of Logins
}

// Subject implements Logins.
func (w *world) Subject(_ context.Context, database string, session uuid.UUID) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return "login:" + database + ":" + session.String()[:8], nil
}

func (w *world) connect(role, database string) *pgx.Conn {
	w.t.Helper()
	return pgtest.Connect(w.t, running.cluster, role, database)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, a: uuid.New(), b: uuid.New(), tables: 1}
	root := w.connect(cluster.SuperUser, "postgres")
	pgtest.Exec(t, root, `DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'keeper') THEN CREATE ROLE keeper LOGIN; CREATE ROLE app LOGIN; CREATE ROLE weak LOGIN; END IF;
END $$`)
	pgtest.Exec(t, root, `CREATE DATABASE shop`)
	t.Cleanup(func() {
		pgtest.Exec(t, w.connect(cluster.SuperUser, "postgres"), `DROP DATABASE IF EXISTS shop WITH (FORCE)`)
	})
	w.shop = w.connect(cluster.SuperUser, "shop")
	if _, err := token.Install(ctx, w.shop, token.Pinned); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, w.shop, `GRANT garant_keeper TO keeper; CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO app;
CREATE TABLE shop.item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id uuid NOT NULL DEFAULT garant.tenant_uuid(), name text NOT NULL, price numeric);
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.item TO app`)
	if err := token.Admit(ctx, w.shop, "app"); err != nil {
		t.Fatal(err)
	}
	for _, g := range (token.Capture{Table: "shop.item", Tenant: "tenant_id", Type: "uuid", Keys: []string{"id"}, Mode: token.CaptureAll, As: "shop.item"}).Triggers() {
		pgtest.Exec(t, w.shop, g.SQL)
	}
	w.key = tenant.Key{ID: 1, Audience: token.Audience(uuid.New(), uuid.New()), Secret: [32]byte(append(w.a[:], w.b[:]...))}
	if err := token.InstallKey(ctx, w.connect("keeper", "shop"), w.key, nil); err != nil {
		t.Fatal(err)
	}
	w.name = fmt.Sprintf("garant_%d", running.next.Add(1))
	pgtest.Exec(t, root, `CREATE DATABASE `+w.name+` TEMPLATE `+template+` OWNER garant_owner`)
	if err := pg.Secure(ctx, root, w.name); err != nil {
		t.Fatal(err)
	}
	w.keyFile = filepath.Join(t.TempDir(), "key")
	w.db, w.box = open(t, running.cluster.DSN("garant_staff", w.name), w.keyFile, true)
	t.Cleanup(func() {
		w.db.Close()
		pgtest.Exec(t, w.connect(cluster.SuperUser, "postgres"), `DROP DATABASE `+w.name+` WITH (FORCE)`)
	})
	w.super = w.connect(cluster.SuperUser, w.name)
	t.(interface{ Setenv(key, value string) }).Setenv("GARANT_TEST_KEEPER", running.cluster.DSN("keeper", "shop"))
	w.estate = parse(t, source())
	w.c = w.server()
	return w
}

// open opens Garant's database with a pen.
func open(t testing.TB, staff, keyFile string, fresh bool) (*pg.DB, *crypt.Box) {
	t.Helper()
	ctx := context.Background()
	db, err := pg.Open(ctx, func(r pg.Role) string { return strings.Replace(staff, "garant_staff", string(r), 1) }, pg.ServingRoles()...)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := crypt.KeyfileProvider(keyFile, fresh)
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(ctx, db.Pool(pg.Staff), provider)
	if err != nil {
		t.Fatal(err)
	}
	pen, err := audit.NewPen(box, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	pen.Use(db)
	return db, box
}

func (w *world) server() *Collector {
	return New(Deps{DB: w.db, View: func(context.Context) (measure.View, error) { return measure.View{Estate: w.estate}, nil }, Logins: w, Now: time.Now,
		Captures: func(context.Context, *pgx.Conn, []byte) (int, []Wrong, error) { return w.tables, w.wrong, nil }})
}

func source() string {
	return `company: {name: Test, country: BE, languages: [fr], time_zone: UTC, contact: a@company.example}
databases:
  - name: shop
    url: env:GARANT_TEST_URL
    database: shop
    system: "` + strconv.FormatUint(running.cluster.SystemIdentifier(), 10) + `"
    environment: production
    customer_data: true
    tenancy: {keeper: env:GARANT_TEST_KEEPER, design: pinned, key: {type: uuid}}
`
}

func parse(t testing.TB, source string) *estate.Estate {
	t.Helper()
	e, err := estate.Parse([]byte(source), nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// as runs a statement of the application in a transaction under a login of a tenant, and returns its session.
func (w *world) as(of uuid.UUID, sqls ...string) uuid.UUID {
	w.t.Helper()
	ctx := context.Background()
	session := uuid.New()
	minted, err := w.key.Mint(tenant.Claims{Tenant: tenant.UUID(of), Session: session, Kind: tenant.Login, Access: tenant.Write, Expires: time.Now().Add(time.Minute)})
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, running.cluster.DSN("app", "shop"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT garant.enter($1)`, minted.Bytes()); err != nil {
			return err
		}
		for _, sql := range sqls {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return session
}

func (w *world) collect(want int) {
	w.t.Helper()
	n, err := w.c.Collect(context.Background(), "shop")
	if err != nil || n != want {
		w.t.Errorf("%d events were written, %v; want %d, trouble %s", n, err, want, w.trouble())
	}
}

func (w *world) trouble() Problem {
	w.t.Helper()
	list, err := Statuses(context.Background(), w.db.Pool(pg.Staff))
	if err != nil {
		w.t.Fatal(err)
	}
	if len(list) == 0 {
		return ""
	}
	return list[0].Trouble
}

// entries are those of the record that tell of events, oldest first.
func (w *world) entries() []audit.Entry {
	w.t.Helper()
	list, err := audit.List(context.Background(), w.db.Pool(pg.Staff), audit.Filter{})
	if err != nil {
		w.t.Fatal(err)
	}
	var events []audit.Entry
	for _, e := range list {
		if strings.HasPrefix(e.Request, "event:") {
			events = append([]audit.Entry{e}, events...)
		}
	}
	if err := audit.Open(context.Background(), w.db.Pool(pg.Staff), w.box, events); err != nil {
		w.t.Fatal(err)
	}
	return events
}

func one[T any](w *world, on *pgx.Conn, sql string, args ...any) (v T) {
	w.t.Helper()
	if err := on.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
	return v
}

// child is what a process of TestKilledAtEveryStep is told.
type child struct {
	Garant, KeyFile, Source string
	Step                    int // at which it kills itself; 0: never
}

// TestChild is the process that TestKilledAtEveryStep has killed; by itself it does nothing.
func TestChild(t *testing.T) {
	told := os.Getenv("GARANT_COLLECT_CHILD")
	if told == "" {
		t.Skip("only as a process of another test")
	}
	var c child
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		t.Fatal(err)
	}
	db, _ := open(t, c.Garant, c.KeyFile, false)
	w := &world{t: t, db: db}
	e, err := estate.Parse([]byte(c.Source), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.estate = e
	w.c = w.server()
	step := 0
	w.c.at = func(string) {
		if step++; step == c.Step {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			time.Sleep(time.Minute)
		}
	}
	if _, err := w.c.Collect(context.Background(), "shop"); err != nil {
		t.Fatal(err)
	}
	fmt.Println("\nsteps", step)
}
