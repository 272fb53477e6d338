package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
)

const (
	checks    = 200
	cadence   = 6 * time.Second // 200 checks every 6 s: 2,000 findings a minute
	changing  = 20              // of them, one in ten sees something else each time
	perMinute = checks * int(time.Minute/cadence)
)

// findings runs 2,000 findings a minute through scheduler, queue, runner and publisher for a
// while, and says whether they fell behind and what they left in the database.
func findings(ctx context.Context, out io.Writer, dir string, length time.Duration) error {
	db, stop, err := scratch(ctx, dir)
	if err != nil {
		return err
	}
	defer stop()
	var ran atomic.Int64
	engine := measure.Engine{Name: "bench"}
	for i := range checks {
		engine.Checks = append(engine.Checks, synthetic(i, &ran))
	}
	cat, err := catalogue.Load()
	if err != nil {
		return err
	}
	reg, err := measure.NewRegistry(cat, engine)
	if err != nil {
		return err
	}
	view := measure.View{Estate: &estate.Estate{Endpoints: []estate.Endpoint{{Name: "a"}}}, Version: 1}
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	see := func(context.Context) (measure.View, error) { return view, nil }
	publisher := annex.NewPublisher(annex.Publisher{DB: db, Registry: reg, View: see, Build: "bench", Now: time.Now, Log: quiet})
	runner := &measure.Runner{Registry: reg, DB: db, View: see, Build: "bench", Now: time.Now, Log: quiet, Stored: publisher.Wake}
	worker, err := job.New(job.Config{
		Pool: db.Pool(pg.Worker), Kinds: runner.Jobs(), Log: quiet, Now: time.Now,
		Recurrences: func() []job.Recurrence { return runner.Recurrences(view) },
	})
	if err != nil {
		return err
	}
	loops, cancel := context.WithCancel(ctx)
	defer cancel()
	go publisher.Run(loops)
	if err := worker.Start(loops); err != nil {
		return err
	}
	time.Sleep(cadence) // the first round, all at once
	before := ran.Load()
	start := time.Now()
	var waiting, most int64
	for time.Since(start) < length {
		time.Sleep(time.Second)
		if waiting, err = count(ctx, db, "SELECT (SELECT count(*) FROM job.outbox) + (SELECT count(*) FROM river.river_job WHERE state IN ('available', 'retryable', 'scheduled'))"); err != nil {
			return err
		}
		most = max(most, waiting)
	}
	done, took := ran.Load()-before, time.Since(start)
	stopping, end := context.WithTimeout(ctx, 10*time.Second)
	defer end()
	worker.Stop(stopping)
	evidence, err := count(ctx, db, "SELECT count(*) FROM measure.evidence")
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "findings: %.0f a minute of %d asked for (%.2f) over %s; waiting at most %d, at the end %d; evidence rows %d for %d findings (%.2f)\n",
		float64(done)/took.Minutes(), perMinute, float64(done)/took.Minutes()/float64(perMinute), took.Round(time.Second), most, waiting, evidence, ran.Load(), float64(evidence)/float64(ran.Load()))
	return nil
}

func synthetic(i int, ran *atomic.Int64) measure.Check {
	return measure.Check{
		ID: fmt.Sprintf("bench.c%d", i), Measures: []string{"ENC-1"}, Every: cadence, Valid: time.Minute, Timeout: 10 * time.Second,
		Scope: func(*estate.Estate) []string { return []string{"a"} },
		Run: func(context.Context, measure.In) measure.Finding {
			n := ran.Add(1)
			f := measure.Finding{Outcome: measure.Pass, Scope: []string{"a"}}
			if i < changing {
				f.Raw = fmt.Appendf(nil, `{"n":%d}`, n)
			}
			return f
		},
	}
}

// scratch makes a migrated database in dir.
func scratch(ctx context.Context, dir string) (db *pg.DB, stop func(), err error) {
	var users []string
	for _, r := range pg.Roles() {
		users = append(users, string(r))
	}
	c, err := cluster.Open(ctx, cluster.Options{Name: "bench", Dir: filepath.Join(dir, "pg"), Users: users, Settings: map[string]string{"max_connections": "80"}})
	if err != nil {
		return nil, nil, err
	}
	closeCluster := func() { _ = c.Close(context.WithoutCancel(ctx)) }
	if err := pg.Bootstrap(ctx, c.DSN(c.SuperUser(), "postgres"), "bench"); err != nil {
		closeCluster()
		return nil, nil, err
	}
	dsn := func(r pg.Role) string { return c.DSN(string(r), "bench") }
	if _, err := pg.Migrate(ctx, dsn(pg.Owner)); err != nil {
		closeCluster()
		return nil, nil, err
	}
	if db, err = pg.Open(ctx, dsn, pg.ServingRoles()...); err != nil {
		closeCluster()
		return nil, nil, err
	}
	return db, func() { db.Close(); closeCluster() }, nil
}

func count(ctx context.Context, db *pg.DB, sql string) (n int64, err error) {
	err = db.Pool(pg.Worker).QueryRow(ctx, sql).Scan(&n)
	return n, pg.Wrap(err)
}
