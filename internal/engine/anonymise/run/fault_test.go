package run

import (
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// stopped expects a run that ends in error, with a sentence that says all of words and no value, and leaves nothing.
func (w *world) stopped(kind errs.Kind, words ...string) *Report {
	w.t.Helper()
	before := w.databases()
	r, err := w.copy()
	if err == nil {
		w.t.Fatalf("the run went through, with problems %v", r.Problems)
	}
	text := err.Error()
	if cause := errs.KindOf(err); cause != kind {
		w.t.Errorf("%v: of kind %v, want %v", err, cause, kind)
	}
	for _, s := range words {
		if !strings.Contains(text, s) {
			w.t.Errorf("%q does not say %q", text, s)
		}
	}
	if found := grep(text+r.Error, w.values); len(found) > 0 {
		w.t.Errorf("%q holds a value of the source", text)
	}
	if _, err := Publish(w.t.Context(), PublishOptions{Target: developers.DSN("copier", "postgres"), Report: r}); !errs.Is(err, errs.Conflict) {
		w.t.Errorf("a run that failed can be published: %v", err)
	}
	w.only(before...)
	return r
}

// leaks expects a run that goes through and finds, at each place, what must not be there.
func (w *world) leaks(places ...string) {
	w.t.Helper()
	before := w.databases()
	r, err := w.copy()
	w.must(err)
	problems := strings.Join(r.Problems, "\n")
	for _, place := range places {
		if r.Passed() || !strings.Contains(problems, place) {
			w.t.Errorf("no leak at %s: %s", place, problems)
		}
	}
	if found := grep(problems, w.values); len(found) > 0 {
		w.t.Errorf("the problems hold values: %q", found)
	}
	if _, err := Publish(w.t.Context(), PublishOptions{Target: developers.DSN("copier", "postgres"), Report: r}); !errs.Is(err, errs.Conflict) {
		w.t.Errorf("a copy with a leak can be published: %v", err)
	}
	w.only(before...)
}

// TestLeaks puts an identity transformer in the place of each kind of column, and values into the schema: each is found, at its place.
func TestLeaks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	served := w.published()
	var places []string
	for _, c := range [][2]string{{"customer", "email"}, {"customer", "town"}, {"customer", "given_name"}, {"customer", "other_emails"}, {"customer", "home"}, {"item", "remark"}} {
		w.column(c[0], c[1]).Transform = spec("keep")
		places = append(places, "shop."+c[0]+"."+c[1]+":")
	}
	w.column("event", "payload").Transform = spec("json", "paths", map[string]any{"by": "keep", "what": "keep"})
	w.column("customer", "photo").Transform = spec("keep")
	w.column("customer", "born").Transform = spec("keep")
	w.exec(`DO $$ BEGIN EXECUTE format('COMMENT ON TABLE shop.item IS %L', 'ask ' || (SELECT email FROM shop.customer LIMIT 1));
EXECUTE format('ALTER TABLE shop.item ALTER label SET DEFAULT %L', (SELECT iban FROM shop.customer LIMIT 1));
CREATE TEXT SEARCH CONFIGURATION shop.words (COPY = simple); EXECUTE format('COMMENT ON TEXT SEARCH CONFIGURATION shop.words IS %L', (SELECT email FROM shop.customer LIMIT 1));
EXECUTE format('CREATE AGGREGATE shop.joined(text) (SFUNC = textcat, STYPE = text, INITCOND = %L)', (SELECT email FROM shop.customer LIMIT 1)); END $$`)
	w.leaks(append(places, "at by", "shop.customer.photo: ", "gzip", "comment pg_class table shop.item", "comment pg_ts_config text search configuration shop.words", "function shop.joined(text)", "column shop.item.label", "shop.customer: k ")...)
	have, err := List(t.Context(), developers.DSN("copier", "postgres"), w.name)
	w.must(err)
	if len(have) != 1 || have[0].Run != served.Run {
		t.Errorf("served is %+v, want run %s", have, served.Run)
	}
	w.exec(`COMMENT ON TABLE shop.item IS NULL; ALTER TABLE shop.item ALTER label DROP DEFAULT; DROP TEXT SEARCH CONFIGURATION shop.words; DROP AGGREGATE shop.joined(text)`)
	w.plan = w.proposed()
	w.published() // mended
}

func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	super := production.DSN(cluster.SuperUser, w.database)
	for _, c := range []struct {
		name        string
		fault, mend string
		plan        func()
		expect      func()
	}{
		{name: "new column", fault: `ALTER TABLE shop.item ADD mood text`, mend: `ALTER TABLE shop.item DROP mood`, expect: func() { w.stopped(errs.Invalid, "shop.item.mood: The plan does not know the column.") }},
		{name: "new table", fault: `CREATE TABLE shop.diary (t text)`, mend: `DROP TABLE shop.diary`, expect: func() { w.stopped(errs.Invalid, "shop.diary: The plan does not know the table.") }},
		{name: "another type", fault: `ALTER TABLE shop.item ALTER label TYPE varchar(90)`, mend: `ALTER TABLE shop.item ALTER label TYPE text`, expect: func() { w.stopped(errs.Invalid, "shop.item.label: The type was text and is character varying(90)") }},
		{name: "new path", fault: `INSERT INTO shop.event VALUES (9, '2025-02-02 00:00+00', NULL, '{"by": "a@b.example", "nickname": "x"}')`, mend: `DELETE FROM shop.event WHERE id = 9 AND at = '2025-02-02 00:00+00'`, expect: func() { w.stopped(errs.Invalid, "shop.event.payload nickname: The plan does not know the path.") }},
		{name: "key of a document that is a value", fault: `INSERT INTO shop.event SELECT 9, '2025-02-02 00:00+00', NULL, json_build_object(email, 1) FROM shop.customer LIMIT 1`, mend: `DELETE FROM shop.event WHERE id = 9 AND at = '2025-02-02 00:00+00'`, expect: func() { w.stopped(errs.Invalid, "shop.event.payload *: The plan does not know the path.") }},
		{name: "key of a document that is a name", fault: `INSERT INTO shop.event SELECT 9, '2025-02-02 00:00+00', NULL, json_build_object(family_name, 1) FROM shop.customer WHERE family_name LIKE 'Quatre%' LIMIT 1`, mend: `DELETE FROM shop.event WHERE id = 9 AND at = '2025-02-02 00:00+00'`, expect: func() { w.stopped(errs.Invalid, "not shown") }},
		{name: "path that no sample has", fault: `INSERT INTO shop.event SELECT 9, '2025-02-02 00:00+00', NULL, json_build_object('work', json_build_object('contact_email', 'a@b.example', 'what', string_agg(md5(n::text), ''))) FROM generate_series(1, 4000) n`, mend: `DELETE FROM shop.event WHERE id = 9 AND at = '2025-02-02 00:00+00'`, expect: func() {
			r := w.stopped(errs.Invalid, "shop.event.payload work.contact_email: The plan does not know the path.")
			if r.Failed != StageCopy || len(r.Questions) != 2 || r.Questions[0].YAML != "  shop.event:\n    columns:\n      payload:\n        paths:\n          work.contact_email: email\n" {
				w.t.Errorf("in %s: %+v", r.Failed, r.Questions)
			}
		}},
		{name: "open question", plan: func() { w.column("item", "label").Question = "what is it?" }, expect: func() { w.stopped(errs.Invalid, "shop.item.label: what is it?") }},
		{name: "transformer that does not fit", plan: func() { w.column("customer", "born").Transform = spec("email") }, expect: func() { w.stopped(errs.Invalid, "email", "shop.customer.born") }},
		{name: "NULL into NOT NULL", plan: func() { w.column("customer", "created").Transform = spec("sql", "expression", "NULL::timestamptz") }, expect: func() { w.stopped(errs.Invalid, "23502", "shop.customer") }},
		{name: "sides of a foreign key that part", plan: func() { w.column("basket", "customer_id").Transform = spec("rekey", "of", "elsewhere") }, expect: func() { w.stopped(errs.Invalid, "shop.basket.customer_id: The column refers to shop.customer.id") }},
		{name: "broken foreign key", plan: func() {
			w.column("item", "id").Transform = spec("sql", "expression", "id + 1")
			w.column("customer", "favourite").Transform = spec("sql", "expression", "favourite + 5000")
		}, expect: func() { w.stopped(errs.Invalid, "breaks the foreign key customer_favourite_fkey") }},
		{name: "class that samples contradict", plan: func() {
			*w.column("customer", "phone") = plan.Column{Name: "phone", Type: "character varying(24)", Class: personal.Harmless, Kind: personal.None, Transform: spec("keep"), Line: 7}
		}, expect: func() {
			w.stopped(errs.Invalid, "line 7: shop.customer.phone: The plan says harmless, and this looks like phone")
		}},
		{name: "personal data kept without a reason", plan: func() { w.column("customer", "sex").Reason = "" }, expect: func() { w.stopped(errs.Invalid, "shop.customer.sex: Class quasi_identifier stays as it is") }},
		{name: "value twice in a unique index", plan: func() {
			w.column("item", "id").Transform = spec("sql", "expression", "id / 2")
			w.column("customer", "favourite").Transform = spec("suppress")
		}, expect: func() { w.stopped(errs.Conflict, "item_pkey") }},
		{name: "row that is too large", fault: `UPDATE shop.item SET remark = repeat('x', 3000000) WHERE id = 1`, mend: `UPDATE shop.item SET remark = NULL WHERE id = 1`, plan: func() { w.opt = func(o *Options) { o.MaxRow = 1 << 20 } }, expect: func() { w.stopped(errs.Invalid, "more than the limit", "shop.item") }},
		{name: "row-level security on the source", fault: `ALTER ROLE reader NOBYPASSRLS`, mend: `ALTER ROLE reader BYPASSRLS`, expect: func() { w.stopped(errs.Denied, "Row-level security hides rows") }},
		{name: "reader without rights", plan: func() { w.opt = func(o *Options) { o.Source = production.DSN("app", w.database) } }, expect: func() { w.stopped(errs.Denied, "does not let its reader read") }},
		{name: "cluster of the source", plan: func() { w.opt = func(o *Options) { o.Target = production.DSN("app", "postgres") } }, expect: func() { w.stopped(errs.Invalid, "cluster of the source") }},
		{name: "extension that the target lacks the right for", fault: `CREATE EXTENSION pageinspect SCHEMA public`, mend: `DROP EXTENSION pageinspect`, expect: func() { w.stopped(errs.Denied, "extension pageinspect") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t, w.plan, w.opt = t, w.proposed(), nil
			if c.plan != nil {
				c.plan()
			}
			if c.fault != "" {
				w.must(execute(super, c.fault))
			}
			c.expect()
			if c.mend != "" {
				w.must(execute(super, c.mend))
			}
		})
	}
	w.t = t
	w.only()
}

// TestAnotherKeyIsTried lets values collide until, in the source, the expression that makes them is mended: at the second run, and never.
func TestAnotherKeyIsTried(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.exec(`CREATE TABLE shop.luck (bad boolean); INSERT INTO shop.luck VALUES (true); CREATE TABLE shop.voucher (code text); INSERT INTO shop.voucher VALUES ('a'), ('b');
CREATE UNIQUE INDEX voucher_code ON shop.voucher (upper(code))`)
	w.plan = w.proposed()
	w.column("voucher", "code").Transform = spec("sql", "expression", "CASE WHEN (SELECT bad FROM shop.luck) THEN 'x' ELSE 'new ' || code END")
	began := 0
	lucky := 2
	w.say = func(p Progress) {
		if p.Stage == StageSchema && p.All == 0 {
			if began++; began == lucky {
				w.must(execute(production.DSN(cluster.SuperUser, w.database), `UPDATE shop.luck SET bad = false`))
			}
		}
	}
	r := w.published()
	if len(r.Before) != 1 || r.Before[0].Run == r.Run || !strings.Contains(r.Before[0].Error, "voucher_code") || r.Before[0].Seconds <= 0 {
		t.Errorf("before were %+v", r.Before)
	}
	w.only(w.name)
	w.exec(`UPDATE shop.luck SET bad = true`)
	began, lucky = 0, 4
	if r = w.stopped(errs.Conflict, "voucher_code"); len(r.Before) != retries || began != 1+retries || r.Failed != StageAfter {
		t.Errorf("%d runs began, ended in %s, before were %+v", began, r.Failed, r.Before)
	}
}

// TestSchemaChangesUnderway alters tables between the snapshot and the copy.
func TestSchemaChangesUnderway(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	for name, c := range map[string]struct{ sql, says string }{
		"rewritten": {`ALTER TABLE shop.guarded ALTER what TYPE varchar USING what || 'x'`, "altered, truncated or rewritten"},
		"truncated": {`TRUNCATE shop.nothing`, "altered, truncated or rewritten"},
		"dropped":   {`ALTER TABLE shop.item DROP remark`, "42703"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			done := false
			w.say = func(p Progress) {
				if p.Stage == StageCopy && !done {
					done = true
					if err := execute(production.DSN(cluster.SuperUser, w.database), c.sql); err != nil {
						t.Error(err)
					}
				}
			}
			w.stopped(map[bool]errs.Kind{true: errs.Invalid, false: errs.Conflict}[name == "dropped"], c.says)
			w.say = nil
			switch name { // as it was, since the plan was made for it
			case "rewritten":
				w.exec(`ALTER TABLE shop.guarded ALTER what TYPE text`)
			case "dropped":
				w.exec(`ALTER TABLE shop.item ADD remark text`)
			}
			w.plan = w.proposed()
		})
	}
}
