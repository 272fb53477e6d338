package console

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// dayState is the last state that a measure had on a day; days before the first one asked for
// count as the one before it.
type dayState struct {
	Measure string
	Day     int // 0: before the first day
	State   measure.State
}

// lastOfDay reads the last state of each day, by measure and day, of the days from a date on as
// a zone counts them, and the last state before.
func lastOfDay(ctx context.Context, on pg.Querier, from time.Time, zone *time.Location) ([]dayState, error) {
	rows, err := on.Query(ctx, `SELECT DISTINCT ON (measure_id, day) measure_id,
	greatest(0, (at AT TIME ZONE $2)::date - ($1::timestamptz AT TIME ZONE $2)::date + 1) AS day, state
FROM measure.state_change ORDER BY measure_id, day, id DESC`, from, zone.String())
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[dayState])
	return list, pg.Wrap(err)
}
