package stream

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/audit/trees"
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

// Actions of lines in place of entries that cannot be sent as they were written: the receiver is told that there was one, with its place, and nothing is skipped.
const (
	Dropped = "entry.dropped" // it was dropped at the end of its time before it was sent, as a signed entry tells
	Missing = "entry.missing" // it is not there, and nothing says that it was dropped: somebody deleted it
	Altered = "entry.altered" // it is another than the one whose leaf is in the tree: somebody changed it. What is there now is not sent
)

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
	altered, err := trees.Altered(ctx, pool, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]audit.Entry, len(entries))
	for _, e := range entries {
		byID[e.ID] = e
	}
	dropped := int64(-1)
	if len(byID) < len(lines) || lines[0].Place.Position+int64(len(lines)) != lines[len(lines)-1].Place.Position+1 || lines[0].Place.Position != position+1 {
		gone, err := sequence.Gone(ctx, pool, r.Box) // asked last: something may have been dropped meanwhile
		if err != nil {
			return nil, err
		}
		dropped = gone.Leaf
	}
	out := make([]export.Line, 0, len(lines))
	for _, l := range lines {
		// Leaves are counted without a gap. Of what was dropped in full tiles there are none any more.
		for position = max(position, dropped); position+1 < l.Place.Position && len(out) < limit; position++ {
			out = append(out, export.Line{Place: export.Place{Log: l.Place.Log, Position: position + 1}, Entry: export.StandIn(Missing, 0)})
		}
		if len(out) == limit {
			break
		}
		id := l.Entry.ID
		e, there := byID[id]
		switch {
		case !there && l.Place.Position <= dropped:
			e = export.StandIn(Dropped, id)
			e.Actor.ID = "retention"
		case !there:
			e = export.StandIn(Missing, id)
		case altered[id]:
			e = export.StandIn(Altered, id)
		}
		l.Entry = e
		out, position = append(out, l), max(position, l.Place.Position)
	}
	return out, nil
}

// Checkpoint reads the newest signed note over a position.
func (r Record) Checkpoint(ctx context.Context, position int64) (note string, err error) {
	err = r.DB.Pool(pg.Worker).QueryRow(ctx, `SELECT note FROM audit.checkpoint WHERE seq >= $1 ORDER BY at DESC, size DESC LIMIT 1`, position).Scan(&note)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return note, pg.Wrap(err)
}
