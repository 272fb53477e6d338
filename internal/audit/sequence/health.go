package sequence

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/pg"
)

// Health is how the order is kept.
type Health struct {
	Generation int
	Origin     string
	Key        string        // verifier
	Size       int64         // of the root log
	Leaves     int64         // of all trees
	At         time.Time     // when something was last put in order, or the root log told the time
	Waiting    int64         // entries that are in no tree; counted up to MostWaiting
	Oldest     time.Duration // how long the oldest of them waits
	Horizon    []Blocker     // who holds the order up, the oldest first
	Anomalies  int64         // nobody has said what they are
	Silent     int64         // processes that neither spoke for a minute nor said farewell
}

// MostWaiting is how many waiting entries are counted.
const MostWaiting = 10_000

// Blocker is a transaction that was begun before an entry that waits, and has not ended: it is open at least as long as that waits.
type Blocker struct {
	Database string
	Role     string
	PID      int32  // 0: it is prepared
	Prepared string // its name
	Age      int64  // transactions since
}

// Look reads the health as who may read the record. Error NotFound: nothing was ever put in order.
func Look(ctx context.Context, on pg.Querier, box *crypt.Box) (h Health, err error) {
	err = on.QueryRow(ctx, `SELECT c.generation, g.origin, g.key, coalesce((SELECT t.size FROM audit.tree AS t WHERE t.generation = c.generation AND t.name = 'root'), 0), c.seq, c.at,
	(SELECT count(*) FROM audit.anomaly),
	(SELECT count(*) FROM audit.writer AS w WHERE NOT w.ended AND w.last_at < clock_timestamp() - interval '1 minute')
FROM audit.cursor AS c JOIN audit.generation AS g ON g.generation = c.generation`).Scan(&h.Generation, &h.Origin, &h.Key, &h.Size, &h.Leaves, &h.At, &h.Anomalies, &h.Silent)
	if err != nil {
		return h, pg.Wrap(err)
	}
	answered, err := Answered(ctx, on, box)
	if err != nil {
		return h, err
	}
	h.Anomalies = max(0, h.Anomalies-int64(len(answered)))
	var oldest *float64
	var first *int64
	err = on.QueryRow(ctx, `SELECT count(*), extract(epoch FROM clock_timestamp() - min(w.at))::float8, max(w.age) FROM (
	SELECT e.at, age(e.xid::xid)::bigint AS age FROM audit.entry AS e, audit.cursor AS c WHERE (e.xid, e.id) > (c.xid, c.entry)
		AND (e.id > c.adopted OR NOT EXISTS (SELECT FROM audit.leaf AS l WHERE l.entry = e.id)) LIMIT $1) AS w`, MostWaiting).Scan(&h.Waiting, &oldest, &first)
	if err != nil {
		return h, pg.Wrap(err)
	}
	if oldest == nil || first == nil {
		return h, nil
	}
	h.Oldest = max(0, time.Duration(*oldest*float64(time.Second)))
	// pg_locks shows everybody who holds which transaction; what that session does, and since when, is not for everybody to see.
	rows, err := on.Query(ctx, `SELECT b.* FROM (SELECT coalesce(a.datname, ''), coalesce(a.usename, ''), l.pid, '', age(l.transactionid)::bigint
FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid IS NOT NULL AND l.pid <> pg_backend_pid()
UNION ALL SELECT p.database, p.owner, 0, p.gid, age(p.transaction)::bigint FROM pg_prepared_xacts AS p) AS b (database, role, pid, prepared, age)
WHERE b.age >= $1 ORDER BY b.age DESC LIMIT 10`, *first)
	if err != nil {
		return h, pg.Wrap(err)
	}
	h.Horizon, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Blocker])
	return h, pg.Wrap(err)
}
