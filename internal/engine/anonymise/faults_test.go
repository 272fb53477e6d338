package anonymise

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/measuretest"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// TestFaults breaks real databases in every way that the checks claim to see.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	w.section = "every: back-to-back\nmax_age: 1h"
	w.redeclare()
	w.published()
	w.published()
	for i, check := range w.copies.Checks().All() {
		t.Run(check.ID, func(t *testing.T) {
			w.t = t
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: w.estate, Faults: w.faults().All()[i], Now: w.now})
		})
	}
	w.t = t
}

// redeclare reads the estate anew in its place.
func (w *world) redeclare() {
	w.t.Helper()
	at := w.estate
	w.declare()
	if at != nil {
		*at = *w.estate
		w.estate = at
	}
}

func (w *world) fault(name string, want measure.Outcome, p Problem, broken, mend func()) measuretest.Fault {
	within := func(do func()) func(testing.TB) {
		return func(t testing.TB) {
			outer := w.t
			w.t = t
			do()
			w.t = outer
		}
	}
	return measuretest.Fault{Name: name, Want: want, Item: measure.Item{Target: "production", Problem: string(p)}, Break: within(broken), Mend: within(mend)}
}

// exec runs statements as the superuser and leaves no session behind, which would be in the way of the next copy. DEV is the developers' role, COPY the name of the copy.
func (w *world) exec(on *cluster.Cluster, database, sql string) {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), on.DSN(cluster.SuperUser, database))
	w.must(err)
	err = conn.PgConn().Exec(context.Background(), strings.NewReplacer("DEV", w.role(), "COPY", w.name).Replace(sql)).Close()
	_ = conn.Close(context.Background())
	w.must(err)
}

// cluster breaks the cluster for copies, there the copy itself, production, what Garant knows.
func (w *world) cluster(name string, p Problem, broken, mend string) measuretest.Fault {
	return w.fault(name, measure.Fail, p, func() { w.exec(running.copies, "postgres", broken) }, func() { w.exec(running.copies, "postgres", mend) })
}

func (w *world) inCopy(name string, p Problem, broken, mend string) measuretest.Fault {
	return w.fault(name, measure.Fail, p, func() { w.exec(running.copies, w.name, broken) }, func() { w.exec(running.copies, w.name, mend) })
}

func (w *world) inSource(name string, p Problem, broken, mend string) measuretest.Fault {
	return w.fault(name, measure.Fail, p, func() { w.exec(running.main, w.database, broken) }, func() { w.exec(running.main, w.database, mend) })
}

func (w *world) here(name string, want measure.Outcome, p Problem, broken, mend string) measuretest.Fault {
	return w.fault(name, want, p, func() { w.exec(running.main, w.garantName(), broken) }, func() { w.exec(running.main, w.garantName(), mend) })
}

func (w *world) garantName() string { return "garant_" + strings.TrimPrefix(w.name, "dev_") }

// files changes an address that the estate names.
func (w *world) files(name string, want measure.Outcome, p Problem, file string, broken func() string) measuretest.Fault {
	return w.fault(name, want, p, func() { w.place(file, broken()) }, func() { w.redeclare() })
}

// declared changes what the estate says.
func (w *world) declared(name string, want measure.Outcome, p Problem, change func(*estate.Anonymised)) measuretest.Fault {
	return w.fault(name, want, p, func() { change(w.estate.Databases[0].Anonymised) }, func() { w.redeclare() })
}

// planned gives the schedule another plan, with which a run ends as expected.
func (w *world) planned(name string, p Problem, outcome Outcome, from, to string) measuretest.Fault {
	return w.fault(name, measure.Fail, p, func() {
		w.replan(from, to)
		w.ends(outcome)
	}, w.sound)
}

func (w *world) replan(from, to string) {
	w.t.Helper()
	if !strings.Contains(shopPlan, from) {
		w.t.Fatalf("the plan does not say %s", from)
	}
	w.plan = strings.Replace(shopPlan, from, to, 1)
	w.redeclare()
}

// sound lets the schedule publish with the sound plan again.
func (w *world) sound() {
	w.plan = shopPlan
	w.redeclare()
	w.ends(Published)
}

// ends lets the schedule have its way once, past the time that it waits after a run that was no good.
func (w *world) ends(want Outcome) {
	w.t.Helper()
	w.ahead += retryMin + time.Second
	if r := w.tend(); r.Outcome != want {
		w.t.Fatalf("the run is %s, not %s: %s %s\n%s", r.Outcome, want, r.Code, r.Said, w.log.String())
	}
}

// rows changes rows of production so that a run ends as expected.
func (w *world) rows(name string, p Problem, outcome Outcome, broken, mend string) measuretest.Fault {
	return w.fault(name, measure.Fail, p, func() {
		w.exec(running.main, w.database, broken)
		w.ends(outcome)
	}, func() {
		w.exec(running.main, w.database, mend)
		w.ends(Published)
	})
}

// faults is every way in which copies go wrong, for each check. The literal has no keys: a check without faults does not compile.
func (w *world) faults() Set[[]measuretest.Fault] {
	return Set[[]measuretest.Fault]{
		append(w.copiedFaults(), w.awayFaults()...),
		append(append(w.availableFaults(), w.awayFaults()...), w.sourceFaults()...),
		append(w.unattendedFaults(), w.awayFaults()...),
		append(w.personsFaults(), w.awayFaults()...),
		append(w.classesFaults(), w.sourceFaults()...),
	}
}

const nobody = "postgres://nobody@127.0.0.1:1/postgres?sslmode=disable&connect_timeout=2"

// awayFaults are those of whoever looks at the cluster for copies.
func (w *world) awayFaults() []measuretest.Fault {
	return []measuretest.Fault{
		w.files("the cluster is gone", measure.Error, Unreachable, "target", func() string { return nobody }),
		w.files("no address", measure.Error, BadAddress, "target", func() string { return "" }),
		w.declared("another cluster", measure.Error, Impostor, func(a *estate.Anonymised) { a.System = "7312345678901234567" }),
		w.here("Garant’s own database is away", measure.Error, Unknown, `REVOKE SELECT ON anonymise.run FROM garant_checker`, `GRANT SELECT ON anonymise.run TO garant_checker`),
		w.fault("the copy was dropped", measure.Fail, NoCopy, func() {
			w.exec(running.copies, "postgres", `DROP DATABASE COPY WITH (FORCE)`)
		}, w.sound),
	}
}

// sourceFaults are those of whoever looks at production.
func (w *world) sourceFaults() []measuretest.Fault {
	return []measuretest.Fault{
		w.files("production is away", measure.Error, SourceUnseen, "reader", func() string { return nobody }),
		w.files("another server at the reader’s address", measure.Error, Impostor, "reader", func() string { return running.copies.DSN("issuer", "postgres") }),
	}
}

func (w *world) copiedFaults() []measuretest.Fault {
	return []measuretest.Fault{
		w.rows("a new column", NotUnderstood, Stopped, `ALTER TABLE person ADD COLUMN mobile text`, `ALTER TABLE person DROP COLUMN mobile`),
		w.rows("a new path in a document", NotUnderstood, Stopped, `UPDATE person SET profile = profile || '{"nickname": "x"}' WHERE id = 7`, `UPDATE person SET profile = profile - 'nickname'`),
		w.rows("a value in a document", Leaked, Unproven, `UPDATE person SET profile = profile || '{"theme": "dark cmF3OiBvb3N0ZXJseW5ja3gyQGt1bmRlLmV4YW1wbGU="}' WHERE id = 7`, `UPDATE person SET profile = profile || '{"theme": "dark"}'`),
		w.fault("a value in a sentence", measure.Fail, Leaked, func() {
			w.exec(running.main, w.database, `UPDATE purchase SET what = 'chaise livrée chez ' || (SELECT name FROM person WHERE id = 4) || ' hier' WHERE id = 9`)
			w.replan(`what: keep text`, `what: {class: harmless, transform: keep, type: text, reason: names of goods}`)
			w.ends(Unproven)
		}, func() {
			w.exec(running.main, w.database, `UPDATE purchase SET what = 'chaise' WHERE id = 9`)
			w.sound()
		}),
		w.fault("a value in bytes", measure.Fail, Leaked, func() {
			w.exec(running.main, w.database, `UPDATE person SET photo = convert_to('GIF89a ' || email, 'UTF8') WHERE id = 3`)
			w.replan(`photo: {class: identifier, kind: file, transform: suppress, type: bytea}`, `photo: {class: identifier, kind: file, transform: keep, type: bytea, reason: drawings}`)
			w.ends(Unproven)
		}, func() {
			w.exec(running.main, w.database, `UPDATE person SET photo = NULL`)
			w.sound()
		}),
		w.planned("an identity transformer put in by hand", Leaked, Unproven, `kind: email, transform: email, type: text`, `kind: email, transform: keep, type: text, reason: by hand`),
		w.planned("k below the threshold", Recognisable, Unproven, `k: 3`, `k: 25`),
		w.fault("a run that is stopped", measure.Fail, StoppedRun, func() {
			w.exec(running.copies, "postgres", `COMMENT ON DATABASE COPY_previous IS NULL`)
			w.ends(Stopped)
		}, func() {
			w.exec(running.copies, "postgres", `DROP DATABASE COPY_previous`)
			w.ends(Published)
			w.published()
		}),
		w.foreign(),
		w.here("a run of which something else is known", measure.Fail, Foreign, `UPDATE anonymise.run SET proof = 'x' || proof`, `UPDATE anonymise.run SET proof = substr(proof, 2)`),
		w.fault("older than agreed", measure.Fail, OldCopy, func() { w.ahead += 2 * time.Hour }, func() { w.ahead -= 2 * time.Hour }),
		w.fault("a change of the plan that waits", measure.Fail, PlanWaits, func() {
			w.pending = []estate.Reduction{{Key: "databases.production.anonymised.plan"}}
			w.ahead += 2 * time.Hour
			before, err := lastRun(context.Background(), w.db.Pool(pg.Staff), "production")
			w.must(err)
			if r := w.tend(); r.ID != before.ID {
				w.t.Error("a run was begun")
			}
		}, func() {
			w.pending = nil
			w.ahead -= 2 * time.Hour
		}),
		w.fault("the cluster of production", measure.Fail, SameCluster, func() {
			w.place("target", running.main.DSN(cluster.SuperUser, "postgres"))
			w.estate.Databases[0].Anonymised.System = w.estate.Databases[0].System
		}, w.redeclare),
	}
}

// foreign puts a database in the place of the copy that does not say which run made it.
func (w *world) foreign() measuretest.Fault {
	var said string
	return w.fault("not made by a run", measure.Fail, Foreign, func() {
		conn := w.connect(running.copies, "postgres")
		w.must(conn.QueryRow(context.Background(), `SELECT quote_literal(shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = $1`, w.name).Scan(&said))
		w.exec(running.copies, "postgres", `COMMENT ON DATABASE COPY IS 'by hand'`)
	}, func() { w.exec(running.copies, "postgres", `COMMENT ON DATABASE COPY IS `+said) })
}

func (w *world) availableFaults() []measuretest.Fault {
	attribute := func(name string) measuretest.Fault {
		return w.cluster("a role with "+name, Mighty, `ALTER ROLE DEV `+name, `ALTER ROLE DEV NO`+name)
	}
	return []measuretest.Fault{
		w.here("no credentials", measure.Fail, NoCredential, `UPDATE anonymise.credential SET role = role || '_x'`, `UPDATE anonymise.credential SET role = left(role, -2)`),
		w.here("credentials that cannot be read", measure.Error, Unknown, `REVOKE SELECT ON anonymise.credential FROM garant_worker`, `GRANT SELECT ON anonymise.credential TO garant_worker`),
		w.fault("a password changed by hand", measure.Fail, ShutOut, func() { w.exec(running.copies, "postgres", `ALTER ROLE DEV PASSWORD 'other'`) }, func() {
			w.exec(running.main, w.garantName(), `UPDATE anonymise.credential SET settled_at = NULL`)
			w.must(w.copies.issue(context.Background(), &w.estate.Databases[0]))
		}),
		w.cluster("a role that may not sign in", ShutOut, `ALTER ROLE DEV NOLOGIN`, `ALTER ROLE DEV LOGIN`),
		w.cluster("no right to connect", ShutOut, `REVOKE CONNECT ON DATABASE COPY FROM DEV`, `GRANT CONNECT ON DATABASE COPY TO DEV`),
		w.inCopy("a table that is closed", Unreadable, `REVOKE SELECT ON person FROM DEV`, `GRANT SELECT ON person TO DEV`),
		w.inCopy("a schema that is closed", Unreadable, `REVOKE USAGE ON SCHEMA public FROM DEV, PUBLIC`, `GRANT USAGE ON SCHEMA public TO DEV, PUBLIC`),
		attribute("SUPERUSER"), attribute("CREATEROLE"), attribute("CREATEDB"), attribute("REPLICATION"), attribute("BYPASSRLS"),
		w.cluster("a membership", Mighty, `GRANT pg_read_server_files TO DEV`, `REVOKE pg_read_server_files FROM DEV`),
		w.cluster("a database of its own", Mighty, `CREATE DATABASE mine OWNER DEV`, `DROP DATABASE mine`),
		w.cluster("everybody may connect", Others, `GRANT CONNECT ON DATABASE COPY TO PUBLIC`, `REVOKE CONNECT ON DATABASE COPY FROM PUBLIC`),
		w.cluster("somebody else may connect", Others, `CREATE ROLE stranger LOGIN; GRANT CONNECT ON DATABASE COPY TO stranger`, `REVOKE CONNECT ON DATABASE COPY FROM stranger; DROP ROLE stranger`),
		w.cluster("a member of the developers", Others, `CREATE ROLE stranger LOGIN IN ROLE DEV`, `DROP ROLE stranger`),
		w.cluster("the copy before is open", Others, `GRANT CONNECT ON DATABASE COPY_previous TO PUBLIC`, `REVOKE CONNECT ON DATABASE COPY_previous FROM PUBLIC`),
		w.fault("a way to production, by the same credentials", measure.Fail, SourceOpen, w.sameInSource, w.goneFromSource),
		w.fault("the same credentials in production, and one database closed", measure.Fail, SourceOpen, func() {
			w.sameInSource()
			w.exec(running.main, "postgres", `REVOKE CONNECT ON DATABASE `+w.database+` FROM PUBLIC`)
			w.exec(running.main, "postgres", `GRANT CONNECT ON DATABASE `+w.database+` TO reader`)
		}, func() {
			w.exec(running.main, "postgres", `GRANT CONNECT ON DATABASE `+w.database+` TO PUBLIC; REVOKE CONNECT ON DATABASE `+w.database+` FROM reader`)
			w.goneFromSource()
		}),
		w.inSource("a role of the same name in production", SourceRole, `CREATE ROLE DEV LOGIN PASSWORD 'another'`, `DROP ROLE DEV`),
		w.inCopy("a foreign server", Bridge, `CREATE FOREIGN DATA WRAPPER away; CREATE SERVER production FOREIGN DATA WRAPPER away OPTIONS (host 'db.internal')`, `DROP FOREIGN DATA WRAPPER away CASCADE`),
		w.inCopy("a subscription", Bridge, `CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false)`, `ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s`),
		w.foreign(),
	}
}

// sameInSource makes in production a role of the developers' name, with the password that Garant issued.
func (w *world) sameInSource() {
	conn := w.connect(running.copies, "postgres")
	var verifier string
	w.must(conn.QueryRow(context.Background(), `SELECT rolpassword FROM pg_authid WHERE rolname = $1`, w.role()).Scan(&verifier))
	w.exec(running.main, "postgres", `CREATE ROLE DEV LOGIN PASSWORD '`+verifier+`'`)
}

func (w *world) goneFromSource() { w.exec(running.main, "postgres", `DROP ROLE DEV`) }

func (w *world) unattendedFaults() []measuretest.Fault {
	return []measuretest.Fault{
		w.fault("published by hand", measure.Fail, ByHand, func() { w.byHand("person:anna", true) }, func() { w.ends(Published); w.published() }),
		w.fault("published by hand in the name of the schedule", measure.Fail, ByHand, func() { w.byHand(run.OriginSchedule, true) }, func() { w.ends(Published); w.published() }),
		w.here("a run that somebody began", measure.Fail, ByHand, `UPDATE anonymise.run SET origin = 'person:anna'`, `UPDATE anonymise.run SET origin = 'schedule'`),
		w.here("a report of another plan", measure.Fail, ByHand, `UPDATE anonymise.run SET report = jsonb_set(report, '{plan}', '"x"'), said = report ->> 'plan' WHERE report IS NOT NULL`,
			`UPDATE anonymise.run SET report = jsonb_set(report, '{plan}', to_jsonb(said)), said = '' WHERE report IS NOT NULL`),
		w.fault("the copy before put in its place by hand", measure.Fail, Renamed, w.swap, w.swap),
		w.fault("a proven copy that nobody published", measure.Fail, Renamed, func() {
			r := w.byHand(run.OriginSchedule, false)
			known, err := newRun(&w.estate.Databases[0], w.now())
			w.must(err)
			w.must(insertRun(context.Background(), w.db.Pool(pg.Worker), known))
			w.must(proven(context.Background(), w.db.Pool(pg.Worker), known.ID, r, Schema{}))
			w.must(ended(context.Background(), w.db.Pool(pg.Worker), known.ID, Lost, "", "", nil, w.now()))
			w.exec(running.copies, "postgres", `DROP DATABASE COPY WITH (FORCE)`)
			w.exec(running.copies, "postgres", `ALTER DATABASE `+r.Database+` RENAME TO COPY`)
		}, func() { w.ends(Published); w.published() }),
	}
}

// byHand makes a copy as garant anonymise run does.
func (w *world) byHand(origin string, publish bool) *run.Report {
	w.t.Helper()
	ctx := context.Background()
	o, err := w.copies.options(ctx, &w.estate.Databases[0], [16]byte{})
	w.must(err)
	o.Origin, o.Say = origin, nil
	report, err := run.Copy(ctx, o)
	w.must(err)
	defer report.Close()
	if !report.Passed() {
		w.t.Fatalf("the copy is not proven: %v", report.Problems)
	}
	if publish {
		_, err = run.Publish(ctx, run.PublishOptions{Target: o.Target, Report: report, Developers: o.Developers})
		w.must(err)
	}
	return report
}

// swap serves the copy before, as somebody with the rights to rename would.
func (w *world) swap() {
	w.exec(running.copies, "postgres", `BEGIN; ALTER DATABASE COPY RENAME TO COPY_between; ALTER DATABASE COPY_previous RENAME TO COPY; ALTER DATABASE COPY_between RENAME TO COPY_previous; COMMIT`)
}

func (w *world) personsFaults() []measuretest.Fault {
	return []measuretest.Fault{
		w.here("no report", measure.Fail, NoReport, `CREATE TABLE away AS SELECT id, report FROM anonymise.run; UPDATE anonymise.run SET report = NULL`,
			`UPDATE anonymise.run AS r SET report = a.report FROM away AS a WHERE a.id = r.id; DROP TABLE away`),
		w.here("a report without a proof", measure.Fail, NotProven, `UPDATE anonymise.run SET report = jsonb_set(report, '{proven}', 'false') WHERE outcome = 'published'`,
			`UPDATE anonymise.run SET report = jsonb_set(report, '{proven}', 'true') WHERE outcome = 'published'`),
		w.here("canaries that were not found", measure.Fail, NotProven, `UPDATE anonymise.run SET report = jsonb_set(report, '{leaks,Recall,Found}', '1') WHERE outcome = 'published'`,
			`UPDATE anonymise.run SET report = jsonb_set(report, '{leaks,Recall,Found}', report #> '{leaks,Recall,Planted}') WHERE outcome = 'published'`),
		w.declared("nothing is measured", measure.Fail, NotMeasured, func(a *estate.Anonymised) {
			a.Plan = []byte(strings.Split(string(a.Plan), "persons:")[0])
		}),
		w.declared("another measure", measure.Fail, NotMeasured, func(a *estate.Anonymised) {
			a.Plan = []byte(strings.Replace(string(a.Plan), "quasi: [born]", "quasi: [born, note]", 1))
		}),
		w.declared("k below the threshold of today", measure.Fail, Recognisable, func(a *estate.Anonymised) {
			a.Plan = []byte(strings.Replace(string(a.Plan), "k: 3", "k: 25", 1))
		}),
		w.here("k below the threshold", measure.Fail, Recognisable, `UPDATE anonymise.run SET report = jsonb_set(jsonb_set(report, '{persons,0,classes,Smallest}', '1'), '{persons,0,classes,Small}', '60') WHERE outcome = 'published'`,
			`UPDATE anonymise.run SET report = jsonb_set(jsonb_set(report, '{persons,0,classes,Smallest}', '20'), '{persons,0,classes,Small}', '0') WHERE outcome = 'published'`),
		w.planned("keys that lead back", Linkable, Published, "      id: rekey bigint\n      person_id:", "      id: {class: harmless, transform: keep, type: bigint, reason: by hand}\n      person_id:"),
		w.declared("a plan that cannot be read", measure.Fail, BadPlan, func(a *estate.Anonymised) { a.Plan = []byte("anonymise: 1\ntables: 7\n") }),
		w.foreign(),
	}
}

func (w *world) classesFaults() []measuretest.Fault {
	plan := func(name string, p Problem, from, to string) measuretest.Fault {
		return w.declared(name, measure.Fail, p, func(a *estate.Anonymised) {
			if !strings.Contains(string(a.Plan), from) {
				w.t.Fatalf("the plan does not say %s", from)
			}
			a.Plan = []byte(strings.Replace(string(a.Plan), from, to, 1))
		})
	}
	return []measuretest.Fault{
		w.inSource("a new column", Unclassified, `ALTER TABLE person ADD COLUMN mobile text`, `ALTER TABLE person DROP COLUMN mobile`),
		w.inSource("a new table", Unclassified, `CREATE TABLE visitor (id int, email text)`, `DROP TABLE visitor`),
		w.inSource("a new path in a document", Unclassified, `UPDATE person SET profile = profile || '{"nickname": "x"}' WHERE id = 7`, `UPDATE person SET profile = profile - 'nickname'`),
		w.inSource("another type", PlanWrong, `ALTER TABLE purchase ALTER COLUMN what TYPE varchar(60)`, `ALTER TABLE purchase ALTER COLUMN what TYPE text`),
		w.inSource("a column that is no more", PlanWrong, `ALTER TABLE person RENAME COLUMN photo TO portrait`, `ALTER TABLE person RENAME COLUMN portrait TO photo`),
		w.inSource("samples that speak against the class", Contradicted, `CREATE TABLE away AS TABLE purchase; UPDATE purchase SET what = (SELECT email FROM person WHERE id = person_id)`,
			`UPDATE purchase AS p SET what = a.what FROM away AS a WHERE a.id = p.id; DROP TABLE away`),
		plan("personal data that is kept without a word", Contradicted, `kind: email, transform: email`, `kind: email, transform: keep`),
		plan("an open question", Contradicted, `what: keep text`, `what: {class: harmless, transform: keep, type: text, question: "What is it?"}`),
		plan("a transformer that does not fit", PlanWrong, `transform: generalise, to: decade`, `transform: email`),
		w.declared("a plan that cannot be read", measure.Fail, BadPlan, func(a *estate.Anonymised) { a.Plan = []byte("anonymise: 1\ntables: 7\n") }),
	}
}

// TestItemsNameTheLine: what stops the schedule is named with the line that is to be added, and no value of production.
func TestItemsNameTheLine(t *testing.T) {
	w := newWorld(t)
	w.exec(running.main, w.database, `ALTER TABLE person ADD COLUMN mobile text; UPDATE person SET mobile = '+32 470 99 88 ' || (10 + id)`)
	w.ends(Stopped)
	for _, check := range []measure.Check{w.copies.Checks().Copied, w.copies.Checks().Classes} {
		f := check.Run(t.Context(), measure.In{Estate: w.estate, Now: w.now()})
		i := slices.IndexFunc(f.Failed, func(i measure.Item) bool { return strings.Contains(i.Actual, "public.person.mobile: ") })
		if i < 0 || !strings.Contains(f.Failed[i].Expected, "mobile: {") || !strings.Contains(f.Failed[i].Expected, "transform: phone") {
			t.Errorf("%s: %+v", check.ID, f.Failed)
		}
		for _, item := range f.Failed {
			if strings.Contains(item.Actual+item.Expected, "470") {
				t.Errorf("%s: an item holds a value: %+v", check.ID, item)
			}
		}
	}
}

// TestFailedRunAlone: a server that was away for one run is no fault of the copies while they are young enough.
func TestFailedRunAlone(t *testing.T) {
	w := newWorld(t)
	w.section = "every: back-to-back\nmax_age: 1h"
	w.redeclare()
	w.published()
	w.place("reader", nobody)
	w.ends(Failed)
	w.redeclare()
	check := w.copies.Checks().Copied
	if f := check.Run(t.Context(), measure.In{Estate: w.estate, Now: w.now()}); f.Outcome != measure.Pass {
		t.Errorf("after a run that failed: %+v", f)
	}
	w.exec(running.main, w.database, `ALTER TABLE person ADD COLUMN mobile text`)
	w.ends(Stopped)
	w.place("reader", nobody)
	w.ends(Failed)
	if f := check.Run(t.Context(), measure.In{Estate: w.estate, Now: w.now()}); f.Outcome != measure.Fail {
		t.Errorf("a run that failed hides the one before, which was stopped: %+v", f)
	}
}

// TestWord: sentences say anonymised of a copy in which nobody is to be found and that nothing links to production, and pseudonymised of any other. The copies stay proven otherwise.
func TestWord(t *testing.T) {
	w := newWorld(t)
	w.section = "every: back-to-back\nmax_age: 1h"
	w.redeclare()
	known, err := catalogue.Load()
	w.must(err)
	says := func(word string) {
		t.Helper()
		set := w.copies.Checks()
		for _, check := range []measure.Check{set.Copied, set.Available, set.Unattended} {
			f := check.Run(t.Context(), measure.In{Estate: w.estate, Now: w.now()})
			if f.Outcome != measure.Pass {
				t.Errorf("%s: %s %+v", check.ID, f.Outcome, f.Failed)
			}
			for _, lang := range known.Languages() {
				said := ""
				for _, s := range known.Words(lang, check.Measures[0]).Sentence {
					if s.Chooses() {
						said = measure.Chosen(s, f.Facts[s.Name])
					}
				}
				if !strings.HasPrefix(said, word) {
					t.Errorf("%s: %s says %q, want %s…", lang, check.Measures[0], said, word)
				}
			}
		}
	}
	w.published()
	says("anonymis")
	w.replan("      id: rekey bigint\n      person_id:", "      id: {class: harmless, transform: keep, type: bigint, reason: by hand}\n      person_id:")
	w.ends(Published)
	says("pseudonymis")
	w.sound()
	says("anonymis")
	w.declared("", "", "", func(a *estate.Anonymised) { a.Plan = []byte(strings.Replace(string(a.Plan), "k: 3", "k: 25", 1)) }).Break(t)
	says("pseudonymis")
}
