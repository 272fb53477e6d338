package app

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// OpenCopies starts the example's cluster for copies, declares it, and waits until the schedule has published the first copy; then
// whoever looks at copies at their own pace looks.
func (d *Demo) OpenCopies(ctx context.Context) error {
	if err := d.Company.OpenCopies(ctx); err != nil {
		return err
	}
	if _, err := d.ApplyEstate(ctx, actor.NewSystem("demo")); err != nil {
		return err
	}
	for {
		if err := d.Copies.Tend(ctx, guardedDatabase); err != nil { // what the schedule does, and nothing when it is at it
			return err
		}
		if c, err := d.served(ctx); err != nil {
			return err
		} else if c != nil {
			return d.lookAtCopies(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// lookAtCopies runs the checks of copies once: some of them come round only every ten minutes.
func (d *Demo) lookAtCopies(ctx context.Context) error {
	for _, c := range d.Copies.Checks().All() {
		if _, err := d.Runner.Run(ctx, actor.NewSystem("demo"), c.ID); err != nil {
			return err
		}
	}
	return nil
}

// served is the copy that developers find; nil: none.
func (d *Demo) served(ctx context.Context) (*run.Copied, error) {
	all, err := run.List(ctx, d.Company.CopierAddress(), demo.CopyName)
	for i := range all {
		if all[i].State == run.Served {
			return &all[i], err
		}
	}
	return nil, err
}

// hands does with the copies what people do.
type hands struct{ demo *Demo }

// Developer is of [demo.Hands]: the developer of the example's staff looks up how to connect.
func (h hands) Developer(ctx context.Context) (string, error) {
	by := h.demo.staff["developer"]
	if !by.May(actor.UseCopies) { // hired by an earlier build
		by = h.demo.staff[demo.Lead]
	}
	return h.demo.Copies.Reveal(ctx, by, guardedDatabase, demo.CopyDeveloper)
}

// PublishByHand is of [demo.Hands].
func (h hands) PublishByHand(ctx context.Context) error {
	view, err := h.demo.View(ctx)
	if err != nil {
		return err
	}
	var d estate.Database
	if view.Estate != nil {
		d, _ = view.Estate.Database(guardedDatabase)
	}
	if d.Anonymised == nil {
		return errs.New(errs.Conflict, "demo.no_copy", "There is no copy yet.").WithFix("Try again in a moment.")
	}
	o := run.Options{Name: d.Anonymised.Name, Developers: d.Anonymised.Developers, Origin: run.OriginHand}
	p, err := plan.Load(plan.FileName, d.Anonymised.Plan)
	if err != nil {
		return err
	}
	o.Plan = &p
	if o.Source, err = d.Anonymised.Reader.Reveal(); err != nil {
		return err
	}
	if o.Target, err = d.Anonymised.Target.Reveal(); err != nil {
		return err
	}
	report, err := run.Copy(ctx, o)
	if report != nil {
		defer report.Close()
	}
	if err != nil {
		return err
	}
	if !report.Passed() {
		return errs.New(errs.Conflict, "demo.unproven", "The copy was made, and a proof failed: it is not published.").WithFix("Mend the example first: garant demo mend copies.")
	}
	_, err = run.Publish(ctx, run.PublishOptions{Target: o.Target, Report: report, Developers: o.Developers})
	return err
}

// ServedByHand is of [demo.Hands].
func (h hands) ServedByHand(ctx context.Context) (bool, error) {
	c, err := h.demo.served(ctx)
	return err == nil && c != nil && c.Origin == run.OriginHand, err
}

// AsSuperuser is of [demo.Hands]: somebody with all rights on Garant's own database.
func (h hands) AsSuperuser(ctx context.Context, statements string) error {
	conn, err := h.superuser(ctx, databaseName)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, statements)
	return pg.Wrap(err)
}

// HoldUp is of [demo.Hands].
func (h hands) HoldUp(ctx context.Context) (end func(), err error) {
	conn, err := h.superuser(ctx, "postgres")
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, `BEGIN; SELECT pg_current_xact_id()`); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return nil, pg.Wrap(err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}, nil
}

func (h hands) superuser(ctx context.Context, database string) (*pgx.Conn, error) {
	cluster := h.demo.cluster
	if cluster == nil {
		return nil, errs.New(errs.Unavailable, "app.elsewhere", "The example’s Garant has no cluster of its own.")
	}
	conn, err := pgx.Connect(ctx, cluster.DSN(cluster.SuperUser(), database))
	return conn, pg.Wrap(err)
}
