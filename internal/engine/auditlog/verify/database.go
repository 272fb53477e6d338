package verify

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/spans"
	"github.com/garant-project/garant/internal/engine/auditlog/entries"
	"github.com/garant-project/garant/internal/pg"
)

// examining is one generation of the database on its way.
type examining struct {
	e     *examiner
	g     *generation
	next  int64 // the leaf that comes
	gone  []Finding
	heads []signedHead // of the root log, by size
	vague []Finding    // not said when something more exact is found
	at    time.Time    // the last that the root log says

	unknown  map[int32]bool // trees that leaves are of and that are not there
	writer   *spans.Set     // the numbers of the writer that wrote last
	writerID uuid.UUID
	twice    []row // whose writer gave their number to another entry
	again    []row // the same, of a generation before
}

// signedHead is a row of audit.checkpoint that its key signed.
type signedHead struct {
	size int64
	root merkle.Hash
}

// generation verifies one generation: leaves and entries, trees, the root log, its heads, tiles. It returns how many rows of the record
// are leaves of it.
func (e *examiner) generation(ctx context.Context, g *generation) (matched int64, err error) {
	x := &examining{e: e, g: g, next: g.first + 1, unknown: map[int32]bool{}}
	if err := x.checkpoints(ctx); err != nil {
		return 0, err
	}
	signing := false
	err = e.stretch(ctx, g, func(c *chunk) error {
		if err := x.lines(ctx, c.until-g.first); err != nil {
			return err
		}
		for i := range c.rows {
			if err := x.leaf(ctx, &c.rows[i]); err != nil {
				return err
			}
			x.number(&c.rows[i])
		}
		if err := x.replanted(ctx); err != nil {
			return err
		}
		matched += c.entries
		x.gone = append(x.gone, c.found...)
		for _, f := range c.unsigned { // what is from before entries were signed came before all that are
			if signing || c.signing > 0 && f.seq > c.signing {
				x.gone = append(x.gone, f)
			}
		}
		signing = signing || c.signing > 0
		e.r.examined("entries made again and compared with their leaves", c.entries)
		if e.Box != nil {
			e.r.examined("signatures of writers", c.signed)
			e.r.examined("sealed changes held against their promise", c.sealed)
			e.r.examined("sealed changes whose key was destroyed", c.erased)
		}
		return nil
	})
	if err != nil {
		return matched, err
	}
	e.signing = e.signing || signing
	e.r.Entries += matched
	if err := x.lines(ctx, -1); err != nil {
		return matched, err
	}
	if err := x.ends(ctx); err != nil {
		return matched, err
	}
	if err := x.tiles(ctx); err != nil {
		return matched, err
	}
	if err := x.doubles(ctx); err != nil {
		return matched, err
	}
	x.doubts()
	for _, f := range tail(x.gone, g.last, nil) {
		e.find(f)
	}
	e.vague(x.vague)
	return matched, nil
}

// find takes a finding, and remembers the entry.
func (e *examiner) find(f Finding) {
	if f.seq > 0 && f.Entry > 0 {
		e.bad[f.seq] = true
	}
	e.r.find(f)
}

func (x *examining) find(f Finding) {
	f.Generation = x.g.number
	x.gone = append(x.gone, f)
}

// leaf gives a leaf to its tree.
func (x *examining) leaf(ctx context.Context, l *row) error {
	if l.seq > x.next && l.seq-1 > x.e.dropped {
		first := max(x.next, x.e.dropped+1)
		x.vague = append(x.vague, Finding{Kind: Deleted, Generation: x.g.number, Index: -1, Text: fmt.Sprintf("%d leaves are gone, from number %d of all on.", l.seq-first, first), seq: first})
	}
	x.next = l.seq + 1
	t := x.g.trees[l.tree]
	switch {
	case t == nil || t == x.g.root:
		if !x.unknown[l.tree] {
			x.unknown[l.tree] = true
			x.find(Finding{Kind: Deleted, Tree: x.g.treeName(l.tree), Index: l.index, Entry: l.entry, Text: fmt.Sprintf("The tree that entry %d is a leaf of is gone.", l.entry), seq: l.seq})
		}
		return nil
	case t.lost:
		return nil
	case l.index < t.head.Size:
		t.lost = true
		x.find(Finding{Kind: Reordered, Tree: t.name, Index: l.index, Entry: l.entry, Text: fmt.Sprintf("Entry %d stands at place %d of its tree, which comes before those that were put in order before it.", l.entry, l.index), seq: l.seq})
		return nil
	case l.index > t.head.Size:
		if before := t.last; before >= x.e.dropped {
			x.vague = append(x.vague, Finding{Kind: Deleted, Generation: x.g.number, Tree: t.name, Index: t.head.Size, Text: fmt.Sprintf("%d leaves of the tree %s are gone, from place %d on.", l.index-t.head.Size, t.name, t.head.Size), seq: before + 1})
		}
		if err := x.fill(ctx, t, l.index); err != nil {
			return err
		}
		if t.lost {
			return nil
		}
	}
	t.last = l.seq
	t.grow(l.hash, x.find)
	return nil
}

// fill adds hashes out of tiles where leaves are gone: what was dropped stays provable.
func (x *examining) fill(ctx context.Context, t *tree, until int64) error {
	for t.head.Size < until {
		n := t.head.Size / merkle.TileWidth
		var hashes []byte
		rows, err := x.e.main.Query(ctx, `SELECT hashes FROM audit.tile WHERE tree = $1 AND level = 0 AND n = $2`, t.id, n)
		if err != nil {
			return pg.Wrap(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil {
			return pg.Wrap(err)
		}
		if len(list) == 1 {
			hashes = list[0]
		}
		if len(hashes) != merkle.TileWidth*tlog.HashSize {
			t.lost = true
			return nil
		}
		for t.head.Size < until && t.head.Size/merkle.TileWidth == n {
			at := t.head.Size % merkle.TileWidth * tlog.HashSize
			t.grow(merkle.Hash(hashes[at:at+tlog.HashSize]), x.find)
			x.e.r.examined("hashes of dropped entries, out of tiles", 1)
		}
	}
	return nil
}

// linesAtOnce is how many lines of the root log are read at once.
const linesAtOnce = 10_000

// lines reads on in the root log until its lines speak of so many leaves; negative: to its end.
func (x *examining) lines(ctx context.Context, leaves int64) error {
	g, t := x.g, x.g.root
	for leaves < 0 || g.sizes < leaves {
		rows, err := x.e.main.Query(ctx, `SELECT index, text, hash FROM audit.root_leaf WHERE tree = $1 AND index >= $2 ORDER BY index LIMIT $3`, entries.Binary, t.id, g.line, linesAtOnce)
		if err != nil {
			return pg.Wrap(err)
		}
		many := 0
		for rows.Next() {
			many++
			raw := rows.RawValues()
			x.line(entries.Int(raw[0]), string(raw[1]), raw[2])
		}
		if err := rows.Err(); err != nil {
			return pg.Wrap(err)
		}
		x.e.r.examined("lines of the root log", int64(many))
		if many < linesAtOnce {
			return nil
		}
	}
	return nil
}

func (x *examining) line(index int64, text string, kept []byte) {
	g, t := x.g, x.g.root
	if index != g.line && !t.lost {
		x.find(Finding{Kind: RootLine, Tree: "root", Index: g.line, Text: fmt.Sprintf("Line %d of the root log is gone.", g.line)})
		t.lost = true
	}
	g.line = index + 1
	hash := tlog.RecordHash([]byte(text))
	changed := string(hash[:]) != string(kept)
	if changed {
		t.changed = true
		x.find(Finding{Kind: RootLine, Tree: "root", Index: index, Text: fmt.Sprintf("Line %d of the root log was changed.", index)})
	}
	if !t.lost {
		if changed && len(kept) == tlog.HashSize { // go on with what it was
			hash = merkle.Hash(kept)
		}
		t.grow(hash, x.find)
		x.signedHeads()
	}
	if kind, about, ok := merkle.ParseNoticedLine(text); ok && !changed {
		x.e.told = append(x.e.told, told{g.number, index, kind, about, x.at})
	}
	if index == 0 && !changed {
		g.begins = text
	}
	if at, ok := merkle.ParseTimeLine(text); ok && !changed {
		x.at = at
	}
	name, size, root, ok := merkle.ParseTreeLine(text)
	if !ok || changed {
		return
	}
	of := g.names[name]
	if of == nil || of == t {
		x.find(Finding{Kind: Truncated, Tree: name, Index: -1, Text: fmt.Sprintf("The root log speaks of the tree %s, which is not there.", name)})
		return
	}
	g.sizes += size - of.said
	of.claimed(claim{size, root, index})
	of.judge(x.find)
}

// checkpoints reads the signed heads of the root log, and verifies each.
func (x *examining) checkpoints(ctx context.Context) error {
	g := x.g
	rows, err := x.e.main.Query(ctx, `SELECT size, root, note FROM audit.checkpoint WHERE tree = $1 ORDER BY size`, g.root.id)
	if err != nil {
		return pg.Wrap(err)
	}
	var size int64
	var root []byte
	var signed string
	many := int64(0)
	_, err = pgx.ForEachRow(rows, []any{&size, &root, &signed}, func() error {
		many++
		if g.verifier == nil {
			return nil
		}
		c, err := merkle.Open(signed, g.verifier)
		switch {
		case err != nil:
			x.find(Finding{Kind: ReSigned, Tree: "root", Index: -1, Text: fmt.Sprintf("The head of the root log at %d lines is not signed by the key of the log.", size)})
		case c.Size != size || string(c.Root[:]) != string(root):
			x.find(Finding{Kind: Head, Tree: "root", Index: -1, Text: fmt.Sprintf("The head of the root log at %d lines is not the one that was signed.", size)})
		default:
			x.heads = append(x.heads, signedHead{size, c.Root})
		}
		return nil
	})
	x.e.r.examined("signed heads", many)
	return pg.Wrap(err)
}

// signedHeads holds the root log against the head that was signed at its present size.
func (x *examining) signedHeads() {
	t := x.g.root
	for len(x.heads) > 0 && x.heads[0].size <= t.head.Size {
		h := x.heads[0]
		x.heads = x.heads[1:]
		if h.size == t.head.Size && h.root == t.head.Root() {
			t.right = h.size
			continue
		}
		if t.doubt == nil {
			t.doubt = &claim{size: h.size, root: h.root, line: -1}
		}
	}
}

// ends holds what is kept of trees against what their leaves gave.
func (x *examining) ends(ctx context.Context) error {
	g := x.g
	if last := g.last; x.next <= last && last > x.e.dropped {
		x.vague = append(x.vague, Finding{Kind: Truncated, Index: -1, Text: fmt.Sprintf("The last leaves are gone, from number %d of all on.", x.next), seq: x.next})
	}
	cut := false // the end of the root log is gone
	for _, t := range g.sorted() {
		if t.lost {
			continue
		}
		if t != g.root && t.head.Size < t.size && t.last <= x.e.dropped && x.e.dropped > 0 { // nothing came after what was dropped
			if err := x.fill(ctx, t, t.size/merkle.TileWidth*merkle.TileWidth); err != nil {
				return err
			}
		}
		said := t.said
		if t == g.root {
			said = t.size
			if n := len(x.heads); n > 0 {
				said = max(said, x.heads[n-1].size)
			}
		}
		what := "leaves"
		if t == g.root {
			what = "lines"
		}
		switch {
		case t.head.Size < said || t.head.Size < t.size:
			cut = cut || t == g.root
			x.find(Finding{Kind: Truncated, Tree: t.name, Index: t.head.Size, Text: fmt.Sprintf("The tree %s had %d %s, and %d are there.", t.name, max(said, t.size), what, t.head.Size), seq: x.lastOr(t)})
			continue
		case t != g.root && t.head.Size > t.said && cut:
			continue
		case t != g.root && t.head.Size > t.said:
			x.find(Finding{Kind: Inserted, Tree: t.name, Index: t.said, Text: fmt.Sprintf("The tree %s has %d leaves, and the root log knows of %d.", t.name, t.head.Size, t.said), seq: x.lastOr(t)})
			continue
		case t == g.root && t.head.Size > t.right && t.doubt == nil:
			x.find(Finding{Kind: Head, Tree: t.name, Index: t.right, Text: fmt.Sprintf("The root log has %d lines, and the last head that is signed and there has %d.", t.head.Size, t.right)})
		}
		if t.doubt == nil && (t.head.Size != t.size || string(t.head.Edge()) != string(t.edge)) {
			x.vague = append(x.vague, Finding{Kind: Head, Generation: g.number, Tree: t.name, Index: -1, Text: fmt.Sprintf("What is kept of the tree %s is not what its %s give.", t.name, what)})
		}
		x.e.r.examined("trees", 1)
	}
	return nil
}

func (x *examining) lastOr(t *tree) int64 {
	if t == x.g.root {
		return 0
	}
	return t.last + 1
}

func (g *generation) sorted() []*tree {
	list := make([]*tree, 0, len(g.names))
	for _, t := range g.names {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *tree) int { return int(a.id - b.id) })
	return list
}

type otherTile struct {
	tree   *tree
	level  int
	n      int64
	hashes []byte
}

// tiles compares all full tiles with those of the leaves.
func (x *examining) tiles(ctx context.Context) error {
	g := x.g
	ids := make([]int32, 0, len(g.trees))
	for id := range g.trees {
		ids = append(ids, id)
	}
	rows, err := x.e.main.Query(ctx, `SELECT tree, level, n, hashes, root FROM audit.tile WHERE tree = ANY ($1) ORDER BY tree, level, n`, ids)
	if err != nil {
		return pg.Wrap(err)
	}
	var tree int32
	var lvl int
	var n int64
	var hashes, root []byte
	count := map[int32]int64{}
	var others []otherTile
	many := int64(0)
	_, err = pgx.ForEachRow(rows, []any{&tree, &lvl, &n, &hashes, &root}, func() error {
		t := g.trees[tree]
		count[tree]++
		many++
		if t.lost {
			return nil
		}
		digest, over, ok := t.tileHash(lvl, n)
		if sum := sha256.Sum256(hashes); !ok || sum != digest || string(over[:]) != string(root) {
			others = append(others, otherTile{t, lvl, n, slices.Clone(hashes)})
		}
		return nil
	})
	if err != nil {
		return pg.Wrap(err)
	}
	x.e.r.examined("full tiles", many)
	for id, t := range g.trees {
		if !t.lost && count[id] < t.full() {
			x.find(Finding{Kind: Tile, Tree: t.name, Index: -1, Text: fmt.Sprintf("The tree %s has %d full tiles, and %d are there.", t.name, t.full(), count[id])})
		}
	}
	for _, o := range others {
		if err := x.otherTile(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// otherTile says what a tile means that is not the one of its leaves: where their root is in doubt the tile tells which of them was changed;
// otherwise it was changed itself.
func (x *examining) otherTile(ctx context.Context, o otherTile) error {
	t := o.tree
	itself := Finding{Kind: Tile, Tree: t.name, Index: o.n * merkle.TileWidth, Text: fmt.Sprintf("Tile %d of level %d of the tree %s is not that of its leaves.", o.n, o.level, t.name)}
	if o.level > 0 {
		if t.doubt == nil {
			itself.Index = -1
			x.find(itself)
		}
		return nil
	}
	from := o.n * merkle.TileWidth
	if t.doubt == nil || t.doubt.size <= from || t.right >= from+merkle.TileWidth || len(o.hashes) != merkle.TileWidth*tlog.HashSize {
		x.find(itself)
		return nil
	}
	sql := `SELECT index, hash, entry, seq FROM audit.leaf WHERE tree = $1 AND index >= $2 AND index < $2 + 256 ORDER BY index`
	if t == x.g.root {
		sql = `SELECT index, hash, 0::bigint, 0::bigint FROM audit.root_leaf WHERE tree = $1 AND index >= $2 AND index < $2 + 256 ORDER BY index`
	}
	rows, err := x.e.main.Query(ctx, sql, t.id, from)
	if err != nil {
		return pg.Wrap(err)
	}
	type have struct {
		Index      int64
		Hash       []byte
		Entry, Seq int64
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[have])
	if err != nil {
		return pg.Wrap(err)
	}
	first := -1
	var here, there []string
	for i, l := range list {
		want := o.hashes[(l.Index-from)*tlog.HashSize:][:tlog.HashSize]
		here, there = append(here, string(l.Hash)), append(there, string(want))
		if first < 0 && string(l.Hash) != string(want) {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	sort.Strings(here)
	sort.Strings(there)
	l := list[first]
	f := Finding{Kind: Edited, Tree: t.name, Index: l.Index, Entry: l.Entry, Text: fmt.Sprintf("Entry %d and its leaf are others than those in the tile of the tree %s.", l.Entry, t.name), seq: l.Seq}
	switch {
	case t == x.g.root:
		f.Kind, f.Text = RootLine, fmt.Sprintf("Line %d of the root log was changed, and its hash with it.", l.Index)
	case slices.Equal(here, there):
		f.Kind, f.Text = Reordered, fmt.Sprintf("Entry %d stands in the place of another: leaves of the tree %s were put in another order.", l.Entry, t.name)
	}
	x.find(f)
	t.doubt = nil
	return nil
}

// doubts says of what is in doubt still only that it is.
func (x *examining) doubts() {
	for _, t := range x.g.sorted() {
		if t.doubt == nil || t.lost {
			continue
		}
		f := Finding{Kind: Edited, Generation: x.g.number, Tree: t.name, Index: t.right, Text: fmt.Sprintf("Among leaves %d to %d of the tree %s something was changed, put in, taken out or moved: their root is not the one that the root log says.", t.right, t.doubt.size-1, t.name), seq: t.last}
		if t == x.g.root {
			f.Kind, f.seq = RootLine, 0
			f.Text = fmt.Sprintf("Among lines %d to %d of the root log one was changed: their root is not the one that was signed.", t.right, t.doubt.size-1)
		}
		x.vague = append(x.vague, f)
	}
}

// vague keeps findings that count only when nothing more exact is found of their tree.
func (e *examiner) vague(list []Finding) { e.unsure = append(e.unsure, list...) }
