package run

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// TestBigTableByRanges cuts a table into many pieces, with holes and dead rows in it, and a partition too.
func TestBigTableByRanges(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.exec(`CREATE TABLE shop.big (id int PRIMARY KEY, mail text, filler text); INSERT INTO shop.big SELECT n, 'person' || n || '@firma-' || n % 9 || '.example', repeat('x', 300) FROM generate_series(1, 20000) n;
DELETE FROM shop.big WHERE id BETWEEN 5000 AND 9000 OR id > 19500; UPDATE shop.big SET filler = filler || 'y' WHERE id % 10 = 0;
INSERT INTO shop.event SELECT n, timestamptz '2025-01-01 00:00+00' + n * interval '1 minute', '81.240.1.2', '{"by": "a@b.example", "what": "x"}' FROM generate_series(1000, 9000) n`)
	w.plan = w.proposed()
	c := w.column("big", "mail")
	c.Class, c.Kind, c.Transform = personal.Identifier, personal.Email, spec("email")
	w.opt = func(o *Options) { o.pages, o.Workers = 20, 3 }
	pieces := map[string]int{}
	var mu sync.Mutex
	w.say = func(p Progress) {
		if p.Stage == StageCopy && p.Table != "" {
			mu.Lock()
			pieces[p.Table]++
			mu.Unlock()
		}
	}
	w.published()
	if pieces["shop.big"] < 20 || pieces["shop.event"] < 3 {
		t.Errorf("cut into %v", pieces)
	}
	var want string
	w.must(w.source.QueryRow(t.Context(), `SELECT count(*) || ' ' || sum(id) || ' ' || sum(length(filler)) || ' ' || (SELECT count(*) FROM shop.event) FROM shop.big`).Scan(&want))
	if got := ask[string](w, `SELECT count(*) || ' ' || sum(id) || ' ' || sum(length(filler)) || ' ' || (SELECT count(*) FROM shop.event) FROM shop.big`); got != want {
		t.Errorf("the copy has %s, the source %s", got, want)
	}
	if n := ask[int64](w, `SELECT count(DISTINCT mail) FROM shop.big WHERE mail NOT LIKE '%@firma-%'`); n != 15499 {
		t.Errorf("%d addresses", n)
	}
}

// TestRowOf200MB refuses a row that is far beyond what a run takes, before it is in memory, and takes it when the column is suppressed.
func TestRowOf200MB(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.exec(`CREATE TABLE shop.upload (id int, content text); ALTER TABLE shop.upload ALTER content SET STORAGE EXTERNAL; INSERT INTO shop.upload SELECT 1, repeat('0123456789', 20 << 20); INSERT INTO shop.upload VALUES (2, 'small')`)
	w.plan = w.proposed()
	c := w.column("upload", "content")
	c.Class, c.Kind, c.Transform = personal.FreeText, personal.Text, spec("free_text")
	var most atomic.Uint64
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapInuse))
			time.Sleep(20 * time.Millisecond)
		}
	})
	w.stopped(errs.Invalid, "a row of the source has 200 MB, more than the limit", "shop.upload")
	stop()
	watching.Wait()
	if m := most.Load() >> 20; m > 150 {
		t.Errorf("%d MB of memory", m)
	}
	w.plan = w.proposed()
	c = w.column("upload", "content")
	c.Class, c.Kind, c.Transform = personal.FreeText, personal.File, spec("suppress")
	w.published()
	if n := ask[int64](w, `SELECT count(*) FROM shop.upload WHERE content IS NULL`); n != 2 {
		t.Errorf("%d of 2 rows are suppressed", n)
	}
}

// TestSourceOfAnyBytes copies from a database that does not say what its bytes mean: where they are UTF-8 they come over, where they are not the run ends.
func TestSourceOfAnyBytes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 1)
	_ = w.source.Close(t.Context())
	super := production.DSN(cluster.SuperUser, "postgres")
	w.must(execute(super, `DROP DATABASE `+w.database+` WITH (FORCE)`))
	w.must(execute(super, `CREATE DATABASE `+w.database+` TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'`))
	var err error
	w.source, err = pgx.Connect(t.Context(), production.DSN(cluster.SuperUser, w.database))
	w.must(err)
	w.exec(`CREATE TABLE note (id int, t text, mail text); INSERT INTO note VALUES (1, E'\303\211t\303\251', 'jean@firma-1.example')`)
	plans := func() {
		w.plan = w.proposed()
		w.plan.Persons = nil
		c := w.column("note", "mail")
		c.Class, c.Kind, c.Transform = personal.Identifier, personal.Email, spec("email")
	}
	plans()
	w.published()
	if got := ask[string](w, `SELECT t FROM note`); got != "Été" {
		t.Errorf("%q", got)
	}
	w.exec(`INSERT INTO note VALUES (2, E'\311t\351', 'x')`)
	plans()
	w.values = []string{"\xc9t\xe9"}
	w.stopped(errs.Invalid, "no UTF-8")
}

// TestNulInDocuments has a character that PostgreSQL's text cannot hold in a document of type json, at a path that is replaced and at one that is kept.
func TestNulInDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.exec(`INSERT INTO shop.event VALUES (900, '2025-02-02 00:00+00', NULL, '{"by": "nul\u0000byte@firma.example", "what": "a\u0000b"}')`)
	w.plan = w.proposed()
	w.published()
	if n := ask[int64](w, `SELECT count(*) FROM shop.event WHERE payload::text LIKE '%a\\u0000b%' AND payload::text NOT LIKE '%byte@%'`); n != 1 {
		t.Errorf("%d documents with it", n)
	}
}

// TestOddNames copies a schema in which everything is called what it should not be.
func TestOddNames(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	name := func(s string) string { return pgx.Identifier{s}.Sanitize() }
	var sql strings.Builder
	for i, s := range []string{`select`, `Weiß "quoted" 'n' co`, `日本 語`, `a.b; DROP TABLE x; --`, `$1`, `\N`, ` lead`, `back\slash`, `percent %s %d`, strings.Repeat("é", 31), "tab\there", "line\nbreak"} {
		q := name(s)
		fmt.Fprintf(&sql, `CREATE SCHEMA %[1]s; CREATE TYPE %[1]s.%[5]s AS ENUM (%[2]s, 'other'); CREATE SEQUENCE %[1]s.seq;
CREATE TABLE %[1]s.%[1]s (%[1]s int CONSTRAINT %[5]s PRIMARY KEY DEFAULT nextval(%[3]s), "mail " text, kind %[1]s.%[5]s, self int CONSTRAINT "f %[4]d" REFERENCES %[1]s.%[1]s DEFERRABLE);
CREATE INDEX ON %[1]s.%[1]s (lower("mail ")); COMMENT ON COLUMN %[1]s.%[1]s.kind IS 'it''s';
CREATE VIEW %[1]s.view AS SELECT * FROM %[1]s.%[1]s; CREATE MATERIALIZED VIEW %[1]s.mat AS SELECT count(*) FROM %[1]s.view;
INSERT INTO %[1]s.%[1]s VALUES (%[4]d, 'person%[4]d@firma-odd.example', %[2]s, %[4]d); REFRESH MATERIALIZED VIEW %[1]s.mat;
`, q, literalOf(s), literalOf(name(s)+".seq"), i+1, name("k "+s))
	}
	w.exec(sql.String())
	w.plan = w.proposed()
	odd := 0
	for i := range w.plan.Tables {
		for j := range w.plan.Tables[i].Columns {
			if c := &w.plan.Tables[i].Columns[j]; c.Name == "mail " {
				c.Class, c.Kind, c.Transform = personal.Identifier, personal.Email, spec("email")
				odd++
			}
		}
	}
	r := w.published()
	if odd != 12 || len(r.Tables) < 12 {
		t.Errorf("%d tables with odd names", odd)
	}
	if n := ask[int64](w, `SELECT count(*) FROM pg_class WHERE relname = 'mat' AND relispopulated`); n != 12 {
		t.Errorf("%d views are filled", n)
	}
	if got := ask[string](w, `SELECT "mail " FROM "a.b; DROP TABLE x; --"."a.b; DROP TABLE x; --"`); !strings.Contains(got, "@") || strings.Contains(got, "firma-odd") {
		t.Errorf("%q", got)
	}
}

func literalOf(s string) string { // for SQL, with whatever signs
	return `E'` + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\n", `\n`, "\t", `\t`).Replace(s) + `'`
}

// TestManyTables copies 500 tables, each with a key and a reference; with GARANT_SOAK=1 it is 5,000.
func TestManyTables(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	n := 500
	if os.Getenv("GARANT_SOAK") != "" {
		n = 5000
	}
	w := newWorld(t, 12)
	for from := 0; from < n; from += 250 { // each statement locks what it makes
		var sql strings.Builder
		for i := from; i < from+250; i++ {
			fmt.Fprintf(&sql, "CREATE TABLE shop.t%d (id int PRIMARY KEY, mail text, before int%s); INSERT INTO shop.t%d VALUES (1, 'person%d@firma-many.example', 1);\n", i, map[bool]string{true: fmt.Sprintf(" REFERENCES shop.t%d", i-1)}[i > 0], i, i)
		}
		w.exec(sql.String())
	}
	w.plan = w.proposed()
	for i := range w.plan.Tables {
		for j := range w.plan.Tables[i].Columns {
			if c := &w.plan.Tables[i].Columns[j]; c.Name == "mail" {
				c.Class, c.Kind, c.Transform = personal.Identifier, personal.Email, spec("email")
			}
		}
	}
	began := time.Now()
	r := w.published()
	t.Logf("%d tables in %.1f s: %+v", len(r.Tables), time.Since(began).Seconds(), r.Stages)
	if len(r.Tables) < n || r.Schema.ForeignKeys < n-1 {
		t.Errorf("%d tables, %d foreign keys", len(r.Tables), r.Schema.ForeignKeys)
	}
	if got := ask[string](w, fmt.Sprintf(`SELECT mail FROM shop.t%d WHERE before = 1`, n-1)); strings.Contains(got, "firma-many") || !strings.Contains(got, "@") {
		t.Errorf("%q", got)
	}
}
