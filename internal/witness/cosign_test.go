package witness_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/measuretest"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/witness"
	"github.com/garant-project/garant/internal/witness/watch"
)

// side is a Garant with a log, of which a witness is to cosign the heads.
type side struct {
	t     testing.TB
	name  string
	db    *pg.DB
	box   *crypt.Box
	seq   *sequence.Sequencer
	super *pgx.Conn
	book  *witness.Book
	front string // address of the published log
	api   string // of the interface for programs
	ahead time.Duration
}

// cast is who the tests of the log need: one directory with the keys of a witness, and a Garant.
type cast struct {
	t        *testing.T
	dir      string
	cosigner *merkle.Cosigner
	estate   *estate.Estate
	customer string
}

func newCast(t *testing.T) *cast {
	t.Helper()
	c := &cast{t: t, dir: t.TempDir(), customer: uuid.NewString()}
	public, err := watch.MakeKey(filepath.Join(c.dir, "witness.key"))
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := watch.MakeCosigner(filepath.Join(c.dir, "cosigner.key"), "witness.example/vigie")
	if err != nil {
		t.Fatal(err)
	}
	if c.cosigner, err = watch.LoadCosigner(filepath.Join(c.dir, "cosigner.key"), "witness.example/vigie", time.Now); err != nil {
		t.Fatal(err)
	}
	other, err := watch.MakeKey(filepath.Join(c.dir, "other.key"))
	if err != nil {
		t.Fatal(err)
	}
	c.estate, err = estate.Parse([]byte("company: {name: Ardoise, legal_name: Ardoise SRL, country: BE, languages: [en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}\nwitness:\n"+
		"  - {name: vigie, key: '"+estate.FormatWitnessKey(public)+"', cosigner: "+vkey+", every: 1m}\n  - {name: guet, key: '"+estate.FormatWitnessKey(other)+"'}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open makes a Garant over a database.
func (c *cast) open(name string) *side {
	c.t.Helper()
	t := c.t
	s := &side{t: t, name: name}
	var err error
	if s.db, err = pg.Open(t.Context(), func(r pg.Role) string { return pgtest.DSN(string(r), name) }, pg.ServingRoles()...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.db.Close)
	provider, err := crypt.OpenKeyfile(t.Context(), s.db.Pool(pg.Staff), filepath.Join(c.dir, "master"))
	s.must(err)
	s.box, err = crypt.NewBox(t.Context(), s.db.Pool(pg.Staff), provider)
	s.must(err)
	pen, err := audit.NewPen(s.box, time.Now)
	s.must(err)
	pen.Use(s.db)
	s.super = pgtest.Superuser(t, name)
	log := slog.New(slog.DiscardHandler)
	s.seq = &sequence.Sequencer{DB: s.db, Box: s.box, Origin: "trust.ardoise.example/log", Now: time.Now, Log: log}
	cat, err := catalogue.Load()
	s.must(err)
	base, err := measure.NewRegistry(cat, witness.New(s.db, s.box))
	s.must(err)
	reg, err := base.For(cat, c.estate)
	s.must(err)
	runner := &measure.Runner{Registry: reg, DB: s.db, Build: "test", Now: time.Now, Log: log,
		View: func(context.Context) (measure.View, error) {
			return measure.View{Estate: c.estate, Version: 1, Registry: reg}, nil
		}}
	s.book = &witness.Book{DB: s.db, Receiver: runner, Now: s.now}
	api := web.NewAPI("Garant", "test")
	s.book.AddAPI(api)
	site, err := web.NewSite(web.Config{Name: "console", Hosts: []string{"127.0.0.1"}, Routes: api.Routes(), Auth: bearer("right"), Languages: []string{"en"}, Log: log, Metrics: web.NewMetrics(), Now: time.Now})
	s.must(err)
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	s.api = serve(site)
	s.front = serve(http.StripPrefix("/log", trees.Handler(trees.Serving{On: s.db.Pool(pg.Worker), Generation: 1, Tree: trees.Root}))) + "/log"
	return s
}

func (s *side) now() time.Time { return time.Now().Add(s.ahead) }

func (s *side) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *side) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.super.Exec(context.Background(), sql, args...); err != nil {
		s.t.Fatalf("%v in %s", err, sql)
	}
}

func (s *side) count(sql string, args ...any) (n int) {
	s.t.Helper()
	s.must(s.super.QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

// write records things of a customer, and puts them in order.
func (s *side) write(customer, action string, many int) {
	s.t.Helper()
	events := make([]audit.Event, many)
	for i := range events {
		events[i] = audit.Event{By: actor.NewSystem("test"), Tenant: customer, Action: action, On: audit.Object{Kind: "thing", ID: "1"}}
	}
	s.must(pg.InTx(context.Background(), s.db.Pool(pg.Staff), func(tx pgx.Tx) error { return audit.Write(context.Background(), tx, events...) }))
	s.must(s.seq.Drain(context.Background()))
}

// newest is the newest checkpoint, as the log signed it.
func (s *side) newest() string {
	s.t.Helper()
	var signed string
	s.must(s.super.QueryRow(context.Background(), "SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1").Scan(&signed))
	return signed
}

func (s *side) key() (key string) {
	s.t.Helper()
	s.must(s.super.QueryRow(context.Background(), "SELECT key FROM audit.generation WHERE generation = 1").Scan(&key))
	return key
}

// shown is a checkpoint with the cosignature of somebody.
func shown(t testing.TB, signed string, by *merkle.Cosigner) witness.Shown {
	t.Helper()
	text, _, err := merkle.SplitNote(signed)
	if err != nil {
		t.Fatal(err)
	}
	line, err := by.Line(text)
	if err != nil {
		t.Fatal(err)
	}
	return witness.Shown{Checkpoint: signed, Cosignature: line}
}

// fork makes two Garants that have the beginning and the signing key in common, and go on differently.
func (c *cast) fork() (a, b *side) {
	c.t.Helper()
	first := c.open(pgtest.NewName(c.t))
	first.write(c.customer, "thing.made", 3)
	copied := first.name + "_b"
	first.db.Close()
	_ = first.super.Close(context.Background())
	super := pgtest.Superuser(c.t, "postgres")
	var err error
	for range 100 {
		if _, err = super.Exec(context.Background(), "CREATE DATABASE "+pgx.Identifier{copied}.Sanitize()+" TEMPLATE "+pgx.Identifier{first.name}.Sanitize()+" OWNER garant_owner"); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err == nil {
		err = pg.Secure(context.Background(), super, copied)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		super := pgtest.Superuser(c.t, "postgres")
		_, _ = super.Exec(context.Background(), "DROP DATABASE IF EXISTS "+pgx.Identifier{copied}.Sanitize()+" WITH (FORCE)")
	})
	a, b = c.open(first.name), c.open(copied)
	b.exec(`UPDATE audit.cursor SET system = (SELECT system_identifier::text || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) FROM pg_control_system())`)
	return a, b
}

// watch is a witness that is shown a front and talks to a Garant.
func (c *cast) watch(front string, to *side) *watch.Watch {
	c.t.Helper()
	c.t.Setenv("WITNESS_TEST_TOKEN", "right")
	file, err := estate.ParseWitness([]byte("name: vigie\ncompany: Ardoise SRL\nkey: file:witness.key\nannex: {url: '"+to.api+"'}\ngarant: {url: '"+to.api+"', token: env:WITNESS_TEST_TOKEN}\nmisses: 100\nalarm: {exit: true}\n"+
		"log: {url: '"+front+"', key: '"+to.key()+"', cosigner: file:cosigner.key, name: witness.example/vigie}\n"), estate.Dir(c.dir))
	if err != nil {
		c.t.Fatal(err)
	}
	key, err := watch.LoadKey(file.Key.Path())
	if err != nil {
		c.t.Fatal(err)
	}
	w, err := watch.Open(watch.Config{File: file, Key: key, Cosigner: c.cosigner, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatal(err)
	}
	return w
}

func round(t testing.TB, w *watch.Watch) watch.Report {
	t.Helper()
	r, err := w.Round(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bundle is what a customer downloads, verified with the keys that it has from elsewhere.
func (c *cast) bundle(s *side) (merkle.Report, error) {
	c.t.Helper()
	var out bytes.Buffer
	if _, err := trees.Bundle(context.Background(), s.db.Pool(pg.Staff), trees.BundleOrder{Tree: trees.TenantTree(c.customer), Box: s.box, Now: time.Now}, &out); err != nil {
		c.t.Fatal(err)
	}
	return merkle.VerifyBundle(&out, merkle.Pins{Logs: []string{s.key()}, Witnesses: []string{c.cosigner.Witness().String()}, Tree: trees.TenantTree(c.customer)})
}

// TestForkShownToOneCustomer: whoever has the signing key of the log shows one customer another history. The witness that has seen one refuses the
// other, so that the customer's bundle lacks its name; and Garant learns of the fork.
func TestForkShownToOneCustomer(t *testing.T) {
	c := newCast(t)
	a, b := c.fork()
	a.write(c.customer, "thing.sold", 2)
	b.write(c.customer, "thing.kept", 2)
	if a.key() != b.key() || a.newest() == b.newest() {
		t.Fatal("these are not two histories of one key")
	}
	r := round(t, c.watch(a.front, a))
	if r.Log == nil || !r.Log.Sent || a.count("SELECT count(*) FROM audit.cosignature WHERE witness = 'vigie'") != 1 {
		t.Fatalf("%+v %+v", r.Log, r.Alarms)
	}
	report, err := c.bundle(a)
	if err != nil || !report.Verified() || report.Trust != merkle.Witnessed {
		t.Fatalf("the honest bundle: %v %+v", err, report)
	}
	if again := round(t, c.watch(a.front, a)); again.Log == nil || !again.Log.Sent || a.count("SELECT count(*) FROM audit.cosignature") != 1 {
		t.Errorf("%+v", again.Log)
	}

	b.write(c.customer, "thing.kept", 2) // so that the other history is longer, too
	w := c.watch(b.front, a)
	if r := round(t, w); r.Log != nil || !slices.ContainsFunc(r.Alarms, func(a watch.Alarm) bool { return a.Kind == watch.Fork && len(a.Proof) == 2 }) {
		t.Fatalf("the witness was misled: %+v %+v", r.Log, r.Alarms)
	}
	if n := b.count("SELECT count(*) FROM audit.cosignature"); n != 0 {
		t.Errorf("%d cosignatures of the other history", n)
	}
	_, err = c.bundle(b)
	var problem *merkle.Problem
	if !errors.As(err, &problem) || problem.Kind != merkle.BadCosign {
		t.Errorf("the bundle of the other history: %v", err)
	}
	if n := a.count("SELECT count(*) FROM audit.anomaly WHERE kind = 'forked' AND detail->>'witness' = 'vigie'"); n != 1 {
		t.Errorf("Garant knows of %d forks", n)
	}

	// The other way round: the witness is shown the other history first, and Garant gets its cosignature.
	if _, err := a.book.Cosigned(context.Background(), actor.NewSystem("test"), "vigie", shown(t, b.newest(), c.cosigner)); !errs.Is(err, errs.Conflict) {
		t.Errorf("%v", err)
	}
	if n := a.count("SELECT count(*) FROM audit.cosignature"); n != 1 {
		t.Errorf("%d cosignatures", n)
	}
}

// TestCosignatureRefused: what is not of the declared witness, not of this log, of another time or out of order is refused, recorded, and
// changes nothing.
func TestCosignatureRefused(t *testing.T) {
	c := newCast(t)
	s := c.open(pgtest.NewName(t))
	s.write(c.customer, "thing.made", 2)
	early := s.newest()
	s.write(c.customer, "thing.made", 2)
	good := shown(t, s.newest(), c.cosigner)
	cosigner := func(name string, now func() time.Time) *merkle.Cosigner {
		seed := bytes.Repeat([]byte{7}, 32)
		private, _, err := merkle.NewWitnessKey(name, seed)
		s.must(err)
		k, err := merkle.NewCosigner(private, now)
		s.must(err)
		return k
	}
	at := func(by time.Duration) *merkle.Cosigner {
		k, err := watch.LoadCosigner(filepath.Join(c.dir, "cosigner.key"), "witness.example/vigie", func() time.Time { return time.Now().Add(by) })
		s.must(err)
		return k
	}
	foreign := func(origin string) string {
		private, _, err := merkle.NewKey(origin, bytes.Repeat([]byte{8}, 32))
		s.must(err)
		signer, err := note.NewSigner(private)
		s.must(err)
		signed, err := merkle.Sign(merkle.Checkpoint{Origin: origin, Size: 2}, signer)
		s.must(err)
		return signed
	}
	ctx := context.Background()
	all := actor.NewSystem("test")
	for what, k := range map[string]struct {
		by   actor.Actor
		name string
		send witness.Shown
		id   string
	}{
		"no permission":      {actor.Anonymous(""), "vigie", good, "web.denied"},
		"unknown":            {all, "nobody", good, "witness.unknown"},
		"declares none":      {all, "guet", good, "witness.no_cosigner"},
		"nothing":            {all, "vigie", witness.Shown{}, "witness.no_checkpoint"},
		"no note":            {all, "vigie", witness.Shown{Checkpoint: "trust.ardoise.example/log\n1\n", Cosignature: good.Cosignature}, "witness.no_checkpoint"},
		"another log":        {all, "vigie", shown(t, foreign("x.example/log"), c.cosigner), "witness.other_log"},
		"another key of log": {all, "vigie", shown(t, foreign("trust.ardoise.example/log"), c.cosigner), "witness.log_key"},
		"another cosigner":   {all, "vigie", shown(t, s.newest(), cosigner("witness.example/vigie", time.Now)), "witness.cosigner_key"},
		"another name":       {all, "vigie", shown(t, s.newest(), cosigner("witness.example/x", time.Now)), "witness.cosigner_key"},
		"of another head":    {all, "vigie", witness.Shown{Checkpoint: early, Cosignature: good.Cosignature}, "witness.cosigner_key"},
		"two lines":          {all, "vigie", witness.Shown{Checkpoint: good.Checkpoint, Cosignature: good.Cosignature + good.Cosignature}, "witness.cosigner_key"},
		"of the future":      {all, "vigie", shown(t, s.newest(), at(time.Minute)), "witness.future"},
		"old":                {all, "vigie", shown(t, s.newest(), at(-4*time.Minute)), "witness.old"},
	} {
		before := s.count("SELECT count(*) FROM audit.entry WHERE action = 'witness.cosigned' AND outcome = 'refused' AND detail->>'reason' = $1", k.id)
		_, err := s.book.Cosigned(ctx, k.by, k.name, k.send)
		var e *errs.Error
		if !errors.As(err, &e) || e.ID != k.id || e.Fix == "" {
			t.Errorf("%s: %v", what, err)
		}
		if after := s.count("SELECT count(*) FROM audit.entry WHERE action = 'witness.cosigned' AND outcome = 'refused' AND detail->>'reason' = $1", k.id); after != before+1 {
			t.Errorf("%s: not recorded", what)
		}
	}
	if n := s.count("SELECT count(*) FROM audit.cosignature"); n != 0 {
		t.Fatalf("%d were kept", n)
	}
	if n := s.count("SELECT count(*) FROM audit.anomaly"); n != 0 {
		t.Errorf("%d anomalies", n)
	}
	if _, err := s.book.Cosigned(ctx, all, "vigie", witness.Shown{Checkpoint: good.Checkpoint}); err != nil || s.count("SELECT count(*) FROM audit.cosignature") != 0 {
		t.Errorf("what it was shown and is ours: %v", err)
	}
	for range 2 { // the second time because the answer was lost
		if got, err := s.book.Cosigned(ctx, all, "vigie", good); err != nil || got.Size == 0 {
			t.Fatal(err)
		}
	}
	if n := s.count("SELECT count(*) FROM audit.entry WHERE action = 'witness.cosigned' AND outcome = 'permitted'"); n != 1 || s.count("SELECT count(*) FROM audit.cosignature") != 1 {
		t.Errorf("recorded %d times", n)
	}
	refused := func(id string, send witness.Shown) {
		t.Helper()
		var e *errs.Error
		if _, err := s.book.Cosigned(ctx, all, "vigie", send); !errors.As(err, &e) || e.ID != id {
			t.Errorf("%s: %v", id, err)
		}
	}
	refused("witness.cosigned_later", shown(t, early, c.cosigner))
	s.write(c.customer, "thing.made", 1)
	gone := s.newest()
	s.exec("DELETE FROM audit.checkpoint WHERE size = (SELECT max(size) FROM audit.checkpoint)")
	refused("witness.checkpoint_gone", shown(t, gone, c.cosigner))
	// What is kept counts for readers of the log.
	response, err := http.Get(s.front + "/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil || !strings.Contains(body.String(), "— witness.example/vigie ") {
		t.Errorf("%v\n%s", err, &body)
	}
}

// TestCosignedFaults holds the check of cosignatures to the contract of checks.
func TestCosignedFaults(t *testing.T) {
	c := newCast(t)
	a, b := c.fork()
	a.write(c.customer, "thing.sold", 2)
	b.write(c.customer, "thing.kept", 4)
	checks := witness.New(a.db, a.box).CheckFor(c.estate)
	if len(checks) != 1 || checks[0].ID != witness.CheckCosigned || !slices.Equal(checks[0].Scope(c.estate), []string{"cosigned:vigie"}) {
		t.Fatalf("%+v", checks)
	}
	look := func() measure.Finding {
		return measure.Observe(context.Background(), checks[0], measure.In{Estate: c.estate, Now: a.now()}, slog.New(slog.DiscardHandler))
	}
	if f := look(); f.Outcome != measure.Fail || f.Failed[0].Problem != witness.ProblemSilent {
		t.Errorf("nothing was ever cosigned: %+v", f)
	}
	ctx := context.Background()
	by := actor.NewSystem("test")
	if _, err := a.book.Cosigned(ctx, by, "vigie", shown(t, a.newest(), c.cosigner)); err != nil {
		t.Fatal(err)
	}
	if f := look(); f.Outcome != measure.Pass || len(f.Scope) != 1 {
		t.Errorf("%+v", f)
	}
	fault := func(name, problem string, doBreak, mend func()) measuretest.Fault {
		return measuretest.Fault{Name: name, Item: measure.Item{Target: "cosigned:vigie", Problem: problem}, Break: func(testing.TB) { doBreak() }, Mend: func(testing.TB) { mend() }}
	}
	sql := func(name, problem, doBreak, mend string) measuretest.Fault {
		return fault(name, problem, func() { a.exec(doBreak) }, func() { a.exec(mend) })
	}
	const cosigned = "(SELECT max(size) FROM audit.cosignature)"
	stranger, _, err := merkle.NewWitnessKey("witness.example/vigie", bytes.Repeat([]byte{5}, 32))
	if err != nil {
		t.Fatal(err)
	}
	other, err := merkle.NewCosigner(stranger, a.now)
	if err != nil {
		t.Fatal(err)
	}
	declared := c.estate.Witnesses[0].Cosigner
	a.exec("CREATE TABLE public.aside (LIKE audit.checkpoint)")
	faults := []measuretest.Fault{
		fault("the witness is silent", witness.ProblemSilent, func() { a.ahead = 4 * time.Minute }, func() { a.ahead = 0 }),
		sql("an old state only", witness.ProblemBehind, "UPDATE audit.checkpoint SET at = at - interval '10 minutes'", "UPDATE audit.checkpoint SET at = at + interval '10 minutes'"),
		sql("a state of the future", witness.ProblemBehind, "UPDATE audit.checkpoint SET at = at + interval '10 minutes'", "UPDATE audit.checkpoint SET at = at - interval '10 minutes'"),
		fault("a fork shown to the witness", witness.ProblemForked, func() {
			if _, err := a.book.Cosigned(ctx, by, "vigie", shown(t, b.newest(), c.cosigner)); !errs.Is(err, errs.Conflict) {
				t.Error(err)
			}
		}, func() {
			word := sequence.Word{Kind: witness.ForkedKind, By: "person:p1", Reason: "the key was stolen; it was replaced"}
			var id int64
			a.must(a.super.QueryRow(ctx, "SELECT id, about FROM audit.anomaly WHERE kind = $1", word.Kind).Scan(&id, &word.About))
			a.exec("INSERT INTO audit.anomaly_word (anomaly, by, reason, mac) VALUES ($1, $2, $3, $4)", id, word.By, word.Reason, word.MAC(a.box))
		}),
		sql("the cosignatures taken away", witness.ProblemSilent, "CREATE TABLE public.taken AS TABLE audit.cosignature; DELETE FROM audit.cosignature",
			"INSERT INTO audit.cosignature SELECT * FROM public.taken"),
		fault("it cosigns with another key", witness.ProblemWrongKey, func() {
			a.ahead = 4 * time.Minute
			if _, err := a.book.Cosigned(ctx, by, "vigie", shown(t, a.newest(), other)); !errs.Is(err, errs.Denied) {
				t.Error(err)
			}
		}, func() { a.ahead = 0 }),
		fault("another key is declared", witness.ProblemWrongKey, func() { c.estate.Witnesses[0].Cosigner = other.Witness().String() }, func() { c.estate.Witnesses[0].Cosigner = declared }),
		sql("a leaf of the log rewritten", witness.ProblemRewritten, "UPDATE audit.root_leaf SET hash = sha256(hash) WHERE index = 1", "UPDATE audit.root_leaf SET hash = audit_test_hash(text) WHERE index = 1"),
		sql("a leaf of the log removed", witness.ProblemRewritten, "UPDATE audit.root_leaf SET index = 9000 WHERE index = 1", "UPDATE audit.root_leaf SET index = 1 WHERE index = 9000"),
		fault("another head signed in its place", witness.ProblemRewritten, func() {
			a.exec("UPDATE audit.checkpoint SET note = $1 WHERE size = "+cosigned, b.newest())
		}, func() {}),
		sql("the database set back", witness.ProblemRolledBack, "UPDATE audit.tree SET size = size - 1 WHERE name = 'root'", "UPDATE audit.tree SET size = size + 1 WHERE name = 'root'"),
		sql("the checkpoint taken away", witness.ProblemRolledBack, "WITH d AS (DELETE FROM audit.checkpoint WHERE size = "+cosigned+" RETURNING *) INSERT INTO public.aside SELECT * FROM d",
			"INSERT INTO audit.checkpoint SELECT * FROM public.aside"),
		sql("nobody may look", witness.ProblemNoAnswer, "REVOKE SELECT ON audit.cosignature FROM garant_worker", "GRANT SELECT ON audit.cosignature TO garant_worker"),
	}
	honest := a.newest()
	for i := range faults {
		switch faults[i].Name {
		case "another head signed in its place":
			faults[i].Mend = func(testing.TB) { a.exec("UPDATE audit.checkpoint SET note = $1 WHERE size = "+cosigned, honest) }
		case "nobody may look":
			faults[i].Want = measure.Error
		}
	}
	a.exec(`CREATE FUNCTION audit_test_hash(text) RETURNS bytea LANGUAGE sql AS $$ SELECT sha256('\x00'::bytea || convert_to($1, 'UTF8')) $$`)
	measuretest.Run(t, measuretest.Subject{Check: checks[0], Estate: c.estate, Faults: faults, Now: a.now})
}
