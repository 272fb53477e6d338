package verify

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// side is a generation as the second account has it.
type side struct {
	e      *examiner
	g      *generation // of the database; nil: it knows none of that number
	number int
	by     note.Verifier
	trees  map[string]*tree
	root   *tree
	size   int64
	seq    int64 // the last leaf in it
	first  bool
	until  int64 // leaves after this one were left behind by a restore; negative: none were
	holes  bool  // leaves there are not even by their hashes: they were dropped before they were copied
	odd    int   // findings of this comparison
	lostN  int64
	keys   []string
}

// bucket verifies what stands in the second account, and holds the database against it.
func (e *examiner) bucket(ctx context.Context) error {
	if on, err := e.Bucket.LockEnabled(ctx); err != nil {
		return err
	} else if !on {
		e.r.find(Finding{Kind: Unlocked, Index: -1, Text: "The bucket in the second account has no object lock."})
	}
	left := map[int]int64{}
	if e.main != nil && len(e.generations) > 0 {
		var err error
		if left, err = e.leftBehind(ctx); err != nil {
			return err
		}
	}
	seen := 0
	for number := 1; ; number++ {
		s := &side{e: e, number: number, trees: map[string]*tree{}, first: true, until: -1}
		if i := slices.IndexFunc(e.generations, func(g *generation) bool { return g.number == number }); i >= 0 {
			s.g = e.generations[i]
		}
		if until, ok := left[number]; ok {
			s.until = until
		}
		found, err := s.run(ctx)
		if err != nil {
			return err
		}
		if found {
			seen++
		}
		last := 0
		if n := len(e.generations); n > 0 {
			last = e.generations[n-1].number
		}
		if !found && number >= last {
			break
		}
	}
	if seen == 0 {
		e.r.skipped("The second account: there is no segment in the bucket yet.")
	}
	return nil
}

// leftBehind says of generations that ended with a restore which leaf is the last that counts.
func (e *examiner) leftBehind(ctx context.Context) (map[int]int64, error) {
	rows, err := e.snapshotRows(ctx, `SELECT before FROM audit.generation WHERE before IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	left := map[int]int64{}
	var said []byte
	_, err = pgx.ForEachRow(rows, []any{&said}, func() error {
		var b replica.Before
		if err := json.Unmarshal(said, &b); err != nil {
			return err
		}
		left[b.Generation] = b.Common.Seq
		return nil
	})
	return left, pg.Wrap(err)
}

// snapshotRows asks the database as it was when it was verified, or as it is now when that transaction has ended.
func (e *examiner) snapshotRows(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := e.Database.Query(ctx, sql, args...)
	return rows, pg.Wrap(err)
}

// object is a segment on its way from the bucket.
type object struct {
	key     string
	history worm.History
	segment *replica.Segment
	err     error
}

// ahead is how many segments are fetched before they are looked at.
const ahead = 8

// run looks at a generation; false: there is nothing of it in the bucket.
func (s *side) run(ctx context.Context) (bool, error) {
	e := s.e
	if err := s.key(ctx); err != nil {
		return false, err
	}
	if s.by == nil {
		if s.g != nil {
			e.r.skipped("Generation %d of the log in the second account: there is no segment of it.", s.number)
		}
		return false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan object, ahead)
	go func() {
		defer close(queue)
		for h, err := range e.Bucket.Histories(ctx, replica.SegmentPrefix(s.number), "") {
			to := make(chan object, 1)
			go func() {
				o := object{key: h.Key, history: h, err: err}
				if err == nil {
					o.segment, o.err = replica.ReadSegment(ctx, e.Bucket, h.Key, s.by)
				}
				to <- o
			}()
			select {
			case queue <- to:
			case <-ctx.Done():
				return
			}
		}
	}()
	for to := range queue {
		o := <-to
		if err := s.object(ctx, o); err != nil {
			cancel()
			for range queue { //nolint:revive // until its writer has ended
			}
			return true, err
		}
	}
	if err := s.ends(ctx); err != nil {
		return true, err
	}
	return true, s.stored(ctx)
}

// key finds by which key the segments of the generation are signed.
func (s *side) key(ctx context.Context) error {
	e := s.e
	if s.g != nil {
		s.by = s.g.verifier
	}
	for h, err := range e.Bucket.Histories(ctx, replica.SegmentPrefix(s.number), "") {
		if err != nil {
			return err
		}
		o, err := e.Bucket.GetFirst(ctx, h.Key, worm.MaxPut)
		if err != nil {
			return err
		}
		first, err := replica.Decode(o.Data)
		if err != nil {
			continue // run says so
		}
		own, err := note.NewVerifier(first.Key)
		if err != nil {
			continue
		}
		if pinned := e.pinned[first.Origin]; len(pinned) > 0 && !slices.Contains(e.Keys, first.Key) {
			continue
		}
		if s.g != nil && first.Key != s.g.key && first.From == 0 {
			e.r.find(Finding{Kind: ReSigned, Generation: s.number, Index: -1, Text: fmt.Sprintf("The key of generation %d in the database is another than that of the log in the second account.", s.number)})
		}
		if s.g == nil && e.main != nil && len(e.generations) > 0 {
			e.r.find(Finding{Kind: Truncated, Generation: s.number, Index: -1, Text: fmt.Sprintf("The second account has generation %d of the log, and the database has not: it was set back.", s.number)})
		}
		s.by = own
		return nil
	}
	s.by = nil
	return nil
}

func (s *side) find(f Finding) {
	f.Generation, f.bucket = s.number, true
	s.e.find(f)
}

// object takes one segment.
func (s *side) object(ctx context.Context, o object) error {
	e := s.e
	if o.err != nil {
		if !isSegmentError(o.err) {
			return o.err
		}
		e.r.note("%s in the second account is not a segment of this log: somebody else put it there.", o.key)
		return nil
	}
	if o.history.Overwritten() || o.history.Marked() {
		e.r.note("Somebody put something over %s in the second account; the first version is there and counts.", o.key)
	}
	seg := o.segment
	if s.root == nil {
		s.root = s.tree("root")
		s.seq = seg.FromSeq
	}
	switch {
	case seg.From < s.size:
		e.r.note("%s in the second account is of a range that another segment has.", o.key)
		return nil
	case seg.From > s.size || seg.FromSeq != s.seq:
		s.find(Finding{Kind: Segment, Tree: "root", Index: s.size, Text: fmt.Sprintf("In the second account lines %d to %d of the root log are missing.", s.size, seg.From-1)})
		s.size, s.seq = seg.To, seg.ToSeq // what comes cannot be followed from here
		s.holes = true
		return nil
	}
	s.keys = append(s.keys, o.key)
	if s.e.main != nil && s.g != nil {
		if err := s.compare(ctx, seg); err != nil {
			return err
		}
	}
	for _, r := range seg.Roots {
		s.root.grow(tlog.RecordHash([]byte(r.Text)), s.find)
		if name, size, root, ok := merkle.ParseTreeLine(r.Text); ok {
			s.tree(name).claimed(claim{size, root, r.Index})
		}
	}
	for i := range seg.Leaves {
		l := &seg.Leaves[i]
		if l.Tree == "" {
			s.holes = true
			continue
		}
		t := s.tree(l.Tree)
		if l.Index != t.head.Size {
			if !s.holes {
				s.find(Finding{Kind: Segment, Tree: l.Tree, Index: t.head.Size, Text: fmt.Sprintf("In the second account leaf %d of the tree %s is missing.", t.head.Size, l.Tree)})
				s.holes = true
			}
			continue
		}
		t.grow(l.LeafHash(), s.find)
	}
	if c, err := seg.Signed(s.by); !s.holes && (err != nil || c.Root != s.root.head.Root()) {
		s.find(Finding{Kind: Segment, Tree: "root", Index: s.size, Text: fmt.Sprintf("The segment of lines %d to %d in the second account does not have the root that was signed.", seg.From, seg.To-1)})
	}
	s.size, s.seq = seg.To, seg.ToSeq
	e.r.examined("segments in the second account", 1)
	e.r.examined("leaves in the second account", int64(len(seg.Leaves)))
	if e.Database == nil {
		e.r.Entries += int64(len(seg.Leaves))
	}
	return nil
}

func isSegmentError(err error) bool {
	return err != nil && (errs.Is(err, errs.Invalid) || errs.Is(err, errs.Denied) && strings.Contains(err.Error(), "checkpoint"))
}

func (s *side) tree(name string) *tree {
	t := s.trees[name]
	if t == nil {
		g := s.g
		if g == nil {
			g = &generation{number: s.number}
		}
		t = &tree{generation: g, name: name}
		s.trees[name] = t
	}
	return t
}

// ends holds all trees against what the root log says of them at last, and the database against the whole.
func (s *side) ends(ctx context.Context) error {
	e := s.e
	for name, t := range s.trees {
		if s.holes || t == s.root {
			continue
		}
		if t.doubt != nil || t.head.Size != t.said {
			s.find(Finding{Kind: Segment, Tree: name, Index: t.right, Text: fmt.Sprintf("The leaves of the tree %s in the second account do not have the root that the root log there says.", name)})
		}
	}
	if s.holes {
		e.r.skipped("Some trees of generation %d in the second account, of which leaves were dropped before they were copied.", s.number)
	}
	if e.main == nil || s.g == nil || s.root == nil || s.until >= 0 {
		if s.lostN > 0 {
			e.r.note("%d entries of generation %d were lost when the database was restored; the second account has them: garant audit recover --list.", s.lostN, s.number)
		}
		return nil
	}
	// Both went on since: the database is asked again.
	var have, last int64
	if err := e.Database.QueryRow(ctx, `SELECT coalesce((SELECT max(index) + 1 FROM audit.root_leaf WHERE tree = $1), 0), coalesce((SELECT max(seq) FROM audit.leaf), 0)`, s.g.root.id).Scan(&have, &last); err != nil {
		return pg.Wrap(err)
	}
	if have < s.size {
		s.find(Finding{Kind: Truncated, Tree: "root", Index: have, Text: fmt.Sprintf("The root log has %d lines in the second account, and %d in the database: its end was cut off, or the database was set back.", s.size, have)})
	}
	if s.seq < last {
		var at *time.Time
		if err := e.Database.QueryRow(ctx, `SELECT min(e.at) FROM (SELECT entry FROM audit.leaf WHERE seq > $1 ORDER BY seq LIMIT 1000) AS l JOIN audit.entry AS e ON e.id = l.entry`, s.seq).Scan(&at); err != nil {
			return pg.Wrap(err)
		}
		age := time.Duration(0)
		if at != nil {
			age = e.Now().Sub(*at)
		}
		if age > settled {
			e.r.skipped("%d leaves are not in the second account, the oldest since %s: garant audit status says why.", last-s.seq, age.Round(time.Second))
		} else {
			e.r.remains("%d leaves of the last %s are not in the second account yet: who holds the database and the log’s key could rewrite those.", last-s.seq, max(age, time.Second).Round(time.Second))
		}
	} else {
		e.r.remains("What was written since the last segment, a few seconds at most, can be rewritten by who holds the database and the log’s key.")
	}
	return nil
}

// stored reads tiles back, and the retention of a sample of all objects.
func (s *side) stored(ctx context.Context) error {
	e := s.e
	every := max(1, len(s.keys)/samples)
	for i := 0; i < len(s.keys); i += every {
		if err := s.locked(ctx, s.keys[i]); err != nil {
			return err
		}
	}
	if n := len(s.keys); n > 0 && (n-1)%every != 0 {
		if err := s.locked(ctx, s.keys[n-1]); err != nil {
			return err
		}
	}
	if s.holes {
		return nil
	}
	if err := s.storedTiles(ctx); err != nil {
		return err
	}
	e.r.examined("tiles in the second account", s.tilesOf())
	return nil
}

func (s *side) tilesOf() (n int64) {
	for _, t := range s.trees {
		n += t.full()
	}
	return n
}

// storedTiles reads all tiles back, some at once: a request waits longer than it works.
func (s *side) storedTiles(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type looked struct {
		finding *Finding
		err     error
	}
	queue := make(chan chan looked, ahead)
	go func() {
		defer close(queue)
		for _, name := range slices.Sorted(maps.Keys(s.trees)) {
			for l, lv := range s.trees[name].levels {
				for n, root := range lv.roots {
					to := make(chan looked, 1)
					select {
					case queue <- to:
					case <-ctx.Done():
						return
					}
					go func() {
						f, err := s.storedTile(ctx, name, l, int64(n), root)
						to <- looked{f, err}
					}()
				}
			}
		}
	}()
	var first error
	for to := range queue {
		switch got := <-to; {
		case first != nil:
		case got.err != nil:
			first = got.err
			cancel()
		case got.finding != nil:
			s.find(*got.finding)
		}
	}
	return first
}

// storedTile reads a tile and, of level 0, the leaves below it; nil: they are as they should be.
func (s *side) storedTile(ctx context.Context, name string, l int, n int64, root merkle.Hash) (*Finding, error) {
	key := replica.TilePath(s.number, name, l, n)
	o, err := s.e.Bucket.GetFirst(ctx, key, merkle.TileWidth*tlog.HashSize)
	switch {
	case errs.Is(err, errs.NotFound):
		return &Finding{Kind: Segment, Tree: name, Index: -1, Text: fmt.Sprintf("The tile %s is missing in the second account.", key)}, nil
	case errs.Is(err, errs.Invalid), err == nil && (len(o.Data) != merkle.TileWidth*tlog.HashSize || merkle.TileRoot(o.Data) != root):
		return &Finding{Kind: Segment, Tree: name, Index: -1, Text: fmt.Sprintf("The tile %s in the second account is not that of its leaves.", key)}, nil
	case err != nil:
		return nil, err
	}
	if l > 0 {
		return nil, nil //nolint:nilnil // nothing is wrong
	}
	key = replica.TilePath(s.number, name, -1, n)
	bundle, err := s.e.Bucket.GetFirst(ctx, key, worm.MaxPut)
	if errs.Is(err, errs.NotFound) { // of leaves that were there by their hashes only there is none
		return nil, nil //nolint:nilnil // nothing is wrong
	}
	if err != nil {
		return nil, err
	}
	rest := bundle.Data
	for i := range merkle.TileWidth {
		if len(rest) < 2 || len(rest) < 2+int(binary.BigEndian.Uint16(rest)) {
			rest = []byte{0}
			break
		}
		end := 2 + int(binary.BigEndian.Uint16(rest))
		if hash := tlog.RecordHash(rest[2:end]); string(hash[:]) != string(o.Data[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			rest = []byte{0}
			break
		}
		rest = rest[end:]
	}
	if len(rest) != 0 {
		return &Finding{Kind: Segment, Tree: name, Index: n * merkle.TileWidth, Text: fmt.Sprintf("The leaves %s in the second account are not those of their tile.", key)}, nil
	}
	return nil, nil //nolint:nilnil // nothing is wrong
}

// locked reads back how long an object is kept.
func (s *side) locked(ctx context.Context, key string) error {
	mode, until, err := s.e.Bucket.Retention(ctx, key)
	if err != nil {
		return err
	}
	s.e.r.examined("retentions read back", 1)
	if mode != worm.Compliance {
		s.find(Finding{Kind: Unlocked, Index: -1, Text: fmt.Sprintf("%s in the second account is not under lock.", key)})
	} else if until.Before(s.e.Now()) {
		s.e.r.note("The retention of %s in the second account has ended on %s.", key, until.Format(time.DateOnly))
	}
	return nil
}

// ageOf is when an entry was written, as its leaf says.
func ageOf(l *replica.Leaf) (time.Time, bool) {
	var p leaf.Parsed
	if l.Gone != "" || json.Unmarshal([]byte(l.Bytes), &p) != nil {
		return time.Time{}, false
	}
	return p.At, true
}
