package verify

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/pg"
)

// line is one of the root log.
type line struct {
	Index int64
	Text  string
}

// window is a stretch of what the database has, read at once for several small segments: [from, to).
type window[T any] struct {
	from, to int64
	rows     []T
}

// get gives the rows of a range, by a question that reaches further where there is more.
func (w *window[T]) get(from, to int64, number func(*T) int64, read func(from, to int64) ([]T, error)) (rows []T, err error) {
	if from < w.from || to > w.to || w.rows == nil {
		if w.rows, err = read(from, max(to, from+chunkSize)); err != nil {
			return nil, err
		}
		w.from, w.to = from, to
		if n := len(w.rows); n > 0 { // what comes after may be there by and by
			w.to = max(to, number(&w.rows[n-1])+1)
		}
	}
	after := func(n int64) int {
		return sort.Search(len(w.rows), func(i int) bool { return number(&w.rows[i]) >= n })
	}
	return w.rows[after(from):after(to)], nil
}

// here are leaves of the database, in order.
type here []row

// at is the leaf of a number; nil: there is none.
func (h here) at(seq int64) *row {
	if len(h) == 0 {
		return nil
	}
	if i := seq - h[0].seq; i >= 0 && i < int64(len(h)) && h[i].seq == seq { // nothing is missing before it
		return &h[i]
	}
	if i := sort.Search(len(h), func(i int) bool { return h[i].seq >= seq }); i < len(h) && h[i].seq == seq {
		return &h[i]
	}
	return nil
}

// name is that of a tree of the database.
func (s *side) name(ctx context.Context, tree int32) (string, error) {
	if name, ok := s.names[tree]; ok {
		return name, nil
	}
	name := ""
	err := s.e.Database.QueryRow(ctx, `SELECT coalesce((SELECT t.name FROM audit.tree AS t WHERE t.tree = $1), '')`, tree).Scan(&name)
	s.names[tree] = name
	return name, pg.Wrap(err)
}

// compare holds the database's leaves and lines of a segment's range against the segment.
func (s *side) compare(ctx context.Context, o *object) error {
	seg := o.segment
	if s.until >= 0 && seg.FromSeq >= s.until { // a restore left it behind
		s.lostN += int64(len(seg.Leaves))
		return nil
	}
	if s.odd == 0 { // after the first difference everything differs
		if err := s.lines(ctx, seg); err != nil {
			return err
		}
	}
	return s.leaves(ctx, o)
}

func (s *side) lines(ctx context.Context, seg *replica.Segment) error {
	list, err := s.lineRows.get(seg.From, seg.To, func(l *line) int64 { return l.Index }, func(from, to int64) ([]line, error) {
		rows, err := s.e.Database.Query(ctx, `SELECT index, text FROM audit.root_leaf WHERE tree = $1 AND index >= $2 AND index < $3 ORDER BY index`, s.g.root.id, from, to)
		if err != nil {
			return nil, pg.Wrap(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[line])
		return list, pg.Wrap(err)
	})
	if err != nil {
		return err
	}
	for i, r := range seg.Roots {
		switch {
		case i >= len(list) || list[i].Index != r.Index:
			return nil // ends says that they are gone
		case list[i].Text == r.Text:
			continue
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

// alike is how many leaves are looked at to say what happened to one.
const alike = 1024

func (s *side) leaves(ctx context.Context, o *object) error {
	seg := o.segment
	if len(seg.Leaves) == 0 {
		return nil
	}
	list, err := s.leafRows.get(seg.FromSeq+1, seg.ToSeq+1, func(l *row) int64 { return l.seq }, func(from, to int64) ([]row, error) { return leafRows(ctx, s.e.Database, from-1, to-1) })
	if err != nil {
		return err
	}
	here := here(list)
	s.e.r.examined("leaves compared with the second account", int64(len(seg.Leaves)))
	for i := range seg.Leaves {
		l := &seg.Leaves[i]
		if s.until >= 0 && l.Seq > s.until {
			s.lostN += int64(len(seg.Leaves) - i)
			return nil
		}
		p, tree := here.at(l.Seq), ""
		if p != nil {
			if tree, err = s.name(ctx, p.tree); err != nil {
				return err
			}
			if tree == "" { // which is gone, and its leaves with it
				p = nil
			}
		}
		if p != nil && (l.Tree == "" || tree == l.Tree && p.index == l.Index && p.entry == l.Entry && p.hash == o.hashes[i]) {
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
		if p == nil && l.Seq <= s.e.said {
			s.find(Finding{Kind: Excused, Tree: l.Tree, Index: l.Index, Entry: l.Entry, Text: unsignedDrop(l.Entry), seq: l.Seq})
			continue
		}
		done, err := s.differs(ctx, o, i, p, here)
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

// unsignedDrop says what is wrong with an entry that is gone by somebody's word only.
func unsignedDrop(entry int64) string {
	return fmt.Sprintf("Entry %d is gone. It is said to have been dropped at the end of its time, and no entry that is signed tells of that.", entry)
}

// atItsEnd reports whether an entry of a time may have been dropped: who drops signs from before when those are that went.
func (s *side) atItsEnd(at time.Time) bool {
	return at.Before(s.e.Now().Add(-leastKept)) && (s.e.before.IsZero() || at.Before(s.e.before))
}

// differs says what happened to a leaf that the second account has and the database has not, or not so. true: what follows is a consequence.
func (s *side) differs(ctx context.Context, o *object, i int, p *row, here here) (bool, error) {
	seg := o.segment
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
	case p != nil && p.entry == l.Entry:
		f.Kind, f.Text = Edited, fmt.Sprintf("Entry %d is another in the second account: it was changed, and its leaf with it.%s", l.Entry, forged)
		s.find(f)
		return false, nil
	case p == nil && elsewhere == "":
		f.Kind, f.Text = Deleted, fmt.Sprintf("Entry %d is in the second account, and its leaf is gone.", l.Entry)
		s.find(f)
		return false, nil
	case elsewhere != "" && sameLeaves(seg.Leaves[i:min(i+alike, len(seg.Leaves))], o.hashes[i:], here):
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
		f.Entry, f.Tree, f.Index = p.entry, s.names[p.tree], p.index
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
func sameLeaves(list []replica.Leaf, hashes []merkle.Hash, here here) bool {
	var a, b []string
	for i := range list {
		a = append(a, string(hashes[i][:]))
		if p := here.at(list[i].Seq); p != nil {
			b = append(b, string(p.hash[:]))
		}
	}
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
