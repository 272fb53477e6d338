package run

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// cut ends connections of the run in a database, all where there is none named, and tells how many.
func (w *world) cut(c *cluster.Cluster, database string) (n int) {
	conn, err := pgx.Connect(context.Background(), c.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close(context.Background()) }()
	w.must(conn.QueryRow(context.Background(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1 AND ($2::text = datname OR $2::text = $3)`, application, database, "").Scan(&n))
	return n
}

// hold has whoever reads or fills a table wait until release.
func (w *world) hold(dsn, table string) (release func()) {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		w.t.Error(err)
		return func() {}
	}
	if _, err := conn.Exec(context.Background(), `BEGIN; LOCK TABLE `+table+` IN ACCESS EXCLUSIVE MODE`); err != nil {
		w.t.Error(err)
	}
	return sync.OnceFunc(func() { _ = conn.Close(context.Background()) })
}

// staged is the database that a run is filling.
func (w *world) staged() string {
	for _, d := range w.databases() {
		if d != w.name && d != w.name+"_previous" {
			return d
		}
	}
	w.t.Error("no copy is being made")
	return ""
}

// whenWaiting calls do as soon as somebody waits for a lock in a database.
func (w *world) whenWaiting(dsn, database string, do func()) {
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		w.t.Error(err)
		return
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for range 2000 {
		var waits bool
		if err := conn.QueryRow(context.Background(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1 AND application_name = $2 AND wait_event_type = 'Lock')`, database, application).Scan(&waits); err != nil {
			w.t.Error(err)
			return
		}
		if waits {
			do()
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	all, _ := collect[string](context.Background(), conn, `SELECT concat_ws(' ', datname, application_name, state, wait_event_type, query) FROM pg_stat_activity WHERE backend_type = 'client backend'`)
	w.t.Errorf("nobody waits for the table that is held: %q", all)
}

// TestConnectionsCut cuts the connections of a run in each of its stages, at either end, while it waits there for a table: the copy that is served stays, and what may be left is cleaned. In the
// stages behind the copy it goes on.
func TestConnectionsCut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	first := w.published()
	target := developers.DSN("copier", "postgres")
	for _, c := range []struct {
		stage Stage
		at    end
		ends  Stage // in which the run notices; empty: it goes on
	}{
		{StageSchema, atSource, StageSchema}, {StageSet, atSource, StageSet}, {StageCopy, atSource, StageCopy}, {StageCopy, atTarget, StageCopy},
		{StageSet, atTarget, StageCopy}, // where the target is not used
		{StageAfter, atTarget, ""}, {StageProof, atTarget, ""},
	} {
		t.Run(string(c.stage)+" "+string(c.at), func(t *testing.T) {
			w.t = t
			var once sync.Once
			var cutting sync.WaitGroup
			w.say = func(p Progress) {
				if p.Stage != c.stage {
					return
				}
				once.Do(func() {
					switch {
					case c.at == atSource:
						release := w.hold(production.DSN(cluster.SuperUser, w.database), "shop.customer")
						cutting.Go(func() {
							defer release()
							w.whenWaiting(production.DSN(cluster.SuperUser, "postgres"), w.database, func() { w.cut(production, w.database) })
						})
					case c.stage == StageSet:
						if w.cut(developers, "") == 0 {
							t.Error("nothing was cut")
						}
					default:
						database := w.staged()
						release := w.hold(developers.DSN(cluster.SuperUser, database), "shop.customer")
						cutting.Go(func() {
							defer release()
							w.whenWaiting(developers.DSN(cluster.SuperUser, "postgres"), database, func() { w.cut(developers, "") })
						})
					}
				})
			}
			r, err := Copy(t.Context(), w.options())
			cutting.Wait()
			w.say = nil
			if c.ends == "" {
				if err != nil || !r.Passed() || len(r.Resumed) != 1 || r.Resumed[0].Stage != c.stage || r.Failed != "" {
					t.Fatalf("%v, resumed %+v, problems %v", err, r.Resumed, r.Problems)
				}
				if have, err := List(t.Context(), target, w.name); err != nil || len(have) != 2 || have[1].State != Waiting {
					t.Errorf("the run's lock is lost: %+v, %v", have, err)
				}
				r.Close()
				return
			}
			if !errs.Is(err, errs.Unavailable) {
				t.Errorf("%v is no error of a server that is gone", err)
			}
			if r.Failed != c.ends {
				t.Errorf("ended in %q: %v", r.Failed, err)
			}
		})
		w.t = t
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) { // a session that was cut holds its lock until its process has ended
			if _, err := Clean(t.Context(), target, w.name); err != nil {
				t.Error(err)
			}
			if have, err := List(t.Context(), target, w.name); err == nil && len(have) == 1 || time.Now().After(end) {
				break
			}
		}
		w.only(w.name)
		if got := ask[int64](w, `SELECT count(*) FROM shop.customer`); got != 12 {
			t.Errorf("the copy that is served has %d customers", got)
		}
	}
	have, err := List(t.Context(), target, w.name)
	w.must(err)
	if len(have) != 1 || have[0].Run != first.Run || have[0].State != Served {
		t.Errorf("served is %+v, want the run %s", have, first.Run)
	}
}

// TestTargetKeepsCutting cuts whatever the run opens at the target from a stage on: it ends, and says why.
func TestTargetKeepsCutting(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.published()
	for _, stage := range []Stage{StageSchema, StageAfter, StageProof} {
		t.Run(string(stage), func(t *testing.T) {
			w.t = t
			w.opt = func(o *Options) { o.patience = time.Second }
			ctx, stop := context.WithCancel(t.Context())
			var once sync.Once
			var cutting sync.WaitGroup
			w.say = func(p Progress) {
				if p.Stage == stage {
					once.Do(func() {
						cutting.Go(func() {
							for ctx.Err() == nil {
								w.cut(developers, "")
							}
						})
					})
				}
			}
			r, err := Copy(t.Context(), w.options())
			stop()
			cutting.Wait()
			w.say = nil
			var e *errs.Error
			if !errors.As(err, &e) || e.Kind != errs.Unavailable || r.Failed != stage {
				t.Errorf("ended in %s: %v", r.Failed, err)
			}
		})
		w.t = t
		if _, err := Clean(t.Context(), developers.DSN("copier", "postgres"), w.name); err != nil {
			t.Error(err)
		}
		w.only(w.name)
	}
}
