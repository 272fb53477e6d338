package collect

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// lock sees that one process at a time writes the events of a database. Two would write none twice all the same: their marks are unique.
func lock(ctx context.Context, tx pgx.Tx, database string) (got bool, err error) {
	err = tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended('auditlog.collect ' || $1, 0))`, database).Scan(&got)
	return got, err
}

// mark notes that events were taken, and returns those that were not before, in their order.
func mark(ctx context.Context, tx pgx.Tx, database string, events []token.Event) ([]token.Event, error) {
	marks := make([]uuid.UUID, len(events))
	for i, e := range events {
		marks[i] = e.Mark
	}
	rows, err := tx.Query(ctx, `INSERT INTO auditlog.collected_event AS e (mark, database) SELECT m, $2 FROM unnest($1::uuid[]) AS m ON CONFLICT (mark) DO NOTHING RETURNING e.mark`, marks, database)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, err
	}
	is := map[uuid.UUID]bool{}
	for _, m := range list {
		is[m] = true
	}
	var fresh []token.Event
	for _, e := range events {
		if is[e.Mark] {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// customersOf names the tenants of events as customers of ours.
func customersOf(ctx context.Context, tx pgx.Tx, database string, events []token.Event) (map[string]string, error) {
	named := map[string]string{}
	var tenants []string
	for _, e := range events {
		if _, seen := named[e.Tenant]; e.Tenant != "" && !seen {
			named[e.Tenant] = ""
			tenants = append(tenants, e.Tenant)
		}
	}
	if len(tenants) == 0 {
		return named, nil
	}
	rows, err := tx.Query(ctx, `SELECT t, tenancy.customer_of(tenancy.home_of($1, t), t)::text FROM unnest($2::text[]) AS t`, database, tenants)
	if err != nil {
		return nil, err
	}
	var tenant, customer string
	_, err = pgx.ForEachRow(rows, []any{&tenant, &customer}, func() error {
		named[tenant] = customer
		return nil
	})
	return named, err
}

// advance notes how far it came.
func advance(ctx context.Context, tx pgx.Tx, d *estate.Database, last token.Event, written int) error {
	_, err := tx.Exec(ctx, `INSERT INTO auditlog.collected AS c (database, system, xid, id, events) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (database) DO UPDATE SET system = excluded.system, xid = excluded.xid, id = excluded.id, events = c.events + excluded.events`, d.Name, d.System, last.XID, last.ID, written)
	return err
}

// saw notes that the outbox was emptied, but for what came in meanwhile or waits for an open transaction.
func (c *Collector) saw(ctx context.Context, database string, waiting int64, oldest time.Duration) error {
	_, err := c.DB.Pool(pg.Worker).Exec(ctx, `INSERT INTO auditlog.collected AS c (database, collected_at, waiting, oldest, looked_at, trouble) VALUES ($1, clock_timestamp(), $2, $3, clock_timestamp(), '')
ON CONFLICT (database) DO UPDATE SET collected_at = excluded.collected_at, waiting = excluded.waiting, oldest = excluded.oldest, looked_at = excluded.looked_at, trouble = ''`, database, waiting, oldest)
	return pg.Wrap(err)
}

// troubled notes what is wrong with a database, and returns what was before.
func (c *Collector) troubled(ctx context.Context, database string, p Problem) (was Problem, err error) {
	err = pg.InTx(ctx, c.DB.Pool(pg.Worker), func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT coalesce((SELECT trouble FROM auditlog.collected WHERE database = $1 FOR UPDATE), '')`, database).Scan(&was); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO auditlog.collected (database, looked_at, trouble) VALUES ($1, clock_timestamp(), $2)
ON CONFLICT (database) DO UPDATE SET looked_at = excluded.looked_at, trouble = excluded.trouble`, database, string(p))
		return err
	})
	return was, err
}

// forgetMarks drops the marks of events that no backup can bring back any more.
func (c *Collector) forgetMarks(ctx context.Context) error {
	_, err := c.DB.Pool(pg.Worker).Exec(ctx, `DELETE FROM auditlog.collected_event WHERE at < clock_timestamp() - $1::interval`, keepMarks)
	return pg.Wrap(err)
}

// Status is how it stands with the events of a guarded database.
type Status struct {
	Database  string
	Events    int64         // that were written into the record
	Collected *time.Time    // when the outbox was last emptied
	Waiting   int64         // in the outbox when it was last seen
	Oldest    time.Duration // of them then
	Looked    time.Time
	Trouble   Problem
}

// Statuses lists them by database. q is of staff, worker or checker.
func Statuses(ctx context.Context, q pg.Querier) ([]Status, error) {
	rows, err := q.Query(ctx, `SELECT database, events, collected_at, waiting, oldest, looked_at, trouble FROM auditlog.collected ORDER BY database`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Status])
	return list, pg.Wrap(err)
}
