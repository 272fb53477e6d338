package estate

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// VersionIDs lists the versions that were applied from one moment to before another, upwards:
// those above after.
func VersionIDs(ctx context.Context, on pg.Querier, from, until time.Time, after int64, limit int) ([]int64, error) {
	return numbers(ctx, on, `SELECT v.id FROM estate.version v WHERE v.applied_at >= $1 AND v.applied_at < $2 AND v.id > $3 ORDER BY v.id LIMIT $4`, from, until, after, limit)
}

// ConfirmationIDs lists the versions whose reductions were confirmed from one moment to before
// another, upwards: those above after.
func ConfirmationIDs(ctx context.Context, on pg.Querier, from, until time.Time, after int64, limit int) ([]int64, error) {
	return numbers(ctx, on, `SELECT c.version FROM estate.confirmation c WHERE c.confirmed_at >= $1 AND c.confirmed_at < $2 AND c.version > $3 ORDER BY c.version LIMIT $4`, from, until, after, limit)
}

func numbers(ctx context.Context, on pg.Querier, sql string, args ...any) ([]int64, error) {
	rows, err := on.Query(ctx, sql, args...)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return ids, pg.Wrap(err)
}

// Heads reads versions by their numbers, as Versions does; those that are not there are left out.
func Heads(ctx context.Context, on pg.Querier, ids []int64) ([]Version, error) {
	return collect(ctx, on, false, "WHERE v.id = ANY($1) ORDER BY v.id", ids)
}
