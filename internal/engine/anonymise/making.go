package anonymise

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// make has one copy made, proven and published, and notes how that went.
func (a *Anonymise) make(ctx context.Context, d *estate.Database) error {
	pool := a.DB.Pool(pg.Worker)
	r, err := newRun(d, a.Now())
	if err != nil {
		return err
	}
	if err := insertRun(ctx, pool, r); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	report, err := a.publish(running, d, r)
	stop()
	if report != nil {
		report.Close()
	}
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	switch {
	case err == nil && report.Passed():
		return a.endedAs(noting, d.Name, r.ID, Published, "", "", nil)
	case err == nil:
		return a.endedAs(noting, d.Name, r.ID, Unproven, "anonymise.proof", first(report.Problems), report)
	}
	text, _ := errs.Sentence(err)
	var known *errs.Error
	outcome, code := Failed, "anonymise.failed"
	if errors.As(err, &known) {
		code = known.ID
		if (known.Kind == errs.Invalid || known.Kind == errs.Conflict) && code != "anonymise.changed" { // a migration came in between: the next run sees it whole
			outcome = Stopped
		}
	}
	if a.Log != nil {
		a.Log.Error("no anonymised copy was made", "database.name", d.Name, "error.code", code, "error.message", text)
	}
	return a.endedAs(noting, d.Name, r.ID, outcome, code, text, report)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// publish makes a copy and serves it once it is proven and its proofs are kept here.
func (a *Anonymise) publish(ctx context.Context, d *estate.Database, r *Run) (*run.Report, error) {
	pool := a.DB.Pool(pg.Worker)
	o, err := a.options(ctx, d, r.ID)
	if err != nil {
		return nil, err
	}
	cleaned, err := run.Mend(ctx, o.Target, o.Name)
	if keep := insertCertificates(ctx, pool, d.Name, cleaned); err == nil {
		err = keep
	}
	if err != nil {
		return nil, err
	}
	report, err := run.Copy(ctx, o)
	if err != nil || !report.Passed() {
		return report, err
	}
	schema, err := schemaOf(ctx, o.Target, report.Database)
	if err != nil {
		return report, err
	}
	if err := proven(ctx, pool, r.ID, report, schema); err != nil {
		return report, err
	}
	published, err := run.Publish(ctx, run.PublishOptions{Target: o.Target, Report: report, Developers: o.Developers})
	if published != nil {
		if keep := insertCertificates(ctx, pool, d.Name, published.Destroyed); err == nil {
			err = keep
		}
	}
	return report, err
}

// options are what a run is told of a database.
func (a *Anonymise) options(ctx context.Context, d *estate.Database, id uuid.UUID) (run.Options, error) {
	c := d.Anonymised
	o := run.Options{Name: c.Name, Developers: c.Developers, Expected: run.Expected{Source: d.System, Database: d.Database, Target: c.System}, Origin: run.OriginSchedule, BinDir: a.BinDir, Pause: run.Pause{Sessions: c.PauseAbove}, Say: a.say(ctx, id)}
	p, err := plan.Load(plan.FileName, c.Plan)
	if err != nil {
		return o, err
	}
	o.Plan = &p
	if o.Source, err = c.Reader.Reveal(); err != nil {
		return o, err
	}
	o.Target, err = c.Target.Reveal()
	return o, err
}

// say notes how far a run is, at most once a second and never in its way.
func (a *Anonymise) say(ctx context.Context, id uuid.UUID) func(run.Progress) {
	latest := make(chan run.Progress, 1)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case p := <-latest:
				_ = heard(ctx, a.DB.Pool(pg.Worker), id, p, a.Now()) // the next one may be kept
			case <-ctx.Done():
				return
			}
		}
	}()
	return func(p run.Progress) {
		for {
			select {
			case latest <- p:
				return
			default:
			}
			select {
			case <-latest:
			default:
			}
		}
	}
}

// endedAs notes how a run ended, and records it.
func (a *Anonymise) endedAs(ctx context.Context, database string, id uuid.UUID, o Outcome, code, said string, report *run.Report) error {
	return pg.InTx(ctx, a.DB.Pool(pg.Worker), func(tx pgx.Tx) error {
		if err := ended(ctx, tx, id, o, code, said, report, a.Now()); err != nil {
			return err
		}
		detail := map[string]any{"run": id.String()}
		if code != "" {
			detail["code"] = code
		}
		return audit.Record(ctx, tx, making(), "copy."+string(o), object(database), detail)
	})
}

// schemaOf reads the tables of a copy, so that developers are told what changed.
func schemaOf(ctx context.Context, target, database string) (Schema, error) {
	conn, err := connect(ctx, target, database)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	schema := Schema{}
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil { // the catalogue may be large
			return err
		}
		db, err := catalog.Read(ctx, tx)
		if err != nil {
			return err
		}
		for _, t := range db.Planned() {
			columns := map[string]string{}
			for _, c := range t.Columns {
				columns[c.Name] = c.Type
			}
			schema[t.Name.String()] = columns
		}
		return nil
	})
	return schema, err
}

// Change is something that the schema of one copy has otherwise than that of the one before.
type Change struct {
	Table, Column string // Column empty: the table
	Before, After string // types; empty: it was not there, it is no more
}

// changes compares the schemas of two copies.
func changes(before, after Schema) (list []Change) {
	for table, columns := range after {
		was, there := before[table]
		if !there {
			list = append(list, Change{Table: table, After: "table"})
			continue
		}
		for column, typ := range columns {
			if was[column] != typ {
				list = append(list, Change{Table: table, Column: column, Before: was[column], After: typ})
			}
		}
		for column, typ := range was {
			if _, still := columns[column]; !still {
				list = append(list, Change{Table: table, Column: column, Before: typ})
			}
		}
	}
	for table := range before {
		if _, still := after[table]; !still {
			list = append(list, Change{Table: table, Before: "table"})
		}
	}
	slices.SortFunc(list, func(a, b Change) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(a.Column, b.Column))
	})
	return list
}
