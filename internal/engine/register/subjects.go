package register

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/calendar"
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

// Left returns, of the given accounts, those of persons who have left before a day. An account that
// no person of the register has is not among them: the register may not be kept.
func Left(ctx context.Context, on pg.Querier, accounts []uuid.UUID, today calendar.Date) (map[uuid.UUID]bool, error) {
	ids := make([]string, len(accounts))
	for i, a := range accounts {
		ids[i] = a.String()
	}
	rows, err := on.Query(ctx, `SELECT fields ->> 'account' FROM register.entry
WHERE register = $1 AND deleted_at IS NULL AND fields ->> 'account' = ANY ($2) AND fields ->> 'leaving' < $3`, Persons, ids, today.String())
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, pg.Wrap(err)
	}
	left := make(map[uuid.UUID]bool, len(list))
	for _, id := range list {
		left[id] = true
	}
	return left, nil
}
