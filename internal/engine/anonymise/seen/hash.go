package seen

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// A Key stands for a value, or for one way of writing it. The key of several words is the sum of theirs.
type Key uint64

// Tags keep keys of different matter apart.
const (
	tagWord byte = iota
	tagCode
	tagLocal
	tagDomain
	tagNational
	tagInternational
	tagIP
)

// hasher is SipHash-1-3 under one key: the state before the first block.
type hasher struct{ v0, v1, v2, v3 uint64 }

func newHasher() hasher {
	var k [16]byte
	_, _ = rand.Read(k[:]) // never fails
	k0, k1 := binary.LittleEndian.Uint64(k[:]), binary.LittleEndian.Uint64(k[8:])
	return hasher{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
}

func (h *hasher) round() {
	h.v0 += h.v1
	h.v1 = bits.RotateLeft64(h.v1, 13) ^ h.v0
	h.v0 = bits.RotateLeft64(h.v0, 32)
	h.v2 += h.v3
	h.v3 = bits.RotateLeft64(h.v3, 16) ^ h.v2
	h.v0 += h.v3
	h.v3 = bits.RotateLeft64(h.v3, 21) ^ h.v0
	h.v2 += h.v1
	h.v1 = bits.RotateLeft64(h.v1, 17) ^ h.v2
	h.v2 = bits.RotateLeft64(h.v2, 32)
}

func (h *hasher) block(m uint64) {
	h.v3 ^= m
	h.round()
	h.v0 ^= m
}

// finish takes the last block, of fewer than eight bytes, and gives the hash. The highest byte of the block holds the tag and the length,
// which the number of blocks before it completes.
func (h *hasher) finish(m uint64, n int, tag byte) Key {
	h.block(m | uint64(tag)<<61 | uint64(n&31)<<56)
	h.v2 ^= 0xff
	h.round()
	h.round()
	h.round()
	return Key(h.v0 ^ h.v1 ^ h.v2 ^ h.v3)
}

// sum hashes bytes that are folded already. (By value: each hash starts from the key's state.)
func (h hasher) sum(tag byte, b []byte) Key {
	n := len(b)
	for ; len(b) >= 8; b = b[8:] {
		h.block(binary.LittleEndian.Uint64(b))
	}
	var m uint64
	for i, c := range b {
		m |= uint64(c) << (8 * i)
	}
	return h.finish(m, n, tag)
}

// A Word is one word of a text.
type Word struct {
	Key        Key
	Start, End int // where it stands in the text
	Len        int // bytes after folding
	Digits     int // of these, digits
}

// next reads the word that stands in s[i:] behind any separators; its Len is 0 when there is none, and End is then len(s).
func (h hasher) next(s []byte, i int) Word {
	for i < len(s) {
		if c := s[i]; c < utf8.RuneSelf {
			if ascii[c] != 0 {
				break
			}
			i++
			continue
		}
		f, n := foldAt(s, i)
		if f.len() > 0 {
			break
		}
		i += n
	}
	w := Word{Start: i}
	var m uint64
	n, shift := 0, 0
	for i < len(s) {
		c := s[i]
		if c < utf8.RuneSelf {
			f := ascii[c]
			if f == 0 {
				break
			}
			if f <= '9' {
				w.Digits++
			}
			m |= uint64(f) << (shift & 63)
			i++
			n++
			if shift += 8; shift == 64 {
				h.block(m)
				m, shift = 0, 0
			}
			continue
		}
		f, size := foldAt(s, i)
		if f.class() == separator {
			break
		}
		if f.class() == digits {
			w.Digits += f.len()
		}
		for k := range f.len() {
			m |= uint64(f>>(8+8*k)&0xff) << (shift & 63)
			n++
			if shift += 8; shift == 64 {
				h.block(m)
				m, shift = 0, 0
			}
		}
		i += size
	}
	w.End, w.Len = i, n
	if n > 0 {
		w.Key = h.finish(m, n, tagWord)
	}
	return w
}
