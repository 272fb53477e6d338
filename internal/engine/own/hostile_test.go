package own

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
)

func tlsOf(c tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
}

func problems(f measure.Finding) []string {
	var list []string
	for _, i := range f.Failed {
		list = append(list, i.Problem)
	}
	return list
}

// TestSQLNeverWrites: whatever the question, nothing is changed by it, and what is no question is
// no pass.
func TestSQLNeverWrites(t *testing.T) {
	t.Setenv("OWN_TEST_URL", "")
	d := newDatabase(t)
	d.exec(t, `CREATE FUNCTION public.wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM public.invoice RETURNING id'`)
	d.exec(t, "GRANT ALL ON public.invoice TO garant_worker")
	d.set("garant_worker")(t)
	for query, want := range map[string]measure.Outcome{
		"WITH gone AS (DELETE FROM public.invoice RETURNING id) SELECT id FROM gone": measure.Error,
		"SELECT public.wipe() WHERE false IS NOT TRUE":                               measure.Error,
		"SELECT 1; DELETE FROM public.invoice":                                       measure.Error,
		"SELECT 1; COMMIT; DELETE FROM public.invoice":                               measure.Error,
		"SELECT id FROM public.invoice FOR UPDATE":                                   measure.Error,
		"SELECT set_config('transaction_read_only', 'off', false), public.wipe()":    measure.Error,
		"SELECT $1::int": measure.Error,
		"WITH a AS (SELECT 1) INSERT INTO public.invoice SELECT 1": measure.Error,
		"SELECT 1 WHERE false -- a comment":                        measure.Pass,
		"TABLE public.invoice":                                     measure.Fail,
	} {
		f := observe(t, d.estate(t, query, "{rows: 0}"))
		if f.Outcome != want {
			t.Errorf("%s: %s %+v", query, f.Outcome, f.Failed)
		}
	}
	var rows int
	if err := d.super.QueryRow(context.Background(), "SELECT count(*) FROM public.invoice").Scan(&rows); err != nil || rows != 2 {
		t.Errorf("%d rows are left of 2 (%v)", rows, err)
	}
}

func TestSQLValues(t *testing.T) {
	t.Setenv("OWN_TEST_URL", "")
	d := newDatabase(t)
	for _, c := range []struct {
		query, expect string
		want          measure.Outcome
		problem       Problem
	}{
		{"SELECT 30", `{value: ">= 30"}`, measure.Pass, ""},
		{"SELECT 29.99::numeric", `{value: ">= 30"}`, measure.Fail, SQLValue},
		{"SELECT 'NaN'::float8", `{value: ">= 30"}`, measure.Error, SQLShape},
		{"SELECT 'Infinity'::float8", `{value: ">= 30"}`, measure.Error, SQLShape},
		{"SELECT NULL::int", `{value: ">= 30"}`, measure.Error, SQLShape},
		{"SELECT 1 WHERE false", `{value: ">= 30"}`, measure.Error, SQLShape},
		{"VALUES (30), (31)", `{value: ">= 30"}`, measure.Error, SQLShape},
		{"SELECT 30, 'more'", `{value: ">= 30"}`, measure.Error, SQLShape},
		{"SELECT repeat('x', 100000000)", `{value: x}`, measure.Error, SQLShape},
		{"SELECT current_setting('server_encoding')", `{value: UTF8}`, measure.Pass, ""},
		{"SELECT true", `{value: "true"}`, measure.Pass, ""},
		{"SELECT generate_series(1, 3)", `{rows: "<= 2"}`, measure.Fail, SQLRows},
		{"SELECT generate_series(1, 2000000)", `{rows: "> 5"}`, measure.Error, SQLShape},
	} {
		f := observe(t, d.estate(t, c.query, c.expect))
		if f.Outcome != c.want || c.problem != "" && !slices.Contains(problems(f), string(c.problem)) {
			t.Errorf("%s %s: %s %+v", c.query, c.expect, f.Outcome, f.Failed)
		}
	}
	f := observe(t, d.estate(t, "SELECT id FROM public.invoice WHERE note = 'b'", "{rows: 1}"))
	if f.Facts["own.thing.rows"].Count != 1 || strings.Contains(string(f.Raw), "note") {
		t.Errorf("%+v %s", f.Facts, f.Raw)
	}
	if testing.Short() {
		return
	}
	start := time.Now()
	if f := observe(t, d.estate(t, "SELECT pg_sleep(100)", "{rows: 1}")); f.Outcome != measure.Error || !slices.Contains(problems(f), string(SQLTimeout)) {
		t.Errorf("%+v", f)
	}
	if took := time.Since(start); took > sqlTimeout {
		t.Errorf("a slow question was waited for %v", took)
	}
}

// TestSecretsStay: a secret goes to the declared origin and nowhere else, and never into a finding.
func TestSecretsStay(t *testing.T) {
	const secret = "correct-horse"
	t.Setenv("OWN_TEST_TOKEN", secret)
	home, elsewhere := newWeb(t), newWeb(t)
	e := home.estate(t, healthy)
	e.Checks[0].HTTP.Redirects = 2
	if f := observe(t, e); f.Outcome != measure.Pass {
		t.Fatalf("%+v", f)
	}
	if home.seen.Get("X-Token") != secret {
		t.Errorf("the declared origin was sent %q", home.seen.Get("X-Token"))
	}
	home.text(http.StatusFound, "", "Location", "https://"+elsewhere.addr+"/")(t)
	f := observe(t, e)
	if f.Outcome != measure.Error || elsewhere.seen != nil {
		t.Errorf("a redirect to a private address of another origin was followed: %+v %v", f, elsewhere.seen)
	}
	s := newScript(t, `echo "$TOKEN $PLAIN $HOME"; exit 1`)
	f = observe(t, s.estate(t))
	b, err := json.Marshal(f)
	if err != nil || strings.Contains(string(b), secret) || !strings.Contains(string(b), "[secret] text") {
		t.Errorf("%s %v", b, err)
	}
}

// TestSecretsComeBack: whoever is asked and sends back what they were given, in whatever writing of JSON, puts it
// into no evidence.
func TestSecretsComeBack(t *testing.T) {
	const secret = `corr"ect<horse`
	t.Setenv("OWN_TEST_TOKEN", secret)
	stays := func(what string, f measure.Finding) {
		t.Helper()
		b, err := json.Marshal(f)
		if text := string(b) + string(f.Raw); err != nil || strings.Contains(text, "ect<horse") || strings.Contains(text, `ect\u003chorse`) || !strings.Contains(text, "[secret]") {
			t.Errorf("%s: %s %v", what, text, err)
		}
	}
	for what, text := range map[string]string{
		"escaped":        `{"failed": [{"item": "it is corr\"ect<horse", "actual": "corr\u0022ect\u003chorse"}]}`,
		"a declared one": `{"facts": {"os": "corr\"ect<horse"}}`,
	} {
		s := newScript(t, "cat <<'END'\n"+text+"\nEND\nexit 1")
		stays(what, observe(t, s.estate(t)))
	}
	w := newWeb(t)
	e := w.estate(t, `{status: 200, json: {x: "ok"}, header: {X-Back: "ok"}}`)
	w.text(http.StatusOK, `{"x": "corr\"ect\u003chorse"}`, "X-Back", secret)(t)
	stays("HTTP", observe(t, e))
}

func TestHTTPTrustAndVersion(t *testing.T) {
	t.Setenv("OWN_TEST_TOKEN", "x")
	w := newWeb(t)
	e := w.estate(t, `{status: 200, tls: "1.3"}`)
	if f := observe(t, e); f.Outcome != measure.Fail || !slices.Contains(problems(f), string(HTTPTLS)) {
		t.Errorf("TLS 1.2: %+v", f)
	}
	e = w.estate(t, `{status: 200}`)
	e.Checks[0].HTTP.TrustPEM = newWeb(t).ca.PEM()
	if f := observe(t, e); f.Outcome != measure.Fail || !slices.Contains(problems(f), string(HTTPUntrusted)) {
		t.Errorf("an unknown authority: %+v", f)
	}
	e = w.estate(t, `{status: 200}`)
	if err := w.server.Close(); err != nil {
		t.Fatal(err)
	}
	if f := observe(t, e); f.Outcome != measure.Error || !slices.Contains(problems(f), string(HTTPUnreachable)) {
		t.Errorf("down: %+v", f)
	}
}

// TestCommandIsAlone: no shell reads its arguments, it gets the declared environment and no other, and
// nothing of its group is left behind.
func TestCommandIsAlone(t *testing.T) {
	t.Setenv("OWN_TEST_TOKEN", "correct-horse")
	t.Setenv("OWN_TEST_OTHER", "not for it")
	dir := t.TempDir()
	s := newScript(t, `env > `+filepath.Join(dir, "env")+`; echo "$1" > `+filepath.Join(dir, "argument"))
	e := s.estate(t)
	e.Checks[0].Command.Run[1] = "$(touch " + filepath.Join(dir, "injected") + "); `id`"
	if f := observe(t, e); f.Outcome != measure.Pass {
		t.Fatalf("%+v", f)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil || strings.Contains(string(env), "OWN_TEST_OTHER") || !strings.Contains(string(env), "PLAIN=text") {
		t.Errorf("%s %v", env, err)
	}
	argument, err := os.ReadFile(filepath.Join(dir, "argument"))
	if err != nil || strings.TrimSpace(string(argument)) != e.Checks[0].Command.Run[1] {
		t.Errorf("%s %v", argument, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "injected")); err == nil {
		t.Error("a shell has read the argument")
	}

	pid := filepath.Join(dir, "pid")
	s.is(`sleep 300 & echo $! > ` + pid + `; sleep 300 & wait`)(t)
	if f := observe(t, s.estate(t)); f.Outcome != measure.Error {
		t.Errorf("%+v", f)
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if gone(child) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the child %d is still running", child)
		}
	}
}

// gone reports whether a process has ended; one that nobody has waited for has too.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// FuzzMember: no JSON of a stranger brings the reader down.
func FuzzMember(f *testing.F) {
	f.Add([]byte(`{"a": [{"b": 1}]}`), "a[0].b")
	f.Add([]byte(`{"a": [[1, 2]]}`), "a[0][1]")
	f.Add([]byte(strings.Repeat("[", 200)), "a")
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		v, err := decode(text)
		if err != nil {
			return
		}
		member(v, path)
	})
}

func TestMember(t *testing.T) {
	v, err := decode([]byte(`{"a": [{"b": 1.50}, [true, "x"]], "n": null, "o": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"a[0].b": "1.50", "a[1][0]": "true", "a[1][1]": "x"} {
		if got, ok := member(v, path); !ok || got != want {
			t.Errorf("%s: %q %t", path, got, ok)
		}
	}
	for _, path := range []string{"n", "o", "a", "a[2]", "a[0].c", "b", "a[0].b.c", "a.b"} {
		if got, ok := member(v, path); ok {
			t.Errorf("%s: %q", path, got)
		}
	}
	if _, err := decode([]byte(strings.Repeat("[", 5000) + strings.Repeat("]", 5000))); err == nil {
		t.Error("deep JSON is read")
	}
}

func TestMessages(t *testing.T) {
	measuretest.Words(t, Messages(), Problems())
	measuretest.Listed(t, Problems())
}
