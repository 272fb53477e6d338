package run

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/leak"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
	"github.com/garant-project/garant/internal/errs"
)

// Scan looks for the source's values in a database that calls itself a copy of it, whoever made it: Target is the address of that database, Name is not needed. The plan says which columns of the source identify
// somebody. Names that others bear too are not looked for in their own row, since rows of the two databases cannot be told to belong together. Nothing is written at either end.
func Scan(ctx context.Context, o Options) (report *Report, err error) {
	o.Name = "scan"
	r := &run{report: &Report{Began: time.Now().UTC()}}
	defer func() { r.report.Seconds = time.Since(r.report.Began).Seconds() }()
	if r.o, err = o.checked(); err != nil {
		return r.report, err
	}
	if r.source, err = newServer(atSource, o.Source); err != nil {
		return r.report, err
	}
	if r.target, err = newServer(atTarget, o.Target); err != nil {
		return r.report, err
	}
	r.target.config.RuntimeParams["default_transaction_read_only"] = "on"
	r.target.config.RuntimeParams["row_security"] = "off"
	set, err := r.known(ctx)
	if err != nil {
		return r.report, err
	}
	defer func() { _ = set.Close() }()
	scan, err := leak.New(set, r.canaries, r.o.Limits)
	if err != nil {
		return r.report, errs.New(errs.Internal, "anonymise.canary", "The canaries are not in the set.").Wrap(err)
	}
	if err := r.stage(ctx, StageProof, func(ctx context.Context) error { return r.scanCopy(ctx, scan) }); err != nil {
		return r.report, err
	}
	r.report.Leaks = scan.Report()
	r.report.proved()
	return r.report, nil
}

// known reads the source's identifying values.
func (r *run) known(ctx context.Context) (*seen.Set, error) {
	var err error
	if r.snapshot, err = takeSnapshot(ctx, r.source); err != nil {
		return nil, err
	}
	defer func() {
		r.snapshot.release()
		r.report.SnapshotSeconds = r.snapshot.held.Seconds()
	}()
	db, err := catalog.Read(ctx, r.snapshot.tx)
	if err != nil {
		return nil, failed(atSource, "Reading the catalogue", err)
	}
	if r.layout, err = lay(r.o.Plan, &db); err != nil {
		return nil, err
	}
	if r.relations, err = relations(ctx, r.snapshot.tx); err != nil {
		return nil, failed(atSource, "Reading the catalogue", err)
	}
	if err := r.plantable(); err != nil {
		return nil, err
	}
	builder := seen.NewBuilder()
	if err := r.stage(ctx, StageSet, func(ctx context.Context) error { return r.gather(ctx, builder) }); err != nil {
		builder.Discard()
		return nil, err
	}
	set := builder.Freeze()
	r.report.set(set.Stats(), len(r.canaries))
	return set, nil
}

// plantable makes the canaries of the run.
func (r *run) plantable() (err error) {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	if r.canaries, err = leak.Canaries(key[:], 1); err != nil {
		return errs.New(errs.Internal, "anonymise.canary", "The canaries cannot be made.").Wrap(err)
	}
	return nil
}

// scanCopy scans all rows and the schema of the copy.
func (r *run) scanCopy(ctx context.Context, scan *leak.Scan) error {
	snap, err := takeSnapshot(ctx, r.target)
	if err != nil {
		return err
	}
	defer snap.release()
	db, err := catalog.Read(ctx, snap.tx)
	if err != nil {
		return failed(atTarget, "Reading the catalogue", err)
	}
	rel, err := relations(ctx, snap.tx)
	if err != nil {
		return failed(atTarget, "Reading the catalogue", err)
	}
	objects, err := describe(ctx, snap.tx)
	if err != nil {
		return failed(atTarget, "Reading the schema", err)
	}
	there := r.layoutOfCopy(&db)
	units, err := there.units(rel, func(t *table) bool { return len(t.columns) > 0 })
	if err != nil {
		return err
	}
	for _, u := range units {
		r.progress.total(u.bytes)
	}
	texts := scan.Scanner()
	for _, o := range objects {
		texts.Text(o.Kind+" "+o.Name, []byte(o.Name+"\n"+o.Definition))
	}
	r.report.Schema.Objects = len(objects)
	r.report.Tables = make([]TableReport, len(there.tables))
	counted := make([]counts, len(there.tables))
	q, canaries := &queue[unit]{all: units}, &queue[leak.Canary]{all: r.canaries}
	if err := parallel(ctx, r.o.Workers, func(ctx context.Context, _ int) error {
		conn, err := r.target.connect(ctx, "")
		if err != nil {
			return err
		}
		defer hangUp(conn)
		conn.PgConn().Frontend().SetMaxBodyLen(r.o.MaxRow)
		w := &copier{run: r, scanner: scan.Scanner(), canaries: canaries}
		for u, ok := q.take(); ok && ctx.Err() == nil; u, ok = q.take() {
			t := &there.tables[u.table]
			before := w.rows
			if err := snap.under(ctx, conn, func(tx pgx.Tx) error { return w.look(ctx, tx, t, u) }); err != nil {
				return failed(atTarget, "Reading "+u.source.String(), err)
			}
			w.plant(max(1, len(r.canaries)/(len(units)+1)))
			counted[u.table].copied.Add(w.rows - before)
			r.progress.did(t.name.String(), w.rows-before, u.bytes)
		}
		w.plant(len(r.canaries))
		return ctx.Err()
	}); err != nil {
		return err
	}
	for i := range there.tables {
		n := counted[i].copied.Load()
		r.report.Tables[i] = TableReport{Table: there.tables[i].name.String(), Source: n, Copied: n, There: n} // rows need not be those of the source today
	}
	return nil
}

// layoutOfCopy lists all that there is to be scanned. A column that the plan does not know is scanned by its type.
func (r *run) layoutOfCopy(db *catalog.Database) *layout {
	out := &layout{}
	for i := range db.Tables {
		t := &db.Tables[i]
		name := t.Name
		if t.Partition != nil {
			name = *t.Partition
		}
		one := table{name: t.Name, sources: []catalog.Name{t.Name}, subject: -1}
		known := r.o.Plan.Table(name)
		for j := range t.Columns {
			var p plan.Column
			if known != nil {
				if c := known.Column(t.Columns[j].Name); c != nil {
					p = *c
				}
			}
			if c := newColumn(t, &t.Columns[j], p); c.field != nil {
				one.columns = append(one.columns, c)
			}
		}
		out.tables = append(out.tables, one)
	}
	return out
}

// look scans a piece of the copy.
func (w *copier) look(ctx context.Context, tx pgx.Tx, t *table, u *unit) error {
	w.row = uint64(u.from) << 9 //nolint:gosec // pages are not negative
	out := &lines{row: func(row []byte) error {
		w.rows++
		w.row++
		w.fields = appendFields(w.fields[:0], row)
		if len(w.fields) != len(t.columns) {
			return errColumns
		}
		w.scanner.Row(w.row)
		for i, f := range w.fields {
			if !isNull(f) {
				var value []byte
				value, w.copied = plain(w.copied, f)
				w.scanner.Value(t.columns[i].field, value)
			}
		}
		return nil
	}}
	if _, err := tx.Conn().PgConn().CopyTo(ctx, out, `COPY (SELECT `+t.list()+` FROM ONLY `+sqlName(u.source)+u.where()+`) TO STDOUT`); err != nil {
		return err
	}
	return out.end()
}
