package transform

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// A Key is the secret of one run. It is never written anywhere.
type Key struct{ secret [32]byte }

// NewKey makes a random key.
func NewKey() *Key {
	k := new(Key)
	_, _ = rand.Read(k.secret[:]) // never fails (crypto/rand)
	return k
}

// Erase forgets the key. Transformers made with it remain usable and are to be dropped too.
func (k *Key) Erase() { clear(k.secret[:]) }

// String keeps the key out of logs.
func (k *Key) String() string { return "key of a run" }

// GoString does too.
func (k *Key) GoString() string { return k.String() }

// mac draws replacements in one domain.
type mac struct {
	h    hash.Hash
	tail [5]byte
	d    draw
}

// mac returns what draws in a domain. Each domain has a key of its own, so that values that are equal in two domains have nothing to do with each other.
func (k *Key) mac(domain string) *mac {
	h := hmac.New(sha256.New, k.secret[:])
	h.Write([]byte(domain))
	return &mac{h: hmac.New(sha256.New, h.Sum(nil))}
}

// draw begins to draw for a folded value; again counts what was drawn for it in vain. What it returns is good until the next call.
func (m *mac) draw(folded []byte, again int) *draw {
	m.h.Reset()
	m.h.Write(folded)
	if again > 0 {
		m.tail[0] = 0
		binary.BigEndian.PutUint32(m.tail[1:], uint32(again)) //nolint:gosec // counts to a few hundred
		m.h.Write(m.tail[:])
	}
	m.h.Sum(m.d.sum[:0])
	m.d.out, m.d.at, m.d.block = m.d.sum, 0, 0
	return &m.d
}

// draw is a stream of bits that belongs to one value.
type draw struct {
	sum   [32]byte // of the value
	out   [32]byte
	in    [36]byte
	at    int
	block uint32
}

// uint64 draws 64 bits.
func (d *draw) uint64() uint64 {
	if d.at+8 > len(d.out) {
		d.block++
		copy(d.in[:], d.sum[:])
		binary.BigEndian.PutUint32(d.in[32:], d.block)
		d.out, d.at = sha256.Sum256(d.in[:]), 0
	}
	v := binary.LittleEndian.Uint64(d.out[d.at:])
	d.at += 8
	return v
}

// Below draws a number below n, which is positive and less than 2^32. It is a Picker of package names.
func (d *draw) Below(n int) int {
	return int((d.uint64() >> 32) * uint64(n) >> 32) //nolint:gosec // both factors are below 2^32
}

// digits draws n digits.
func (d *draw) digits(dst []byte, n int) []byte {
	for n > 0 {
		v := d.uint64()
		for i := 0; i < 16 && n > 0; i, n = i+1, n-1 { // 2^64 is large enough for 16 digits that are even
			dst = append(dst, byte('0'+v%10))
			v /= 10
		}
	}
	return dst
}
