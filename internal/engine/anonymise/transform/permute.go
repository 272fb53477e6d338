package transform

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
)

// permutation is a keyed permutation of the numbers below n: a balanced Feistel network over the next even number of bits, walked until it ends below
// n (Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002). The round function is AES-128 of round and half, with a key of the domain.
type permutation struct {
	n       uint64
	half    uint
	mask    uint64
	block   cipher.Block
	in, out [16]byte
}

// rounds are as many as NIST SP 800-38G takes for FF1, which is built alike.
const rounds = 10

// permutation returns the permutation of a domain; n is at least 1.
func (k *Key) permutation(domain string, n uint64) *permutation {
	sum := k.mac("permutation of "+domain).draw(binary.BigEndian.AppendUint64(nil, n), 0).sum
	block, err := aes.NewCipher(sum[:16])
	if err != nil {
		panic(err) // the length is right
	}
	half := uint(bits.Len64(n-1)+1) / 2 //nolint:gosec // at most 32
	half = max(half, 1)
	return &permutation{n: n, half: half, mask: 1<<half - 1, block: block}
}

// of permutes v, which is below n.
func (p *permutation) of(v uint64) uint64 {
	for {
		l, r := v>>p.half, v&p.mask
		for i := range byte(rounds) {
			p.in[0] = i
			binary.BigEndian.PutUint64(p.in[8:], r)
			p.block.Encrypt(p.out[:], p.in[:])
			l, r = r, l^(binary.BigEndian.Uint64(p.out[:])&p.mask)
		}
		if v = l<<p.half | r; v < p.n {
			return v
		}
	}
}

// back undoes of.
func (p *permutation) back(v uint64) uint64 {
	for {
		l, r := v>>p.half, v&p.mask
		for i := byte(rounds); i > 0; i-- {
			p.in[0] = i - 1
			binary.BigEndian.PutUint64(p.in[8:], l)
			p.block.Encrypt(p.out[:], p.in[:])
			l, r = r^(binary.BigEndian.Uint64(p.out[:])&p.mask), l
		}
		if v = l<<p.half | r; v < p.n {
			return v
		}
	}
}

// moved is the permutation that sends each number to the one behind it in the order of p: it leaves none where it is, when there are two.
func (p *permutation) moved(v uint64) uint64 {
	next := p.of(v) + 1
	if next == p.n {
		next = 0
	}
	return p.back(next)
}
