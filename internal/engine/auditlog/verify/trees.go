package verify

import (
	"crypto/sha256"
	"fmt"

	"github.com/garant-project/garant/internal/audit/merkle"
)

// tree is a tree as it grows again while its leaves are read.
type tree struct {
	generation *generation
	id         int32
	name       string
	size       int64 // as the database, or the second account, says
	edge       []byte

	head    merkle.Head
	levels  []level
	claims  []claim // heads that the root log says, and that it has not come to yet
	said    int64   // the size in its last line
	right   int64   // up to where its root was confirmed
	doubt   *claim  // a head that is another; nil: none
	changed bool    // a line of the root log does not have the hash that is kept of it
	lost    bool    // its leaves are in no order that can be followed
	last    int64   // the last leaf that it was given, of all
}

// level is a level of tiles.
type level struct {
	part  []byte        // hashes of the tile that is not full
	tiles []merkle.Hash // SHA-256 of each full tile's hashes
	roots []merkle.Hash // and the hash over it
}

// claim is what the root log says of a tree.
type claim struct {
	size int64
	root merkle.Hash
	line int64
}

// claimed takes note of a line of the root log.
func (t *tree) claimed(c claim) {
	t.said = c.size
	t.claims = append(t.claims, c)
}

// grow adds a leaf, and holds the root against what was claimed of that size.
func (t *tree) grow(hash merkle.Hash, report func(Finding)) {
	if len(t.levels) == 0 {
		t.levels = make([]level, 1)
	}
	over := t.head.Grow(hash)
	t.levels[0].part = append(t.levels[0].part, hash[:]...)
	for l, root := range over {
		if l+1 == len(t.levels) {
			t.levels = append(t.levels, level{})
		}
		at, next := &t.levels[l], &t.levels[l+1]
		at.tiles, at.roots = append(at.tiles, sha256.Sum256(at.part)), append(at.roots, root)
		at.part, next.part = at.part[:0], append(next.part, root[:]...)
	}
	if len(t.claims) > 0 {
		t.judge(report)
	}
}

// judge holds the root against what was claimed of the present size.
func (t *tree) judge(report func(Finding)) {
	for len(t.claims) > 0 && t.claims[0].size <= t.head.Size {
		c := t.claims[0]
		t.claims = t.claims[1:]
		switch {
		case c.size < t.head.Size: // a line that comes too late
			report(Finding{Kind: RootLine, Generation: t.generation.number, Tree: "root", Index: c.line, Text: fmt.Sprintf("Line %d of the root log says a head of the tree %s that was passed already.", c.line, t.name)})
		case c.root == t.head.Root():
			if t.doubt != nil { // the leaves were right: the line was not
				report(Finding{Kind: RootLine, Generation: t.generation.number, Tree: "root", Index: t.doubt.line, Text: fmt.Sprintf("Line %d of the root log says another head of the tree %s than its leaves have.", t.doubt.line, t.name)})
				t.doubt = nil
			}
			t.right = c.size
		case t.doubt == nil:
			t.doubt = &c
		}
	}
}

// tileHash is the digest of a full tile; false: there is none.
func (t *tree) tileHash(l int, n int64) (digest, root merkle.Hash, ok bool) {
	if l >= len(t.levels) || n >= int64(len(t.levels[l].tiles)) {
		return digest, root, false
	}
	return t.levels[l].tiles[n], t.levels[l].roots[n], true
}

// full is how many full tiles it has.
func (t *tree) full() (n int64) {
	for _, l := range t.levels {
		n += int64(len(l.tiles))
	}
	return n
}
