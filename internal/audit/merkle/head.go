package merkle

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a hash of a tree.
type Hash = tlog.Hash

// TileWidth is how many hashes a full tile holds.
const TileWidth = 256

// Head is how far a tree has grown: enough to go on and to tell its root.
type Head struct {
	Size int64
	edge []Hash // roots of its perfect subtrees, the largest first: one for each bit of Size
}

// Append adds the hash of a leaf.
func (h *Head) Append(leaf Hash) { h.Grow(leaf) }

// Grow is Append, and gives the hashes over the tiles that became full, from the lowest level on.
func (h *Head) Grow(leaf Hash) (over []Hash) {
	level := 0
	for n := h.Size; n&1 == 1; n >>= 1 {
		leaf = tlog.NodeHash(h.edge[len(h.edge)-1], leaf)
		h.edge = h.edge[:len(h.edge)-1]
		if level++; level%8 == 0 {
			over = append(over, leaf)
		}
	}
	h.edge = append(h.edge, leaf)
	h.Size++
	return over
}

// Root is the hash of the whole tree.
func (h *Head) Root() Hash {
	if h.Size == 0 {
		root, _ := tlog.TreeHash(0, nil) // of nothing: it asks for no hash
		return root
	}
	root := h.edge[len(h.edge)-1]
	for i := len(h.edge) - 2; i >= 0; i-- {
		root = tlog.NodeHash(h.edge[i], root)
	}
	return root
}

// Clone is a copy that grows on its own.
func (h *Head) Clone() Head { return Head{h.Size, append([]Hash(nil), h.edge...)} }

// Edge is what has to be kept of it beside its size.
func (h *Head) Edge() []byte {
	out := make([]byte, 0, len(h.edge)*tlog.HashSize)
	for _, e := range h.edge {
		out = append(out, e[:]...)
	}
	return out
}

// Resume is the head that was kept.
func Resume(size int64, edge []byte) (Head, error) {
	h := Head{Size: size}
	if size < 0 || len(edge) != bits.OnesCount64(uint64(size))*tlog.HashSize { //nolint:gosec // not negative
		return h, fmt.Errorf("the edge of a tree of %d leaves has %d bytes", size, len(edge))
	}
	for ; len(edge) > 0; edge = edge[tlog.HashSize:] {
		h.edge = append(h.edge, Hash(edge[:tlog.HashSize]))
	}
	return h, nil
}

// TileRoot is the hash of the level above a full tile.
func TileRoot(hashes []byte) Hash {
	var h Head
	for ; len(hashes) > 0; hashes = hashes[tlog.HashSize:] {
		h.Append(Hash(hashes[:tlog.HashSize]))
	}
	return h.Root()
}
