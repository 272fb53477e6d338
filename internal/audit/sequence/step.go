package sequence

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/pg"
)

// row is an entry as it is read.
type row struct {
	xid uint64
	leaf.Entry
}

// step puts one batch in order, and reports whether there is more.
func (s *Sequencer) step(ctx context.Context, conn *pgxpool.Conn, st *state) (more bool, err error) {
	if err := s.at("read"); err != nil {
		return false, err
	}
	if err := s.sweep(ctx, conn, st); err != nil {
		return false, err
	}
	bound, noted, err := horizon(ctx, conn)
	if err != nil {
		return false, err
	}
	next := st.cursor
	if noted > st.noted {
		if st.others, next.noted, err = readNoted(ctx, conn, st); err != nil {
			return false, err
		}
	}
	rows, err := readEntries(ctx, conn, st.cursor, bound, batch)
	if err != nil {
		return false, err
	}
	more = len(rows) == batch
	var beats []beat
	if !more { // every entry below the bound was read: what heartbeats below it claim has been seen
		if beats, err = readHeartbeats(ctx, conn, st.cursor, bound, telling); err != nil {
			return false, err
		}
	}
	now := s.Now()
	overdue := now.Sub(st.told) >= quiet || now.Before(st.told)
	if len(rows) == 0 && len(beats) == 0 && next.noted == st.noted && !overdue {
		return false, nil
	}
	if len(rows) > 0 {
		last := rows[len(rows)-1]
		next.xid, next.entry = last.xid, last.ID
	}
	if len(beats) > 0 {
		last := beats[len(beats)-1]
		next.heard, next.heartbeat = last.xid, last.id
	}
	if err := s.put(ctx, conn, st, next, rows, beats, overdue); err != nil {
		return false, err
	}
	return more || len(beats) == telling, nil
}

// put writes a batch: leaves, tiles, heads, what was noticed, the checkpoint and the cursor, in one transaction. When it fails the state
// is not to be used any more.
func (s *Sequencer) put(ctx context.Context, conn *pgxpool.Conn, st *state, next cursor, rows []row, beats []beat, tellTime bool) error {
	err := pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		if err := s.putIn(ctx, tx, st, next, rows, beats, tellTime); err != nil {
			return err
		}
		return s.at("commit")
	})
	if err == nil {
		s.reach(st)
	}
	return err
}

func (s *Sequencer) putIn(ctx context.Context, tx pgx.Tx, st *state, next cursor, rows []row, beats []beat, tellTime bool) error {
	n := &noticed{list: st.also}
	st.also = nil
	if err := s.meet(ctx, tx, st, rows, beats, n); err != nil {
		return err
	}
	leaves, err := s.plant(ctx, tx, st, &next, rows, n)
	if err != nil {
		return err
	}
	s.hear(st, beats, n)
	if err := s.at("leaves"); err != nil {
		return err
	}
	grown := []*tree{}
	for _, t := range st.trees {
		if t != st.root && t.head.Size > t.stood {
			grown = append(grown, t)
		}
	}
	slices.SortFunc(grown, func(a, b *tree) int { return int(a.id - b.id) })
	root := rootLeaves{tree: st.root.id, from: st.root.head.Size}
	if st.first != "" {
		root.add(st.first, nil)
		st.first = ""
	}
	for _, t := range grown {
		root.add(merkle.TreeLine(t.name, t.head.Size, t.head.Root()), &t.id)
	}
	told := map[string]bool{} // another may have noticed the same
	for _, a := range append(st.others, n.list...) {
		if line := merkle.NoticedLine(a.kind, a.about); !told[line] {
			told[line] = true
			root.add(line, nil)
		}
	}
	st.others = nil
	if tellTime {
		st.told = s.Now()
		root.add(merkle.TimeLine(st.told), nil)
	}
	for _, hash := range root.hashes {
		st.root.grow(hash)
	}
	if err := addLeaves(ctx, tx, leaves); err != nil {
		return err
	}
	if err := root.write(ctx, tx); err != nil {
		return err
	}
	if err := s.at("tiles"); err != nil {
		return err
	}
	var b pgx.Batch
	for _, t := range append(grown, st.root) {
		t.write(&b)
	}
	if len(root.hashes) > 0 {
		c := merkle.Checkpoint{Origin: st.origin, Size: st.root.head.Size, Root: st.root.head.Root()}
		signed, err := merkle.Sign(c, st.signer)
		if err != nil {
			return err
		}
		b.Queue(`INSERT INTO audit.checkpoint (tree, size, root, note, seq) VALUES ($1, $2, $3, $4, $5)`, st.root.id, c.Size, c.Root[:], signed, next.seq)
	}
	n.write(&b)
	s.writersTouched(st, &b)
	next.mac = s.mac(&next, &st.root.head)
	moveCursor(&b, st.stood, next)
	if err := runBatch(ctx, tx, &b); err != nil {
		return err
	}
	st.cursor, st.stood = next, next
	return nil
}

// plant gives entries their places.
func (s *Sequencer) plant(ctx context.Context, tx pgx.Tx, st *state, next *cursor, rows []row, n *noticed) ([]leafRow, error) {
	leaves := make([]leafRow, 0, len(rows))
	var buf []byte
	for i := range rows {
		e := &rows[i].Entry
		var said []byte
		buf, said = e.AppendBoth(buf[:0])
		if !st.again {
			s.judge(st, e, said, next.seq+1, n)
		}
		name := "company"
		if e.Said.Tenant != "" {
			name = "tenant/" + e.Said.Tenant
		}
		t, err := s.tree(ctx, tx, st, name)
		if err != nil {
			return nil, err
		}
		hash := tlog.RecordHash(buf)
		next.seq++
		leaves = append(leaves, leafRow{next.seq, t.id, t.head.Size, e.ID, hash})
		t.grow(hash)
	}
	return leaves, nil
}

// write queues what became of a tree.
func (t *tree) write(b *pgx.Batch) {
	for _, full := range t.tiles {
		b.Queue(`INSERT INTO audit.tile (tree, level, n, hashes, root) VALUES ($1, $2, $3, $4, $5)`, t.id, full.level, full.n, full.hashes, full.root[:])
	}
	if t.head.Size > t.stood {
		b.Queue(`UPDATE audit.tree SET size = $2, edge = $3 WHERE tree = $1 AND size = $4`, t.id, t.head.Size, t.head.Edge(), t.stood)
	}
	t.tiles, t.stood = nil, t.head.Size
}

// sweep forgets heartbeats that were heard, heads that nobody needs, and writers that are long gone, and looks whether what is said to have been dropped was.
func (s *Sequencer) sweep(ctx context.Context, conn *pgxpool.Conn, st *state) error {
	now := time.Now()
	if now.Sub(st.swept) < sweep {
		return nil
	}
	st.swept = now
	gone, err := Gone(ctx, conn, s.Box)
	if err != nil {
		return err
	}
	for _, about := range gone.Forged {
		if err := audit.Note(ctx, conn, ForgedDrop, about, nil); err != nil {
			return err
		}
	}
	return forget(ctx, conn, st.cursor)
}
