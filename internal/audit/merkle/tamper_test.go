package merkle_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/merkle/independent"
	"github.com/garant-project/garant/internal/errs"
)

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
