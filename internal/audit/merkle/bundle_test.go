package merkle_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/merkle/independent"
	"github.com/garant-project/garant/internal/errs"
)

const (
	tenant   = "01998e3c-0000-7000-8000-000000000001"
	stranger = "01998e3c-0000-7000-8000-000000000002"
	logName  = "log.example/garant"
)

// memory is a tree of which every hash is kept.
type memory struct {
	hashes []tlog.Hash
	size   int64
}

func (m *memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, n := range indexes {
		out[i] = m.hashes[n]
	}
	return out, nil
}

func (m *memory) add(t testing.TB, leaf []byte) {
	t.Helper()
	more, err := tlog.StoredHashes(m.size, leaf, m)
	if err != nil {
		t.Fatal(err)
	}
	m.hashes = append(m.hashes, more...)
	m.size++
}

func (m *memory) at(t testing.TB, size int64) merkle.Point {
	t.Helper()
	root, err := tlog.TreeHash(size, m)
	if err != nil {
		t.Fatal(err)
	}
	return merkle.Point{Size: size, Root: root}
}

// world is a log with a tree, of which bundles are made.
type world struct {
	t       testing.TB
	tree    string
	entries []leaf.Entry
	beside  []merkle.BundleLeaf
	leaves  memory
	root    memory
	lines   []string
	logKey  string
	witness string
	signed  string
}

func entry(i int64, of string) (leaf.Entry, merkle.BundleLeaf) {
	at := signedAt.Add(time.Duration(i) * time.Second)
	e := leaf.Entry{ID: 100 + 2*i, At: at, MAC: seed(byte(i)), Said: leaf.Said{
		ActorKind: "person", ActorID: "p1", Session: "s", Tenant: of, Action: "thing.changed", Outcome: "permitted", ObjectKind: "thing", ObjectID: fmt.Sprint(i),
		Reason: "cafe\u0301 \"<&>\"\n\u2028\u007f\x01", Detail: []byte(`{"number": 1,"x":"\u00e9"}`), Written: at, Writer: tenant, N: i + 1,
	}}
	var l merkle.BundleLeaf
	switch i % 7 {
	case 1, 2, 3:
		before, after := "Ann \"A\" <a@b.example>\n\t\\", ""
		sealed := leaf.Sealed{Salt: seed(3), Changes: []leaf.Change{{Field: "name", Before: &before, After: &after}, {Field: "mail"}}}
		e.Said.Subject, e.Said.Promise = "person:1", sealed.Promise()
		switch i % 7 {
		case 1:
			l.Opened = &sealed
		case 2:
			l.Erased = true
		case 3:
			l.Sealed = true
		}
	case 4:
		if i%35 != 4 {
			break
		}
		e.Said.Detail = []byte(`{"long": "` + strings.Repeat("é\\u0041", leaf.MaxDetail/4) + `"}`)
		l.Detail = e.Said.Detail
	case 5:
		e.Said.Detail, e.Said.Occurred, e.Said.Writer, e.Said.Written, e.Said.N, e.MAC = nil, at.Add(-time.Hour), "", time.Time{}, 0, nil
	}
	l.Bytes = e.Append(nil)
	return e, l
}

func newWorld(t testing.TB, size int64) *world {
	t.Helper()
	return newWorldOf(t, size, func(i int64) (leaf.Entry, merkle.BundleLeaf) { return entry(i, tenant) })
}

func newWorldOf(t testing.TB, size int64, entry func(int64) (leaf.Entry, merkle.BundleLeaf)) *world {
	t.Helper()
	w := &world{t: t, tree: "tenant/" + tenant}
	for i := range size {
		e, l := entry(i)
		l.Index = i
		w.entries, w.beside = append(w.entries, e), append(w.beside, l)
		w.leaves.add(t, l.Bytes)
		if i%100 == 99 || i == size-1 {
			p := w.leaves.at(t, i+1)
			w.line(merkle.TimeLine(signedAt))
			w.line(merkle.TreeLine(w.tree, p.Size, p.Root))
		}
	}
	w.line(merkle.TimeLine(signedAt))
	signer, _, key := logKey(t, logName, 1)
	cosigner, _, wkey := witnessKey(t, "witness.example/w", 2, signedAt)
	w.logKey, w.witness = key, wkey
	p := w.root.at(t, w.root.size)
	var err error
	if w.signed, err = merkle.Sign(merkle.Checkpoint{Origin: logName, Size: p.Size, Root: p.Root}, signer, cosigner); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) line(s string) {
	w.root.add(w.t, []byte(s))
	w.lines = append(w.lines, s)
}

func (w *world) pins() merkle.Pins {
	return merkle.Pins{Logs: []string{w.logKey}, Witnesses: []string{w.witness}, Tree: w.tree}
}

func (w *world) pinsThere() independent.Pins {
	return independent.Pins{Log: w.logKey, Witness: w.witness, Tree: w.tree}
}

// bundle makes one: of all, or of some leaves.
func (w *world) bundle(sinceLog, sinceTree int64, dropped func(int64) bool, some ...int64) []byte {
	w.t.Helper()
	size := w.leaves.size
	index := int64(len(w.lines) - 2)
	line, err := tlog.ProveRecord(w.root.size, index, &w.root)
	must(w.t, err)
	h := merkle.BundleHead{Made: signedAt, Key: w.logKey, Witnesses: []string{w.witness}, Checkpoint: w.signed, Tree: w.tree, Point: w.leaves.at(w.t, size), Index: index, Line: w.lines[index], Proof: line, Whole: some == nil}
	since := func(m *memory, from int64) *merkle.SincePoint {
		if from == 0 {
			return nil
		}
		p, err := tlog.ProveTree(m.size, from, m)
		must(w.t, err)
		return &merkle.SincePoint{Point: m.at(w.t, from), Proof: p}
	}
	h.SinceLog, h.SinceTree = since(&w.root, sinceLog), since(&w.leaves, sinceTree)
	if dropped == nil {
		dropped = func(int64) bool { return false }
	}
	leafOf := func(i int64) *merkle.BundleLeaf {
		l := w.beside[i]
		l.Hash = tlog.RecordHash(l.Bytes)
		l.Dropped = dropped(i)
		return &l
	}
	var out bytes.Buffer
	if some != nil {
		b := merkle.NewBundleWriter(&out, h)
		for _, i := range some {
			l := leafOf(i)
			l.Proof, err = tlog.ProveRecord(size, i, &w.leaves)
			must(w.t, err)
			b.Leaf(l)
		}
		must(w.t, b.Close())
		return out.Bytes()
	}
	var tiles [][]byte
	for from := int64(0); from < size; from += 256 {
		tile, err := tlog.ReadTileData(tlog.Tile{H: 8, N: from / 256, W: int(min(256, size-from))}, &w.leaves)
		must(w.t, err)
		tiles, h.Roots = append(tiles, tile), append(h.Roots, merkle.TileRoot(tile))
	}
	b := merkle.NewBundleWriter(&out, h)
	for k, tile := range tiles {
		from := int64(k) * 256
		until := min(from+256, size)
		all := true
		for i := from; i < until; i++ {
			all = all && dropped(i)
		}
		if all {
			b.DroppedBlock()
			continue
		}
		b.Block(tile)
		for i := from; i < until; i++ {
			b.Leaf(leafOf(i))
		}
	}
	must(w.t, b.Close())
	return out.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holds has both verifiers read a bundle.
func (w *world) holds(file []byte, pins merkle.Pins, there independent.Pins) merkle.Report {
	w.t.Helper()
	r, err := merkle.VerifyBundle(bytes.NewReader(file), pins)
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := independent.Verify(file, there)
	if err != nil || int64(n) != r.Entries {
		w.t.Fatalf("the other verifier finds %d of %d entries: %v", n, r.Entries, err)
	}
	return r
}

func TestBundlesOfEverySizeHold(t *testing.T) {
	for _, size := range []int64{1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 1024, 1025} {
		w := newWorld(t, size)
		r := w.holds(w.bundle(0, 0, nil), w.pins(), w.pinsThere())
		if !r.Verified() || r.Trust != merkle.Witnessed || r.Entries != size || !r.Whole || len(r.Ranges) != 1 || r.Ranges[0] != [2]int64{0, size} || r.Head != w.leaves.at(t, size) {
			t.Errorf("%d: %+v", size, r)
		}
		some := []int64{0}
		for _, i := range []int64{1, size / 2, size - 1} {
			if i > some[len(some)-1] && i < size {
				some = append(some, i)
			}
		}
		if r = w.holds(w.bundle(0, 0, nil, some...), w.pins(), w.pinsThere()); !r.Verified() || r.Entries != int64(len(some)) || r.Whole {
			t.Errorf("%d: %+v", size, r)
		}
	}
}

func TestAReportSaysWhatItRestsOn(t *testing.T) {
	w := newWorld(t, 300)
	file := w.bundle(0, 0, nil)
	ids := func(list []merkle.Statement) (out []string) {
		for _, s := range list {
			out = append(out, s.ID)
		}
		return out
	}
	r := w.holds(file, w.pins(), w.pinsThere())
	if r.Opened != 43 || r.Erased != 43 || r.Sealed != 43 || len(r.ErasedIDs) != 43 || r.ErasedIDs[0] != 104 || !r.From.Equal(signedAt) || !r.Until.Equal(signedAt.Add(299*time.Second)) {
		t.Errorf("%+v", r)
	}
	if got := ids(r.NotProven); !slices.Equal(got, []string{"since", "erased", "sealed", "later", "entry"}) {
		t.Errorf("not proven: %v", got)
	}
	if len(r.Signed) != 2 || !r.Signed[0].Pinned || !r.Signed[1].Pinned || !r.Signed[1].At.Equal(signedAt) {
		t.Errorf("%+v", r.Signed)
	}

	pins := w.pins()
	pins.Witnesses = nil
	r, err := merkle.VerifyBundle(bytes.NewReader(file), pins)
	if err != nil || r.Trust != merkle.Pinned || !r.Verified() || !slices.Contains(ids(r.NotProven), "views") || !slices.Contains(ids(r.NotProven), "witness_unknown") {
		t.Errorf("%+v %v", r, err)
	}
	r, err = merkle.VerifyBundle(bytes.NewReader(file), merkle.Pins{})
	if err != nil || r.Trust != merkle.FirstUse || r.Verified() || !strings.HasPrefix(r.Verdict(), "NOT FULLY VERIFIED") || !slices.Contains(ids(r.NotProven), "key") || !slices.Contains(ids(r.NotProven), "tree") {
		t.Errorf("%+v %v", r, err)
	}
	pins = w.pins()
	pins.Logs = nil // a witness alone does not make it more
	if r, err = merkle.VerifyBundle(bytes.NewReader(file), pins); err != nil || r.Trust != merkle.FirstUse || r.Verified() {
		t.Errorf("%+v %v", r, err)
	}

	r = w.holds(w.bundle(0, 0, nil, 3, 4, 5, 9, 299), w.pins(), w.pinsThere())
	if !slices.Equal(r.Ranges, [][2]int64{{3, 6}, {9, 10}, {299, 300}}) || !slices.Contains(ids(r.NotProven), "selection") {
		t.Errorf("%+v", r)
	}
	var p *merkle.Problem
	if _, err := merkle.VerifyBundle(bytes.NewReader(w.bundle(0, 0, nil, []int64{}...)), w.pins()); !errors.As(err, &p) || p.Kind != merkle.Removed {
		t.Errorf("a selection of nothing: %v", err)
	}
}

func TestDroppedEntriesAreAccountedFor(t *testing.T) {
	w := newWorld(t, 700)
	r := w.holds(w.bundle(0, 0, func(i int64) bool { return i < 300 }), w.pins(), w.pinsThere())
	if r.Dropped != 300 || r.Entries != 400 || r.Ranges[0] != [2]int64{0, 700} || !slices.ContainsFunc(r.NotProven, func(s merkle.Statement) bool { return s.ID == "dropped" }) {
		t.Errorf("%+v", r)
	}
	if r = w.holds(w.bundle(0, 0, func(i int64) bool { return i == 5 }, 4, 5, 6), w.pins(), w.pinsThere()); r.Dropped != 1 || r.Entries != 2 {
		t.Errorf("%+v", r)
	}
	if r = w.holds(w.bundle(0, 0, func(int64) bool { return true }), w.pins(), w.pinsThere()); r.Dropped != 700 || r.Entries != 0 {
		t.Errorf("%+v", r)
	}
}

func TestABundleGoesOnFromWhatWasKept(t *testing.T) {
	w := newWorld(t, 700)
	keptLog, keptTree := w.root.at(t, 5), w.leaves.at(t, 300)
	pins, there := w.pins(), w.pinsThere()
	pins.KeptLog, pins.KeptTree = &keptLog, &keptTree
	there.KeptLogSize, there.KeptLogRoot, there.KeptTreeSize, there.KeptTreeRoot = 5, keptLog.Root[:], 300, keptTree.Root[:]
	file := w.bundle(5, 300, nil)
	r := w.holds(file, pins, there)
	if len(r.NotProven) == 0 || r.NotProven[0].ID == "since" {
		t.Errorf("%+v", r)
	}
	w.holds(w.bundle(5, 300, nil, 7), pins, there)

	refused := func(file []byte, pins merkle.Pins, there independent.Pins, kind merkle.Kind) {
		t.Helper()
		var p *merkle.Problem
		if _, err := merkle.VerifyBundle(bytes.NewReader(file), pins); !errors.As(err, &p) || p.Kind != kind {
			t.Errorf("%v is not %s", err, kind)
		}
		if _, err := independent.Verify(file, there); err == nil {
			t.Errorf("the other verifier takes what is %s", kind)
		}
	}
	refused(w.bundle(0, 300, nil), pins, there, merkle.NoProof)
	refused(w.bundle(5, 0, nil), pins, there, merkle.NoProof)
	refused(w.bundle(4, 300, nil), pins, there, merkle.NoProof)
	forked := keptLog
	forked.Root[0] ^= 1
	there.KeptLogRoot = forked.Root[:]
	pins.KeptLog = &forked
	refused(file, pins, there, merkle.Forked)

	pins, there = w.pins(), w.pinsThere()
	pins.KeptOrigin, pins.KeptLog = logName, &keptLog
	there.KeptLogSize, there.KeptLogRoot = 5, keptLog.Root[:]
	w.holds(file, pins, there)
	pins.KeptOrigin = logName + "/0"
	var restarted *merkle.Problem
	if _, err := merkle.VerifyBundle(bytes.NewReader(file), pins); !errors.As(err, &restarted) || restarted.Kind != merkle.Restarted {
		t.Errorf("of an earlier generation: %v", err)
	}

	now := w.leaves.at(t, 700)
	pins, there = w.pins(), w.pinsThere()
	pins.KeptTree, there.KeptTreeSize, there.KeptTreeRoot = &now, 700, now.Root[:]
	w.holds(w.bundle(0, 0, nil), pins, there)
	other := now
	other.Root[3] ^= 1
	pins.KeptTree, there.KeptTreeRoot = &other, other.Root[:]
	refused(w.bundle(0, 0, nil), pins, there, merkle.Forked)
	later := merkle.Point{Size: 701}
	pins.KeptTree, there.KeptTreeSize = &later, 701
	refused(w.bundle(0, 0, nil), pins, there, merkle.Older)

	// The whole history was made anew and is signed by the right key: who kept nothing cannot tell, who kept a checkpoint can.
	anew := newWorldOf(t, 700, func(i int64) (leaf.Entry, merkle.BundleLeaf) {
		if i == 299 {
			return entry(4000, tenant)
		}
		return entry(i, tenant)
	})
	w.holds(anew.bundle(5, 300, nil), w.pins(), w.pinsThere())
	pins, there = w.pins(), w.pinsThere()
	pins.KeptTree, there.KeptTreeSize, there.KeptTreeRoot = &keptTree, 300, keptTree.Root[:]
	refused(anew.bundle(5, 300, nil), pins, there, merkle.Forked)
}

// document is a bundle as an attacker edits it: in the order of docs/audit-bundle.md.
type document struct {
	Format string `json:"format"`
	Made   string `json:"made"`
	Keys   struct {
		Log       string   `json:"log"`
		Witnesses []string `json:"witnesses"`
	} `json:"keys"`
	Checkpoint string `json:"checkpoint"`
	Tree       struct {
		Name string `json:"name"`
		Size int64  `json:"size"`
		Root []byte `json:"root"`
	} `json:"tree"`
	Head struct {
		Index int64    `json:"index"`
		Line  string   `json:"line"`
		Proof [][]byte `json:"proof"`
	} `json:"head"`
	Since struct {
		Log  json.RawMessage `json:"log,omitempty"`
		Tree json.RawMessage `json:"tree,omitempty"`
	} `json:"since"`
	Form   string    `json:"form"`
	Roots  [][]byte  `json:"roots,omitempty"`
	Blocks []block   `json:"blocks,omitempty"`
	Leaves []oneLeaf `json:"leaves,omitempty"`
	End    struct {
		Leaves int64 `json:"leaves"`
	} `json:"end"`
}

type block struct {
	Dropped int64     `json:"dropped,omitempty"`
	Hashes  []byte    `json:"hashes,omitempty"`
	Leaves  []oneLeaf `json:"leaves,omitempty"`
}

type oneLeaf struct {
	Index   int64           `json:"index"`
	Leaf    string          `json:"leaf,omitempty"`
	Dropped []byte          `json:"dropped,omitempty"`
	Detail  string          `json:"detail,omitempty"`
	Opened  json.RawMessage `json:"opened,omitempty"`
	Erased  bool            `json:"erased,omitempty"`
	Sealed  bool            `json:"sealed,omitempty"`
	Proof   [][]byte        `json:"proof,omitempty"`
}

func (d *document) write(t testing.TB) []byte {
	t.Helper()
	out, err := json.Marshal(d)
	must(t, err)
	return out
}

func parse(t testing.TB, file []byte) *document {
	t.Helper()
	d := &document{}
	must(t, json.Unmarshal(file, d))
	return d
}

// rehash makes the hashes of a whole bundle fit its leaves again, up to the roots of blocks.
func (d *document) rehash(roots bool) {
	for k := range d.Blocks {
		b := &d.Blocks[k]
		b.Hashes = nil
		for i := range b.Leaves {
			h := tlog.RecordHash([]byte(b.Leaves[i].Leaf))
			b.Hashes = append(b.Hashes, h[:]...)
		}
		if roots {
			h := merkle.TileRoot(b.Hashes)
			d.Roots[k] = h[:]
		}
	}
}

func (d *document) renumber() {
	n := int64(0)
	for k := range d.Blocks {
		for i := range d.Blocks[k].Leaves {
			d.Blocks[k].Leaves[i].Index = n
			n++
		}
	}
	d.End.Leaves = n
}

// rechunk puts leaves into blocks of 256 again.
func (d *document) rechunk() {
	var all []oneLeaf
	for _, b := range d.Blocks {
		all = append(all, b.Leaves...)
	}
	for k := range d.Blocks {
		n := min(256, len(all))
		d.Blocks[k].Leaves, all = all[:n], all[n:]
	}
	last := &d.Blocks[len(d.Blocks)-1]
	last.Leaves = append(last.Leaves, all...)
	d.renumber()
}

func TestTamperingIsFoundOut(t *testing.T) {
	w := newWorld(t, 600)
	other := newWorldOf(t, 600, func(i int64) (leaf.Entry, merkle.BundleLeaf) { return entry(i, stranger) })
	other.tree = w.tree
	mallory, _, malloryKey := logKey(t, logName, 66)
	_, _, foreign := logKey(t, "log.example/foreign", 1)
	whole, some := w.bundle(3, 200, nil), w.bundle(3, 200, nil, 3, 4, 5, 60, 61, 299, 599)
	insert := func(list []oneLeaf, i int, l oneLeaf) []oneLeaf { return slices.Insert(list, i, l) }
	leafIs := func(d *document, k, i int) *oneLeaf { return &d.Blocks[k].Leaves[i] }
	edit := func(l *oneLeaf) { l.Leaf = strings.Replace(l.Leaf, `"id":"p1"`, `"id":"p2"`, 1) }
	resign := func(d *document) {
		text, _, err := merkle.SplitNote(d.Checkpoint)
		must(t, err)
		c, err := merkle.ParseCheckpoint(text)
		must(t, err)
		d.Checkpoint, err = merkle.Sign(c, mallory)
		must(t, err)
		d.Keys.Log, d.Keys.Witnesses = malloryKey, []string{}
	}
	for _, c := range []struct {
		name   string
		file   []byte
		change func(*document)
		kind   merkle.Kind
		first  int64
		entry  int64
	}{
		{"edited", whole, func(d *document) { edit(leafIs(d, 1, 10)) }, merkle.Edited, 266, 632},
		{"the first edited", whole, func(d *document) { edit(leafIs(d, 0, 0)) }, merkle.Edited, 0, 100},
		{"the last edited", whole, func(d *document) { edit(leafIs(d, 2, 87)) }, merkle.Edited, 599, 1298},
		{"two edited", whole, func(d *document) { edit(leafIs(d, 0, 9)); edit(leafIs(d, 0, 5)) }, merkle.Edited, 5, 110},
		{"edited with its hash", whole, func(d *document) { edit(leafIs(d, 1, 10)); d.rehash(false) }, merkle.Altered, 256, 0},
		{"edited with all hashes", whole, func(d *document) { edit(leafIs(d, 1, 10)); d.rehash(true) }, merkle.Altered, 0, 0},
		{"removed", whole, func(d *document) { b := &d.Blocks[1]; b.Leaves = slices.Delete(b.Leaves, 10, 11) }, merkle.Removed, 266, 0},
		{"removed and counted down", whole, func(d *document) {
			b := &d.Blocks[1]
			b.Leaves = slices.Delete(b.Leaves, 10, 11)
			d.rechunk()
		}, merkle.Removed, 266, 0},
		{"the last of a block removed", whole, func(d *document) { b := &d.Blocks[1]; b.Leaves = b.Leaves[:255] }, merkle.Removed, 511, 0},
		{"the last removed", whole, func(d *document) { b := &d.Blocks[2]; b.Leaves = b.Leaves[:87]; d.renumber() }, merkle.Truncated, 599, 0},
		{"the last block removed", whole, func(d *document) { d.Blocks = d.Blocks[:2]; d.renumber() }, merkle.Truncated, 512, 0},
		{"the last block and its root removed", whole, func(d *document) {
			d.Blocks, d.Roots = d.Blocks[:2], d.Roots[:2]
			d.renumber()
		}, merkle.Altered, 0, 0},
		{"a block removed", whole, func(d *document) { d.Blocks = slices.Delete(d.Blocks, 1, 2); d.renumber() }, merkle.Altered, 256, 0},
		{"inserted", whole, func(d *document) {
			b := &d.Blocks[1]
			l := b.Leaves[9]
			edit(&l)
			b.Leaves = insert(b.Leaves, 10, l)
			d.renumber()
		}, merkle.Inserted, 266, 630},
		{"inserted and moved on", whole, func(d *document) {
			b := &d.Blocks[0]
			l := b.Leaves[9]
			edit(&l)
			b.Leaves = insert(b.Leaves, 10, l)
			d.rechunk()
		}, merkle.Inserted, 10, 118},
		{"inserted twice", whole, func(d *document) { b := &d.Blocks[0]; b.Leaves = insert(b.Leaves, 10, b.Leaves[9]); d.renumber() }, merkle.Inserted, 10, 118},
		{"added at the end", whole, func(d *document) { b := &d.Blocks[2]; b.Leaves = append(b.Leaves, b.Leaves[0]); d.renumber() }, merkle.Inserted, 600, 1124},
		{"a block added", whole, func(d *document) {
			d.Blocks = append(d.Blocks, block{Hashes: d.Blocks[2].Hashes, Leaves: slices.Clone(d.Blocks[2].Leaves)})
			d.renumber()
		}, merkle.Inserted, 600, 0},
		{"reordered", whole, func(d *document) { b := d.Blocks[0].Leaves; b[7], b[9] = b[9], b[7]; d.renumber() }, merkle.Reordered, 7, 118},
		{"neighbours reordered", whole, func(d *document) { b := d.Blocks[0].Leaves; b[7], b[8] = b[8], b[7]; d.renumber() }, merkle.Reordered, 7, 116},
		{"renumbered", whole, func(d *document) { leafIs(d, 0, 7).Index = 8 }, merkle.Reordered, 7, 114},
		{"said to be dropped", whole, func(d *document) {
			l := leafIs(d, 0, 7)
			*l = oneLeaf{Index: 7, Dropped: make([]byte, 32)}
		}, merkle.Edited, 7, 0},
		{"counted wrong", whole, func(d *document) { d.End.Leaves++ }, merkle.Removed, -1, 0},
		{"detail edited", whole, func(d *document) { leafIs(d, 0, 4).Detail = `{"long": "x"}` }, merkle.FalseDetl, 4, 108},
		{"detail left out", whole, func(d *document) { leafIs(d, 0, 4).Detail = "" }, merkle.FalseDetl, 4, 108},
		{"detail invented", whole, func(d *document) { leafIs(d, 0, 0).Detail = "{}" }, merkle.FalseDetl, 0, 100},
		{"opened edited", whole, func(d *document) {
			l := leafIs(d, 0, 1)
			l.Opened = bytes.Replace(l.Opened, []byte("Ann"), []byte("Bob"), 1)
		}, merkle.FalseOpen, 1, 102},
		{"opened left out", whole, func(d *document) { leafIs(d, 0, 1).Opened = nil }, merkle.FalseOpen, 1, 102},
		{"erased invented", whole, func(d *document) { leafIs(d, 0, 0).Erased = true }, merkle.FalseOpen, 0, 100},
		{"another tree", whole, func(d *document) { d.Tree.Name = "tenant/" + stranger }, merkle.WrongTree, -1, 0},
		{"no tree", whole, func(d *document) { d.Head.Line = merkle.TimeLine(signedAt) }, merkle.WrongTree, -1, 0},
		{"another head", whole, func(d *document) { d.Tree.Size--; d.End.Leaves-- }, merkle.Altered, -1, 0},
		{"another head, and its line", whole, func(d *document) {
			d.Tree.Size--
			d.Head.Line = merkle.TreeLine(d.Tree.Name, d.Tree.Size, merkle.Hash(d.Tree.Root))
		}, merkle.WrongTree, -1, 0},
		{"its line elsewhere", whole, func(d *document) { d.Head.Index-- }, merkle.WrongTree, -1, 0},
		{"a later size signed by nobody", whole, func(d *document) { d.Checkpoint = strings.Replace(d.Checkpoint, "\n13\n", "\n14\n", 1) }, merkle.BadSign, -1, 0},
		{"signed by another key", whole, resign, merkle.Resigned, -1, 0},
		{"of another log", whole, func(d *document) {
			d.Checkpoint = strings.ReplaceAll(d.Checkpoint, logName, "log.example/foreign")
			d.Keys.Log = foreign
		}, merkle.WrongLog, -1, 0},
		{"cosignature left out", whole, func(d *document) {
			d.Checkpoint = d.Checkpoint[:strings.Index(d.Checkpoint, "— witness")]
		}, merkle.BadCosign, -1, 0},
		{"cosignature of another time", whole, func(d *document) {
			text, sigs, err := merkle.SplitNote(d.Checkpoint)
			must(t, err)
			raw, err := base64.StdEncoding.DecodeString(sigs[1].Base64)
			must(t, err)
			raw[11]++
			d.Checkpoint = text + "\n" + merkle.SignatureLineOf(sigs[0]) + merkle.SignatureLine(sigs[1].Name, sigs[1].Hash, raw[4:])
		}, merkle.BadCosign, -1, 0},
		{"an earlier root that was not", whole, func(d *document) {
			d.Since.Tree = bytes.Replace(d.Since.Tree, []byte(`"size":200`), []byte(`"size":201`), 1)
		}, merkle.Forked, -1, 0},
		{"an earlier log that was not", whole, func(d *document) {
			d.Since.Log = bytes.Replace(d.Since.Log, []byte(`"size":3`), []byte(`"size":4`), 1)
		}, merkle.Forked, -1, 0},

		{"one of some edited", some, func(d *document) { edit(&d.Leaves[2]) }, merkle.Edited, 5, 110},
		{"one of some elsewhere", some, func(d *document) { d.Leaves[3].Index, d.Leaves[4].Index = 59, 60 }, merkle.Edited, 59, 220},
		{"one of some removed", some, func(d *document) { d.Leaves = slices.Delete(d.Leaves, 2, 3) }, merkle.Removed, -1, 0},
		{"one of some twice", some, func(d *document) { d.Leaves = insert(d.Leaves, 2, d.Leaves[2]); d.End.Leaves++ }, merkle.Inserted, 5, 110},
		{"some reordered", some, func(d *document) { l := d.Leaves; l[2], l[3] = l[3], l[2] }, merkle.Reordered, 5, 110},
		{"one that is not there", some, func(d *document) { l := d.Leaves[6]; l.Index = 600; d.Leaves = append(d.Leaves, l); d.End.Leaves++ }, merkle.Inserted, 600, 1298},
		{"another's proof", some, func(d *document) { d.Leaves[1].Proof = d.Leaves[0].Proof }, merkle.Edited, 4, 108},
		{"without proof", some, func(d *document) { d.Leaves[1].Proof = nil }, merkle.Malformed, -1, 0},
		{"another version", whole, func(d *document) { d.Format = "garant-audit-bundle/v2" }, merkle.Version, -1, 0},
		{"another form", whole, func(d *document) { d.Form = "part" }, merkle.Malformed, -1, 0},
		{"of another customer", other.bundle(0, 0, nil), func(*document) {}, merkle.WrongOwner, 0, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := parse(t, c.file)
			c.change(d)
			file := d.write(t)
			r, err := merkle.VerifyBundle(bytes.NewReader(file), w.pins())
			var p *merkle.Problem
			if !errors.As(err, &p) || p.Kind != c.kind || p.First != c.first || p.Entry != c.entry {
				t.Errorf("%v: %+v", err, p)
			}
			if r.Holds || r.Verified() || !strings.HasPrefix(r.Verdict(), "NOT VERIFIED") {
				t.Errorf("it is said to hold: %+v", r)
			}
			if !errs.Is(err, errs.Denied) && !errs.Is(err, errs.Invalid) {
				t.Errorf("the kind of %v", err)
			}
			if _, err := independent.Verify(file, w.pinsThere()); err == nil {
				t.Error("the other verifier takes it")
			}
		})
	}
	for name, file := range map[string][]byte{"whole": whole, "some": some} { // the table edits what held before
		if _, err := merkle.VerifyBundle(bytes.NewReader(parse(t, file).write(t)), w.pins()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Somebody who makes a history of their own with a key of their own is believed only where no key is pinned, and that is said.
func TestAForgedBundleIsNeverFullyVerified(t *testing.T) {
	w := newWorld(t, 20)
	forged := newWorldOf(t, 20, func(i int64) (leaf.Entry, merkle.BundleLeaf) { return entry(i+500, tenant) })
	signer, _, key := logKey(t, logName, 66)
	p := forged.root.at(t, forged.root.size)
	signed, err := merkle.Sign(merkle.Checkpoint{Origin: logName, Size: p.Size, Root: p.Root}, signer)
	must(t, err)
	forged.signed, forged.logKey = signed, key
	file := forged.bundle(0, 0, nil)
	r, err := merkle.VerifyBundle(bytes.NewReader(file), merkle.Pins{Tree: w.tree})
	if err != nil || r.Verified() || r.Trust != merkle.FirstUse {
		t.Errorf("%+v %v", r, err)
	}
	var problem *merkle.Problem
	if _, err = merkle.VerifyBundle(bytes.NewReader(file), w.pins()); !errors.As(err, &problem) || problem.Kind != merkle.Resigned {
		t.Errorf("%v", err)
	}
	if _, err := independent.Verify(file, w.pinsThere()); err == nil {
		t.Error("the other verifier takes it")
	}
}

func TestOnlyTheOneFormIsRead(t *testing.T) {
	w := newWorld(t, 4)
	file := string(w.bundle(2, 3, nil))
	replace := func(old, with string) string {
		t.Helper()
		if !strings.Contains(file, old) {
			t.Fatalf("there is no %q", old)
		}
		return strings.Replace(file, old, with, 1)
	}
	for name, bad := range map[string]string{
		"nothing":         "",
		"not JSON":        "hello",
		"an array":        "[]",
		"something after": file + "{}",
		"a word after":    file + "x",
		"a member twice":  replace(`"made":`, `"made":"2026-11-27T18:00:00Z","made":`),
		"twice in a leaf": replace(`"index":0,`, `"index":0,"index":0,`),
		"twice beside":    replace(`"erased":true`, `"erased":true,"erased":true`),
		"two beside":      replace(`"erased":true`, `"erased":true,"sealed":true`),
		"not erased":      replace(`"erased":true`, `"erased":false`),
		"unknown":         replace(`"made":`, `"note":"verified","made":`),
		"unknown at last": strings.TrimSuffix(file, "}\n") + `,"note":1}`,
		"unknown beside":  replace(`"erased":true`, `"erased":true,"note":1`),
		"another case":    replace(`"made":`, `"Made":`),
		"another order":   replace(`"erased":true`, `"leaf":"","erased":true`),
		"a proof":         replace(`"erased":true`, `"erased":true,"proof":[]`),
		"negative":        replace(`"index":0,`, `"index":-0,`),
		"a fraction":      replace(`"index":0,`, `"index":0.0,`),
		"an exponent":     replace(`"index":0,`, `"index":0e0,`),
		"a leading zero":  replace(`"index":0,`, `"index":00,`),
		"too large":       replace(`"index":0,`, `"index":9999999999999999999,`),
		"a text":          replace(`"index":0,`, `"index":"0",`),
		"null":            replace(`"index":0,`, `"index":null,`),
		"two commas":      replace(`"index":0,`, `"index":0,,`),
		"no UTF-8":        replace(`"index":0,"leaf":"`, `"index":0,"leaf":"`+"\xff"),
		"half a pair":     replace(`"index":0,"leaf":"`, `"index":0,"leaf":"\ud800`),
		"a bare newline":  replace(`"index":0,"leaf":"`, `"index":0,"leaf":"`+"\n"),
		"a false escape":  replace(`"index":0,"leaf":"`, `"index":0,"leaf":"\x`),
		"no base64":       replace(`"root":"`, `"root":"!`),
		"loose base64":    replace(`"root":"`, `"root":"A`),
		"a long path":     replace(`"proof":[`, `"proof":[`+strings.Repeat(`"`+base64.StdEncoding.EncodeToString(seed(0))+`",`, 65)),
		"since twice":     replace(`"since":{"log":`, `"since":{"log":{"size":2,"root":"`+base64.StdEncoding.EncodeToString(seed(0))+`","proof":[]},"log":`),
		"no time":         replace(`"made":"2026`, `"made":"now`),
		"a long leaf":     replace(`"index":0,"leaf":"`, `"index":0,"leaf":"`+strings.Repeat("x", 1<<17)),
		"no checkpoint":   replace(`"checkpoint":"`, `"checkpoint":"x`+"\\n\\n\\n"),
	} {
		var p *merkle.Problem
		r, err := merkle.VerifyBundle(strings.NewReader(bad), w.pins())
		if !errors.As(err, &p) || r.Holds {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Kind != merkle.Malformed && (name != "nothing" || p.Kind != merkle.Truncated) && (name != "no checkpoint") {
			t.Errorf("%s is %s: %v", name, p.Kind, err)
		}
	}
	for n := range len(file) - 1 { // cut off anywhere
		var p *merkle.Problem
		if _, err := merkle.VerifyBundle(strings.NewReader(file[:n]), w.pins()); !errors.As(err, &p) || p.Kind != merkle.Truncated {
			t.Fatalf("cut off at %d: %v", n, err)
		}
	}
	if _, err := merkle.VerifyBundle(io.MultiReader(strings.NewReader(file[:500]), iotest.ErrReader(io.ErrClosedPipe)), w.pins()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a disk that does not read: %v", err)
	}
	loose := strings.ReplaceAll(strings.ReplaceAll(file, ",\n", "\n ,\t"), "é", `\u00e9`)
	if _, err := merkle.VerifyBundle(strings.NewReader(loose), w.pins()); err != nil {
		t.Errorf("white space and escapes are free: %v", err)
	}
	for _, pins := range []merkle.Pins{{Logs: []string{"x"}}, {Logs: []string{w.logKey}, Witnesses: []string{w.logKey}}} {
		if _, err := merkle.VerifyBundle(strings.NewReader(file), pins); !errs.Is(err, errs.Invalid) {
			t.Errorf("a pin that is none: %v", err)
		}
	}
}

func TestEveryByteOfABundleCounts(t *testing.T) {
	w := newWorld(t, 4)
	file := w.bundle(2, 3, nil)
	hints := bytes.Index(file, []byte(`"checkpoint"`)) // before it stand the time, which nobody vouches for, and keys, which are hints
	for i := hints; i < len(file); i++ {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		r, err := merkle.VerifyBundle(bytes.NewReader(changed), w.pins())
		if err == nil && !sameJSON(file, changed) {
			t.Fatalf("byte %d, %q for %q: %+v", i, changed[max(0, i-20):i+20], file[i], r)
		}
	}
}

// sameJSON tells whether two files say the same: white space may be another.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

func FuzzVerifyBundle(f *testing.F) {
	w := newWorld(f, 4)
	f.Add(w.bundle(2, 3, nil))
	f.Add(w.bundle(0, 0, nil, 1, 3))
	f.Add(w.bundle(0, 0, func(int64) bool { return true }))
	f.Add([]byte(`{"format":"garant-audit-bundle/v1"}`))
	head := w.leaves.at(f, 4)
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := merkle.VerifyBundle(bytes.NewReader(file), w.pins())
		if err == nil && (r.Log != w.root.at(t, w.root.size) || r.Tree != w.tree || r.Head.Size > 4 || r.Head.Size == 4 && r.Head != head) {
			t.Errorf("nobody signed %+v", r)
		}
		if err == nil {
			if _, err := independent.Verify(file, w.pinsThere()); err != nil {
				t.Errorf("the other verifier: %v", err)
			}
		}
	})
}

func BenchmarkVerifyBundle(b *testing.B) {
	w := newWorldOf(b, 20000, func(i int64) (leaf.Entry, merkle.BundleLeaf) { return entry(i*7, tenant) })
	file := w.bundle(0, 0, nil)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := merkle.VerifyBundle(bytes.NewReader(file), w.pins()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(20000*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
