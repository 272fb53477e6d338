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

// lastOfDay reads the last state of each day, by measure and day, of the days from one moment to
// before another as a zone counts them, and the last state before.
func lastOfDay(ctx context.Context, on pg.Querier, from, until time.Time, zone *time.Location) ([]dayState, error) {
	// One step of the index for each measure and its last state before, however long its past is.
	rows, err := on.Query(ctx, `WITH RECURSIVE m AS (
	(SELECT c.measure_id FROM measure.state_change c ORDER BY c.measure_id LIMIT 1)
	UNION ALL
	SELECT (SELECT c.measure_id FROM measure.state_change c WHERE c.measure_id > m.measure_id ORDER BY c.measure_id LIMIT 1) FROM m WHERE m.measure_id IS NOT NULL
)
SELECT m.measure_id, 0, b.state FROM m
CROSS JOIN LATERAL (SELECT c.state FROM measure.state_change c WHERE c.measure_id = m.measure_id AND c.at < $1 ORDER BY c.id DESC LIMIT 1) AS b
UNION ALL (SELECT DISTINCT ON (c.measure_id, day) c.measure_id, (c.at AT TIME ZONE $2)::date - ($1::timestamptz AT TIME ZONE $2)::date + 1 AS day, c.state
FROM measure.state_change c WHERE c.at >= $1 AND c.at < $3 ORDER BY c.measure_id, day, c.id DESC)`, from, zone.String(), until)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[dayState])
	return list, pg.Wrap(err)
}
