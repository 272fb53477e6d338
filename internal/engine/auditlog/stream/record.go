package stream

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/pg"
)

// Record is the record of Garant as a Source: the leaves of all trees in the order in which they were made. Leaves become visible in that
// order, since one sequencer at a time makes them.
type Record struct {
	DB  *pg.DB     // pg.Worker reads
	Box *crypt.Box // opens what is sealed beside entries
}

// Dropped is the action of a line in place of an entry that was dropped at the end of its time before it was sent: the receiver is told that
// there was one, with its place, and nothing is skipped.
const Dropped = "entry.dropped"

// After reads entries with their places.
func (r Record) After(ctx context.Context, position int64, limit int) ([]export.Line, error) {
	pool := r.DB.Pool(pg.Worker)
	rows, err := pool.Query(ctx, `SELECT l.seq, l.index, l.hash, t.name, g.origin, l.entry
FROM audit.leaf AS l JOIN audit.tree AS t ON t.tree = l.tree JOIN audit.generation AS g ON g.generation = t.generation
WHERE l.seq > $1 ORDER BY l.seq LIMIT $2`, position, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	var ids []int64
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l export.Line, err error) {
		err = row.Scan(&l.Place.Position, &l.Place.Index, &l.Place.Leaf, &l.Place.Tree, &l.Place.Log, &l.Entry.ID)
		ids = append(ids, l.Entry.ID)
		return l, err
	})
	if err != nil || len(lines) == 0 {
		return nil, pg.Wrap(err)
	}
	entries, err := audit.Load(ctx, pool, ids)
	if err == nil {
		err = audit.Open(ctx, pool, r.Box, entries)
	}
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]audit.Entry, len(entries))
	for _, e := range entries {
		byID[e.ID] = e
	}
	for i := range lines {
		id := lines[i].Entry.ID
		e, there := byID[id]
		if !there {
			e = audit.Entry{ID: id, Actor: actor.Actor{Kind: actor.System, ID: "retention"}, Action: Dropped, Object: audit.Object{Kind: "entry", ID: strconv.FormatInt(id, 10)}}
		}
		lines[i].Entry = e
	}
	return lines, nil
}

// Checkpoint reads the newest signed note over a position.
func (r Record) Checkpoint(ctx context.Context, position int64) (note string, err error) {
	err = r.DB.Pool(pg.Worker).QueryRow(ctx, `SELECT note FROM audit.checkpoint WHERE seq >= $1 ORDER BY at DESC, size DESC LIMIT 1`, position).Scan(&note)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return note, pg.Wrap(err)
}
