package replica

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/errs"
)

// Format is the version of segments that this build writes and reads. docs/audit-segments.md.
const Format = 1

// The kinds of objects of that format.
const (
	KindSegment = "segment"
	KindPart    = "part"
)

// Why a leaf is there by its hash only.
const (
	Dropped = "dropped" // its entry had reached the end of its time before the copy was made
	Altered = "altered" // what stood in the database did not hash to the leaf any more
	Missing = "missing" // nothing stood there
)

// Header is the first line of a segment or a part.
type Header struct {
	Format     int       `json:"garant_segment"`
	Kind       string    `json:"kind"`
	Origin     string    `json:"origin"`
	Generation int       `json:"generation"`
	Key        string    `json:"key"`      // verifier of the log, as golang.org/x/mod/sumdb/note writes it
	From       int64     `json:"from"`     // size of the root log before
	To         int64     `json:"to"`       // and after
	FromSeq    int64     `json:"from_seq"` // the last leaf before; leaves are counted over all trees
	ToSeq      int64     `json:"to_seq"`   // the last leaf in it
	Parts      []PartRef `json:"parts,omitempty"`
}

// PartRef names an object that holds the beginning of a segment.
type PartRef struct {
	Key    string `json:"key"`
	SHA256 string `json:"sha256"` // hex, of the object as it is stored
}

// RootLeaf is a leaf of the root log.
type RootLeaf struct {
	Index int64  `json:"root"`
	Text  string `json:"line"`
}

// Leaf is a leaf of another tree.
type Leaf struct {
	Seq    int64  `json:"seq"`
	Tree   string `json:"tree,omitempty"` // empty: dropped before it was copied, and only tiles say of which tree
	Index  int64  `json:"index"`
	Entry  int64  `json:"entry,omitempty"`
	Bytes  string `json:"leaf,omitempty"`   // package leaf
	Detail string `json:"detail,omitempty"` // where the leaf holds only a digest of it
	Sealed []byte `json:"sealed,omitempty"` // personal data before and after, as ciphertext
	Hash   []byte `json:"hash,omitempty"`   // in place of Bytes
	Gone   string `json:"gone,omitempty"`   // and why
}

// LeafHash is the hash of the leaf.
func (l *Leaf) LeafHash() merkle.Hash {
	if l.Gone != "" {
		var h merkle.Hash
		copy(h[:], l.Hash)
		return h
	}
	return tlog.RecordHash([]byte(l.Bytes))
}

// Segment is what one round of replication put into the second account, or a part of it.
type Segment struct {
	Header
	Roots      []RootLeaf
	Leaves     []Leaf
	Checkpoint string // the signed head of the root log at To; of a part there is none
}

type ending struct {
	Checkpoint string `json:"checkpoint"`
}

type seal struct {
	SHA256 string `json:"sha256"`
}

// most is how many bytes a segment may have when it is unpacked.
const most = 256 << 20

// Encode writes a segment. The same segment gives the same bytes in one build.
func (s *Segment) Encode() ([]byte, error) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(z, sum), 64<<10)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	err := e.Encode(s.Header)
	for i := 0; err == nil && i < len(s.Roots); i++ {
		err = e.Encode(s.Roots[i])
	}
	for i := 0; err == nil && i < len(s.Leaves); i++ {
		err = e.Encode(&s.Leaves[i])
	}
	if err == nil && s.Kind == KindSegment {
		err = e.Encode(ending{s.Checkpoint})
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = json.NewEncoder(z).Encode(seal{hex.EncodeToString(sum.Sum(nil))})
	}
	if err == nil {
		err = z.Close()
	}
	return packed.Bytes(), err
}

// IDSegment is the id of the error for an object that is no segment.
const IDSegment = "replica.segment"

func errSegment(why string) *errs.Error {
	return errs.New(errs.Invalid, IDSegment, "An object in the second account is not a segment of a log.").
		WithFix("Look who has put it there: docs/audit-segments.md says what Garant writes.").Wrap(errors.New(why))
}

// Decode reads a segment or a part and makes sure that it is whole and dense in itself: its digest, its numbers. It says
// nothing of signatures (Signed) or of what was before it.
func Decode(object []byte) (*Segment, error) {
	z, err := gzip.NewReader(bytes.NewReader(object))
	if err != nil {
		return nil, errSegment("not packed")
	}
	// The last four bytes say how long it is unpacked (RFC 1952), and are believed as far as packing can go.
	said := int(binary.LittleEndian.Uint32(object[len(object)-4:]))
	unpacked := bytes.NewBuffer(make([]byte, 0, min(said, most, 1032*len(object))+bytes.MinRead))
	if _, err = unpacked.ReadFrom(io.LimitReader(z, most+1)); err != nil || unpacked.Len() > most {
		return nil, errSegment("damaged")
	}
	text := unpacked.Bytes()
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return nil, errSegment("cut off")
	}
	last := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	var digest seal
	sum := sha256.Sum256(text[:last])
	if json.Unmarshal(text[last:], &digest) != nil || digest.SHA256 != hex.EncodeToString(sum[:]) {
		return nil, errSegment("not its digest")
	}
	s := &Segment{}
	text = text[:last]
	line := func() []byte {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return nil
		}
		one := text[:i]
		text = text[i+1:]
		return one
	}
	if err := json.Unmarshal(line(), &s.Header); err != nil || s.Format != Format || s.Kind != KindSegment && s.Kind != KindPart {
		return nil, errSegment("of another format")
	}
	if s.From < 0 || s.To < s.From || s.FromSeq < 0 || s.ToSeq < s.FromSeq || s.Origin == "" || s.Generation < 1 {
		return nil, errSegment("of no range")
	}
	s.Leaves = make([]Leaf, 0, min(s.ToSeq-s.FromSeq, int64(len(text)/128))) // no line of a leaf is shorter, and of one with parts these are the last
	var scan lineScan
	for one := line(); one != nil; one = line() {
		switch {
		case bytes.HasPrefix(one, []byte(`{"root":`)):
			var r RootLeaf
			if err := json.Unmarshal(one, &r); err != nil || len(s.Leaves) > 0 || s.Checkpoint != "" {
				return nil, errSegment("a line of the root log")
			}
			s.Roots = append(s.Roots, r)
		case bytes.HasPrefix(one, []byte(`{"seq":`)):
			l, err := scan.leaf(one)
			if err != nil || s.Checkpoint != "" || (l.Gone == "") != (l.Bytes != "") || l.Gone != "" && len(l.Hash) != tlog.HashSize && (l.Tree != "" || l.Gone != Dropped) {
				return nil, errSegment("a leaf")
			}
			s.Leaves = append(s.Leaves, l)
		case bytes.HasPrefix(one, []byte(`{"checkpoint":`)) && s.Checkpoint == "" && s.Kind == KindSegment:
			var c ending
			if err := json.Unmarshal(one, &c); err != nil || c.Checkpoint == "" {
				return nil, errSegment("a checkpoint")
			}
			s.Checkpoint = c.Checkpoint
		default:
			return nil, errSegment("a line of another kind")
		}
	}
	if (s.Checkpoint == "") == (s.Kind == KindSegment) {
		return nil, errSegment("no checkpoint")
	}
	return s, s.dense()
}

// dense holds that a segment without parts, or a part, has every leaf that it says it has, in order. Of one with parts it is the rest that
// is looked at.
func (s *Segment) dense() error {
	roots, leaves := int64(len(s.Roots)), int64(len(s.Leaves))
	first, firstSeq := s.From, s.FromSeq
	if len(s.Parts) > 0 {
		first, firstSeq = s.To-roots, s.ToSeq-leaves
	}
	if first < s.From || firstSeq < s.FromSeq || first+roots != s.To || firstSeq+leaves != s.ToSeq {
		return errSegment("not all of its range")
	}
	for i, r := range s.Roots {
		if r.Index != first+int64(i) {
			return errSegment("the order of the root log")
		}
	}
	next := map[string]int64{}
	holes := false // where leaves were dropped nobody knows of which trees
	for i, l := range s.Leaves {
		holes = holes || l.Tree == ""
		if at, seen := next[l.Tree]; l.Seq != firstSeq+int64(i)+1 || l.Index < 0 || !holes && seen && l.Index != at {
			return errSegment("the order of leaves")
		}
		next[l.Tree] = l.Index + 1
	}
	return nil
}

// Signed opens the checkpoint of a segment with the key of its log.
func (s *Segment) Signed(by note.Verifier) (merkle.Checkpoint, error) {
	c, err := merkle.Open(s.Checkpoint, by)
	if err != nil {
		return c, err
	}
	if c.Size != s.To || c.Origin != s.Origin {
		return c, errSegment("the checkpoint of another size")
	}
	return c, nil
}

// SegmentKey is under which a segment stands.
func SegmentKey(generation int, from, to int64) string {
	return fmt.Sprintf("%s%018d-%018d", SegmentPrefix(generation), from, to)
}

// SegmentPrefix is what the keys of a generation's segments begin with.
func SegmentPrefix(generation int) string { return fmt.Sprintf("g%d/seg/", generation) }

// ParseSegmentKey reads the range out of a key.
func ParseSegmentKey(key string) (generation int, from, to int64, ok bool) {
	if n, err := fmt.Sscanf(key, "g%d/seg/%018d-%018d", &generation, &from, &to); err != nil || n != 3 {
		return 0, 0, 0, false
	}
	return generation, from, to, SegmentKey(generation, from, to) == key
}

// partKey is under which the part of a segment stands that begins after (root, seq).
func partKey(generation int, to, root, seq int64) string {
	return fmt.Sprintf("g%d/part/%018d-%018d-%018d", generation, to, root, seq)
}

// TilePath is where a full tile of a tree stands: C2SP tlog-tiles. level -1: the leaves of a tile of level 0.
func TilePath(generation int, tree string, level int, n int64) string {
	l := fmt.Sprint(level)
	if level < 0 {
		l = "entries"
	}
	groups := []string{fmt.Sprintf("%03d", n%1000)}
	for n /= 1000; n > 0; n /= 1000 {
		groups = append([]string{fmt.Sprintf("x%03d", n%1000)}, groups...)
	}
	return TilePrefix(generation, tree) + l + "/" + strings.Join(groups, "/")
}

// TilePrefix is what the paths of a tree's tiles begin with.
func TilePrefix(generation int, tree string) string {
	return fmt.Sprintf("g%d/%s/tile/", generation, tree)
}

// ParseTilePath reads level and number out of the path of a full tile; false: it is none.
func ParseTilePath(generation int, tree, path string) (level int, n int64, ok bool) {
	l, rest, _ := strings.Cut(strings.TrimPrefix(path, TilePrefix(generation, tree)), "/")
	level, err := strconv.Atoi(l)
	if l == "entries" {
		level, err = -1, nil
	}
	digits := strings.NewReplacer("x", "", "/", "").Replace(rest)
	n, err2 := strconv.ParseInt(digits, 10, 64)
	return level, n, err == nil && err2 == nil && n >= 0 && TilePath(generation, tree, level, n) == path
}

// leafOf is how an entry stands in a segment.
func (l *Leaf) of(e *leaf.Entry, sealed []byte, bytes []byte) {
	l.Bytes, l.Sealed = string(bytes), sealed
	if len(e.Said.Detail) > leaf.MaxDetail {
		l.Detail = string(e.Said.Detail)
	}
}
