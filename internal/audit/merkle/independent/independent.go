// Package independent verifies bundles of the record a second time, for tests only: with nothing but the standard library, from
// docs/audit-bundle.md and the documents that it names (RFC 6962, RFC 9162, C2SP signed-note, tlog-checkpoint, tlog-cosignature). It shares no
// code with what makes bundles and with the verifier that is delivered, so that a mistake in those is not repeated here.
//
// It reads the whole file into memory, and says only that something is wrong, not what an attacker may have done.
package independent

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Pins is what is known from elsewhere.
type Pins struct {
	Log     string // NAME+HASH+BASE64
	Witness string // the same; empty: none is asked for
	Tree    string

	KeptLogSize, KeptTreeSize int64 // 0: nothing was kept
	KeptLogRoot, KeptTreeRoot []byte
}

type path [][]byte

type point struct {
	Size  int64  `json:"size"`
	Root  []byte `json:"root"`
	Proof path   `json:"proof"`
}

type change struct {
	Field  string  `json:"field"`
	Before *string `json:"before"`
	After  *string `json:"after"`
}

type leaf struct {
	Index   int64   `json:"index"`
	Leaf    *string `json:"leaf"`
	Dropped []byte  `json:"dropped"`
	Detail  *string `json:"detail"`
	Opened  *struct {
		Salt    []byte   `json:"salt"`
		Changes []change `json:"changes"`
	} `json:"opened"`
	Erased bool `json:"erased"`
	Sealed bool `json:"sealed"`
	Proof  path `json:"proof"`
}

type bundle struct {
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
		Index int64  `json:"index"`
		Line  string `json:"line"`
		Proof path   `json:"proof"`
	} `json:"head"`
	Since struct {
		Log  *point `json:"log"`
		Tree *point `json:"tree"`
	} `json:"since"`
	Form   string `json:"form"`
	Roots  path   `json:"roots"`
	Blocks []struct {
		Hashes  []byte `json:"hashes"`
		Leaves  []leaf `json:"leaves"`
		Dropped int64  `json:"dropped"`
	} `json:"blocks"`
	Leaves []leaf `json:"leaves"`
	End    *struct {
		Leaves int64 `json:"leaves"`
	} `json:"end"`
}

// Verify returns why a bundle does not hold, and how many entries it holds with what they say.
func Verify(file []byte, pins Pins) (entries int, err error) {
	var b bundle
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return 0, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return 0, errors.New("something follows")
	}
	if b.Format != "garant-audit-bundle/v1" || b.End == nil {
		return 0, errors.New("no whole bundle")
	}
	size, root, err := checkpoint(b.Checkpoint, pins)
	if err != nil {
		return 0, err
	}
	if b.Tree.Name != pins.Tree {
		return 0, errors.New("another tree")
	}
	line := fmt.Sprintf("garant/tree v1\n%s %d %s\n", b.Tree.Name, b.Tree.Size, base64.StdEncoding.EncodeToString(b.Tree.Root))
	if b.Head.Line != line {
		return 0, errors.New("another head")
	}
	if !included(leafHash([]byte(line)), b.Head.Index, size, b.Head.Proof, root) {
		return 0, errors.New("the head is not in the log")
	}
	if err := since(b.Since.Log, size, root, pins.KeptLogSize, pins.KeptLogRoot); err != nil {
		return 0, err
	}
	if err := since(b.Since.Tree, b.Tree.Size, b.Tree.Root, pins.KeptTreeSize, pins.KeptTreeRoot); err != nil {
		return 0, err
	}
	return b.leaves()
}

func (b *bundle) leaves() (entries int, err error) {
	count := int64(0)
	one := func(l *leaf) ([]byte, error) {
		count++
		hash, err := l.judge(b.Tree.Name)
		if l.Leaf != nil {
			entries++
		}
		return hash, err
	}
	switch b.Form {
	case "selection":
		last := int64(-1)
		for i := range b.Leaves {
			l := &b.Leaves[i]
			hash, err := one(l)
			if err != nil {
				return 0, err
			}
			if l.Index <= last || !included(hash, l.Index, b.Tree.Size, l.Proof, b.Tree.Root) {
				return 0, fmt.Errorf("leaf %d is not in the tree", l.Index)
			}
			last = l.Index
		}
	case "whole":
		var hashes [][]byte // over each 256 leaves, made again where leaves are there
		for k := range b.Blocks {
			block := &b.Blocks[k]
			if k >= len(b.Roots) {
				return 0, errors.New("more blocks than roots")
			}
			if block.Dropped > 0 && block.Leaves == nil {
				if block.Dropped != min(256, b.Tree.Size-count) {
					return 0, errors.New("a dropped block of another size")
				}
				count += block.Dropped
				hashes = append(hashes, b.Roots[k])
				continue
			}
			var of [][]byte
			for i := range block.Leaves {
				if block.Leaves[i].Index != count {
					return 0, fmt.Errorf("leaf %d is said to be %d", count, block.Leaves[i].Index)
				}
				hash, err := one(&block.Leaves[i])
				if err != nil {
					return 0, err
				}
				of = append(of, hash)
			}
			if len(of) != 256 && k != len(b.Blocks)-1 || len(of) == 0 || len(of) > 256 {
				return 0, errors.New("a block of another size")
			}
			if !bytes.Equal(bytes.Join(of, nil), block.Hashes) {
				return 0, errors.New("other hashes than those of the leaves")
			}
			hashes = append(hashes, treeHash(of))
			if !bytes.Equal(hashes[k], b.Roots[k]) {
				return 0, errors.New("another root of a block")
			}
		}
		if count != b.Tree.Size || len(hashes) != len(b.Roots) || !bytes.Equal(treeHash(hashes), b.Tree.Root) {
			return 0, errors.New("the leaves are not those of the tree")
		}
	default:
		return 0, errors.New("an unknown form")
	}
	if count != b.End.Leaves {
		return 0, errors.New("another count")
	}
	return entries, nil
}

// judge is the hash of a leaf, if what it says and what stands beside it fit.
func (l *leaf) judge(tree string) ([]byte, error) {
	if l.Leaf == nil {
		if len(l.Dropped) != 32 || l.Detail != nil || l.Opened != nil || l.Erased || l.Sealed {
			return nil, errors.New("neither leaf nor dropped")
		}
		return l.Dropped, nil
	}
	var said struct {
		V    int   `json:"v"`
		ID   int64 `json:"id"`
		Said struct {
			Tenant  string `json:"tenant"`
			Digest  string `json:"detail_digest"`
			Promise []byte `json:"promise"`
		} `json:"said"`
	}
	if err := json.Unmarshal([]byte(*l.Leaf), &said); err != nil {
		return nil, err
	}
	name := "company"
	if said.Said.Tenant != "" {
		name = "tenant/" + said.Said.Tenant
	}
	if said.V != 1 || name != tree || l.Dropped != nil {
		return nil, fmt.Errorf("entry %d is not of this tree", said.ID)
	}
	if (l.Detail != nil) != (said.Said.Digest != "") {
		return nil, fmt.Errorf("the detail of entry %d", said.ID)
	}
	if l.Detail != nil {
		if sum := sha256.Sum256([]byte(*l.Detail)); hex.EncodeToString(sum[:]) != said.Said.Digest {
			return nil, fmt.Errorf("the detail of entry %d", said.ID)
		}
	}
	beside := 0
	for _, is := range []bool{l.Opened != nil, l.Erased, l.Sealed} {
		if is {
			beside++
		}
	}
	if beside > 1 || (beside == 1) != (said.Said.Promise != nil) {
		return nil, fmt.Errorf("what is beside entry %d", said.ID)
	}
	if l.Opened != nil {
		h := sha256.New()
		h.Write(l.Opened.Salt)
		h.Write([]byte("["))
		for i, c := range l.Opened.Changes {
			if i > 0 {
				h.Write([]byte(","))
			}
			h.Write([]byte(`{"field":` + plain(c.Field)))
			if c.Before != nil {
				h.Write([]byte(`,"before":` + plain(*c.Before)))
			}
			if c.After != nil {
				h.Write([]byte(`,"after":` + plain(*c.After)))
			}
			h.Write([]byte("}"))
		}
		h.Write([]byte("]"))
		if !bytes.Equal(h.Sum(nil), said.Said.Promise) {
			return nil, fmt.Errorf("what was opened beside entry %d", said.ID)
		}
	}
	return leafHash([]byte(*l.Leaf)), nil
}

// plain writes a string as leaves do.
func plain(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// checkpoint verifies a signed note, and reads size and root of it.
func checkpoint(signed string, pins Pins) (size int64, root []byte, err error) {
	end := strings.LastIndex(signed, "\n\n")
	if end < 0 || !utf8.ValidString(signed) {
		return 0, nil, errors.New("no note")
	}
	text, lines := signed[:end+1], strings.Split(strings.TrimSuffix(signed[end+2:], "\n"), "\n")
	body := strings.Split(text, "\n")
	if len(body) != 4 {
		return 0, nil, errors.New("no checkpoint")
	}
	if name, _, _ := strings.Cut(pins.Log, "+"); name != body[0] {
		return 0, nil, errors.New("another log")
	}
	if err := signature(pins.Log, 1, lines, func([]byte) (string, []byte) { return text, nil }); err != nil {
		return 0, nil, fmt.Errorf("the log: %w", err)
	}
	if pins.Witness != "" {
		err := signature(pins.Witness, 4, lines, func(sig []byte) (string, []byte) {
			if len(sig) < 8 {
				return "", nil
			}
			return fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), text), sig[8:]
		})
		if err != nil {
			return 0, nil, fmt.Errorf("the witness: %w", err)
		}
	}
	if size, err = strconv.ParseInt(body[1], 10, 64); err != nil {
		return 0, nil, err
	}
	root, err = base64.StdEncoding.DecodeString(body[2])
	return size, root, err
}

// signature looks for a key's line and verifies it. message gives what is signed, and the signature when it is only a part.
func signature(key string, kind byte, lines []string, message func(sig []byte) (string, []byte)) error {
	parts := strings.SplitN(key, "+", 3)
	if len(parts) != 3 {
		return errors.New("no key")
	}
	public, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(public) != 33 || public[0] != kind {
		return errors.New("no key of that kind")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), public...))
	for _, line := range lines {
		rest, ok := strings.CutPrefix(line, "\u2014 "+parts[0]+" ")
		raw, err := base64.StdEncoding.DecodeString(rest)
		if !ok || err != nil || len(raw) < 4 || !bytes.Equal(raw[:4], sum[:4]) {
			continue
		}
		said, sig := message(raw[4:])
		if sig == nil {
			sig = raw[4:]
		}
		if len(sig) != ed25519.SignatureSize || !ed25519.Verify(ed25519.PublicKey(public[1:]), []byte(said), sig) {
			return errors.New("its signature does not hold")
		}
		return nil
	}
	return errors.New("no signature")
}

func since(p *point, size int64, root []byte, keptSize int64, keptRoot []byte) error {
	if p != nil && !consistent(p.Size, size, p.Root, root, p.Proof) {
		return errors.New("it does not go on from before")
	}
	switch {
	case keptSize == 0:
		return nil
	case keptSize == size:
		if !bytes.Equal(keptRoot, root) {
			return errors.New("another history")
		}
		return nil
	case p == nil || p.Size != keptSize || !bytes.Equal(p.Root, keptRoot):
		return errors.New("it does not prove that it goes on from what was kept")
	}
	return nil
}

func leafHash(b []byte) []byte { h := sha256.Sum256(append([]byte{0}, b...)); return h[:] }

func nodeHash(l, r []byte) []byte {
	h := sha256.Sum256(append(append([]byte{1}, l...), r...))
	return h[:]
}

// treeHash is that of RFC 6962, section 2.1, over hashes of leaves or of equal perfect trees of which only the last may be smaller.
func treeHash(hashes [][]byte) []byte {
	if len(hashes) == 1 {
		return hashes[0]
	}
	k := 1
	for k*2 < len(hashes) {
		k *= 2
	}
	return nodeHash(treeHash(hashes[:k]), treeHash(hashes[k:]))
}

// included follows RFC 9162, section 2.1.3.2.
func included(hash []byte, index, size int64, proof path, root []byte) bool {
	if index < 0 || index >= size {
		return false
	}
	fn, sn, r := index, size-1, hash
	for _, p := range proof {
		if sn == 0 || len(p) != 32 {
			return false
		}
		if fn&1 == 1 || fn == sn {
			r = nodeHash(p, r)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			r = nodeHash(r, p)
		}
		fn, sn = fn>>1, sn>>1
	}
	return sn == 0 && bytes.Equal(r, root)
}

// consistent follows RFC 9162, section 2.1.4.2.
func consistent(first, second int64, firstHash, secondHash []byte, proof path) bool {
	if first < 1 || first > second {
		return false
	}
	if first == second {
		return len(proof) == 0 && bytes.Equal(firstHash, secondHash)
	}
	if first&(first-1) == 0 {
		proof = append(path{firstHash}, proof...)
	}
	if len(proof) == 0 {
		return false
	}
	fn, sn := first-1, second-1
	for fn&1 == 1 {
		fn, sn = fn>>1, sn>>1
	}
	fr, sr := proof[0], proof[0]
	for _, c := range proof[1:] {
		if sn == 0 {
			return false
		}
		if fn&1 == 1 || fn == sn {
			fr, sr = nodeHash(c, fr), nodeHash(c, sr)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			sr = nodeHash(sr, c)
		}
		fn, sn = fn>>1, sn>>1
	}
	return bytes.Equal(fr, firstHash) && bytes.Equal(sr, secondHash) && sn == 0
}
