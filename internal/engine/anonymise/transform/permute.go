package transform

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math"
)

// permutation is a keyed permutation of the numbers below n: a generalised Feistel network on a × b numbers, which are hardly more than n, walked until it ends
// below n (Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002). The round function is AES-128 of round and half, with a key of the domain.
type permutation struct {
	n, a, b uint64
	block   cipher.Block
	in, out [16]byte
}

// rounds are as many as NIST SP 800-38G takes for FF1, which is built alike.
const rounds = 10

// permutation returns the permutation of a domain; n is 1 to 2^63.
func (k *Key) permutation(domain string, n uint64) *permutation {
	sum := k.mac("permutation of "+domain).draw(binary.BigEndian.AppendUint64(nil, n), 0).sum
	block, err := aes.NewCipher(sum[:16])
	if err != nil {
		panic(err) // the length is right
	}
	a := uint64(math.Sqrt(float64(n))) + 1
	return &permutation{n: n, a: a, b: (n + a - 1) / a, block: block}
}

// round draws for a round and the half that stays.
func (p *permutation) round(i byte, half uint64) uint64 {
	p.in[0] = i
	binary.LittleEndian.PutUint64(p.in[8:], half)
	p.block.Encrypt(p.out[:], p.in[:])
	return binary.LittleEndian.Uint64(p.out[:])
}

// of permutes v, which is below n.
func (p *permutation) of(v uint64) uint64 {
	for {
		l, r := v/p.b, v%p.b // below a and b
		for i := byte(0); i < rounds; i += 2 {
			l = (l + p.round(i, r)%p.a) % p.a
			r = (r + p.round(i+1, l)%p.b) % p.b
		}
		if v = l*p.b + r; v < p.n {
			return v
		}
	}
}

// back undoes of.
func (p *permutation) back(v uint64) uint64 {
	for {
		l, r := v/p.b, v%p.b
		for i := byte(rounds); i > 0; i -= 2 {
			r = (r + p.b - p.round(i-1, l)%p.b) % p.b
			l = (l + p.a - p.round(i-2, r)%p.a) % p.a
		}
		if v = l*p.b + r; v < p.n {
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
