package anonymise

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestScheduled(t *testing.T) {
	w := newWorld(t)
	first := w.published()
	if first.Origin != run.OriginSchedule || first.Proof == "" || first.SnapshotAt == nil || first.Anonymised == nil {
		t.Errorf("the run is %+v", first)
	}
	if c := w.served(); c.Run != first.Run || c.Proof != first.Proof || c.Origin != run.OriginSchedule {
		t.Errorf("served is %+v", c)
	}
	if again := w.tend(); again.ID != first.ID {
		t.Error("a run was begun before it was due")
	}
	w.ahead = 59 * time.Minute
	if again := w.tend(); again.ID != first.ID {
		t.Error("a run was begun a minute before it was due")
	}
	w.ahead = time.Hour + time.Minute
	second := w.published()
	if second.ID == first.ID || w.served().Run != second.Run {
		t.Error("no run was begun when it was due")
	}
	if got := w.databases(); len(got) != 2 {
		t.Errorf("the cluster has %v", got)
	}
	w.ahead *= 2
	w.published()
	list, err := certificatesOf(t.Context(), w.db.Pool(pg.Staff), "production", 10)
	w.must(err)
	if len(list) != 1 || list[0].Run != first.Run || list[0].Bytes == 0 {
		t.Errorf("certificates are %+v", list)
	}
	one, err := runOf(t.Context(), w.db.Pool(pg.Staff), second.ID)
	w.must(err)
	if one.Report == nil || !one.Report.Passed() || one.Schema["public.person"]["email"] != "text" {
		t.Errorf("kept of the run is %+v", one)
	}
}

// A migration adds a column: nothing is published until the plan knows it, and what was served stays.
func TestStopped(t *testing.T) {
	w := newWorld(t)
	first := w.published()
	pgtest.Exec(t, w.source, `ALTER TABLE person ADD COLUMN mobile text`)
	w.ahead = 2 * time.Hour
	r := w.tend()
	if r.Outcome != Stopped || !strings.Contains(r.Said, "mobile") && !strings.Contains(r.Said, "plan") {
		t.Fatalf("the run is %s: %s", r.Outcome, r.Said)
	}
	if c := w.served(); c.Run != first.Run {
		t.Errorf("served is %+v", c)
	}
	if again := w.tend(); again.ID != r.ID {
		t.Error("it was tried again at once")
	}
	w.plan = strings.Replace(shopPlan, "      photo:", "      mobile: {class: identifier, kind: phone, transform: phone, type: text}\n      photo:", 1)
	w.declare()
	second := w.published()
	if got := changes(schemaOfRun(w, first), schemaOfRun(w, second)); len(got) != 1 || got[0].Column != "mobile" || got[0].After != "text" {
		t.Errorf("changed is %+v", got)
	}
}

func schemaOfRun(w *world, r *Run) Schema {
	w.t.Helper()
	one, err := runOf(w.t.Context(), w.db.Pool(pg.Staff), r.ID)
	w.must(err)
	return one.Schema
}

// What one person has changed makes no copy before a second one has confirmed it.
func TestPending(t *testing.T) {
	w := newWorld(t)
	first := w.published()
	before := w.estate
	w.plan = strings.Replace(shopPlan, "transform: generalise, to: decade", "transform: keep, reason: by hand", 1)
	w.declare()
	w.pending = estate.Reductions(before, w.estate)
	if len(w.pending) != 1 {
		t.Fatalf("pending is %+v", w.pending)
	}
	w.ahead = 2 * time.Hour
	if r := w.tend(); r.ID != first.ID {
		t.Error("a run was begun with a plan that waits for a second person")
	}
	w.pending = nil
	if r := w.tend(); r.ID == first.ID {
		t.Error("no run was begun once it was confirmed")
	}
}

// No copy is made of another database than the one whose plan it is, nor in another cluster, whatever the files of addresses say today.
func TestOfAnother(t *testing.T) {
	w := newWorld(t)
	super := w.connect(running.main, "postgres")
	pgtest.Exec(t, super, `CREATE DATABASE other_`+w.name)
	t.Cleanup(func() { pgtest.Exec(t, super, `DROP DATABASE other_`+w.name+` WITH (FORCE)`) })
	pgtest.Exec(t, w.connect(running.main, "other_"+w.name), shop)
	w.place("reader", strings.Replace(w.reader(), "/"+w.database+"?", "/other_"+w.name+"?", 1))
	if r := w.tend(); r.Outcome != Stopped || r.Code != "anonymise.impostor" {
		t.Errorf("of another database the run is %s: %s", r.Outcome, r.Said)
	}
	w.place("reader", w.reader())
	for i := range w.estate.Databases {
		c := *w.estate.Databases[i].Anonymised
		c.System = "7312345678901234567"
		w.estate.Databases[i].Anonymised = &c
	}
	w.ahead = 2 * time.Hour
	if r := w.tend(); r.Outcome != Stopped || r.Code != "anonymise.impostor" {
		t.Errorf("in another cluster the run is %s: %s", r.Outcome, r.Said)
	}
}

// Two servers make one copy; while one is at it, the other finds nothing to do.
func TestTwoServers(t *testing.T) {
	w := newWorld(t)
	other := w.server()
	var group errgroup.Group
	for _, a := range []*Anonymise{w.copies, other, w.copies} {
		group.Go(func() error { return a.Tend(context.Background(), "production") })
	}
	w.must(group.Wait())
	w.must(other.Tend(t.Context(), "production"))
	list, err := runsOf(t.Context(), w.db.Pool(pg.Staff), "production", 10)
	w.must(err)
	if len(list) != 1 || list[0].Outcome != Published {
		t.Errorf("runs are %+v", list)
	}
}

// A run whose server is no more is found by the next one to look, and what it left is taken away.
func TestKilled(t *testing.T) {
	w := newWorld(t)
	d := w.estate.Databases[0]
	dead, err := newRun(&d, w.now())
	w.must(err)
	w.must(insertRun(t.Context(), w.db.Pool(pg.Worker), dead))
	pgtest.Exec(t, w.connect(running.copies, "postgres"), `CREATE DATABASE `+w.name+`_run_0123456789ab OWNER copier`)
	if r := w.tend(); r.ID != dead.ID || r.Outcome != Lost {
		t.Fatalf("the dead run is %+v", r)
	}
	w.ahead = retryMax
	r := w.published()
	if r.ID == dead.ID {
		t.Fatal("the dead run was published")
	}
	was, err := runOf(t.Context(), w.db.Pool(pg.Staff), dead.ID)
	w.must(err)
	if was.Outcome != Lost || was.EndedAt == nil || was.Said == "" {
		t.Errorf("the dead run is %+v", was)
	}
	if got := w.databases(); len(got) != 1 {
		t.Errorf("left are %v", got)
	}
}

// A server that dies once the copy has its name leaves a copy that is known; one that dies just before leaves nothing.
func TestKilledWhilePublishing(t *testing.T) {
	w := newWorld(t)
	d := w.estate.Databases[0]
	w.must(w.copies.issue(t.Context(), &d))
	served, err := newRun(&d, w.now())
	w.must(err)
	w.must(insertRun(t.Context(), w.db.Pool(pg.Worker), served))
	report, err := w.copies.publish(t.Context(), &d, served)
	w.must(err)
	if r := w.published(); r.ID != served.ID || r.Run != report.Run || r.Report != nil {
		t.Errorf("the run is %+v", r)
	}

	w.ahead = 2 * time.Hour
	o, err := w.copies.options(t.Context(), &d, served.ID)
	w.must(err)
	before, err := newRun(&d, w.now())
	w.must(err)
	w.must(insertRun(t.Context(), w.db.Pool(pg.Worker), before))
	if report, err = run.Copy(t.Context(), o); err != nil || !report.Passed() {
		t.Fatal(err, report.Problems)
	}
	w.must(proven(t.Context(), w.db.Pool(pg.Worker), before.ID, report, Schema{}))
	report.Close() // as the connection of a process that dies
	if r := w.tend(); r.ID != before.ID || r.Outcome != Lost {
		t.Errorf("the run that was not published is %+v", r)
	}
	w.ahead = 4 * time.Hour
	after := w.published()
	was, err := runOf(t.Context(), w.db.Pool(pg.Staff), before.ID)
	w.must(err)
	if was.Outcome != Lost || after.ID == before.ID || w.served().Run != after.Run {
		t.Errorf("the run that was not published is %+v; served is %s", was, w.served().Run)
	}
	if got := w.databases(); len(got) != 2 {
		t.Errorf("left are %v", got)
	}
}

// Whatever a run is cut off by, it is noted; the next one does not come at once.
func TestCutOff(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.copies.Tend(ctx, "production"); err == nil {
		t.Error("nothing was said")
	}
	pgtest.Exec(t, w.connect(running.copies, "postgres"), `ALTER ROLE copier NOLOGIN`)
	r := w.tend()
	pgtest.Exec(t, w.connect(running.copies, "postgres"), `ALTER ROLE copier LOGIN`)
	if r.Outcome != Failed || r.Said == "" || r.EndedAt == nil || strings.Contains(r.Said, "copier:copier") {
		t.Errorf("the run is %+v", r)
	}
	if again := w.tend(); again.ID != r.ID {
		t.Error("it was tried again at once")
	}
	w.ahead = retryMax
	w.published()
}

// A clock that went back begins one run, and then none until that is due.
func TestClockBack(t *testing.T) {
	w := newWorld(t)
	w.ahead = 5 * time.Hour
	first := w.published()
	w.ahead = 0
	second := w.published()
	if second.ID == first.ID {
		t.Fatal("no run was begun")
	}
	if again := w.tend(); again.ID != second.ID {
		t.Error("another run was begun")
	}
}
