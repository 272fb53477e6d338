package own

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// kinds holds one T for each kind of own check; its literals are written without keys, so that a
// new kind does not compile until it has a T, fault injections included.
type kinds[T any] struct{ SQL, HTTP, Command T }

const header = `company: {name: Ardoise, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
`

func parse(t testing.TB, files estate.Files, sections ...string) *estate.Estate {
	t.Helper()
	source := header + strings.Join(sections, "")
	e, err := estate.Parse([]byte(source), files)
	if err != nil {
		t.Fatalf("%v in\n%s", err, source)
	}
	return e
}

func declaration(kind string) string {
	return "checks:\n  - name: thing\n    measures: [OWN-1]\n    every: 1h\n    valid: 3h\n    title: {fr: Une chose, en: A thing}\n    facts: [rows, value, status, disks, os]\n" + kind
}

// only returns the only check of an estate.
func only(t testing.TB, e *estate.Estate) measure.Check {
	t.Helper()
	checks := CheckFor(e)
	if len(checks) != 1 {
		t.Fatalf("%d checks", len(checks))
	}
	return checks[0]
}

func observe(t testing.TB, e *estate.Estate) measure.Finding {
	t.Helper()
	return measure.Observe(context.Background(), only(t, e), measure.In{Estate: e, Now: time.Now()}, slog.New(slog.DiscardHandler))
}

func item(p Problem) measure.Item { return measure.Item{Target: "own:thing", Problem: string(p)} }

// --- a database -----------------------------------------------------------------------------------

type database struct {
	name, system string
	super        *pgx.Conn
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	d := &database{name: pgtest.NewName(t)}
	d.super = pgtest.Superuser(t, d.name)
	d.exec(t, "CREATE TABLE public.invoice (id int, tenant_id int, due date, note text); INSERT INTO public.invoice VALUES (1, 1, NULL, 'a'), (2, 2, NULL, 'b')")
	d.exec(t, "GRANT USAGE ON SCHEMA public TO garant_public, garant_worker; GRANT SELECT ON public.invoice TO garant_public")
	if err := d.super.QueryRow(context.Background(), "SELECT system_identifier::text FROM pg_control_system()").Scan(&d.system); err != nil {
		t.Fatal(err)
	}
	d.set("garant_public")(t)
	return d
}

func (d *database) exec(t testing.TB, statement string) {
	t.Helper()
	if _, err := d.super.Exec(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

func (d *database) does(statement string) func(testing.TB) {
	return func(t testing.TB) { d.exec(t, statement) }
}

// set lets the check connect as a role.
func (d *database) set(role string) func(testing.TB) {
	return func(t testing.TB) {
		t.Helper()
		t.Setenv("OWN_TEST_URL", pgtest.DSN(role, d.name))
	}
}

func (d *database) section() string {
	return fmt.Sprintf("databases:\n  - {name: production, url: env:OWN_TEST_URL, database: %s, system: %q, environment: production, customer_data: true}\n", d.name, d.system)
}

func (d *database) estate(t testing.TB, query, expect string) *estate.Estate {
	t.Helper()
	return parse(t, nil, d.section(), declaration(fmt.Sprintf("    sql:\n      database: production\n      query: |\n        %s\n      expect: %s\n", query, expect)))
}

func (d *database) faults() []measuretest.Fault {
	gone := func(t testing.TB) { t.Helper(); _ = os.Unsetenv("OWN_TEST_URL") }
	return []measuretest.Fault{
		{Name: "an orphan", Break: d.does("INSERT INTO public.invoice VALUES (3, NULL, NULL, 'c')"), Mend: d.does("DELETE FROM public.invoice WHERE id = 3"), Item: item(SQLRows)},
		{Name: "the right is taken away", Want: measure.Error, Break: d.does("REVOKE SELECT ON public.invoice FROM garant_public"), Mend: d.does("GRANT USAGE ON SCHEMA public TO garant_public, garant_worker; GRANT SELECT ON public.invoice TO garant_public"), Item: item(SQLRefused)},
		{Name: "the table is gone", Want: measure.Error, Break: d.does("ALTER TABLE public.invoice RENAME TO bill"), Mend: d.does("ALTER TABLE public.bill RENAME TO invoice"), Item: item(SQLRefused)},
		{Name: "a lock on the table", Want: measure.Error, Item: item(SQLRefused),
			Break: d.does("BEGIN; LOCK TABLE public.invoice IN ACCESS EXCLUSIVE MODE"), Mend: d.does("ROLLBACK")},
		{Name: "a role that is not let in", Want: measure.Error, Break: d.set("nobody_of_that_name"), Mend: d.set("garant_public"), Item: item(SQLUnreachable)},
		{Name: "no address", Want: measure.Error, Break: gone, Mend: d.set("garant_public"), Item: item(SecretMissing)},
		{Name: "another database answers", Want: measure.Error, Item: item(SQLDecoy), Mend: d.set("garant_public"),
			Break: func(t testing.TB) {
				t.Setenv("OWN_TEST_URL", pgtest.DSN("garant_public", pgtest.NewName(t)))
			}},
	}
}

// --- an address -----------------------------------------------------------------------------------

// web is a real HTTPS server whose answers a test can replace.
type web struct {
	mu     sync.Mutex
	answer http.HandlerFunc
	normal http.HandlerFunc
	seen   http.Header
	server *http.Server
	addr   string
	ca     *servers.CA
}

func newWeb(t testing.TB) *web {
	t.Helper()
	w := &web{normal: func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Cache-Control", "no-store")
		_, _ = rw.Write([]byte(`{"state": "ok", "load": 0.25, "nodes": [{"up": true}, {"up": true}]}`))
	}}
	w.answer = w.normal
	ca, err := servers.NewCA("Example Trust", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.ca = ca
	certificate, err := ca.Issue("status.example.test", time.Now().Add(-time.Hour), time.Now().Add(time.Hour*24*30), "")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	w.server = &http.Server{ReadHeaderTimeout: time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.mu.Lock()
			answer := w.answer
			w.seen = r.Header.Clone()
			w.mu.Unlock()
			answer(rw, r)
		}), TLSConfig: tlsOf(certificate)}
	go func() { _ = w.server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = w.server.Close() })
	return w
}

func (w *web) says(f http.HandlerFunc) func(testing.TB) {
	return func(testing.TB) { w.mu.Lock(); defer w.mu.Unlock(); w.answer = f }
}

func (w *web) text(status int, body string, headers ...string) func(testing.TB) {
	return w.says(func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			rw.Header().Set(headers[i], headers[i+1])
		}
		rw.WriteHeader(status)
		_, _ = rw.Write([]byte(body))
	})
}

func (w *web) mend(t testing.TB) { w.says(w.normal)(t) }

func (w *web) estate(t testing.TB, expect string) *estate.Estate {
	t.Helper()
	return parse(t, estate.Files{"ca.pem": w.ca.PEM()}, declaration(fmt.Sprintf(
		"    http:\n      url: https://status.example.test/health\n      connect: %s\n      trust: file:ca.pem\n      headers: {X-Token: env:OWN_TEST_TOKEN}\n      expect: %s\n", w.addr, expect)))
}

const healthy = `{status: 200, header: {Cache-Control: no-store}, body_contains: state, json: {state: ok, load: "< 0.9", "nodes[1].up": "true"}}`

func (w *web) faults() []measuretest.Fault {
	const good = `{"state": "ok", "load": 0.25, "nodes": [{"up": true}, {"up": true}]}`
	one := func(name string, want measure.Outcome, p Problem, f func(testing.TB)) measuretest.Fault {
		return measuretest.Fault{Name: name, Want: want, Item: item(p), Break: f, Mend: w.mend}
	}
	stored := []string{"Cache-Control", "no-store"}
	return []measuretest.Fault{
		one("another status", measure.Fail, HTTPStatus, w.text(503, good, stored...)),
		one("the header is gone", measure.Fail, HTTPHeader, w.text(200, good)),
		one("another header", measure.Fail, HTTPHeader, w.text(200, good, "Cache-Control", "public")),
		one("another text", measure.Fail, HTTPBody, w.text(200, `{"st": "ok"}`, stored...)),
		one("a member says no", measure.Fail, HTTPJSON, w.text(200, strings.Replace(good, "ok", "degraded", 1), stored...)),
		one("a member is too high", measure.Fail, HTTPJSON, w.text(200, strings.Replace(good, "0.25", "0.95", 1), stored...)),
		one("a member is gone", measure.Fail, HTTPJSON, w.text(200, `{"state": "ok", "load": 0.25, "nodes": [{"up": true}]}`, stored...)),
		one("a number that is none", measure.Error, HTTPUnreadable, w.text(200, strings.Replace(good, "0.25", "NaN", 1), stored...)),
		one("no JSON", measure.Error, HTTPUnreadable, w.text(200, "<html>state", stored...)),
		one("two JSON values", measure.Error, HTTPUnreadable, w.text(200, good+good, stored...)),
		one("an answer too large", measure.Error, HTTPUnreadable, w.text(200, strings.Repeat(good, 40000), stored...)),
		one("an endless answer", measure.Error, HTTPUnreadable, w.says(func(rw http.ResponseWriter, _ *http.Request) {
			for block := []byte(strings.Repeat("x", 1<<16)); ; {
				if _, err := rw.Write(block); err != nil {
					return
				}
			}
		})),
		one("a redirect to the clouds’ own address", measure.Fail, HTTPStatus, w.text(302, good, "Cache-Control", "no-store", "Location", "http://169.254.169.254/latest")),
		one("an answer that is cut", measure.Error, HTTPUnreachable, w.says(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "1000")
			_, _ = rw.Write([]byte("{"))
		})),
	}
}

// --- a command ------------------------------------------------------------------------------------

// script is a real program on disk that a test can replace.
type script struct{ path, normal string }

func newScript(t testing.TB, text string) *script {
	t.Helper()
	s := &script{path: filepath.Join(t.TempDir(), "look"), normal: text}
	s.mend(t)
	return s
}

func (s *script) is(text string) func(testing.TB) {
	return func(t testing.TB) {
		t.Helper()
		next := s.path + ".next"
		if err := os.WriteFile(next, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
		if err := os.Rename(next, s.path); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *script) mend(t testing.TB) { s.is(s.normal)(t) }

func (s *script) estate(t testing.TB) *estate.Estate {
	t.Helper()
	return parse(t, nil, declaration(fmt.Sprintf("    command:\n      run: [%s, 'an argument']\n      timeout: 2s\n      env: {TOKEN: env:OWN_TEST_TOKEN, PLAIN: text, PATH: /usr/bin:/bin}\n", s.path)))
}

func (s *script) faults() []measuretest.Fault {
	one := func(name string, want measure.Outcome, p Problem, text string) measuretest.Fault {
		return measuretest.Fault{Name: name, Want: want, Item: item(p), Break: s.is(text), Mend: s.mend}
	}
	return []measuretest.Fault{
		one("exit code 1", measure.Fail, CommandFailed, `echo "two disks are not encrypted"; exit 1`),
		one("exit code 1 without a word", measure.Fail, CommandFailed, `exit 1`),
		one("JSON that names items", measure.Fail, CommandItem, `echo '{"failed": [{"item": "laptop-7", "problem": "not encrypted"}]}'; exit 1`),
		one("JSON that names items, and exit code 0", measure.Fail, CommandItem, `echo '{"failed": [{"item": "laptop-7"}]}'`),
		one("exit code 2", measure.Error, CommandExit, `exit 2`),
		one("a signal", measure.Error, CommandExit, `kill -9 $$`),
		one("too slow", measure.Error, CommandTimeout, `sleep 60`),
		one("slow in a child that holds the output", measure.Error, CommandTimeout, `sleep 60 & sleep 60`),
		one("endless output", measure.Error, CommandTooLarge, `while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done`),
		one("huge JSON", measure.Error, CommandTooLarge, `printf '{"failed": ['; head -c 200000 /dev/zero | tr '\0' '1'; printf ']}'`),
		one("broken JSON", measure.Error, CommandOutput, `echo '{"failed": ['`),
		one("a number that is none", measure.Error, CommandOutput, `echo '{"facts": {"disks": NaN}}'`),
		one("an unknown member", measure.Error, CommandOutput, `echo '{"passed": true}'`),
		one("a fact that is a list", measure.Error, CommandOutput, `echo '{"facts": {"disks": [1]}}'`),
		one("two objects", measure.Error, CommandOutput, `echo '{}{}'`),
		one("an observation of long ago", measure.Error, CommandObserved, `echo '{"observed_at": "2020-01-01T00:00:00Z"}'`),
		one("an observation of the future", measure.Error, CommandObserved, `echo '{"observed_at": "2220-01-01T00:00:00Z"}'`),
		{Name: "the program is gone", Want: measure.Error, Item: item(CommandStart), Mend: s.mend,
			Break: func(t testing.TB) {
				if err := os.Remove(s.path); err != nil {
					t.Fatal(err)
				}
			}},
		{Name: "no secret", Want: measure.Error, Item: item(SecretMissing),
			Break: func(testing.TB) { _ = os.Unsetenv("OWN_TEST_TOKEN") },
			Mend:  func(t testing.TB) { t.Setenv("OWN_TEST_TOKEN", "correct-horse") }},
	}
}

// TestFaults breaks a real database, a real server and a real program in every way that own checks
// claim to see.
func TestFaults(t *testing.T) {
	t.Setenv("OWN_TEST_URL", "")
	t.Setenv("OWN_TEST_TOKEN", "correct-horse")
	d, w, s := newDatabase(t), newWeb(t), newScript(t, `echo '{"facts": {"disks": 7, "os": "debian"}}'`)
	estates := kinds[*estate.Estate]{d.estate(t, "SELECT id FROM public.invoice WHERE tenant_id IS NULL", "{rows: 0}"), w.estate(t, healthy), s.estate(t)}
	faults := kinds[[]measuretest.Fault]{d.faults(), w.faults(), s.faults()}
	t.Run("sql", func(t *testing.T) {
		measuretest.Run(t, measuretest.Subject{Check: only(t, estates.SQL), Estate: estates.SQL, Faults: faults.SQL})
	})
	t.Run("http", func(t *testing.T) {
		measuretest.Run(t, measuretest.Subject{Check: only(t, estates.HTTP), Estate: estates.HTTP, Faults: faults.HTTP})
	})
	t.Run("command", func(t *testing.T) {
		measuretest.Run(t, measuretest.Subject{Check: only(t, estates.Command), Estate: estates.Command, Faults: faults.Command})
	})
}
