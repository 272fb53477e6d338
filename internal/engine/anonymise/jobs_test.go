package anonymise

import (
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/run"
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
	list, err := certificatesOf(t.Context(), w.db.Pool("garant_staff"), "production", 10)
	w.must(err)
	if len(list) != 1 || list[0].Run != first.Run || list[0].Bytes == 0 {
		t.Errorf("certificates are %+v", list)
	}
	one, err := runOf(t.Context(), w.db.Pool("garant_staff"), second.ID)
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
	one, err := runOf(w.t.Context(), w.db.Pool("garant_staff"), r.ID)
	w.must(err)
	return one.Schema
}
