package run

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/leak"
	"github.com/garant-project/garant/internal/engine/anonymise/reidentify"
)

// prove looks at the finished copy.
func (r *run) prove(ctx context.Context, source []object, scan *leak.Scan, attacks []*reidentify.Attack) error {
	var copied []object
	var left []string
	r.report.Persons = nil // of an attempt that was broken off
	if err := parallel(ctx, 2, func(ctx context.Context, part int) error {
		if part == 0 {
			return r.countCopy(ctx)
		}
		return r.inCopy(ctx, "Proving the copy", func(conn *pgx.Conn) (err error) {
			if copied, err = describe(ctx, conn); err != nil {
				return err
			}
			r.report.Schema.Objects = len(copied)
			r.report.Schema.Problems, left = differences(source, copied, r.guarded, r.versions(conn))
			if err := notGuarded(ctx, conn); err != nil {
				return err
			}
			if err := conn.QueryRow(ctx, `SELECT count(*) FILTER (WHERE contype = 'f'), count(*) FILTER (WHERE contype = 'c'), count(*) FILTER (WHERE NOT convalidated) FROM pg_constraint`).
				Scan(&r.report.Schema.ForeignKeys, &r.report.Schema.Checks, &r.report.Schema.NotValid); err != nil {
				return err
			}
			return r.measure(ctx, conn, attacks)
		})
	}); err != nil {
		return err
	}
	scanner := scan.Scanner()
	for _, o := range copied {
		scanner.Text(o.Kind+" "+o.Name, []byte(o.Name+"\n"+o.Definition))
	}
	r.report.LeftOut = append(r.report.LeftOut, left...)
	r.report.Leaks = scan.Report()
	r.report.proved()
	return nil
}

// versions reports whether the two ends are of different versions of PostgreSQL.
func (r *run) versions(conn *pgx.Conn) bool {
	return major(conn) != r.sourceMajor
}

func major(conn *pgx.Conn) string {
	v := conn.PgConn().ParameterStatus("server_version")
	for i := range v {
		if v[i] < '0' || v[i] > '9' {
			return v[:i]
		}
	}
	return v
}

// countCopy counts the copy's rows.
func (r *run) countCopy(ctx context.Context) error {
	numbers := make([]int, len(r.layout.tables))
	for i := range numbers {
		numbers[i] = i
	}
	r.report.Tables = make([]TableReport, len(numbers))
	q := &queue[int]{all: numbers}
	return parallel(ctx, r.o.Workers, func(ctx context.Context, _ int) error {
		conn, err := r.target.connect(ctx, r.staging.database)
		if err != nil {
			return err
		}
		defer hangUp(conn)
		for i, ok := q.take(); ok && ctx.Err() == nil; i, ok = q.take() {
			t := &r.layout.tables[*i]
			out := TableReport{Table: t.name.String(), Source: r.counts[*i].source.Load(), Copied: r.counts[*i].copied.Load()}
			from := sqlName(t.name)
			if len(t.sources) == 1 && t.sources[0] == t.name {
				from = `ONLY ` + from // of tables that others inherit from
			}
			if err := conn.QueryRow(ctx, `SELECT count(*) FROM `+from).Scan(&out.There); err != nil {
				return failed(atTarget, "Counting "+t.name.String(), err)
			}
			r.report.Tables[*i] = out
		}
		return ctx.Err()
	})
}

// measure reckons whether somebody can be found again.
func (r *run) measure(ctx context.Context, conn *pgx.Conn, attacks []*reidentify.Attack) error {
	for i, p := range r.layout.persons {
		id := r.layout.identities[i]
		c, err := reidentify.Measure(ctx, conn, p, id.K, id.L)
		if err != nil {
			return err
		}
		outcome := attacks[i].Outcome()
		m := Measured{Table: id.Table.String(), Quasi: id.Quasi, K: id.K, L: id.L, Classes: c, Attack: outcome}
		for _, problem := range reidentify.Judge(p, c, &outcome, reidentify.Thresholds{K: id.K, L: id.L, Small: id.Small, Linked: id.Linked}) {
			m.Problems = append(m.Problems, fmt.Sprint(problem))
		}
		r.report.Persons = append(r.report.Persons, m)
	}
	return nil
}
