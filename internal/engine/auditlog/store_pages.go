package auditlog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/pg"
)

// head is a signed head of the root log that somebody vouches for.
type head struct {
	Size int64
	At   time.Time
}

// newestHead is the newest signed head; NotFound: there is none.
func newestHead(ctx context.Context, on pg.Querier, generation int) (h head, err error) {
	err = on.QueryRow(ctx, `SELECT c.size, c.at FROM audit.checkpoint AS c JOIN audit.tree AS t ON t.tree = c.tree WHERE t.generation = $1 AND t.name = 'root' ORDER BY c.size DESC LIMIT 1`, generation).Scan(&h.Size, &h.At)
	return h, pg.Wrap(err)
}

// cosigned is the newest head that a witness put its signature under.
type cosigned struct {
	Witness string
	Size    int64
	At      time.Time
}

func cosignatures(ctx context.Context, on pg.Querier, generation int) ([]cosigned, error) {
	rows, err := on.Query(ctx, `SELECT DISTINCT ON (s.witness) s.witness, s.size, s.at FROM audit.cosignature AS s JOIN audit.tree AS t ON t.tree = s.tree
WHERE t.generation = $1 AND t.name = 'root' ORDER BY s.witness, s.size DESC`, generation)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[cosigned])
	return list, pg.Wrap(err)
}

// writers counts the processes that wrote lately.
type writers struct{ Alive, Ended, Silent int64 }

func countWriters(ctx context.Context, on pg.Querier) (w writers, err error) {
	err = on.QueryRow(ctx, `SELECT count(*) FILTER (WHERE NOT ended AND last_at >= clock_timestamp() - interval '1 minute'), count(*) FILTER (WHERE ended AND last_at >= clock_timestamp() - interval '1 day'),
	count(*) FILTER (WHERE NOT ended AND last_at < clock_timestamp() - interval '1 minute') FROM audit.writer`).Scan(&w.Alive, &w.Ended, &w.Silent)
	return w, pg.Wrap(err)
}

// round is how long the first entry under a signed head waited for it.
type round struct {
	At  time.Time
	Lag time.Duration
}

// rounds lists the newest heads that brought entries, the oldest first. Entries that were dropped or told late are left out.
func rounds(ctx context.Context, on pg.Querier, generation, most int) ([]round, error) {
	rows, err := on.Query(ctx, `SELECT r.at, extract(epoch FROM r.at - e.at)::float8 FROM (
	SELECT min(c.at) AS at, c.seq, lag(c.seq) OVER (ORDER BY c.seq) AS before FROM (SELECT c.seq, c.at FROM audit.checkpoint AS c JOIN audit.tree AS t ON t.tree = c.tree
		WHERE t.generation = $1 AND t.name = 'root' ORDER BY c.size DESC LIMIT 2000) AS c GROUP BY c.seq ORDER BY c.seq DESC LIMIT $2) AS r
JOIN audit.leaf AS l ON l.seq = r.before + 1 JOIN audit.entry AS e ON e.id = l.entry WHERE r.before IS NOT NULL ORDER BY r.at`, generation, most)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r round, err error) {
		var s float64
		err = row.Scan(&r.At, &s)
		r.Lag = max(0, time.Duration(s*float64(time.Second)))
		return r, err
	})
	return list, pg.Wrap(err)
}

// drop is a month, and all before it, that went at the end of its time.
type drop struct {
	At      time.Time
	Part    string // YYYY-MM: entries from before this month
	Entries int64
	Size    int64 // of the signed head of the root log that holds them
}

// drops lists them, the newest first. What no signed entry tells of is an anomaly, and not among them.
func drops(ctx context.Context, on pg.Querier, box *crypt.Box, most int) ([]drop, error) {
	gone, err := sequence.Gone(ctx, on, box)
	if err != nil {
		return nil, err
	}
	rows, err := on.Query(ctx, `SELECT at, part, entries, size FROM audit.dropped WHERE seq <= $1 ORDER BY id DESC LIMIT $2`, gone.Leaf, most)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[drop])
	return list, pg.Wrap(err)
}
