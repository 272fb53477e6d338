package merkle_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/merkle/independent"
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
