package sequence

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/pg"
)

// adopt puts in order what is in no tree, whatever its transaction numbers are: they say nothing when the database came from another cluster, or when
// it is not known any more how far the order was. What is visible at one moment is taken in the order of its numbers, and heard; whoever writes meanwhile has
// a transaction number that is still to be read.
func (s *Sequencer) adopt(ctx context.Context, conn *pgxpool.Conn, st *state, system string, other bool) error {
	return pg.Wrap(pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		bound, _, err := horizon(ctx, tx)
		if err != nil {
			return err
		}
		many := int64(0)
		for after := int64(math.MinInt64); ; {
			rows, err := readOrphans(ctx, tx, after, batch)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			after = rows[len(rows)-1].ID
			many += int64(len(rows))
			if err := s.putIn(ctx, tx, st, st.cursor, rows, nil, false); err != nil {
				return err
			}
		}
		for after := int64(0); ; {
			beats, err := heartbeats(ctx, tx, `LEFT JOIN audit.writer AS w ON w.writer = h.writer WHERE h.id > $1 AND h.n > coalesce(w.spoke, 0) ORDER BY h.id LIMIT $2`, after, telling)
			if err != nil {
				return err
			}
			if len(beats) == 0 {
				break
			}
			after = beats[len(beats)-1].id
			if err := s.putIn(ctx, tx, st, st.cursor, nil, beats, false); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `DELETE FROM audit.heartbeat WHERE xid >= $1::text::xid8`, xid(bound)); err != nil { // they were heard, and are not to be again years later
			return err
		}
		next := st.cursor
		next.xid, next.entry, next.heard, next.heartbeat, next.system = bound, 0, bound, 0, system
		if err := tx.QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM audit.entry`).Scan(&next.adopted); err != nil {
			return err
		}
		if other {
			st.also = append(st.also, anomaly{Adopted, fmt.Sprintf("cluster %s, after leaf %d", system, st.seq), map[string]any{"entries": many}})
		}
		return s.putIn(ctx, tx, st, next, nil, nil, false)
	}))
}

// readOrphans reads entries that are in no tree, in the order of their numbers.
func readOrphans(ctx context.Context, on pg.Querier, after int64, most int) ([]row, error) {
	rows, err := on.Query(ctx, `SELECT `+entryColumns+` FROM audit.entry AS e
WHERE e.id > $1 AND NOT EXISTS (SELECT FROM audit.leaf AS l WHERE l.entry = e.id) ORDER BY e.id LIMIT $2`, after, most)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanRow)
	return list, pg.Wrap(err)
}

// readAgain reads the entries of leaves of a generation, in the order in which they were planted.
func readAgain(ctx context.Context, on pg.Querier, generation int, after int64, most int) (rows []row, last int64, err error) {
	q, err := on.Query(ctx, `SELECT l.seq, `+entryColumns+` FROM audit.leaf AS l JOIN audit.tree AS t ON t.tree = l.tree JOIN audit.entry AS e ON e.id = l.entry
WHERE t.generation = $1 AND l.seq > $2 ORDER BY l.seq LIMIT $3`, generation, after, most)
	if err != nil {
		return nil, 0, pg.Wrap(err)
	}
	rows, err = pgx.CollectRows(q, func(r pgx.CollectableRow) (row, error) {
		return scanRow(prefixed{r, []any{&last}})
	})
	return rows, last, pg.Wrap(err)
}

// Restart is how a new generation begins.
type Restart struct {
	By     string // who decided it: "person:…"
	Reason string
	Before []byte // JSON: what was known of the generation that ends, here and elsewhere
	Line   string // what the new root log says of it first
	After  int64  // the last leaf (seq) of the old one that is known elsewhere: what came after it is planted again
	Number int    // of the new generation, when more have been than are known here; 0: the next
}

// Restart begins a new generation, when the trees are not the ones any more that are known elsewhere. Error Conflict: a
// server puts entries in order meanwhile.
func (s *Sequencer) Restart(ctx context.Context, r Restart) (generation int, err error) {
	err = s.alone(ctx, func(conn *pgxpool.Conn) error {
		st, err := s.load(ctx, conn)
		if err != nil {
			return err
		}
		return pg.InTx(ctx, conn, func(tx pgx.Tx) error {
			old := st.cursor
			generation = max(old.generation+1, r.Number)
			if err := s.newGeneration(ctx, tx, generation, r); err != nil {
				return err
			}
			fresh := newState(old)
			fresh.generation = generation
			if err := s.open(ctx, tx, fresh); err != nil {
				return err
			}
			fresh.first = r.Line
			if err := s.putIn(ctx, tx, fresh, fresh.cursor, nil, nil, true); err != nil {
				return err
			}
			for after := r.After; ; {
				rows, last, err := readAgain(ctx, tx, old.generation, after, batch)
				if err != nil || len(rows) == 0 {
					return err
				}
				after = last
				fresh.again = true
				if err := s.putIn(ctx, tx, fresh, fresh.cursor, rows, nil, false); err != nil {
					return err
				}
			}
		})
	})
	return generation, err
}

// RestoredLine is what a root log says first when another one was before it.
func RestoredLine(origin string, size int64, root, reason string) string {
	return fmt.Sprintf("garant/restored v1\n%s %s %s\n%s\n", origin, strconv.FormatInt(size, 10), root, reason)
}
