package register

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// OpenSites lists the ids of the sites that are attested one by one: those in use that are not
// somebody's home. The role that on connects as must read register.entry.
func OpenSites(ctx context.Context, on pg.Querier) ([]string, error) {
	rows, err := on.Query(ctx, `SELECT id::text FROM register.entry
WHERE register = $1 AND state = 'active' AND deleted_at IS NULL AND fields ->> 'kind' <> 'home' ORDER BY id`, Sites)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, pg.Wrap(err)
}
