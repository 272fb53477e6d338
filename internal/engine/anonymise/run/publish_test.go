package run

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

func TestPublishSwitchesAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	target := developers.DSN("copier", "postgres")
	first := w.published()
	second, err := w.copy()
	w.must(err)
	// Somebody works in the copy, and others come all the time.
	idle, err := pgx.Connect(t.Context(), developers.DSN("dev", w.name))
	w.must(err)
	t.Cleanup(func() { _ = idle.Close(context.Background()) })
	var half, served atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			conn, err := pgx.Connect(ctx, developers.DSN("dev", w.name))
			if err != nil {
				continue
			}
			var n int
			if err := conn.QueryRow(ctx, `SELECT count(*) FROM shop.customer JOIN shop.basket ON customer_id = id`).Scan(&n); err == nil {
				served.Add(1)
				if n != 24 {
					half.Add(1)
				}
			}
			_ = conn.Close(ctx)
		}
	}()
	p := w.publish(second)
	time.Sleep(100 * time.Millisecond)
	stop()
	<-done
	if half.Load() > 0 || served.Load() == 0 {
		t.Errorf("of %d who came, %d found half a copy", served.Load(), half.Load())
	}
	if p.Previous != w.name+"_previous" || len(p.Destroyed) != 0 {
		t.Errorf("published %+v", p)
	}
	third := w.published()
	w.only(w.name, w.name+"_previous")
	is := func(want ...string) {
		t.Helper()
		have, err := List(t.Context(), target, w.name)
		w.must(err)
		for i, h := range have {
			if h.Run != want[i] {
				t.Errorf("%s is of run %s, want %s", h.Database, h.Run, want[i])
			}
		}
	}
	is(third.Run, second.Run)
	w.must(Rollback(t.Context(), target, w.name))
	is(second.Run, third.Run)
	if first.Run == second.Run || ask[int64](w, `SELECT count(*) FROM shop.customer`) != 12 {
		t.Error("going back does not serve the copy before")
	}
	// Somebody renames by hand: nothing is served, until it is mended.
	w.must(execute(developers.DSN(cluster.SuperUser, "postgres"), `DROP DATABASE `+w.name+` WITH (FORCE); `))
	if _, err := Mend(t.Context(), target, w.name); err != nil {
		t.Error(err)
	}
	w.only(w.name)
	is(third.Run)
}

func TestOnlyTheProvenIsPublished(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	target := developers.DSN("copier", "postgres")
	super := developers.DSN(cluster.SuperUser, "postgres")
	r, err := w.copy()
	w.must(err)
	refused := func(what string, r *Report) {
		t.Helper()
		if _, err := Publish(t.Context(), PublishOptions{Target: target, Report: r}); !errs.Is(err, errs.Conflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	forged := *r
	forged.held, forged.Tables = nil, nil
	r.Close()
	refused("a report that was changed", &forged)
	refused("no report", nil)
	refused("an empty report", &Report{Name: w.name, Proven: true})
	if _, err := pgx.Connect(t.Context(), developers.DSN("dev", r.Database)); err == nil {
		t.Error("a developer gets into a copy that is not published")
	}
	w.must(execute(super, `CREATE DATABASE `+w.name))
	refused("a database of somebody else's under the name", r)
	w.must(execute(super, `DROP DATABASE `+w.name))
	// The report as another process reads it.
	text, err := json.Marshal(r)
	w.must(err)
	var read Report
	w.must(json.Unmarshal(text, &read))
	w.publish(&read)
	w.only(w.name)
}

func TestCleanKnowsWhoLives(t *testing.T) {
	w := newWorld(t, 12)
	target := developers.DSN("copier", "postgres")
	r, err := w.copy()
	w.must(err)
	have, err := List(t.Context(), target, w.name)
	w.must(err)
	if len(have) != 1 || have[0].State != Waiting {
		t.Errorf("a copy that is about to be published is %+v", have)
	}
	gone, err := Clean(t.Context(), target, w.name)
	w.must(err)
	if len(gone) != 0 {
		t.Errorf("a living run's copy was destroyed: %+v", gone)
	}
	r.Close()
	if gone, err = Clean(t.Context(), target, w.name); err != nil || len(gone) != 1 || gone[0].Run != r.Run || gone[0].Bytes == 0 {
		t.Errorf("cleaned %+v, %v", gone, err)
	}
	w.only()
}

func TestCopySaysWhereItIsFrom(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.opt = func(o *Options) { o.Origin = OriginSchedule }
	target := developers.DSN("copier", "postgres")
	served := func() Copied {
		t.Helper()
		have, err := List(t.Context(), target, w.name)
		w.must(err)
		for _, c := range have {
			if c.State == Served {
				return c
			}
		}
		t.Fatal("nothing is served")
		return Copied{}
	}
	before := time.Now()
	first := w.published()
	var system string
	w.must(w.source.QueryRow(t.Context(), `SELECT system_identifier::text FROM pg_control_system()`).Scan(&system))
	c := served()
	if c.Run != first.Run || c.Origin != OriginSchedule || c.PlanDigest != digest(w.plan) || c.Source != (SourceReport{system, w.database}) {
		t.Errorf("served is %+v", c)
	}
	if c.Began.Before(before) || c.Ended.Before(c.Began) || c.Published.Before(c.Ended) || !c.Returned.IsZero() || time.Since(c.Published) > time.Minute {
		t.Errorf("began %s, ended %s, published %s, gone back to %s", c.Began, c.Ended, c.Published, c.Returned)
	}
	if p := c.Proofs; p == nil || p.Rows == 0 || p.Tables != len(first.Tables) || p.Scanned == 0 || p.Entries == 0 || p.Canaries == 0 || p.Found != p.Canaries || p.ForeignKeys == 0 || p.Persons != 1 || p.Linkable == 0 {
		t.Errorf("proofs are %+v", p)
	}
	linked := func(where string) bool {
		return slices.ContainsFunc(first.Linkable, func(l Linked) bool { return l.Where == where })
	}
	if c.Anonymised || !linked("shop.item.price") || linked("shop.customer.email") || linked("shop.country.label") {
		t.Errorf("said to be anonymised: %v; rows can be led back by %v", c.Anonymised, first.Linkable)
	}
	w.opt = nil
	second := w.published()
	if c = served(); c.Run != second.Run || c.Origin != OriginHand {
		t.Errorf("served is %+v", c)
	}
	w.must(Rollback(t.Context(), target, w.name))
	if c = served(); c.Run != first.Run || c.Returned.IsZero() || c.Origin != OriginSchedule {
		t.Errorf("gone back to %+v", c)
	}
	// Somebody gives a copy the name by hand.
	r, err := w.copy()
	w.must(err)
	r.Close()
	w.must(execute(developers.DSN(cluster.SuperUser, "postgres"), `DROP DATABASE `+w.name+` WITH (FORCE)`))
	w.must(execute(developers.DSN(cluster.SuperUser, "postgres"), `ALTER DATABASE `+r.Database+` RENAME TO `+w.name))
	if c = served(); !c.Published.IsZero() {
		t.Errorf("published by hand, and says %+v", c)
	}
	w.plan.Tables[0].Columns = nil
	if digest(w.plan) == first.Plan {
		t.Error("another plan has the same digest")
	}
}
