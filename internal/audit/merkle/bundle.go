package merkle

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strconv"
	"time"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/errs"
)

// BundleFormat names the form of a bundle. docs/audit-bundle.md says what stands in it, to the letter.
const BundleFormat = "garant-audit-bundle/v1"

// Point is a tree at a size: what somebody keeps of a checkpoint.
type Point struct {
	Size int64
	Root Hash
}

// SincePoint is an earlier point of a tree, and the proof that the tree goes on from it.
type SincePoint struct {
	Point
	Proof []Hash
}

// BundleHead is what a bundle begins with.
type BundleHead struct {
	Made       time.Time
	Key        string   // of the log, as a hint: who verifies has it from elsewhere
	Witnesses  []string // the same
	Checkpoint string   // signed, of the root log, with cosignatures

	Tree  string
	Point       // of the tree
	Index int64 // of its line in the root log
	Line  string
	Proof []Hash // that it is there

	SinceLog, SinceTree *SincePoint

	// Whole: the bundle holds all leaves. Roots are then the hashes over each 256 of them, the last over what remains.
	Whole bool
	Roots []Hash
}

// BundleLeaf is one leaf of a bundle.
type BundleLeaf struct {
	Index int64

	Dropped bool // the entry is not there any more; its Hash is
	Hash    Hash

	Bytes  []byte       // of the leaf
	Detail []byte       // in full, where the leaf holds its digest only
	Opened *leaf.Sealed // what was promised, opened
	Erased bool         // the key that sealed it was destroyed
	Sealed bool         // it was not opened for this bundle

	Proof []Hash // in a bundle that is not whole
}

// BundleWriter writes a bundle as it goes. The first error stays, and Close returns it.
type BundleWriter struct {
	out   *bufio.Writer
	whole bool
	size  int64
	n     int64 // leaves written, dropped ones included
	open  bool  // a block is
	err   error
	b     []byte
}

// NewBundleWriter begins a bundle.
func NewBundleWriter(w io.Writer, h BundleHead) *BundleWriter {
	o := &BundleWriter{out: bufio.NewWriterSize(w, 1<<16), whole: h.Whole, size: h.Size}
	b := append([]byte(`{"format":`), quote(BundleFormat)...)
	b = append(append(b, ",\n\"made\":"...), quote(h.Made.UTC().Format(time.RFC3339))...)
	b = append(append(b, ",\n\"keys\":{\"log\":"...), quote(h.Key)...)
	b = append(b, `,"witnesses":[`...)
	for i, k := range h.Witnesses {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, quote(k)...)
	}
	b = append(append(b, "]},\n\"checkpoint\":"...), quote(h.Checkpoint)...)
	b = append(append(b, ",\n\"tree\":{\"name\":"...), quote(h.Tree)...)
	b = append(appendPoint(append(b, ','), h.Point), '}')
	b = strconv.AppendInt(append(b, ",\n\"head\":{\"index\":"...), h.Index, 10)
	b = append(append(b, `,"line":`...), quote(h.Line)...)
	b = append(appendHashes(append(b, `,"proof":`...), h.Proof), '}')
	b = append(b, ",\n\"since\":{"...)
	if h.SinceLog != nil {
		b = append(appendSince(append(b, `"log":`...), h.SinceLog), ',')
	}
	if h.SinceTree != nil {
		b = append(appendSince(append(b, `"tree":`...), h.SinceTree), ',')
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	b = append(b, '}')
	if h.Whole {
		b = appendHashes(append(b, ",\n\"form\":\"whole\",\n\"roots\":"...), h.Roots)
		b = append(b, ",\n\"blocks\":["...)
	} else {
		b = append(b, ",\n\"form\":\"selection\",\n\"leaves\":["...)
	}
	o.put(b)
	return o
}

func (o *BundleWriter) put(b []byte) {
	if o.err == nil {
		_, o.err = o.out.Write(b)
	}
}

func (o *BundleWriter) wrong() {
	if o.err == nil {
		o.err = errs.New(errs.Internal, "merkle.bundle_order", "The bundle was not written in order.")
	}
}

// Block begins the next 256 leaves of a whole bundle: their hashes. They follow by Leaf.
func (o *BundleWriter) Block(hashes []byte) {
	if !o.whole || o.n%TileWidth != 0 || o.open || int64(len(hashes)) != min(TileWidth, o.size-o.n)*int64(len(Hash{})) {
		o.wrong()
		return
	}
	b := o.between(o.b[:0], o.n > 0)
	b = base64.StdEncoding.AppendEncode(append(b, `{"hashes":"`...), hashes)
	b = append(b, `","leaves":[`...)
	o.b = b
	o.open = true
	o.put(o.b)
}

// DroppedBlock stands for the next leaves of a whole bundle, up to 256, of which none is there any more.
func (o *BundleWriter) DroppedBlock() {
	if !o.whole || o.n%TileWidth != 0 || o.open || o.n >= o.size {
		o.wrong()
		return
	}
	many := min(TileWidth, o.size-o.n)
	b := o.between(o.b[:0], o.n > 0)
	b = strconv.AppendInt(append(b, `{"dropped":`...), many, 10)
	b = append(b, '}')
	o.b = b
	o.n += many
	o.put(o.b)
}

func (o *BundleWriter) between(b []byte, comma bool) []byte {
	if comma {
		b = append(b, ',')
	}
	return append(b, '\n')
}

// Leaf adds a leaf: of a whole bundle, the next of the block that was begun.
func (o *BundleWriter) Leaf(l *BundleLeaf) {
	if o.whole && (!o.open || l.Index != o.n) {
		o.wrong()
		return
	}
	b := o.between(o.b[:0], o.n > 0 && (!o.whole || o.n%TileWidth != 0))
	b = strconv.AppendInt(append(b, `{"index":`...), l.Index, 10)
	if l.Dropped {
		b = appendHash(append(b, `,"dropped":`...), l.Hash)
	} else {
		b = appendQuoted(append(b, `,"leaf":`...), l.Bytes)
		if l.Detail != nil {
			b = appendQuoted(append(b, `,"detail":`...), l.Detail)
		}
		switch {
		case l.Opened != nil:
			b = appendOpened(append(b, `,"opened":`...), l.Opened)
		case l.Erased:
			b = append(b, `,"erased":true`...)
		case l.Sealed:
			b = append(b, `,"sealed":true`...)
		}
	}
	if !o.whole {
		b = appendHashes(append(b, `,"proof":`...), l.Proof)
	}
	b = append(b, '}')
	o.b = b
	o.n++
	o.put(o.b)
	if o.whole && (o.n%TileWidth == 0 || o.n == o.size) {
		o.put([]byte("]}"))
		o.open = false
	}
}

// Close ends the bundle: without it, it is none.
func (o *BundleWriter) Close() error {
	if o.whole && o.n != o.size {
		o.wrong()
	}
	o.put(append(strconv.AppendInt([]byte("\n],\n\"end\":{\"leaves\":"), o.n, 10), "}}\n"...))
	if o.err == nil {
		o.err = o.out.Flush()
	}
	return o.err
}

func quote(s string) []byte { return appendQuoted(nil, []byte(s)) }

// appendQuoted writes a string of JSON; it escapes what must be and nothing else.
func appendQuoted(b, s []byte) []byte {
	b = append(b, '"')
	from := 0
	for i, c := range s {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch {
		case c == '\n':
			b = append(b, '\\', 'n')
		case c >= 0x20:
			b = append(b, '\\', c)
		default:
			b = hex.AppendEncode(append(b, '\\', 'u', '0', '0'), []byte{c})
		}
	}
	return append(append(b, s[from:]...), '"')
}

func appendHash(b []byte, h Hash) []byte {
	return append(base64.StdEncoding.AppendEncode(append(b, '"'), h[:]), '"')
}

func appendHashes(b []byte, hashes []Hash) []byte {
	b = append(b, '[')
	for i, h := range hashes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendHash(b, h)
	}
	return append(b, ']')
}

func appendPoint(b []byte, p Point) []byte {
	b = strconv.AppendInt(append(b, `"size":`...), p.Size, 10)
	return appendHash(append(b, `,"root":`...), p.Root)
}

func appendSince(b []byte, s *SincePoint) []byte {
	b = appendPoint(append(b, '{'), s.Point)
	return append(appendHashes(append(b, `,"proof":`...), s.Proof), '}')
}

func appendOpened(b []byte, s *leaf.Sealed) []byte {
	b = base64.StdEncoding.AppendEncode(append(b, `{"salt":"`...), s.Salt)
	b = append(b, `","changes":[`...)
	for i, c := range s.Changes {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"field":`...), quote(c.Field)...)
		if c.Before != nil {
			b = append(append(b, `,"before":`...), quote(*c.Before)...)
		}
		if c.After != nil {
			b = append(append(b, `,"after":`...), quote(*c.After)...)
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}
