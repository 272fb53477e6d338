package verify

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

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
	until  int64 // leaves after this one were left behind by a restore; negative: none were
	holes  bool  // leaves there are not even by their hashes: they were dropped before they were copied
	odd    int   // findings of this comparison
	lostN  int64

	leafRows window[row]  // of the database
	lineRows window[line] // the same
	names    map[int32]string

	sampled []worm.History // segments whose retention is read back: one of every so many that were seen
	every   int
	seen    int
	newest  worm.History
}

// bucket verifies what stands in the second account, and holds the database against it.
func (e *examiner) bucket(ctx context.Context) error {
	if on, err := e.Bucket.LockEnabled(ctx); err != nil {
		return err
	} else if !on {
		e.r.find(Finding{Kind: Unlocked, Index: -1, Text: "The bucket in the second account has no object lock."})
	}
	seen := 0
	for number := 1; ; number++ {
		s := &side{e: e, number: number, trees: map[string]*tree{}, names: map[int32]string{}, until: -1}
		if i := slices.IndexFunc(e.generations, func(g *generation) bool { return g.number == number }); i >= 0 {
			s.g = e.generations[i]
		}
		if until, ok := e.left[number]; ok {
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

// object is a segment on its way from the bucket.
type object struct {
	history worm.History
	segment *replica.Segment
	hashes  []merkle.Hash // of its leaves
	err     error
}

// ahead is how many objects are fetched before they are looked at: a request waits longer than it works.
const ahead = 8

// several does jobs, some at the same time, and takes what came of them in their order, until one cannot be taken.
func several[T any](ctx context.Context, jobs iter.Seq[func(context.Context) T], take func(T) error) (first error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan T, ahead)
	go func() {
		defer close(queue)
		for job := range jobs {
			to := make(chan T, 1)
			select {
			case queue <- to:
			case <-ctx.Done():
				return
			}
			go func() { to <- job(ctx) }()
		}
	}()
	for to := range queue {
		if got := <-to; first == nil {
			if first = take(got); first != nil {
				cancel()
			}
		}
	}
	if first == nil {
		first = ctx.Err() // jobs may have ended with it
	}
	return first
}

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
	if err := several(ctx, func(yield func(func(context.Context) object) bool) {
		for h, err := range e.Bucket.Histories(ctx, replica.SegmentPrefix(s.number), "") {
			if !yield(func(ctx context.Context) object { return s.fetch(ctx, h, err) }) {
				return
			}
		}
	}, func(o object) error { return s.object(ctx, o) }); err != nil {
		return true, err
	}
	if err := s.ends(ctx); err != nil {
		return true, err
	}
	return true, s.stored(ctx)
}

func (s *side) fetch(ctx context.Context, h worm.History, err error) object {
	o := object{history: h, err: err}
	if o.err == nil {
		o.segment, o.err = replica.ReadSegment(ctx, s.e.Bucket, h, s.by)
	}
	if o.err == nil {
		o.hashes = make([]merkle.Hash, len(o.segment.Leaves))
		var text []byte
		for i := range o.segment.Leaves {
			if l := &o.segment.Leaves[i]; l.Gone != "" {
				o.hashes[i] = l.LeafHash()
			} else {
				text = append(append(text[:0], 0), l.Bytes...) // as LeafHash does, without a copy of each
				o.hashes[i] = sha256.Sum256(text)
			}
		}
	}
	return o
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
		o, err := e.Bucket.GetListed(ctx, h, worm.MaxPut)
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
		e.r.note("%s in the second account is not a segment of this log: somebody else put it there.", o.history.Key)
		return nil
	}
	if o.history.Overwritten() || o.history.Marked() {
		e.r.note("Somebody put something over %s in the second account; the first version is there and counts.", o.history.Key)
	}
	seg := o.segment
	if s.root == nil {
		s.root = s.tree("root")
		s.seq = seg.FromSeq
	}
	switch {
	case seg.From < s.size:
		e.r.note("%s in the second account is of a range that another segment has.", o.history.Key)
		return nil
	case seg.From > s.size || seg.FromSeq != s.seq:
		s.find(Finding{Kind: Segment, Tree: "root", Index: s.size, Text: fmt.Sprintf("In the second account lines %d to %d of the root log are missing.", s.size, seg.From-1)})
		s.size, s.seq = seg.To, seg.ToSeq // what comes cannot be followed from here
		s.holes = true
		return nil
	}
	s.sample(o.history)
	if s.e.main != nil && s.g != nil {
		if err := s.compare(ctx, &o); err != nil {
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
		t.grow(o.hashes[i], s.find)
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

// sample keeps at least so many segments, evenly spread over all, and the newest.
func (s *side) sample(h worm.History) {
	s.every = max(1, s.every)
	if s.seen%s.every == 0 {
		s.sampled = append(s.sampled, h)
	}
	s.seen++
	s.newest = h
	if len(s.sampled) == 2*samples {
		for i := range samples {
			s.sampled[i] = s.sampled[2*i]
		}
		s.sampled, s.every = s.sampled[:samples], 2*s.every
	}
}

// looked is what came of looking at an object.
type looked struct {
	finding *Finding
	note    string
	err     error
}

func (s *side) take(l looked) error {
	if l.finding != nil {
		s.find(*l.finding)
	}
	if l.note != "" {
		s.e.r.note("%s", l.note)
	}
	return l.err
}

// stored reads tiles back, and the retention of a sample of segments.
func (s *side) stored(ctx context.Context) error {
	if s.seen > 0 && s.sampled[len(s.sampled)-1].Key != s.newest.Key {
		s.sampled = append(s.sampled, s.newest)
	}
	if err := several(ctx, func(yield func(func(context.Context) looked) bool) {
		for _, h := range s.sampled {
			if !yield(func(ctx context.Context) looked { return s.locked(ctx, h) }) {
				return
			}
		}
	}, s.take); err != nil {
		return err
	}
	s.e.r.examined("retentions read back", int64(len(s.sampled)))
	if s.holes {
		return nil
	}
	full := int64(0)
	for _, name := range slices.Sorted(maps.Keys(s.trees)) {
		if err := s.storedTiles(ctx, name, s.trees[name]); err != nil {
			return err
		}
		full += s.trees[name].full()
	}
	s.e.r.examined("tiles in the second account", full)
	return nil
}

// storedTiles lists what there is of a tree's tiles, and reads all of it that is of the tree.
func (s *side) storedTiles(ctx context.Context, name string, t *tree) error {
	there := make([][]bool, len(t.levels))
	for l := range t.levels {
		there[l] = make([]bool, len(t.levels[l].tiles))
	}
	if t.full() == 0 {
		return nil
	}
	if err := several(ctx, func(yield func(func(context.Context) looked) bool) {
		for h, err := range s.e.Bucket.Histories(ctx, replica.TilePrefix(s.number, name), "") {
			if err != nil {
				yield(func(context.Context) looked { return looked{err: err} })
				return
			}
			l, n, ok := replica.ParseTilePath(s.number, name, h.Key)
			of := max(l, 0)
			if _, first := h.First(); !ok || !first || of >= len(there) || n >= int64(len(there[of])) {
				continue // of a tile that was not full, or of somebody else
			}
			if l >= 0 {
				there[l][n] = true
			}
			if !yield(func(ctx context.Context) looked { return s.storedTile(ctx, name, h, l, n, t.levels[of].tiles[n]) }) {
				return
			}
		}
	}, s.take); err != nil {
		return err
	}
	for l := range there {
		for n := range there[l] {
			if !there[l][n] {
				s.find(Finding{Kind: Segment, Tree: name, Index: -1, Text: fmt.Sprintf("The tile %s is missing in the second account.", replica.TilePath(s.number, name, l, int64(n)))})
			}
		}
	}
	return nil
}

// storedTile reads a tile, or the leaves of one of level 0, and compares them with the hashes that the tile should have.
func (s *side) storedTile(ctx context.Context, name string, h worm.History, l int, n int64, want merkle.Hash) looked {
	most := int64(merkle.TileWidth * tlog.HashSize)
	if l < 0 {
		most = worm.MaxPut
	}
	o, err := s.e.Bucket.GetListed(ctx, h, most)
	if err != nil && !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.NotFound) {
		return looked{err: err}
	}
	hashes := o.Data
	if l < 0 {
		hashes = leafHashes(o.Data)
	}
	switch {
	case err == nil && sha256.Sum256(hashes) == want:
		return looked{}
	case l < 0:
		return looked{finding: &Finding{Kind: Segment, Tree: name, Index: n * merkle.TileWidth, Text: fmt.Sprintf("The leaves %s in the second account are not those of their tile.", h.Key)}}
	}
	return looked{finding: &Finding{Kind: Segment, Tree: name, Index: -1, Text: fmt.Sprintf("The tile %s in the second account is not that of its leaves.", h.Key)}}
}

// leafHashes makes the tile of leaves, each of which stands after its length; nil: they are not written like that.
func leafHashes(leaves []byte) []byte {
	hashes := make([]byte, 0, merkle.TileWidth*tlog.HashSize)
	var text []byte
	for len(leaves) >= 2 {
		end := 2 + int(binary.BigEndian.Uint16(leaves))
		if len(leaves) < end {
			return nil
		}
		text = append(append(text[:0], 0), leaves[2:end]...)
		hash := sha256.Sum256(text)
		hashes, leaves = append(hashes, hash[:]...), leaves[end:]
	}
	if len(leaves) > 0 {
		return nil
	}
	return hashes
}

// locked reads back how long an object is kept.
func (s *side) locked(ctx context.Context, h worm.History) looked {
	mode, until, err := s.e.Bucket.RetentionListed(ctx, h)
	switch {
	case err != nil:
		return looked{err: err}
	case mode != worm.Compliance:
		return looked{finding: &Finding{Kind: Unlocked, Index: -1, Text: fmt.Sprintf("%s in the second account is not under lock.", h.Key)}}
	case until.Before(s.e.Now()):
		return looked{note: fmt.Sprintf("The retention of %s in the second account has ended on %s.", h.Key, until.Format(time.DateOnly))}
	}
	return looked{}
}

// ageOf is when an entry was written, as its leaf says.
func ageOf(l *replica.Leaf) (time.Time, bool) {
	var p leaf.Parsed
	if l.Gone != "" || json.Unmarshal([]byte(l.Bytes), &p) != nil {
		return time.Time{}, false
	}
	return p.At, true
}
