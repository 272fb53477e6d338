package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/tenant"
)

// on is one side: by hand, or through the SDK under a token. A statement by hand has the tenant as its first parameter.
type on interface {
	inTx(context.Context, func(pgx.Tx) error) error
	begin(context.Context) (pgx.Tx, error)
	query(context.Context, text, ...any) (pgx.Rows, error)
	row(context.Context, text, ...any) pgx.Row
	exec(context.Context, text, ...any) (pgconn.CommandTag, error)
	// of tells which text this side uses, and its arguments.
	of(text, []any) (string, []any)
}

// text is a statement as either side writes it.
type text struct{ byHand, guarded string }

type hand struct {
	pool   *pgxpool.Pool
	tenant uuid.UUID
}

func (h hand) of(t text, args []any) (string, []any) {
	return t.byHand, append([]any{h.tenant}, args...)
}
func (h hand) inTx(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, h.pool, do)
}
func (h hand) begin(ctx context.Context) (pgx.Tx, error) { return h.pool.Begin(ctx) }
func (h hand) query(ctx context.Context, t text, args ...any) (pgx.Rows, error) {
	sql, args := h.of(t, args)
	return h.pool.Query(ctx, sql, args...)
}
func (h hand) row(ctx context.Context, t text, args ...any) pgx.Row {
	sql, args := h.of(t, args)
	return h.pool.QueryRow(ctx, sql, args...)
}
func (h hand) exec(ctx context.Context, t text, args ...any) (pgconn.CommandTag, error) {
	sql, args := h.of(t, args)
	return h.pool.Exec(ctx, sql, args...)
}

type guarded struct {
	pool  *pgxpool.Pool
	token tenant.Token
}

func (g guarded) of(t text, args []any) (string, []any) { return t.guarded, args }
func (g guarded) inTx(ctx context.Context, do func(pgx.Tx) error) error {
	return tenant.InTx(ctx, g.pool, g.token, do)
}
func (g guarded) begin(ctx context.Context) (pgx.Tx, error) {
	return tenant.Begin(ctx, g.pool, g.token)
}
func (g guarded) query(ctx context.Context, t text, args ...any) (pgx.Rows, error) {
	return tenant.Query(ctx, g.pool, g.token, t.guarded, args...)
}
func (g guarded) row(ctx context.Context, t text, args ...any) pgx.Row {
	return tenant.QueryRow(ctx, g.pool, g.token, t.guarded, args...)
}
func (g guarded) exec(ctx context.Context, t text, args ...any) (pgconn.CommandTag, error) {
	return tenant.Exec(ctx, g.pool, g.token, t.guarded, args...)
}

// The statements. Both sides read the same rows.
var (
	lookup = text{
		`SELECT id, project_id, at, amount, name FROM bench.entry WHERE tenant_id = $1 AND id = $2`,
		`SELECT id, project_id, at, amount, name FROM bench.entry WHERE id = $1`}
	page = text{
		`SELECT id, project_id, at, amount, name FROM bench.entry WHERE tenant_id = $1 AND (at, id) > ($2, $3) ORDER BY at, id LIMIT 100`,
		`SELECT id, project_id, at, amount, name FROM bench.entry WHERE (at, id) > ($1, $2) ORDER BY at, id LIMIT 100`}
	join = text{
		`SELECT e.id, p.name, m.name, c.body, e.amount FROM bench.entry e JOIN bench.project p ON p.id = e.project_id JOIN bench.member m ON m.id = e.member_id
JOIN bench.comment c ON c.entry_id = e.id WHERE e.tenant_id = $1 AND p.tenant_id = $1 AND m.tenant_id = $1 AND c.tenant_id = $1 AND e.id = $2`,
		`SELECT e.id, p.name, m.name, c.body, e.amount FROM bench.entry e JOIN bench.project p ON p.id = e.project_id JOIN bench.member m ON m.id = e.member_id
JOIN bench.comment c ON c.entry_id = e.id WHERE e.id = $1`}
	insert = text{
		`INSERT INTO bench.entry (tenant_id, project_id, member_id, at, amount, name) VALUES ($1, $2, $3, $4, $5, 'new')`,
		`INSERT INTO bench.entry (project_id, member_id, at, amount, name) VALUES ($1, $2, $3, $4, 'new')`}
	aggregate = text{
		`SELECT count(*), sum(amount) FROM bench.entry WHERE tenant_id = $1 AND id <= $2`,
		`SELECT count(*), sum(amount) FROM bench.entry WHERE id <= $1`}
)

// entry is what a lookup or a page reads.
type entry struct {
	id, project int64
	at          time.Time
	amount      int
	name        string
}

func (e *entry) into() []any { return []any{&e.id, &e.project, &e.at, &e.amount, &e.name} }

// draw is what a pair works on: of a tenant, with ids of its entries.
type draw struct {
	tenant int
	ids    []int64
	first  int64 // of the tenant's
	base   time.Time
	rows   int64
}

// work is a row of the table. It returns a number that both sides must agree on.
type work struct {
	name  string
	goal  float64       // ratio of design pinned, end to end
	added time.Duration // of design pinned, end to end, p50 of the paired difference; 0: none
	far   float64       // ratio of design pinned with a round trip of 1 ms; 0: none
	s     float64       // ratio of design statement; 0: none
	do    func(context.Context, on, draw) (int64, error)
}

var works = []work{
	{name: "one lookup", added: 50 * time.Microsecond, far: 1.10, do: func(ctx context.Context, o on, d draw) (int64, error) {
		var e entry
		err := o.row(ctx, lookup, d.ids[0]).Scan(e.into()...)
		return e.id, err
	}},
	{name: "20 lookups", goal: 1.08, s: 1.5, do: inTx(20, lookUp)},
	{name: "Begin, 20 lookups", goal: 1.08, s: 1.5, do: begun(20, lookUp)},
	{name: "one page of 100", added: 50 * time.Microsecond, far: 1.10, do: func(ctx context.Context, o on, d draw) (int64, error) {
		rows, err := o.query(ctx, page, d.base.Add(time.Duration(d.ids[0])*time.Second), d.ids[0])
		if err != nil {
			return 0, err
		}
		return read(rows)
	}},
	{name: "five pages", goal: 1.06, do: inTx(5, func(ctx context.Context, tx pgx.Tx, o on, d draw, i int) (int64, error) {
		sql, args := o.of(page, []any{d.base.Add(time.Duration(d.ids[i]) * time.Second), d.ids[i]})
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return 0, err
		}
		return read(rows)
	})},
	{name: "10 joins of 4 tables", goal: 1.12, do: inTx(10, func(ctx context.Context, tx pgx.Tx, o on, d draw, i int) (int64, error) {
		var id int64
		var p, m, c string
		commented := d.ids[i] - d.ids[i]%10
		if commented < d.first {
			commented += 10
		}
		sql, args := o.of(join, []any{commented})
		err := tx.QueryRow(ctx, sql, args...).Scan(&id, &p, &m, &c, new(int))
		return id + int64(len(p)+len(m)+len(c)), err
	})},
	{name: "one insert", added: 50 * time.Microsecond, far: 1.10, do: func(ctx context.Context, o on, d draw) (int64, error) {
		tag, err := o.exec(ctx, insert, d.ids[0]%20, d.ids[0]%50, d.base, 5)
		return tag.RowsAffected(), err
	}},
	{name: "20 inserts", goal: 1.14, do: inTx(20, func(ctx context.Context, tx pgx.Tx, o on, d draw, i int) (int64, error) {
		sql, args := o.of(insert, []any{d.ids[i] % 20, d.ids[i] % 50, d.base, 5})
		tag, err := tx.Exec(ctx, sql, args...)
		return tag.RowsAffected(), err
	})},
	{name: "aggregate", goal: 1.02, do: func(ctx context.Context, o on, d draw) (int64, error) {
		var n, sum int64
		err := o.row(ctx, aggregate, d.rows).Scan(&n, &sum)
		return n + sum, err
	}},
}

func lookUp(ctx context.Context, tx pgx.Tx, o on, d draw, i int) (int64, error) {
	var e entry
	sql, args := o.of(lookup, []any{d.ids[i]})
	err := tx.QueryRow(ctx, sql, args...).Scan(e.into()...)
	return e.id, err
}

type step func(context.Context, pgx.Tx, on, draw, int) (int64, error)

func inTx(times int, do step) func(context.Context, on, draw) (int64, error) {
	return func(ctx context.Context, o on, d draw) (sum int64, err error) {
		return sum, o.inTx(ctx, func(tx pgx.Tx) error { return repeat(ctx, tx, o, d, times, do, &sum) })
	}
}

// begun is inTx through Begin, which looks at the token in a round trip of its own.
func begun(times int, do step) func(context.Context, on, draw) (int64, error) {
	return func(ctx context.Context, o on, d draw) (sum int64, err error) {
		tx, err := o.begin(ctx)
		if err != nil {
			return 0, err
		}
		if err := repeat(ctx, tx, o, d, times, do, &sum); err != nil {
			_ = tx.Rollback(ctx)
			return 0, err
		}
		return sum, tx.Commit(ctx)
	}
}

func repeat(ctx context.Context, tx pgx.Tx, o on, d draw, times int, do step, sum *int64) error {
	for i := range times {
		n, err := do(ctx, tx, o, d, i)
		if err != nil {
			return err
		}
		*sum += n
	}
	return nil
}

func read(rows pgx.Rows) (sum int64, err error) {
	defer rows.Close()
	var e entry
	for rows.Next() {
		if err := rows.Scan(e.into()...); err != nil {
			return 0, err
		}
		sum += e.id
	}
	return sum, rows.Err()
}

// draw picks a tenant, and entries of it. The aggregate is of the first tenant, which is large.
func (s *stand) draw(dice *rand.Rand, w work) draw {
	d := draw{tenant: 1, base: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), rows: int64(s.size.rows)}
	entries, tenants := int64(s.size.rows), int64(s.size.tenants)
	first, last := int64(1), entries/100
	if w.name != "aggregate" && tenants > 1 {
		d.tenant = 2 + dice.IntN(int(tenants)-1)
		t := int64(d.tenant)
		// n * (tenants-1) / (entries+1) = t-2, rounded down
		first = max((t-2)*(entries+1)/(tenants-1)+1, entries/100+1)
		last = min((t-1)*(entries+1)/(tenants-1), entries)
		if last < first+20 { // the first of the others may have few
			d.tenant, first, last = 1, 1, entries/100
		}
	}
	d.first = first
	for range 20 {
		d.ids = append(d.ids, first+dice.Int64N(last-first+1))
	}
	return d
}
