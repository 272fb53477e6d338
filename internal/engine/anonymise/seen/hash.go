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

// hasher folds 128-bit products of what it hashes with random factors, as wyhash does: s is the state before the first block. Why that is enough is said in the package comment.
type hasher struct{ s, block64, last, out uint64 }

func newHasher() hasher {
	var k [4]uint64
	var b [8 * len(k)]byte
	_, _ = rand.Read(b[:]) // never fails
	for i := range k {
		k[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return hasher{k[0], k[1] | 1, k[2] | 1, k[3] | 1}
}

func multiply(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func (h hasher) block(m uint64) hasher {
	h.s = multiply(h.s^m, h.block64) + m // a product of 0 does not forget it
	return h
}

// finish takes the last block, of fewer than eight bytes, and gives the hash. The highest byte of the block holds the tag and the length,
// which the number of blocks before it completes. Two products, so that sums of keys are as good as keys.
func (h hasher) finish(m uint64, n int, tag byte) Key {
	m |= uint64(tag)<<61 | uint64(n&31)<<56
	return Key(multiply(multiply(h.s^m, h.last)+m, h.out))
}

// sum hashes bytes that are folded already.
func (h hasher) sum(tag byte, b []byte) Key {
	n := len(b)
	for ; len(b) >= 8; b = b[8:] {
		h = h.block(binary.LittleEndian.Uint64(b))
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
	Start, End int32 // where it stands in the text, which is shorter than 2 GiB
	Len        int32 // bytes after folding
	Digits     int32 // of these, digits
}

// words appends the words that stand in s[i:] to dst, as many as it has room for.
func (h hasher) words(dst []Word, s []byte, i int) []Word {
	t := table()
	for len(dst) < cap(dst) {
		for i < len(s) {
			c := s[i]
			if c >= utf8.RuneSelf {
				f, n := foldWith(t, s, i)
				if f.len() > 0 {
					break
				}
				i += n - 1
			} else if ascii[c] != 0 {
				break
			}
			i++
		}
		if i >= len(s) {
			break
		}
		var (
			state  = h
			m      uint64 // bytes that wait for a whole block
			shift  int    // of the next
			blocks int
			w      = Word{Start: int32(i)}
		)
		for {
			x := load(s, i)
			word, figures := classify(x)
			n := bits.TrailingZeros64(^word&highs) >> 3 // bytes of the word in x
			if n > 0 {
				mask := ^uint64(0) >> (64 - 8*n)
				y := (x | 0x2020202020202020) & mask
				w.Digits += int32(bits.OnesCount64(figures & mask))
				m |= y << shift
				if shift += 8 * n; shift >= 64 {
					state = state.block(m)
					blocks++
					shift -= 64
					m = y >> (8*n - shift) // all of it when the block took everything, which Go's shift makes 0
				}
				if i += n; n == 8 {
					continue
				}
			}
			if i >= len(s) || s[i] < utf8.RuneSelf {
				break
			}
			f, size := foldWith(t, s, i)
			if f.class() == separator {
				break
			}
			i += size
			if n := f.len(); n > 0 {
				if f.class() == digits {
					w.Digits += int32(n)
				}
				y := uint64(f >> 8)
				m |= y << shift
				if shift += 8 * n; shift >= 64 {
					state = state.block(m)
					blocks++
					shift -= 64
					m = y >> (8*n - shift)
				}
			}
		}
		w.End, w.Len = int32(i), int32(8*blocks+shift/8)
		w.Key = state.finish(m, int(w.Len), tagWord)
		dst = append(dst, w)
	}
	return dst
}

const highs = 0x8080808080808080

// load reads eight bytes of s from i on, zeros behind its end.
func load(s []byte, i int) uint64 {
	if i+8 <= len(s) {
		return binary.LittleEndian.Uint64(s[i:])
	}
	if n := len(s) - i; len(s) >= 8 {
		return binary.LittleEndian.Uint64(s[len(s)-8:]) >> (8 * (8 - n))
	}
	var x uint64
	for k, c := range s[i:] {
		x |= uint64(c) << (8 * k)
	}
	return x
}

// classify sets the highest bit of each byte that is an ASCII letter or digit, and of each that is a digit.
func classify(x uint64) (word, figures uint64) {
	const ones = 0x0101010101010101
	low := x &^ highs
	figures = (low + (0x80-'0')*ones) &^ (low + (0x7f-'9')*ones)
	low |= 0x20 * ones
	word = (low+(0x80-'a')*ones)&^(low+(0x7f-'z')*ones) | figures
	return word &^ x & highs, figures &^ x & highs
}

// next reads the word that stands in s[i:] behind any separators; its Len is 0 when there is none.
func (h hasher) next(s []byte, i int) Word {
	var one [1]Word
	if w := h.words(one[:0], s, i); len(w) == 1 {
		return w[0]
	}
	return Word{}
}
