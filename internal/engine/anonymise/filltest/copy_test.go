package filltest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/filltest"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

var production, developers *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(pgtest.WithCluster(cluster.Options{Users: []string{"reader"}}, func(c *cluster.Cluster) int {
		production = c
		return pgtest.WithCluster(cluster.Options{Users: []string{"copier", "dev"}}, func(c *cluster.Cluster) int {
			developers = c
			for dsn, sql := range map[string]string{
				production.DSN(cluster.SuperUser, "postgres"): `CREATE ROLE reader LOGIN BYPASSRLS IN ROLE pg_read_all_data; CREATE ROLE postgres`,
				developers.DSN(cluster.SuperUser, "postgres"): `CREATE ROLE copier LOGIN CREATEDB IN ROLE pg_signal_backend; CREATE ROLE dev LOGIN`,
			} {
				if err := execute(dsn, sql); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return 1
				}
			}
			return m.Run()
		})
	}))
}

func execute(dsn, sql string) error {
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	return conn.PgConn().Exec(context.Background(), sql).Close()
}

// source is a schema, filled, in production.
type source struct {
	t        *testing.T
	database string
	filled   *filltest.Filled
	db       catalog.Database
	samples  plan.Samples
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newSource loads the file of a schema with psql. What cannot be had here, such as an extension, is left out and told.
func newSource(t *testing.T, name, file string, o filltest.Options) *source {
	t.Helper()
	ctx := t.Context()
	super := production.DSN(cluster.SuperUser, "postgres")
	must(t, execute(super, "CREATE DATABASE "+name))
	t.Cleanup(func() { _ = execute(super, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	out, err := exec.CommandContext(ctx, filepath.Join(production.BinDir(), "psql"), "-X", "-q", "-o", os.DevNull, "-d", production.DSN(cluster.SuperUser, name), "-f", file).CombinedOutput() //nolint:gosec // of whoever runs the test
	must(t, err)
	if n := strings.Count(string(out), "ERROR:"); n > 0 {
		first, _, _ := strings.Cut(string(out[strings.Index(string(out), "ERROR:"):]), "\n")
		t.Logf("%d statements of the schema were refused, such as: %s", n, first)
	}
	conn, err := pgx.Connect(ctx, production.DSN(cluster.SuperUser, name))
	must(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	s := &source{t: t, database: name}
	s.filled, err = filltest.Fill(ctx, conn, o)
	must(t, err)
	return s
}

// look reads the catalogue and samples, as the role of a run.
func (s *source) look() {
	s.t.Helper()
	ctx := s.t.Context()
	conn, err := pgx.Connect(ctx, production.DSN("reader", s.database))
	must(s.t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	must(s.t, pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		s.db, err = catalog.Read(ctx, tx)
		return err
	}))
	var skipped []plan.Skipped
	s.samples, skipped, err = plan.Sample(ctx, conn, &s.db)
	must(s.t, err)
	if len(skipped) > 0 {
		s.t.Errorf("skipped: %v", skipped)
	}
}

// reviewed counts what a person had to do.
type reviewed struct {
	questions int      // that were asked
	wrong     []string // whose guess was another than the answer
	missed    []string // places that hold somebody and that the plan would have kept without asking
	vain      []string // columns that were filled with nobody and would have been replaced without asking
}

// review answers the questions of a plan as somebody does who knows what the columns hold.
func (s *source) review(p *plan.Plan) reviewed {
	s.t.Helper()
	out := reviewed{questions: p.Questions()}
	answer := func(t *plan.Table, c *plan.Column, path string, k personal.Kind) {
		reason := ""
		if k == personal.None {
			reason = "looked at: it holds nobody"
		}
		ok := p.Answer(&s.db, t.Name, c.Name, path, k, reason)
		if !ok && k == personal.None {
			s.t.Errorf("%s.%s %s cannot be kept", t.Name, c.Name, path)
		} else if c.Question != "" {
			c.Transform, c.Question = transform.Spec{Name: "suppress"}, ""
			s.t.Logf("nothing fits %s in %s.%s: suppress", k, t.Name, c.Name)
		}
	}
	for i := range p.Tables {
		t := &p.Tables[i]
		if t.Question != "" {
			s.t.Errorf("%s: %s", t.Name, t.Question)
		}
		if t.Rows == plan.NoRows {
			continue
		}
		for j := range t.Columns {
			c := &t.Columns[j]
			for _, path := range slices.Clone(c.Paths) {
				truth := s.filled.Truth(t.Name, c.Name, path.Path)
				if path.Question == "" {
					continue
				}
				if path.Kind != truth {
					out.wrong = append(out.wrong, fmt.Sprintf("%s.%s %s: %s, not %s", t.Name, c.Name, path.Path, path.Kind, truth))
				}
				answer(t, c, path.Path, truth)
			}
			truth := s.filled.Truth(t.Name, c.Name, "")
			if c.Question == "" {
				if truth == personal.None && c.Transform.Name != "keep" && c.Transform.Name != "rekey" && c.Transform.Name != "json" && c.Class != personal.Quasi {
					out.vain = append(out.vain, fmt.Sprintf("%s.%s: %s", t.Name, c.Name, c.Kind))
					if c.Class != personal.FreeText { // else a common word is looked for as if it named somebody
						answer(t, c, "", truth)
					}
				}
				continue
			}
			if c.Kind != truth {
				out.wrong = append(out.wrong, fmt.Sprintf("%s.%s: %s, not %s (%s)", t.Name, c.Name, c.Kind, truth, c.Question))
			}
			if c.Transform.Name == "json" {
				c.Question = ""
				continue
			}
			answer(t, c, "", truth)
		}
	}
	for _, place := range s.filled.Columns() {
		t := p.Table(place.Table)
		if t.Rows == plan.NoRows {
			continue
		}
		c := t.Column(place.Column)
		if c == nil {
			s.t.Fatalf("no %v in the plan", place)
		}
		name := c.Transform.Name
		if place.Path != "" && name == "json" {
			paths, _ := c.Transform.Args["paths"].(map[string]any)
			spec, _ := paths[place.Path].(transform.Spec)
			name = spec.Name
		}
		if name == "keep" {
			out.missed = append(out.missed, fmt.Sprintf("%s.%s %s: %s", place.Table, place.Column, place.Path, place.Kind))
			answer(t, c, place.Path, place.Kind)
		}
	}
	return out
}

// coarsen leaves of what could single somebody out no more than a decade.
func (s *source) coarsen(p *plan.Plan) (out []string) {
	for _, id := range p.Persons {
		for _, name := range id.Quasi {
			c := p.Table(id.Table).Column(name)
			c.Transform = transform.Spec{Name: "suppress"}
			if c.Kind == personal.BirthDate && s.db.Table(id.Table).Column(name).Type == "date" {
				c.Transform = transform.Spec{Name: "generalise", Args: map[string]any{"to": "decade"}}
			}
			if s.db.Table(id.Table).Column(name).Unique && !p.Answer(&s.db, id.Table, name, "", personal.None, "a list that is public") {
				s.t.Errorf("%s.%s cannot be kept", id.Table, name)
			}
			out = append(out, id.Table.String()+"."+name)
		}
	}
	return out
}

func TestPagilaLike(t *testing.T) {
	s := newSource(t, "cinema", "testdata/cinema.sql", filltest.Options{Seed: 1, Rows: 150})
	p := s.planned(0)
	s.copied(p, "cinema_dev")
	for _, sql := range []string{
		`SELECT count(*) FROM cinema.customer_list`, `SELECT count(*) FROM cinema.payment p JOIN cinema.customer c ON c.customer_id = p.payer`, `SELECT min(1) FROM cinema.spent WHERE total > 0`, `SELECT count(*) FROM cinema.payment_2026_09`, `SELECT count(*) FROM cinema.payment_2026_10`,
		`SELECT count(*) FROM cinema.customer c JOIN cinema.rental r ON r.rental_id = c.favourite`, `SELECT count(*) FROM cinema.store s JOIN cinema.staff m ON m.staff_id = s.manager_staff_id AND m.store_id IS NOT NULL`,
		`SELECT count(*) FROM cinema.customer WHERE full_name = first_name || ' ' || last_name AND email = profile->'contact'->>'email' AND email = other_emails[1]`, `SELECT count(DISTINCT email) FROM cinema.customer`,
		`SELECT count(*) FROM cinema.rental JOIN cinema.inventory USING (inventory_id, store_id) WHERE return_date > rental_date`, `SELECT sum(amount) FROM cinema.payment`, `SELECT count(*) FROM cinema.seat_hold WHERE NOT isempty(during)`,
		`SELECT count(*) FROM pg_constraint WHERE convalidated AND connamespace = 'cinema'::regnamespace`, `SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal`, `SELECT count(*) FROM pg_rules WHERE schemaname = 'cinema'`,
	} {
		if there, here := ask(t, production.DSN(cluster.SuperUser, "cinema"), sql), ask(t, developers.DSN(cluster.SuperUser, "cinema_dev"), sql); there != here || there == "0" {
			t.Errorf("%s: %s in the source, %s in the copy", sql, there, here)
		}
	}
	if n := ask(t, developers.DSN("dev", "cinema_dev"), `SELECT count(*) FROM cinema.login_session`); n != "0" {
		t.Errorf("%s sessions", n)
	}
	// What somebody brings into the copy by hand, grep and the product's scanner both find.
	values := s.filled.Values()
	one := values[len(values)/3]
	must(t, execute(developers.DSN("dev", "cinema_dev"), "CREATE TABLE cinema.mine AS SELECT 'see "+strings.ReplaceAll(one, "'", "''")+" there' AS t; GRANT SELECT ON cinema.mine TO copier"))
	if found := s.grep(developers, "cinema_dev"); len(found) != 1 {
		t.Errorf("grep finds %q", found)
	}
	r, err := run.Scan(t.Context(), run.Options{Source: production.DSN("reader", "cinema"), Target: developers.DSN("copier", "cinema_dev"), Plan: p, BinDir: production.BinDir()})
	must(t, err)
	if r.Passed() || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "cinema.mine.t") {
		t.Errorf("the scanner finds %v", r.Problems)
	}
}

// TestPagilaLikeUnlinked makes a copy of which no row can be joined with production.
func TestPagilaLikeUnlinked(t *testing.T) {
	s := newSource(t, "cinema2", "testdata/cinema.sql", filltest.Options{Seed: 2, Rows: 120})
	p := s.planned(0)
	before := p.Linkable(&s.db)
	next, left := plan.Unlink(p, &s.db)
	code, during := slices.IndexFunc(left, func(l plan.Link) bool { return l.Where() == "cinema.film.code" }), slices.IndexFunc(left, func(l plan.Link) bool { return l.Where() == "cinema.seat_hold.during" })
	if len(before) < 10 || len(left) != 2 || code < 0 || during < 0 { // in a check, and in an exclusion constraint: a person decides
		t.Fatalf("%d links before, %v after", len(before), left)
	}
	next.Table(left[code].Table).Column("code").Transform = transform.Spec{Name: "suppress"}
	holds := next.Table(left[during].Table)
	holds.Rows, holds.Columns, holds.Subject = plan.NoRows, nil, ""
	if left := next.Linkable(&s.db); len(left) > 0 {
		t.Fatalf("left: %v", left)
	}
	next, err := plan.Load(plan.FileName, next.Write())
	must(t, err)
	s.copied(&next, "cinema2_dev")
	for _, join := range []string{
		`SELECT rental_date FROM cinema.rental`, `SELECT return_date FROM cinema.rental`, `SELECT payment_date FROM cinema.payment`, `SELECT body FROM cinema.feedback`,
		`SELECT created_at FROM cinema.feedback`, `SELECT last_update FROM cinema.staff`,
	} {
		sql := `SELECT coalesce(string_agg(x::text, ' '), '') FROM (` + strings.Replace(join, "SELECT ", "SELECT DISTINCT ", 1) + `) AS s(x)`
		there := map[string]bool{}
		for _, v := range strings.Split(ask(t, production.DSN("reader", "cinema2"), strings.Replace(sql, "' '", "'|'", 1)), "|") {
			there[v] = true
		}
		for _, v := range strings.Split(ask(t, developers.DSN("dev", "cinema2_dev"), strings.Replace(sql, "' '", "'|'", 1)), "|") {
			if there[v] && v != "" {
				t.Errorf("%s is the same on both sides in some rows", join)
				break
			}
		}
	}
}

func ask(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	var v string
	must(t, conn.QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&v))
	return v
}

// grep looks for everybody in a database.
func (s *source) grep(c *cluster.Cluster, database string) []string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), database+".sql")
	must(s.t, filltest.Dump(s.t.Context(), c.BinDir(), c.DSN(cluster.SuperUser, database), file))
	found, err := filltest.Grep(s.t.Context(), file, s.filled.Values())
	must(s.t, err)
	return found
}

// TestRealSchema takes the schema of somebody else's application through everything, and prints the figures:
//
//	GARANT_SCHEMA=/path/schema.sql go test ./internal/engine/anonymise/filltest -run TestRealSchema -v
//
// GARANT_ROWS is how many rows each table gets, GARANT_SEED draws others, and one in GARANT_HIDE columns whose names promise nobody speaks of somebody; GARANT_UNLINK takes
// away what links to production.
func TestRealSchema(t *testing.T) {
	file := os.Getenv("GARANT_SCHEMA")
	if file == "" {
		t.Skip("GARANT_SCHEMA names no schema")
	}
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return otherwise
	}
	began := time.Now()
	s := newSource(t, "schema", file, filltest.Options{Seed: uint64(number("GARANT_SEED", 1)), Rows: number("GARANT_ROWS", 100), Hide: number("GARANT_HIDE", 10)}) //nolint:gosec // small
	t.Logf("filled in %s: %d tables, %d rows, %d deleted; empty: %s", time.Since(began).Round(time.Millisecond), s.filled.Tables, s.filled.Rows, s.filled.Deleted, strings.Join(s.filled.Empty, ", "))
	p := s.planned(s.filled.Deleted)
	links := p.Linkable(&s.db)
	next, left := plan.Unlink(p, &s.db)
	t.Logf("%d values link to production, %d of them when all is taken away that can be", len(links), len(left))
	if os.Getenv("GARANT_UNLINK") != "" {
		for _, l := range left {
			t.Logf("left: %s %s", l.By, l.Where())
		}
		loaded, err := plan.Load(plan.FileName, next.Write())
		must(t, err)
		p = &loaded
	}
	s.copied(p, "schema_dev")
}

// planned sees that grep finds everybody in the source, plans, and answers.
func (s *source) planned(deleted int64) *plan.Plan {
	t := s.t
	t.Helper()
	values, found := s.filled.Values(), s.grep(production, s.database)
	if len(values) == 0 || len(found) < len(values) && deleted == 0 || len(found) < len(values)/2 {
		missing := slices.DeleteFunc(values, func(v string) bool { return slices.Contains(found, v) })
		t.Fatalf("grep finds %d of %d values in the source, not %q", len(found), len(found)+len(missing), missing[:min(len(missing), 10)])
	}
	began := time.Now()
	s.look()
	p := plan.Propose(&s.db, s.samples, plan.Options{Language: "fr-BE", Country: "BE"})
	planned := time.Since(began)
	columns, personalColumns := 0, 0
	for _, table := range p.Tables {
		columns += len(table.Columns)
		for _, c := range table.Columns {
			if c.Class != personal.Harmless {
				personalColumns++
			}
		}
	}
	bare := plan.Propose(&s.db, nil, plan.Options{})
	r := s.review(&p)
	t.Logf("%d tables, %d columns, %d of them personal; planned in %s; %d questions (%d without samples), %d of them with another guess; missed %d, replaced in vain %d", len(p.Tables), columns, personalColumns,
		planned.Round(time.Millisecond), r.questions, bare.Questions(), len(r.wrong), len(r.missed), len(r.vain))
	for what, list := range map[string][]string{"other guess": r.wrong, "missed": r.missed, "in vain": r.vain} {
		for _, l := range list {
			t.Logf("%s: %s", what, l)
		}
	}
	p, _ = plan.Diff(&p, &s.db, s.samples) // what is measured, with the answers
	coarser := s.coarsen(&p)
	t.Logf("for k = 5 made coarser by hand: %s", strings.Join(coarser, ", "))
	p, _ = plan.Diff(&p, &s.db, s.samples)
	p, err := plan.Load(plan.FileName, p.Write())
	must(t, err)
	for _, problem := range p.CheckSamples(&s.db, s.samples) {
		t.Errorf("%s %v\n%s", problem.Code, problem, problem.YAML)
	}
	if t.Failed() {
		t.FailNow()
	}
	return &p
}

// copied copies, publishes, and looks for everybody with grep.
func (s *source) copied(p *plan.Plan, copies string) {
	t := s.t
	t.Helper()
	ctx := t.Context()
	target := developers.DSN("copier", "postgres")
	t.Cleanup(func() {
		_ = execute(developers.DSN(cluster.SuperUser, "postgres"), "DROP DATABASE IF EXISTS "+copies+" WITH (FORCE)")
	})
	began := time.Now()
	report, err := run.Copy(ctx, run.Options{Source: production.DSN("reader", s.database), Target: target, Name: copies, Plan: p, BinDir: production.BinDir(), Developers: []string{"dev"}, Workers: 2})
	must(t, err)
	defer report.Close()
	if !report.Passed() {
		t.Fatalf("not proven:\n%s", strings.Join(report.Problems, "\n"))
	}
	_, err = run.Publish(ctx, run.PublishOptions{Target: target, Report: report, Developers: []string{"dev"}})
	must(t, err)
	leaked := s.grep(developers, copies)
	var rows int64
	for _, x := range report.Tables {
		rows += x.There
	}
	t.Logf("%d rows copied and proven in %s; %d values looked for with grep, %d in the copy; %d ways of writing them in the set, %d hits, %d of %d canaries", rows, time.Since(began).Round(time.Millisecond),
		len(s.filled.Values()), len(leaked), report.Set.Entries, len(report.Leaks.Hits), report.Leaks.Recall.Found, report.Leaks.Recall.Planted)
	if len(leaked) > 0 {
		t.Errorf("the copy holds %q", leaked[:min(len(leaked), 10)])
	}
}
