package anonymise

import (
	"bytes"
	"context"
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

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/pg/tcptest"
)

// running are the clusters of this test binary: one with Garant's own databases and production, one for copies, which developers reach over TCP.
var running struct {
	main, copies *cluster.Cluster
	port, source int    // of the cluster for copies, and of the one with production
	authority    string // path of the certificate of both
	next         atomic.Int64
}

const garantTemplate = "garant_template"

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "garant-anonymise-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	certificate, key, err := tcptest.Certify(dir, 1)
	if err != nil {
		return fail(err)
	}
	running.authority = certificate
	if running.port, err = tcptest.FreePort(); err != nil {
		return fail(err)
	}
	if running.source, err = tcptest.FreePort(); err != nil {
		return fail(err)
	}
	users := []string{"reader"}
	for _, r := range pg.Roles() {
		users = append(users, string(r))
	}
	return pgtest.WithCluster(cluster.Options{Users: users, TCP: &cluster.TCP{Port: running.source, CertFile: certificate, KeyFile: key}}, func(c *cluster.Cluster) int {
		running.main = c
		return pgtest.WithCluster(cluster.Options{Users: []string{"copier", "issuer"}, TCP: &cluster.TCP{Port: running.port, CertFile: certificate, KeyFile: key}}, func(c *cluster.Cluster) int {
			running.copies = c
			if err := prepare(context.Background()); err != nil {
				return fail(err)
			}
			return m.Run()
		})
	})
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func prepare(ctx context.Context) error {
	if err := pg.Bootstrap(ctx, running.main.DSN(cluster.SuperUser, "postgres"), garantTemplate); err != nil {
		return err
	}
	if _, err := pg.Migrate(ctx, running.main.DSN(string(pg.Owner), garantTemplate)); err != nil {
		return err
	}
	for _, x := range []struct {
		on  *cluster.Cluster
		sql string
	}{
		{running.main, `CREATE ROLE reader LOGIN BYPASSRLS PASSWORD 'reader' IN ROLE pg_read_all_data`},
		{running.copies, `CREATE ROLE copier LOGIN CREATEDB PASSWORD 'copier' IN ROLE pg_signal_backend; CREATE ROLE issuer LOGIN CREATEROLE`},
	} {
		conn, err := pgx.Connect(ctx, x.on.DSN(cluster.SuperUser, "postgres"))
		if err != nil {
			return err
		}
		err = conn.PgConn().Exec(ctx, x.sql).Close()
		_ = conn.Close(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

// shop is production: people who do not exist, and what they bought.
const shop = `
CREATE TABLE person (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, born date NOT NULL, profile jsonb NOT NULL, note text NOT NULL, photo bytea);
CREATE TABLE purchase (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person_id bigint NOT NULL REFERENCES person, what text NOT NULL);
INSERT INTO person (name, email, born, profile, note)
SELECT g || ' ' || f || i, lower(f) || i || '@kunde.example', make_date(1960 + i % 3 * 10, 1 + i % 12, 1 + i % 28), jsonb_build_object('phone', '+32 470 ' || to_char(i, 'FM00') || ' 11 22', 'theme', 'dark'), 'Parlé à ' || g || ' ' || f || i || ' hier'
FROM generate_series(1, 60) i, LATERAL (SELECT (ARRAY['Mathilde', 'Wouter', 'Ségolène'])[1 + i % 3] g, (ARRAY['Vandenbrempt', 'Quatresols', 'Oosterlynckx'])[1 + i % 3] f) n;
INSERT INTO purchase (person_id, what) SELECT id, (ARRAY['chaise', 'table'])[1 + id % 2] FROM person;
ANALYZE;`

const shopPlan = `anonymise: 1
language: fr-BE
country: BE
tables:
  public.person:
    subject: id
    columns:
      id: rekey bigint
      name: {class: identifier, kind: full_name, transform: full_name, type: text}
      email: {class: identifier, kind: email, transform: email, type: text}
      born: {class: quasi_identifier, kind: birth_date, transform: generalise, to: decade, type: date}
      profile:
        class: free_text
        kind: text
        transform: json
        type: jsonb
        paths:
          phone: phone
          theme: keep
      note: {class: free_text, kind: text, transform: free_text, type: text, replace: all}
      photo: {class: identifier, kind: file, transform: suppress, type: bytea}
  public.purchase:
    columns:
      id: rekey bigint
      person_id: rekey bigint
      what: keep text
persons:
  public.person: {quasi: [born], k: 3}
`

// world is a Garant with a production and a place for its copies.
type world struct {
	t         testing.TB
	db        *pg.DB
	box       *crypt.Box
	copies    *Anonymise
	database  string    // of production
	name      string    // of the copy
	source    *pgx.Conn // in production, as the superuser
	plan      string
	section   string // lines that are put into the section anonymised
	dir       string // of the files that the estate names
	estate    *estate.Estate
	pending   []estate.Reduction
	lead, dev actor.Actor
	ahead     time.Duration // of the clock
	log       bytes.Buffer
	logging   sync.Mutex
}

func (w *world) Write(p []byte) (int, error) {
	w.logging.Lock()
	defer w.logging.Unlock()
	return w.log.Write(p)
}

func (w *world) now() time.Time { return time.Now().Add(w.ahead).UTC() }

func newWorld(t testing.TB) *world {
	t.Helper()
	n := strconv.FormatInt(running.next.Add(1), 10)
	w := &world{t: t, database: "shop_" + n, name: "dev_" + n, plan: shopPlan,
		lead: actor.Actor{Kind: actor.Person, ID: "11111111-1111-7111-8111-111111111111", Name: "Anna", Role: actor.Lead, Permissions: actor.Lead.Permissions()},
		dev:  actor.Actor{Kind: actor.Person, ID: "22222222-2222-7222-8222-222222222222", Name: "Bob", Role: actor.Developer, Permissions: actor.Developer.Permissions()}}
	w.garant("garant_" + n)
	super := w.connect(running.main, "postgres")
	pgtest.Exec(t, super, `CREATE DATABASE `+w.database)
	w.source = w.connect(running.main, w.database)
	pgtest.Exec(t, w.source, shop)
	t.Cleanup(func() {
		_ = w.source.Close(context.Background())
		pgtest.Exec(t, super, `DROP DATABASE `+w.database+` WITH (FORCE)`)
		for _, d := range w.databases() {
			pgtest.Exec(t, w.connect(running.copies, "postgres"), `DROP DATABASE IF EXISTS `+d+` WITH (FORCE)`)
		}
	})
	w.dir = t.TempDir()
	w.declare()
	w.copies = w.server()
	return w
}

// garant makes Garant's own database.
func (w *world) garant(name string) {
	w.t.Helper()
	super := w.connect(running.main, "postgres")
	pgtest.Exec(w.t, super, `CREATE DATABASE `+name+` TEMPLATE `+garantTemplate+` OWNER garant_owner`)
	w.must(pg.Secure(w.t.Context(), super, name))
	db, err := pg.Open(w.t.Context(), func(r pg.Role) string { return running.main.DSN(string(r), name) }, pg.ServingRoles()...)
	w.must(err)
	w.db = db
	w.t.Cleanup(func() {
		db.Close()
		pgtest.Exec(w.t, super, `DROP DATABASE `+name+` WITH (FORCE)`)
	})
	provider, err := crypt.KeyfileProvider(filepath.Join(w.t.TempDir(), "key"), true)
	w.must(err)
	w.box, err = crypt.NewBox(w.t.Context(), db.Pool(pg.Staff), provider)
	w.must(err)
}

// server is one Garant on the world's database: a test has as many as it likes.
func (w *world) server() *Anonymise {
	w.t.Helper()
	a, err := Open(Deps{DB: w.db, Box: w.box, Now: w.now, Log: slog.New(slog.NewJSONHandler(w, nil)), BinDir: running.main.BinDir(),
		View: func(context.Context) (measure.View, error) {
			return measure.View{Estate: w.estate, Pending: w.pending}, nil
		}})
	w.must(err)
	return a
}

// target is the address of the cluster for copies, over TCP.
func (w *world) target() string {
	return fmt.Sprintf("postgres://copier:copier@127.0.0.1:%d/postgres?sslmode=verify-full&sslrootcert=%s", running.port, running.authority)
}

// reader is the address of production, over TCP.
func (w *world) reader() string {
	return fmt.Sprintf("postgres://reader:reader@127.0.0.1:%d/%s?sslmode=verify-full&sslrootcert=%s", running.source, w.database, running.authority)
}

// place writes a file that the estate names.
func (w *world) place(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	w.must(os.WriteFile(path, []byte(content), 0o600))
	return path
}

// declare reads the estate anew, with the plan and the section as they are.
func (w *world) declare() {
	w.t.Helper()
	source := `company: {name: Test, country: BE, languages: [fr], time_zone: UTC, contact: a@company.example}
databases:
  - name: production
    url: file:` + w.place("url", running.main.DSN("reader", w.database)) + `
    database: ` + w.database + `
    system: "` + strconv.FormatUint(running.main.SystemIdentifier(), 10) + `"
    environment: production
    customer_data: true
    anonymised:
      plan: file:anonymise.yaml
      reader: file:` + w.place("reader", w.reader()) + `
      target: file:` + w.place("target", w.target()) + `
      issuer: file:` + w.place("issuer", running.copies.DSN("issuer", "postgres")) + `
      system: "` + strconv.FormatUint(running.copies.SystemIdentifier(), 10) + `"
      name: ` + w.name + `
      developers: [dev_` + w.name + `]
`
	section := w.section
	if section == "" {
		section = "every: 1h\nmax_age: 3h"
	}
	for line := range strings.SplitSeq(section, "\n") {
		source += "      " + line + "\n"
	}
	e, err := estate.Parse([]byte(source), estate.Files{"anonymise.yaml": []byte(w.plan)})
	w.must(err)
	w.estate = e
}

// role is the developers' role.
func (w *world) role() string { return "dev_" + w.name }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) connect(c *cluster.Cluster, database string) *pgx.Conn {
	w.t.Helper()
	return pgtest.Connect(w.t, c, cluster.SuperUser, database)
}

// tend lets the schedule have its way once, and returns the latest run.
func (w *world) tend() *Run {
	w.t.Helper()
	w.must(w.copies.Tend(w.t.Context(), "production"))
	r, err := lastRun(w.t.Context(), w.db.Pool(pg.Staff), "production")
	w.must(err)
	if r == nil {
		w.t.Fatal("no run was begun")
	}
	return r
}

// published lets the schedule have its way, and expects a copy.
func (w *world) published() *Run {
	w.t.Helper()
	r := w.tend()
	if r.Outcome != Published {
		w.t.Fatalf("the run is %s: %s %s\n%s", r.Outcome, r.Code, r.Said, w.log.String())
	}
	return r
}

// databases lists those of the copies.
func (w *world) databases() []string {
	w.t.Helper()
	rows, err := w.connect(running.copies, "postgres").Query(context.Background(), `SELECT datname::text FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1`, w.name)
	w.must(err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	w.must(err)
	return list
}

// served is the copy under the stable name.
func (w *world) served() run.Copied {
	w.t.Helper()
	have, err := run.List(w.t.Context(), w.target(), w.name)
	w.must(err)
	for _, c := range have {
		if c.State == run.Served {
			return c
		}
	}
	w.t.Fatal("nothing is served")
	return run.Copied{}
}
