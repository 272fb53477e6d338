package audit

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// IDs lists the numbers of the entries of an action that were made from one moment to before
// another, upwards: those above after.
func IDs(ctx context.Context, on pg.Querier, action string, from, until time.Time, after int64, limit int) ([]int64, error) {
	rows, err := on.Query(ctx, `SELECT e.id FROM audit.entry e
WHERE e.action = $1 AND e.at >= $2 AND e.at < $3 AND e.id > $4 ORDER BY e.id LIMIT $5`, action, from, until, after, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return ids, pg.Wrap(err)
}

// Load reads entries by their numbers; those that are not there are left out.
func Load(ctx context.Context, on pg.Querier, ids []int64) ([]Entry, error) {
	rows, err := on.Query(ctx, "SELECT "+columns+" FROM audit.entry WHERE id = ANY($1) ORDER BY id", ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	entries, err := pgx.CollectRows(rows, scan)
	return entries, pg.Wrap(err)
}

// Actions lists the actions of which there are entries, sorted.
func Actions(ctx context.Context, on pg.Querier) ([]string, error) {
	// One step of the index for each action, however many entries there are.
	rows, err := on.Query(ctx, `WITH RECURSIVE a AS (
	(SELECT e.action FROM audit.entry e ORDER BY e.action LIMIT 1)
	UNION ALL
	SELECT (SELECT e.action FROM audit.entry e WHERE e.action > a.action ORDER BY e.action LIMIT 1) FROM a WHERE a.action IS NOT NULL
) SELECT a.action FROM a WHERE a.action IS NOT NULL ORDER BY a.action`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, pg.Wrap(err)
}
