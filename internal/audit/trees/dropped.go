package trees

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/pg"
)

// ended is what is known of what was dropped at the end of its time. It is asked when something is not there, and not before.
type ended struct {
	mu    sync.Mutex
	leaf  int64 // the last (seq) that a signed entry tells of
	first int64 // leaves of the tree from this index on are kept one by one; of those before only hashes need be there
}

// wasDropped reports whether the entry of a leaf (seq) was dropped at the end of its time.
func (t *Tree) wasDropped(ctx context.Context, seq int64) (bool, error) {
	return t.ended.look(ctx, t, func() bool { return seq <= t.ended.leaf })
}

// byHash reports whether the leaf at an index may be there by its hash only.
func (t *Tree) byHash(ctx context.Context, index int64) (bool, error) {
	return t.ended.look(ctx, t, func() bool { return index < t.ended.first })
}

func (e *ended) look(ctx context.Context, t *Tree, is func() bool) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if is() {
		return true, nil
	}
	if t.Keys == nil {
		return false, nil
	}
	if err := e.ask(ctx, t); err != nil { // something may have been dropped since
		return false, err
	}
	return is(), nil
}

// ask reads up to where entries were dropped, and where the leaves of the tree begin that came after. That those before have no rows any more is believed only
// when no row is missing between the last that was dropped and the first of the tree: leaves of all trees are counted without a gap.
func (e *ended) ask(ctx context.Context, t *Tree) error {
	g, err := sequence.Gone(ctx, t.on, t.Keys)
	if err != nil || g.Leaf == 0 {
		return err
	}
	first, seq := t.most, int64(math.MaxInt64)
	err = t.on.QueryRow(ctx, `SELECT index, seq FROM audit.leaf WHERE tree = $1 AND seq > $2 ORDER BY index LIMIT 1`, t.id, g.Leaf).Scan(&first, &seq)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return pg.Wrap(err)
	}
	var many, last int64
	if err := t.on.QueryRow(ctx, `SELECT count(*), coalesce(max(seq), $1) FROM audit.leaf WHERE seq > $1 AND seq < $2`, g.Leaf, seq).Scan(&many, &last); err != nil {
		return pg.Wrap(err)
	}
	e.leaf, e.first = g.Leaf, 0
	if many == last-g.Leaf && (seq == math.MaxInt64 || last == seq-1) {
		e.first = min(first, t.most/merkle.TileWidth*merkle.TileWidth) // what is in no full tile keeps its rows
	}
	return nil
}

// whole puts leaves of which only hashes are kept where they belong among those that have rows. One that has none and was not dropped is an error.
func (t *Tree) whole(ctx context.Context, leaves []Leaf, indexes []int64) ([]Leaf, error) {
	if t.Name == Root {
		return nil, errMissing(t.Name, -1)
	}
	full := *t
	full.Size = t.most
	out := make([]Leaf, 0, len(indexes))
	var tile []byte
	at := int64(-1)
	for _, index := range indexes {
		if len(leaves) > 0 && leaves[0].Index == index {
			out, leaves = append(out, leaves[0]), leaves[1:]
			continue
		}
		dropped, err := t.byHash(ctx, index)
		if err != nil {
			return nil, err
		}
		if !dropped {
			return nil, errMissing(t.Name, -1)
		}
		if n := index / merkle.TileWidth; n != at {
			if tile, err = full.Tile(ctx, 0, n, merkle.TileWidth); err != nil {
				return nil, err
			}
			at = n
		}
		l := Leaf{Index: index, Dropped: true}
		copy(l.Hash[:], tile[index%merkle.TileWidth*tlog.HashSize:])
		out = append(out, l)
	}
	return out, nil
}

// Altered tells which of these entries are in a tree of the log and are not what it holds. Those that are in no tree, or not there, are not among them.
func Altered(ctx context.Context, on pg.Querier, ids []int64) (map[int64]bool, error) {
	altered := map[int64]bool{}
	err := compare(ctx, on, `l.entry = ANY ($1)`, ids, func(id, _ int64) bool {
		altered[id] = true
		return true
	})
	return altered, err
}

// AlteredBefore finds entries of before a moment, as their rows say, that are not what their trees hold, each with its leaf (seq), until it is told to stop.
func AlteredBefore(ctx context.Context, on pg.Querier, moment time.Time, found func(entry, seq int64) (goOn bool)) error {
	return compare(ctx, on, `e.at < $1`, moment, found)
}

// compare makes leaves of entries again, and names those that hash to another than is planted, until it is told to stop.
func compare(ctx context.Context, on pg.Querier, which string, arg any, other func(id, seq int64) (goOn bool)) error {
	rows, err := on.Query(ctx, `SELECT l.hash, l.seq, `+columns+` FROM audit.leaf AS l JOIN audit.entry AS e ON e.id = l.entry WHERE `+which, arg) //nolint:gosec // a literal of this package
	if err != nil {
		return pg.Wrap(err)
	}
	defer rows.Close()
	var hash, buf []byte
	var seq int64
	for rows.Next() {
		e, _, err := scan(rows, &hash, &seq)
		if err != nil {
			return pg.Wrap(err)
		}
		buf = e.Append(buf[:0])
		if h := tlog.RecordHash(buf); string(h[:]) != string(hash) && !other(e.ID, seq) {
			return nil
		}
	}
	return pg.Wrap(rows.Err())
}
