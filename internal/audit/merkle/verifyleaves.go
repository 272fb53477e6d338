package merkle

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/leaf"
)

// given is a leaf as it stands in a bundle, judged by itself.
type given struct {
	index   int64
	hash    Hash
	dropped bool
	entry   int64
	at      time.Time
	wrong   *Problem // with what it says, whatever its place
	opened  bool
	erased  bool
	sealed  bool
	proof   []Hash
}

// ownerOf is the customer whose tree it is, "" for the company's.
func ownerOf(tree string) (owner string, ok bool) {
	if tree == "company" {
		return "", true
	}
	owner, ok = strings.CutPrefix(tree, "tenant/")
	return owner, ok && len(owner) == 36
}

// body verifies the leaves.
func (v *verification) body() error {
	s := v.s
	s.name("form", false)
	form := s.str(20)
	switch {
	case s.failed != nil:
	case form == "selection":
		return v.selection()
	case form == "whole":
		return v.whole()
	default:
		s.fail(formf("the form at byte %d is not known", s.at))
	}
	return v.broken()
}

func (v *verification) selection() error {
	s := v.s
	s.name("leaves", false)
	last := int64(-1)
	var err error
	s.list(func(int) {
		l := v.read(true)
		if s.failed != nil {
			return
		}
		v.count++
		if err = v.placed(&l, last); err != nil {
			s.fail(formf("stop"))
			return
		}
		last = l.index
		if p := v.outlived(&l); p != nil {
			err = p
			s.fail(formf("stop"))
			return
		}
		v.took(&l)
	})
	if err != nil {
		return err
	}
	return v.broken()
}

// placed verifies the place of a leaf of a selection.
func (v *verification) placed(l *given, last int64) error {
	switch {
	case l.index == last:
		return problem(Inserted, fmt.Sprintf("Leaf %d is in the bundle twice.", l.index)).at(l.index, l.entry)
	case l.index < last:
		return problem(Reordered, fmt.Sprintf("Leaf %d stands after leaf %d.", l.index, last)).at(l.index, l.entry)
	case l.index >= v.r.Head.Size:
		return problem(Inserted, fmt.Sprintf("Leaf %d is not in the tree, which has %d.", l.index, v.r.Head.Size)).at(l.index, l.entry)
	}
	if err := tlog.CheckRecord(l.proof, v.r.Head.Size, v.r.Head.Root, l.index, l.hash); err != nil {
		return problem(Edited, fmt.Sprintf("Leaf %d is not what the tree holds there.", l.index)).at(l.index, l.entry)
	}
	if l.wrong != nil {
		return l.wrong
	}
	return nil
}

// youngest is how much younger an entry may be than one that stands behind it: package retain drops nothing when it is more.
const youngest = 24 * time.Hour

// outlived holds a leaf that is said to have been dropped at the end of its time against the entries before it that are there. All that are there are younger than what is
// dropped, and leaves stand in the order in which they were written, but for a day at most: what stands behind an entry that is a day younger than another which
// is there was not at its end.
func (v *verification) outlived(l *given) *Problem {
	if !l.dropped || v.r.Entries == 0 || v.r.Until.Sub(v.r.From) < youngest {
		return nil
	}
	return problem(Removed, fmt.Sprintf("The entry at leaf %d is said to have been dropped at the end of its time, and entries that are older than it are there: it was taken out.", l.index)).at(l.index, 0)
}

// took counts a leaf that was verified.
func (v *verification) took(l *given) {
	r := &v.r
	r.covers(l.index)
	if l.dropped {
		r.Dropped++
		return
	}
	r.Entries++
	switch {
	case l.opened:
		r.Opened++
	case l.sealed:
		r.Sealed++
	case l.erased:
		r.Erased++
		if len(r.ErasedIDs) < mostErased {
			r.ErasedIDs = append(r.ErasedIDs, l.entry)
		}
	}
	if r.From.IsZero() || l.at.Before(r.From) {
		r.From = l.at
	}
	if l.at.After(r.Until) {
		r.Until = l.at
	}
}

func (v *verification) whole() error {
	s := v.s
	v.r.Whole = true
	size := v.r.Head.Size
	if size > mostLeaves {
		return problem(Malformed, fmt.Sprintf("A bundle of a whole tree has at most %d leaves.", mostLeaves))
	}
	blocks := (size + TileWidth - 1) / TileWidth
	s.name("roots", false)
	s.list(func(i int) {
		if int64(i) >= blocks {
			s.fail(formf("there are more than %d roots", blocks))
		}
		v.roots = append(v.roots, v.hash())
	})
	if err := v.broken(); err != nil {
		return err
	}
	if int64(len(v.roots)) != blocks || RootOverTiles(v.roots, size) != v.r.Head.Root {
		p := problem(Altered, "The hashes in the bundle are not those of the tree: it was changed as a whole.")
		p.First, p.Until = 0, size
		return p
	}
	s.name("blocks", false)
	var err error
	block := int64(0)
	s.list(func(int) {
		if block >= blocks {
			err = problem(Inserted, fmt.Sprintf("There are entries after the last of the tree, which has %d.", size)).at(size, 0)
		} else {
			err = v.block(block*TileWidth, v.roots[block])
		}
		if err != nil {
			s.fail(formf("stop"))
		}
		block++
	})
	if err != nil {
		return err
	}
	if err := v.broken(); err != nil {
		return err
	}
	if block < blocks {
		p := problem(Truncated, fmt.Sprintf("The bundle ends with leaf %d of %d.", block*TileWidth, size))
		p.First, p.Until = block*TileWidth, size
		return p
	}
	return nil
}

// RootOverTiles is the hash of a tree of which the hashes over each 256 leaves are given.
func RootOverTiles(roots []Hash, size int64) Hash {
	var h Head
	full := size / TileWidth
	for _, r := range roots[:full] {
		h.Append(r)
	}
	if size%TileWidth == 0 {
		return h.Root()
	}
	root := roots[full]
	for _, left := range slices.Backward(h.edge) {
		root = tlog.NodeHash(left, root)
	}
	return root
}

// block verifies up to 256 leaves.
func (v *verification) block(from int64, root Hash) error {
	s := v.s
	many := int(min(TileWidth, v.r.Head.Size-from))
	s.delim('{')
	switch name := s.str(20); name {
	case "dropped":
		s.delim(':')
		n := s.num()
		s.delim('}')
		if s.failed == nil && n != int64(many) {
			return problem(Malformed, "A part of the tree that was dropped has another size than it should.")
		}
		if p := v.outlived(&given{index: from, dropped: true}); p != nil && s.failed == nil {
			p.Until = from + int64(many)
			return p
		}
		for i := range many {
			v.r.covers(from + int64(i))
		}
		v.r.Dropped += int64(many)
		v.count += int64(many)
		return v.broken()
	case "hashes":
	default:
		s.unknown(name)
		return v.broken()
	}
	s.delim(':')
	raw, err := base64.StdEncoding.Strict().DecodeString(s.str(TileWidth * 44))
	if err := v.broken(); err != nil {
		return err
	}
	if err != nil || len(raw) != many*len(root) || TileRoot(raw) != root {
		p := problem(Altered, fmt.Sprintf("The hashes of the leaves from %d to %d are not those of the tree: they were changed, and which of these entries with them cannot be told.", from, from+int64(many)-1))
		p.First, p.Until = from, from+int64(many)
		return p
	}
	want := make([]Hash, many)
	for i := range want {
		want[i] = Hash(raw[i*len(root):])
	}
	s.name("leaves", false)
	got := v.given[:0]
	defer func() { v.given = got[:0] }()
	s.list(func(int) {
		if len(got) > 2*TileWidth {
			s.fail(formf("a block has more leaves than any"))
			return
		}
		l := v.read(false)
		if s.failed == nil {
			got = append(got, l)
		}
	})
	s.delim('}')
	if err := v.broken(); err != nil {
		if len(got) <= 2*TileWidth {
			return err
		}
	}
	if p := compare(from, from+int64(many) == v.r.Head.Size, want, got); p != nil {
		return p
	}
	for i := range got {
		if got[i].wrong != nil {
			return got[i].wrong
		}
		if p := v.outlived(&got[i]); p != nil {
			return p
		}
		v.took(&got[i])
	}
	v.count += int64(many)
	return nil
}

// compare tells how the leaves that are given differ from those that the tree holds from a place on.
func compare(from int64, last bool, want []Hash, got []given) *Problem {
	i := 0
	for i < len(want) && i < len(got) && got[i].hash == want[i] && got[i].index == from+int64(i) {
		i++
	}
	at := from + int64(i)
	switch {
	case i == len(want) && i == len(got):
		return nil
	case i == len(got) && last:
		return problem(Truncated, fmt.Sprintf("The entries from leaf %d on are missing.", at)).at(at, 0)
	case i == len(got):
		return problem(Removed, fmt.Sprintf("The entry at leaf %d is missing.", at)).at(at, 0)
	case i == len(want):
		return problem(Inserted, fmt.Sprintf("There is an entry after leaf %d that the tree does not hold there.", at-1)).at(at, got[i].entry)
	case got[i].hash == want[i]:
		return problem(Reordered, fmt.Sprintf("The entry at leaf %d is said to be at %d.", at, got[i].index)).at(at, got[i].entry)
	}
	held := map[Hash]int{}
	for _, h := range want {
		held[h]++
	}
	known := held[got[i].hash] > 0
	for _, g := range got {
		held[g.hash]--
	}
	same := len(got) == len(want)
	for _, n := range held {
		same = same && n == 0
	}
	switch {
	case same:
		return problem(Reordered, fmt.Sprintf("The entries stand in another order from leaf %d on.", at)).at(at, got[i].entry)
	case !known && i+1 < len(got) && got[i+1].hash == want[i]:
		return problem(Inserted, fmt.Sprintf("There is an entry at leaf %d that the tree does not hold.", at)).at(at, got[i].entry)
	case i+1 < len(want) && got[i].hash == want[i+1]:
		return problem(Removed, fmt.Sprintf("The entry at leaf %d is missing.", at)).at(at, 0)
	case known && i > 0 && slices.ContainsFunc(got[:i], func(g given) bool { return g.hash == got[i].hash }):
		return problem(Inserted, fmt.Sprintf("An entry is there twice, the second time at leaf %d.", at)).at(at, got[i].entry)
	}
	return problem(Edited, fmt.Sprintf("The entry at leaf %d is not what the tree holds there.", at)).at(at, got[i].entry)
}

// read reads a leaf and judges what it says.
func (v *verification) read(proof bool) (l given) {
	s := v.s
	s.delim('{')
	s.name("index", true)
	l.index = s.num()
	const nothing, content, detail, beside, path = 0, 1, 2, 3, 4
	rank := nothing
	var text, full []byte
	var opened *leaf.Sealed
	for name, ok := s.another(); ok; name, ok = s.another() {
		before := rank
		switch name {
		case "leaf":
			v.text = append(append(v.text[:0], 0), s.bytes(longestLeaf)...) // RFC 6962: the hash of a leaf is that of a zero and the leaf
			rank, text = content, v.text[1:]
		case "dropped":
			rank, l.dropped, l.hash = content, true, v.hash()
		case "detail":
			rank, full = detail, bytes.Clone(s.bytes(longestText))
		case "opened":
			rank, opened, l.opened = beside, v.opened(), true
		case "erased":
			s.word("true")
			rank, l.erased = beside, true
		case "sealed":
			s.word("true")
			rank, l.sealed = beside, true
		case "proof":
			rank, l.proof = path, v.path()
		default:
			s.unknown(name)
		}
		if s.failed == nil && (rank <= before || name == "proof" && !proof || before == nothing && rank != content || l.dropped && rank != content && rank != path) {
			s.unknown(name)
		}
	}
	if s.failed == nil && (rank == nothing || proof && rank != path) {
		s.fail(formf("a leaf before byte %d lacks a member", s.at))
	}
	if s.failed != nil || l.dropped {
		return l
	}
	l.hash = sha256.Sum256(v.text)
	l.wrong = v.judge(&l, text, full, opened)
	return l
}

func (v *verification) opened() *leaf.Sealed {
	s := v.s
	var o leaf.Sealed
	s.delim('{')
	s.name("salt", true)
	var err error
	if o.Salt, err = base64.StdEncoding.Strict().DecodeString(s.str(200)); err != nil {
		s.fail(formf("the salt before byte %d is no base64", s.at))
	}
	s.name("changes", false)
	s.list(func(int) {
		var c leaf.Change
		s.delim('{')
		s.name("field", true)
		c.Field = s.str(1000)
		last := ""
		for name, ok := s.another(); ok; name, ok = s.another() {
			value := s.str(longestText)
			switch {
			case name == "before" && last == "":
				c.Before = &value
			case name == "after" && last != "after":
				c.After = &value
			default:
				s.unknown(name)
			}
			last = name
		}
		o.Changes = append(o.Changes, c)
	})
	s.delim('}')
	return &o
}

// judge verifies what a leaf says by itself, and what stands beside it.
func (v *verification) judge(l *given, text, full []byte, opened *leaf.Sealed) *Problem {
	e, ok := parseLeaf(text)
	digest := e.digest
	l.entry, l.at = e.id, e.at
	here := func(kind Kind, what string) *Problem {
		return problem(kind, fmt.Sprintf("Entry %d (leaf %d) %s.", e.id, l.index, what)).at(l.index, e.id)
	}
	if !ok {
		return here(BadLeaf, "is not written in the one form that leaves have")
	}
	if e.tenant != v.owner {
		return here(WrongOwner, "is of another customer than the tree")
	}
	switch {
	case digest == "" && full != nil:
		return here(FalseDetl, "has its detail beside it, though it is in the leaf")
	case digest != "" && full == nil:
		return here(FalseDetl, "lacks its detail")
	case digest != "":
		if sum := sha256.Sum256(full); hex.EncodeToString(sum[:]) != digest {
			return here(FalseDetl, "has another detail than the leaf says")
		}
	}
	promised := len(e.promise) > 0
	switch beside := l.opened || l.erased || l.sealed; {
	case promised && !beside:
		return here(FalseOpen, "does not say what became of the personal data beside it")
	case !promised && beside:
		return here(FalseOpen, "has personal data beside it that the leaf does not know of")
	case l.opened && !bytes.Equal(opened.Promise(), e.promise):
		return here(FalseOpen, "has other personal data beside it than was promised")
	}
	return nil
}
