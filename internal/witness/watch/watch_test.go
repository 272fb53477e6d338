package watch

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/witness"
)

// garant is a loopback server that answers as a Garant does: the public annex, and the call that takes statements.
type garant struct {
	mu      sync.Mutex
	annex   map[string]any
	status  int // of the annex; 0: 200
	refuses int // status with which statements are refused; 0: they are taken
	got     []witness.Signed
	token   string
	hooks   []Alarm
	shown   []witness.Shown // checkpoints that were sent in
	turns   int             // status with which those are refused; 0: they are taken
	url     string
}

func newGarant(t testing.TB) *garant {
	t.Helper()
	g := &garant{annex: map[string]any{}}
	g.set(func(a map[string]any) {
		a["company"] = map[string]any{"legal_name": "Ardoise SRL"}
		a["document"], a["version"], a["since"] = strings.Repeat("a", 64), 7, time.Now().Add(-time.Hour).UTC()
		a["measures"] = []any{map[string]any{"id": "ENC-1", "state": "met"}, map[string]any{"id": "NET-1", "state": "unproven"}}
	})
	server := httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (g *garant) set(change func(map[string]any)) { g.mu.Lock(); defer g.mu.Unlock(); change(g.annex) }

func (g *garant) announce(state string) {
	g.set(func(a map[string]any) {
		a["measures"] = []any{map[string]any{"id": "ENC-1", "state": state}, map[string]any{"id": "NET-1", "state": "unproven"}}
	})
}

func (g *garant) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch r.URL.Path {
	case "/annex.json":
		if g.status != 0 {
			w.WriteHeader(g.status)
			return
		}
		answer := map[string]any{"at": time.Now().UTC()}
		for k, v := range g.annex {
			answer[k] = v
		}
		_ = json.NewEncoder(w).Encode(answer)
	case "/api/v1/witness/statements":
		g.token = r.Header.Get("Authorization")
		var s witness.Signed
		if g.refuses != 0 || json.NewDecoder(r.Body).Decode(&s) != nil {
			w.WriteHeader(max(g.refuses, 400))
			return
		}
		g.got = append(g.got, s)
		w.WriteHeader(http.StatusCreated)
	case "/api/v1/witness/vigie/cosignature":
		var s witness.Shown
		if json.NewDecoder(r.Body).Decode(&s) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		g.shown = append(g.shown, s)
		w.WriteHeader(max(g.turns, http.StatusCreated))
	case "/hook":
		var a Alarm
		_ = json.NewDecoder(r.Body).Decode(&a)
		g.hooks = append(g.hooks, a)
	}
}

// bench is a witness with one check whose finding the test sets.
type bench struct {
	*Watch
	garant *garant
	dir    string
	saw    measure.Outcome
	public ed25519.PublicKey
}

func newBench(t testing.TB, more string) *bench {
	t.Helper()
	b := &bench{garant: newGarant(t), dir: t.TempDir(), saw: measure.Pass}
	public, err := MakeKey(filepath.Join(b.dir, "witness.key"))
	if err != nil {
		t.Fatal(err)
	}
	b.public = public
	t.Setenv("WITNESS_TEST_TOKEN", "token-of-the-interface")
	source := "name: vigie\ncompany: Ardoise SRL\nkey: file:witness.key\nannex: {url: '" + b.garant.url + "'}\n" +
		"garant: {url: '" + b.garant.url + "', token: env:WITNESS_TEST_TOKEN}\nevery: 1s\ngrace: 1s\nmisses: 2\n" +
		"endpoints:\n  - {name: app, url: https://app.ardoise.example, environment: production, audience: public}\n" +
		"alarm: {webhook: '" + b.garant.url + "/hook', outbox: '" + b.dir + "', mail: security@ardoise.example}\n" + more
	file, err := estate.ParseWitness([]byte(source), estate.Dir(b.dir))
	if err != nil {
		t.Fatal(err)
	}
	b.open(t, file)
	return b
}

func (b *bench) open(t testing.TB, file *estate.WitnessFile) {
	t.Helper()
	key, err := LoadKey(file.Key.Path())
	if err != nil {
		t.Fatal(err)
	}
	scope := func(e *estate.Estate) []string {
		var names []string
		for _, ep := range e.Endpoints {
			names = append(names, ep.Name)
		}
		return names
	}
	check := measure.Check{ID: "x.y", Measures: []string{"ENC-1"}, Every: time.Minute, Valid: 3 * time.Minute, Timeout: time.Second, Scope: scope,
		Run: func(context.Context, measure.In) measure.Finding {
			f := measure.Finding{Outcome: b.saw, Scope: []string{"app"}}
			if b.saw != measure.Pass {
				f.Failed = []measure.Item{{Target: "app", Problem: "x"}}
			}
			if b.saw == measure.Error {
				f.Scope = nil
			}
			return f
		}}
	var cosigner *merkle.Cosigner
	if file.Log != nil {
		if _, err := MakeCosigner(file.Log.Cosigner.Path(), file.Log.Name); err != nil && !errs.Is(err, errs.Conflict) {
			t.Fatal(err)
		}
		if cosigner, err = LoadCosigner(file.Log.Cosigner.Path(), file.Log.Name, time.Now); err != nil {
			t.Fatal(err)
		}
	}
	if b.Watch, err = Open(Config{File: file, Key: key, Cosigner: cosigner, Checks: []measure.Check{check}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) round(t testing.TB) Report {
	t.Helper()
	r, err := b.Round(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func kinds(alarms []Alarm) string {
	var list []string
	for _, a := range alarms {
		over := ""
		if a.Over {
			over = " over"
		}
		list = append(list, a.Kind+over)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func TestConfirms(t *testing.T) {
	b := newBench(t, "")
	first, second := b.round(t), b.round(t)
	if len(first.Alarms) != 0 || !first.Sent || first.Statement.Sequence >= second.Statement.Sequence {
		t.Errorf("%+v\n%+v", first, second)
	}
	s, err := b.garant.got[0].Open(b.public)
	if err != nil || len(s.States) != 1 || !s.States[0].Confirmed() || s.Document != strings.Repeat("a", 64) || s.Version != 7 || s.Reach != nil {
		t.Errorf("%+v %v", s, err)
	}
	if b.garant.token != "Bearer token-of-the-interface" {
		t.Errorf("%q", b.garant.token)
	}
	b.garant.announce("not_met")
	b.saw = measure.Fail
	if r := b.round(t); len(r.Alarms) != 0 || r.Statement.States[0].Confirmed() {
		t.Errorf("what is not announced is no dispute: %+v", r)
	}
}

// TestDispute: the alarm comes after a second look, once, and ends with an all-clear; blindness does not end it.
func TestDispute(t *testing.T) {
	b := newBench(t, "language: fr\n")
	b.saw = measure.Fail
	r := b.round(t)
	if kinds(r.Alarms) != Dispute || r.Alarms[0].Measure != "ENC-1" || !strings.Contains(r.Alarms[0].Text, "annonce ENC-1 comme tenu") || !r.Statement.States[0].Disputed() {
		t.Fatalf("%+v", r)
	}
	if r := b.round(t); len(r.Alarms) != 0 {
		t.Errorf("a second alarm of one episode: %+v", r.Alarms)
	}
	b.open(t, b.File) // after a restart too
	if r := b.round(t); len(r.Alarms) != 0 {
		t.Errorf("an alarm anew after a restart: %+v", r.Alarms)
	}
	b.saw = measure.Error
	if r := b.round(t); len(r.Alarms) != 0 {
		t.Errorf("blindness ended it: %+v", r.Alarms)
	}
	b.saw = measure.Pass
	if r := b.round(t); kinds(r.Alarms) != Dispute+" over" || !strings.HasPrefix(r.Alarms[0].Text, "Fin d’alerte") {
		t.Errorf("%+v", r.Alarms)
	}
	if len(b.garant.hooks) != 2 || b.garant.hooks[1].Over != true {
		t.Errorf("the webhook was told %+v", b.garant.hooks)
	}
	mails, err := filepath.Glob(filepath.Join(b.dir, "*.eml"))
	if err != nil || len(mails) != 2 {
		t.Fatalf("%v %v", mails, err)
	}
	mail, err := os.ReadFile(mails[0])
	if err != nil || !strings.Contains(string(mail), "To: security@ardoise.example\r\n") || !strings.Contains(string(mail), "annonce ENC-1") {
		t.Errorf("%s %v", mail, err)
	}
}

// TestGrace: what Garant withdraws while the witness waits is no dispute.
func TestGrace(t *testing.T) {
	b := newBench(t, "")
	b.saw = measure.Fail
	go func() {
		time.Sleep(300 * time.Millisecond)
		b.garant.announce("not_met")
	}()
	if r := b.round(t); len(r.Alarms) != 0 || r.Statement.States[0].Disputed() {
		t.Errorf("%+v", r)
	}
}

func TestSilence(t *testing.T) {
	for what, c := range map[string]struct{ doBreak, mend func(*garant) }{
		"an error":        {func(g *garant) { g.status = 503 }, func(g *garant) { g.status = 0 }},
		"another company": {func(g *garant) { g.annex["company"] = map[string]any{"legal_name": "Other SRL"} }, func(g *garant) { g.annex["company"] = map[string]any{"legal_name": "Ardoise SRL"} }},
		"an old page":     {func(g *garant) { g.annex["at"] = time.Now().Add(-4 * time.Minute).UTC() }, func(g *garant) { delete(g.annex, "at") }},
		"the future":      {func(g *garant) { g.annex["at"] = time.Now().Add(4 * time.Minute).UTC() }, func(g *garant) { delete(g.annex, "at") }},
		"no annex":        {func(g *garant) { delete(g.annex, "measures") }, func(g *garant) { g.annex["measures"] = []any{map[string]any{"id": "ENC-1", "state": "met"}} }},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t, "")
			b.round(t)
			lock := func(f func(*garant)) { b.garant.mu.Lock(); defer b.garant.mu.Unlock(); f(b.garant) }
			lock(c.doBreak)
			if r := b.round(t); len(r.Alarms) != 0 || r.Statement.Document != "" || r.Statement.States[0].Confirmed() {
				t.Errorf("one miss: %+v", r)
			}
			if r := b.round(t); kinds(r.Alarms) != Silence || r.Alarms[0].Text == "" {
				t.Errorf("two misses: %+v", r.Alarms)
			}
			if r := b.round(t); len(r.Alarms) != 0 {
				t.Errorf("a second alarm: %+v", r.Alarms)
			}
			lock(c.mend)
			if r := b.round(t); kinds(r.Alarms) != Silence+" over" {
				t.Errorf("mended: %+v", r.Alarms)
			}
		})
	}
}

func TestGoesBack(t *testing.T) {
	b := newBench(t, "")
	b.round(t)
	b.garant.set(func(a map[string]any) { a["version"] = 6 })
	if r := b.round(t); kinds(r.Alarms) != Back {
		t.Errorf("an earlier version: %+v", r.Alarms)
	}
	if r := b.round(t); len(r.Alarms) != 0 {
		t.Errorf("a second alarm: %+v", r.Alarms)
	}
	b.garant.set(func(a map[string]any) { a["version"] = 7 })
	if r := b.round(t); kinds(r.Alarms) != Back+" over" {
		t.Errorf("%+v", r.Alarms)
	}
	b.garant.set(func(a map[string]any) { a["since"] = time.Now().Add(-2 * time.Hour).UTC() })
	if r := b.round(t); kinds(r.Alarms) != Back {
		t.Errorf("from before: %+v", r.Alarms)
	}
	b.garant.set(func(a map[string]any) { a["version"], a["since"] = 8, time.Now().UTC() })
	b.round(t)
	b.garant.set(func(a map[string]any) { a["at"] = time.Now().Add(-time.Minute).UTC() })
	if r := b.round(t); kinds(r.Alarms) != Back {
		t.Errorf("a page of a minute ago after one of now: %+v", r.Alarms)
	}
}

func TestNotTaken(t *testing.T) {
	b := newBench(t, "")
	b.garant.refuses = http.StatusConflict
	b.round(t)
	if r := b.round(t); kinds(r.Alarms) != Deliver || r.Sent {
		t.Errorf("%+v", r)
	}
	b.garant.refuses = 0
	if r := b.round(t); kinds(r.Alarms) != Deliver+" over" || !strings.Contains(r.Alarms[0].Text, "refuses") {
		t.Errorf("%+v", r.Alarms)
	}
}

// TestReach opens and closes a real port.
func TestReach(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	b := newBench(t, "refused: ['"+address+"', 'nowhere.invalid:22']\n")
	r := b.round(t)
	if !slices.Equal(r.Statement.Reach.Open, []string{address}) || !slices.Equal(r.Statement.Reach.Unknown, []string{"nowhere.invalid:22"}) || r.Statement.States[1].Saw != witness.SawFail {
		t.Errorf("open: %+v %+v", r.Statement.Reach, r.Statement.States)
	}
	if len(r.Alarms) != 0 {
		t.Errorf("what is not announced as met is no dispute: %+v", r.Alarms)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r := b.round(t); !slices.Equal(r.Statement.Reach.Refused, []string{address}) || len(r.Statement.Reach.Open) != 0 || r.Statement.States[1].Saw != witness.SawError {
		t.Errorf("closed: %+v", r.Statement.Reach)
	}
}

// TestNoSignOfLife: without anything that answers, a closed port says nothing.
func TestNoSignOfLife(t *testing.T) {
	b := newBench(t, "refused: ['127.0.0.1:1']\n")
	b.saw, b.garant.status = measure.Error, 503
	if r := b.round(t); len(r.Statement.Reach.Refused) != 0 || !slices.Equal(r.Statement.Reach.Unknown, []string{"127.0.0.1:1"}) {
		t.Errorf("%+v", r.Statement.Reach)
	}
	b.garant.status = 0
	if r := b.round(t); !slices.Equal(r.Statement.Reach.Refused, []string{"127.0.0.1:1"}) {
		t.Errorf("%+v", r.Statement.Reach)
	}
}

func TestStateAndKey(t *testing.T) {
	b := newBench(t, "")
	b.round(t)
	last := b.state.Sequence
	if err := os.Remove(b.File.State); err != nil {
		t.Fatal(err)
	}
	b.open(t, b.File)
	if r := b.round(t); r.Statement.Sequence < last {
		t.Errorf("a lost state file began anew: %d after %d", r.Statement.Sequence, last)
	}
	for _, bad := range []string{"", "{", `{"sequence": "x"}`} {
		if err := os.WriteFile(b.File.State, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(b.Config); !errs.Is(err, errs.Invalid) {
			t.Errorf("state %q: %v", bad, err)
		}
	}
	key := filepath.Join(b.dir, "witness.key")
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := MakeKey(key); !errs.Is(err, errs.Conflict) {
		t.Errorf("the key was overwritten: %v", err)
	}
	if err := os.Chmod(key, 0o640); err != nil { //nolint:gosec // that is the fault
		t.Fatal(err)
	}
	if _, err := LoadKey(key); !errs.Is(err, errs.Invalid) {
		t.Errorf("a key that the group may read: %v", err)
	}
	if _, err := LoadKey(filepath.Join(b.dir, "none")); !errs.Is(err, errs.Invalid) {
		t.Errorf("no key: %v", err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "other"), []byte("-----BEGIN X-----\n-----END X-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(filepath.Join(b.dir, "other")); !errs.Is(err, errs.Invalid) {
		t.Errorf("another file: %v", err)
	}
}

// TestAlarmCommand: the command gets the alarm on its standard input; what fails in one way is told in the others.
func TestAlarmCommand(t *testing.T) {
	b := newBench(t, "")
	out := filepath.Join(b.dir, "told")
	script := filepath.Join(b.dir, "page")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ncat > "+out+"\nexit 1\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	b.File.Alarm.Command = []string{script}
	b.saw = measure.Fail
	_, err := b.Round(context.Background())
	if err == nil || !strings.Contains(err.Error(), "command of the alarm") {
		t.Errorf("%v", err)
	}
	told, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(told), `"measure":"ENC-1"`) || len(b.garant.hooks) != 1 {
		t.Errorf("%s %v %+v", told, err, b.garant.hooks)
	}
	b.File.Alarm.Exit = true
	b.garant.refuses = 500
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := b.Run(ctx); err != ErrAlarm { //nolint:errorlint // it is returned as it is
		t.Errorf("%v", err)
	}
}

func TestBadFiles(t *testing.T) {
	_, logKey := keyOf(logOrigin, 1)
	log := "log: {url: https://trust.ardoise.example/log, key: '" + logKey + "', cosigner: file:cosigner.key}\n"
	good := "name: vigie\ncompany: Ardoise SRL\nkey: file:witness.key\nannex: {url: https://trust.ardoise.example}\nrefused: ['127.0.0.1:1']\nalarm: {exit: true}\n" + log
	file, err := estate.ParseWitness([]byte(good), "/nowhere")
	if err != nil || file.Log.Name != "vigie" || file.Log.Quiet != 5*time.Minute || file.Log.Cosigner.Path() != "/nowhere/cosigner.key" {
		t.Fatalf("%v %+v", err, file)
	}
	if file, err := estate.ParseWitness([]byte(strings.Replace(good, "refused: ['127.0.0.1:1']\n", "", 1)), "/nowhere"); err != nil || file.Log == nil {
		t.Errorf("a log alone is enough to look at: %v", err)
	}
	if _, err := Open(Config{File: file}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a log and no cosigner: %v", err)
	}
	for old, c := range map[string][2]string{
		"name: vigie\n":         {"", "witness.yaml:1: name: The key is missing"},
		"alarm: {exit: true}":   {"alarm: {exit: false}", "Nobody would be told"},
		"alarm: {exit: true}\n": {"", "alarm: The key is missing"},
		"{exit: true}":          {"{command: [page]}", "not named from the root"},
		"refused: ['127.0.0.1:1']\nalarm: {exit: true}\n" + log: {"alarm: {exit: true}\n", "nothing to look at"},
		", key: '" + logKey + "'":                               {"", "log.key: The key is missing"},
		"'" + logKey + "'":                                      {"trust-on-first-use", "not the key of a log"},
		", cosigner: file:cosigner.key":                         {"", "log.cosigner: The key is missing"},
		"cosigner: file:cosigner.key":                           {"cosigner: file:witness.key", "that of its statements"},
		"file:cosigner.key":                                     {"env:COSIGNER", "The key stands in a file"},
		"cosigner.key}":                                         {"cosigner.key, name: a+b}", "cannot be the name of a key"},
		"cosigner.key}\n":                                       {"cosigner.key, quiet: 10s}\n", "log.quiet"},
		"refused:":                                              {"refuse:", "There is no such section. Did you mean refused?"},
		"key: file:witness.key":                                 {"key: env:KEY", "The key stands in a file"},
		"https://trust":                                         {"ftp://trust", "not an address of the web"},
		"alarm: {exit":                                          {"garant: {url: https://admin.ardoise.example, token: abc}\nalarm: {exit", "written in the file"},
	} {
		_, err := estate.ParseWitness([]byte(strings.Replace(good, old, c[0], 1)), "/nowhere")
		if err == nil || !strings.Contains(err.Error(), c[1]) || !strings.HasPrefix(err.Error(), "witness.yaml:") {
			t.Errorf("%s → %s: %v", old, c[0], err)
		}
	}
}
