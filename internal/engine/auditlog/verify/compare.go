package verify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/pg"
)

// place is a leaf of the database, with the name of its tree.
type place struct {
	Seq   int64
	Tree  string
	Index int64
	Entry int64
	Hash  []byte
}

// compare holds the database's leaves and lines of a segment's range against the segment.
func (s *side) compare(ctx context.Context, seg *replica.Segment) error {
	if s.until >= 0 && seg.FromSeq >= s.until { // a restore left it behind
		s.lostN += int64(len(seg.Leaves))
		return nil
	}
	if s.odd == 0 { // after the first difference everything differs
		if err := s.lines(ctx, seg); err != nil {
			return err
		}
	}
	return s.leaves(ctx, seg)
}

func (s *side) lines(ctx context.Context, seg *replica.Segment) error {
	rows, err := s.e.Database.Query(ctx, `SELECT index, text FROM audit.root_leaf WHERE tree = $1 AND index >= $2 AND index < $3 ORDER BY index`, s.g.root.id, seg.From, seg.To)
	if err != nil {
		return pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[replica.RootLeaf])
	if err != nil {
		return pg.Wrap(err)
	}
	here := make(map[int64]string, len(list))
	for _, l := range list {
		here[l.Index] = l.Text
	}
	for _, r := range seg.Roots {
		text, ok := here[r.Index]
		switch {
		case ok && text == r.Text:
			continue
		case !ok:
			return nil // ends says that they are gone
		}
		s.odd++
		f := Finding{Kind: RootLine, Tree: "root", Index: r.Index, Text: fmt.Sprintf("Line %d of the root log is another in the second account.", r.Index)}
		if s.signedHere(ctx, seg.To) {
			f.Kind = Forked
			f.Text = fmt.Sprintf("From line %d of the root log on, the database and the second account have different histories, and both are signed by the log’s key: it was used to rewrite the log.", r.Index)
		}
		s.find(f)
		return nil
	}
	return nil
}

// signedHere reports whether the database has a signed head from a size on that fits its own lines: the log was written anew.
func (s *side) signedHere(_ context.Context, size int64) bool {
	return s.g.root.doubt == nil && !s.g.root.changed && s.g.root.right >= size
}

// window is how many leaves are looked at to say what happened to one.
const window = 1024

func (s *side) leaves(ctx context.Context, seg *replica.Segment) error {
	if len(seg.Leaves) == 0 {
		return nil
	}
	rows, err := s.e.Database.Query(ctx, `SELECT l.seq, t.name, l.index, l.entry, l.hash FROM audit.leaf AS l JOIN audit.tree AS t ON t.tree = l.tree WHERE l.seq > $1 AND l.seq <= $2 ORDER BY l.seq`, seg.FromSeq, seg.ToSeq)
	if err != nil {
		return pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
	if err != nil {
		return pg.Wrap(err)
	}
	here := make(map[int64]*place, len(list))
	for i := range list {
		here[list[i].Seq] = &list[i]
	}
	s.e.r.examined("leaves compared with the second account", int64(len(seg.Leaves)))
	for i := range seg.Leaves {
		l := &seg.Leaves[i]
		if s.until >= 0 && l.Seq > s.until {
			s.lostN += int64(len(seg.Leaves) - i)
			return nil
		}
		p := here[l.Seq]
		hash := l.LeafHash()
		if p != nil && (l.Tree == "" || p.Tree == l.Tree && p.Index == l.Index && p.Entry == l.Entry && string(p.Hash) == string(hash[:])) {
			if l.Gone == replica.Altered || l.Gone == replica.Missing {
				s.e.r.note("Entry %d was not the one of its leaf any more when it was copied: the second account has its hash only.", l.Entry)
			}
			continue
		}
		if p == nil && l.Seq <= s.e.dropped {
			if at, ok := ageOf(l); ok && !s.atItsEnd(at) {
				s.find(Finding{Kind: Excused, Tree: l.Tree, Index: l.Index, Entry: l.Entry, Text: fmt.Sprintf("Entry %d is said to have been dropped at the end of its time, and was not at it: it is of %s.", l.Entry, at.Format(time.DateOnly)), seq: l.Seq})
			}
			continue
		}
		if s.odd++; s.odd > MostFindings { // what follows from the first is not counted one by one
			return nil
		}
		done, err := s.differs(ctx, seg, i, p, here)
		if err != nil || done {
			return err
		}
	}
	return s.droppedAlive(ctx, seg)
}

// droppedAlive looks at entries whose leaves are there and which are gone as if at the end of their time.
func (s *side) droppedAlive(ctx context.Context, seg *replica.Segment) error {
	if s.e.dropped <= seg.FromSeq {
		return nil
	}
	ids := []int64{}
	for i := range seg.Leaves {
		if seg.Leaves[i].Seq <= s.e.dropped {
			ids = append(ids, seg.Leaves[i].Entry)
		}
	}
	rows, err := s.e.Database.Query(ctx, `SELECT id FROM audit.entry WHERE id = ANY ($1)`, ids)
	if err != nil {
		return pg.Wrap(err)
	}
	alive, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return pg.Wrap(err)
	}
	slices.Sort(alive)
	for i := range seg.Leaves {
		l := &seg.Leaves[i]
		if _, is := slices.BinarySearch(alive, l.Entry); is || l.Seq > s.e.dropped {
			continue
		}
		if at, ok := ageOf(l); ok && !s.atItsEnd(at) {
			s.find(Finding{Kind: Excused, Tree: l.Tree, Index: l.Index, Entry: l.Entry, Text: fmt.Sprintf("Entry %d is gone as if at the end of its time, and was not at it: it is of %s.", l.Entry, at.Format(time.DateTime)), seq: l.Seq})
		}
	}
	return nil
}

// atItsEnd reports whether an entry of a time may have been dropped.
func (s *side) atItsEnd(at time.Time) bool { return at.Before(s.e.Now().Add(-leastKept)) }

// differs says what happened to a leaf that the second account has and the database has not, or not so. true: what follows is a consequence.
func (s *side) differs(ctx context.Context, seg *replica.Segment, i int, p *place, here map[int64]*place) (bool, error) {
	l := &seg.Leaves[i]
	f := Finding{Tree: l.Tree, Index: l.Index, Entry: l.Entry, seq: l.Seq}
	forged := ""
	if s.signedHere(ctx, seg.To) {
		forged = " Leaves, tiles and heads were rewritten to fit, and signed with the log’s key."
	}
	if p == nil && l.Seq > s.g.lastRow {
		f.Kind, f.Text = Truncated, fmt.Sprintf("The log ends before entry %d, which is in the second account: its end was cut off, or the database was set back.", l.Entry)
		s.find(f)
		return true, nil
	}
	elsewhere, err := s.elsewhere(ctx, l)
	if err != nil {
		return false, err
	}
	switch {
	case p != nil && p.Entry == l.Entry:
		f.Kind, f.Text = Edited, fmt.Sprintf("Entry %d is another in the second account: it was changed, and its leaf with it.%s", l.Entry, forged)
		s.find(f)
		return false, nil
	case p == nil && elsewhere == "":
		f.Kind, f.Text = Deleted, fmt.Sprintf("Entry %d is in the second account, and its leaf is gone.", l.Entry)
		s.find(f)
		return false, nil
	case elsewhere != "" && sameLeaves(seg.Leaves[i:min(i+window, len(seg.Leaves))], here):
		f.Kind, f.Text = Reordered, fmt.Sprintf("Entry %d stands in another place than in the second account: leaves were put in another order.%s", l.Entry, forged)
		s.find(f)
		return true, nil
	case elsewhere == "":
		f.Kind, f.Text = Deleted, fmt.Sprintf("Entry %d is in the second account, and in no tree of the database: it was taken out.%s", l.Entry, forged)
		s.find(f)
		return true, nil
	}
	f.Kind = Inserted
	if p != nil {
		f.Entry, f.Tree, f.Index = p.Entry, p.Tree, p.Index
	}
	f.Text = fmt.Sprintf("Entry %d is in a tree of the database where the second account has entry %d: it was put in.%s", f.Entry, l.Entry, forged)
	s.find(f)
	return true, nil
}

// elsewhere says in which tree of the database's generation a leaf is; empty: in none.
func (s *side) elsewhere(ctx context.Context, l *replica.Leaf) (name string, err error) {
	hash := l.LeafHash()
	rows, err := s.e.Database.Query(ctx, `SELECT t.name FROM audit.leaf AS l JOIN audit.tree AS t ON t.tree = l.tree WHERE l.entry = $1 AND l.hash = $2 AND t.generation = $3`, l.Entry, hash[:], s.number)
	if err != nil {
		return "", pg.Wrap(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		return "", pg.Wrap(err)
	}
	return names[0], nil
}

// sameLeaves reports whether the database has the same leaves in a stretch, in whatever order.
func sameLeaves(list []replica.Leaf, here map[int64]*place) bool {
	var a, b []string
	for i := range list {
		h := list[i].LeafHash()
		a = append(a, string(h[:]))
		if p := here[list[i].Seq]; p != nil {
			b = append(b, string(p.Hash))
		}
	}
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
