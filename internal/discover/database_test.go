package discover_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/discover/discovertest"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// reader is the role that looks: it may sign in and read the catalogue, as everybody may.
const reader = "garant_checker"

// companies numbers the databases of this test binary.
var companies atomic.Int64

// company makes a database with roles and tables and returns its name.
func company(t testing.TB, statements ...string) string {
	t.Helper()
	name := fmt.Sprintf("ardoise_%d", companies.Add(1))
	if _, err := pgtest.Superuser(t, "postgres").Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 STRATEGY file_copy"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = pgtest.Superuser(t, "postgres").Exec(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	})
	super := pgtest.Superuser(t, name)
	run := func(sql string) {
		if _, err := super.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		`DO $$ BEGIN
			CREATE ROLE ardoise_app LOGIN;
			CREATE ROLE ardoise_readers NOLOGIN;
			CREATE ROLE ardoise_support LOGIN;
			GRANT ardoise_readers TO ardoise_support;
			CREATE ROLE ardoise_dev_anna LOGIN;
			CREATE ROLE ardoise_ops LOGIN BYPASSRLS;
			CREATE ROLE ardoise_idle LOGIN;
			CREATE ROLE ardoise_reporting LOGIN;
			GRANT pg_read_all_data TO ardoise_reporting;
		EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		"CREATE SCHEMA customer",
		"CREATE TABLE customer.applicant (id uuid, first_name text, email text, notes text)",
		"CREATE TABLE customer.budget (id uuid, amount numeric, currency text)",
		"INSERT INTO customer.applicant VALUES (NULL, 'Valeur secrète', 'valeur@secrete.example', '')",
		"GRANT USAGE ON SCHEMA customer TO ardoise_app, ardoise_readers, ardoise_idle",
		"GRANT SELECT ON ALL TABLES IN SCHEMA customer TO ardoise_app",
		"GRANT SELECT (email) ON customer.applicant TO ardoise_readers",
		"GRANT SELECT ON customer.budget TO ardoise_idle",
		"GRANT CONNECT ON DATABASE " + pgx.Identifier{name}.Sanitize() + " TO " + reader,
	} {
		run(sql)
	}
	for _, sql := range statements {
		run(sql)
	}
	return name
}

// at is a URL of a database of the test cluster, which lies behind a socket, with a password
// that means nothing to it.
func at(name string) string {
	config, err := pgx.ParseConfig(pgtest.DSN(reader, name))
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("postgres://%s:%s@/%s?host=%s&port=%d", reader, secret, name, url.QueryEscape(config.Host), config.Port)
}

const secret = "s3cr3t-of-the-database"

func askDatabase(databases ...discover.Database) discover.Ask {
	return discover.Ask{Databases: databases, Ports: discover.UsualPorts()}
}

func environment(name, url string) discover.Database {
	d, err := discover.ParseDatabase(url, "env:"+name)
	if err != nil {
		panic(err)
	}
	return d
}

func plainWay(t testing.TB) discover.Way {
	t.Helper()
	way, err := discover.Network("")
	if err != nil {
		t.Fatal(err)
	}
	return way
}

// state sums up what a change of a database would show in.
func state(t testing.TB, name string) func() string {
	return func() string {
		super := pgtest.Superuser(t, name)
		var sum string
		if err := super.QueryRow(context.Background(), `SELECT concat_ws(' ',
			(SELECT string_agg(concat_ws(',', rolname, rolsuper, rolcanlogin), ';' ORDER BY rolname) FROM pg_roles),
			(SELECT string_agg(concat_ws(',', oid, relname, relacl, relowner), ';' ORDER BY oid) FROM pg_class),
			(SELECT string_agg(a::text, ';') FROM customer.applicant a),
			(SELECT count(*) FROM pg_prepared_statements))`).Scan(&sum); err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte(sum))
		return hex.EncodeToString(digest[:])
	}
}

// tcp is a server of our own making that is asked as if it were PostgreSQL.
func tcp(t testing.TB, serve func(net.Conn)) discovertest.World {
	h := discovertest.NewHosts(t)
	h.Listen(t, "db."+domain, h.Ports.Postgres, serve)
	return discovertest.World{
		Ask:     askDatabase(environment("HOSTILE", fmt.Sprintf("postgres://u:%s@db.%s:%d/x?sslmode=disable", secret, domain, h.Ports.Postgres))),
		Way:     h.Resolver.Way(t),
		Secrets: []string{secret},
	}
}

// hostileNames are what a database may call its things.
func hostileNames() []string {
	odd := strings.ReplaceAll(evil, "\x1b", "")
	return []string{
		"CREATE TABLE customer." + pgx.Identifier{odd[:40]}.Sanitize() + " (email text)",
		"CREATE TABLE customer.\"x: [y, {z}] # 'q' - &a *b !t %\" (email text, \"first_name\r\n# x\" text)",
		"CREATE TABLE customer.\"with.dot\" (email text)",
		`DO $$ BEGIN CREATE ROLE "evil: [""x""] # 'y'" LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		"DO $$ BEGIN CREATE ROLE \"dev\n- evil\" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
		`DO $$ BEGIN CREATE ROLE "dev-yes: true, [#]" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
	}
}

func TestPostgresPassesTheSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for servers that never end")
	}
	sound := func(t testing.TB) discovertest.World {
		a, b := company(t), company(t)
		return discovertest.World{
			Ask: askDatabase(environment("ARDOISE_A", at(a)), environment("ARDOISE_B", at(b))), Way: plainWay(t),
			Secrets: []string{secret, "Valeur secrète", "valeur@secrete"}, State: state(t, a),
		}
	}
	discovertest.Run(t, discovertest.Subject{
		Source: &discover.Postgres{},
		Sound:  sound,
		Partial: func(t testing.TB) discovertest.World {
			w := sound(t)
			w.Ask.Databases[1] = environment("ARDOISE_AWAY", at("nowhere"))
			w.Missing = "ARDOISE_AWAY"
			return w
		},
		Silent: func(t testing.TB) discovertest.World { return tcp(t, discovertest.Hang) },
		Hostile: map[string]func(testing.TB) discovertest.World{
			"endless": func(t testing.TB) discovertest.World {
				return tcp(t, discovertest.Endless("", "R\x00\x00\x00\x08\x00\x00\x00\x00"))
			},
			"garbage": func(t testing.TB) discovertest.World { return tcp(t, discovertest.Endless("", "\x00\xff\xfe\x1b[31m")) },
			"a huge message": func(t testing.TB) discovertest.World {
				return tcp(t, discovertest.Endless("R\x7f\xff\xff\xff", "aaaaaaaa"))
			},
			"an evil refusal": func(t testing.TB) discovertest.World {
				return tcp(t, discovertest.Say("E\x00\x00\x00\x4fSFATAL\x00C28\x1b[m\x00M"+secret+evil+"\x00\x00"))
			},
			"hostile names": func(t testing.TB) discovertest.World {
				w := sound(t)
				w.Ask.Databases = w.Ask.Databases[:1]
				w.Ask.Databases[0] = environment("ARDOISE_EVIL", at(company(t, hostileNames()...)))
				w.State = nil
				t.Cleanup(func() {
					super := pgtest.Superuser(t, "postgres")
					for _, role := range []string{`"evil: [""x""] # 'y'"`, "\"dev\n- evil\"", `"dev-yes: true, [#]"`} {
						_, _ = super.Exec(context.Background(), "DROP ROLE IF EXISTS "+role)
					}
				})
				return w
			},
		},
	})
}

func draftOf(t *testing.T, ask discover.Ask, way discover.Way) (discover.Result, string) {
	t.Helper()
	found, err := discover.Find(t.Context(), ask, way, 0, &discover.Postgres{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := discover.Draft(discovertest.Company(), found, estate.Dir(t.TempDir()), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r, string(r.Source)
}

// What is proposed is what the server really holds; whether it should, is left to a person.
func TestPostgresTellsWhoReadsWhat(t *testing.T) {
	name := company(t)
	r, text := draftOf(t, askDatabase(environment("ARDOISE", at(name))), plainWay(t))
	has(t, text,
		"url: env:ARDOISE", "database: "+name, "customer_data: true", "customer.applicant",
		"- {role: ardoise_app, service: ardoise_app}", "- {role: ardoise_support, service: ardoise_support}", "- {role: ardoise_reporting, service: ardoise_reporting}",
		"- {role: ardoise_ops, holder: WHO HOLDS IT, why: WHAT FOR}", "BYPASSRLS", "member of pg_read_all_data",
		"- ardoise_dev_anna", "- {columns: 'customer.applicant.*', class: YOUR CLASS}",
	)
	for _, wrong := range []string{"{role: ardoise_idle, service", "customer.budget.*", "ardoise_dev_anna, service", secret, "Valeur"} {
		if strings.Contains(text, wrong) {
			t.Errorf("%q stands in\n%s", wrong, text)
		}
	}
	d, ok := r.Estate.Database(r.Estate.Databases[0].Name)
	if !ok || !d.CustomerData || len(d.Developers) != 1 || d.System == "" {
		t.Errorf("%+v", d)
	}
	// Nothing is believed before a person says so.
	if len(d.Readers)+len(d.Privileged)+len(d.Labels) != 0 {
		t.Errorf("a draft names readers, privileged roles or labels in force: %+v", d)
	}
}

var hash = regexp.MustCompile(`(?m)^(\s*)# (\s*)(- \{|-? ?[a-z_]+:( |$))`)

// Taking the # away gives lines that are valid where they stand.
func TestLinesWithoutTheirHashAreValid(t *testing.T) {
	name := company(t)
	h := discovertest.NewHosts(t)
	h.Serve(t, "app."+domain)
	h.Listen(t, "help."+domain, h.Ports.HTTP, discovertest.Say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	a := ask(h)
	a.Databases = []discover.Database{environment("ARDOISE", at(name))}
	found, err := discover.Find(t.Context(), a, h.Resolver.Way(t), 0, &discover.DNS{Now: time.Now}, &discover.Postgres{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := discover.Draft(discovertest.Company(), found, estate.Dir(t.TempDir()), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var bare []string
	for line := range strings.Lines(string(r.Source)) {
		bare = append(bare, hash.ReplaceAllString(line, "$1$2$3"))
	}
	e, _, err := estate.Validate([]byte(strings.Join(bare, "")), estate.Dir(t.TempDir()))
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(bare, ""))
	}
	if len(e.Endpoints) != 2 || len(e.Databases[0].Readers) < 3 || len(e.Databases[0].Privileged) < 3 || len(e.Databases[0].Labels) != 1 {
		t.Errorf("%+v", e)
	}
}

// A role that may not read the system identifier gets a draft that says what is missing.
func TestPostgresWithoutSystemIdentifier(t *testing.T) {
	name := company(t, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
	_, text := draftOf(t, askDatabase(environment("ARDOISE", at(name))), plainWay(t))
	has(t, text, "Not in force: The role of the URL may not read pg_control_system()", "# databases:")
}

// A password never leaves, whatever is wrong with the URL.
func TestParseDatabaseHidesTheURL(t *testing.T) {
	for _, bad := range []string{
		"postgres://u:" + secret + "@host:notaport/x", "postgres://u:" + secret + "%zz@host/x", secret, "https://u:" + secret + "@host/", "postgres://u:" + secret + "@h/x?sslmode=" + secret, "",
	} {
		d, err := discover.ParseDatabase(bad, "env:X")
		if err == nil {
			t.Errorf("%q is taken", bad)
			continue
		}
		if strings.Contains(err.Error()+fmt.Sprintf("%v %+v %#v %s", d, d, d, d), secret) {
			t.Errorf("the secret is shown: %v, %v", err, d)
		}
	}
}
