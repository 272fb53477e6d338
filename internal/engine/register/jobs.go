package register

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/pg"
)

const jobPurge = "register.purge"

func (r *Registers) purgeJob() job.Kind {
	return job.Kind{Name: jobPurge, Timeout: 5 * time.Minute, Work: func(ctx context.Context, _ json.RawMessage) error {
		_, err := r.Purge(ctx, r.now())
		return err
	}}
}

// Recurrences are what the registers do by themselves.
func (r *Registers) Recurrences() []job.Recurrence {
	return []job.Recurrence{{Name: jobPurge, Kind: jobPurge, Args: struct{}{}, Every: time.Hour}}
}

// Purge erases every entry whose time of retention is over, each with its audit row in one
// transaction, and returns how many it erased. It works as garant_worker, which may erase what is
// due and nothing else.
func (r *Registers) Purge(ctx context.Context, now time.Time) (n int, err error) {
	today := r.today(ctx, now).Start(time.UTC)
	by := actor.NewSystem("retention")
	for {
		list, err := dueForPurge(ctx, r.DB.Pool(pg.Worker), today, 100)
		if err != nil || len(list) == 0 {
			return n, err
		}
		for _, e := range list {
			err := pg.InTx(ctx, r.DB.Pool(pg.Worker), func(tx pgx.Tx) error {
				var done bool
				if err := tx.QueryRow(ctx, "SELECT register.purge($1, $2, $3)", e.id, today, now).Scan(&done); err != nil || !done {
					return err
				}
				n++
				return audit.Record(ctx, tx, by, "register.entry_purged", object(e.register, e.id.String()), nil)
			})
			if err != nil {
				return n, err
			}
		}
		r.generation.Add(1)
		if len(list) < 100 {
			return n, nil
		}
	}
}

type purgeable struct {
	id       uuid.UUID
	register string
}

func dueForPurge(ctx context.Context, q pg.Querier, today time.Time, limit int) ([]purgeable, error) {
	// The function erases nothing that is later than tomorrow by the database's clock.
	rows, err := q.Query(ctx, "SELECT id, register FROM register.entry WHERE purge_on <= LEAST($1::date, CURRENT_DATE + 1) ORDER BY purge_on, id LIMIT $2", today, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p purgeable, err error) {
		err = row.Scan(&p.id, &p.register)
		return p, err
	})
	return list, pg.Wrap(err)
}
