package directory

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// Addition is that a person was added: nothing in it tells who that is.
type Addition struct {
	ID uuid.UUID
	At time.Time
	By string // id of who added them
}

// AddedIDs lists the persons who were added from one moment to before another, in the order in
// which their ids were made: those after one. It reads as garant_staff and gives no personal
// data, so that it asks for no permission.
func AddedIDs(ctx context.Context, on pg.Querier, from, until time.Time, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	rows, err := on.Query(ctx, `SELECT p.id FROM directory.person p
WHERE p.created_at >= $1 AND p.created_at < $2 AND p.id > $3 ORDER BY p.id LIMIT $4`, from, until, after, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return ids, pg.Wrap(err)
}

// Additions reads when persons were added, and by whom; those who are not there are left out.
func Additions(ctx context.Context, on pg.Querier, ids []uuid.UUID) ([]Addition, error) {
	rows, err := on.Query(ctx, `SELECT p.id, p.created_at, p.created_by FROM directory.person p WHERE p.id = ANY($1) ORDER BY p.id`, ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Addition])
	return list, pg.Wrap(err)
}
