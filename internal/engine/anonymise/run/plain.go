package run

import (
	"hash/maphash"
	"sync/atomic"
)

// plainTexts remembers texts in which the set's stage found nothing that looks like somebody's, so that the copy's stage need not look again: hashes of the first million of them, under a random seed. Another text
// has the hash of one with probability 2⁻⁴³; what stands in it is then found by the set alone, and the scan stops the run if a value of the source is left.
type plainTexts struct {
	seed  maphash.Seed
	texts []atomic.Uint64
}

const (
	mostPlain     = 1 << 20
	shortestPlain = 32 // bytes: it takes no longer to look through less
)

func newPlainTexts() *plainTexts {
	return &plainTexts{seed: maphash.MakeSeed(), texts: make([]atomic.Uint64, mostPlain)}
}

// place gives the two places where a text may be.
func (p *plainTexts) place(text []byte) (hash uint64, a, b *atomic.Uint64) {
	hash = maphash.Bytes(p.seed, text) | 1 // 0 is an empty place
	return hash, &p.texts[hash>>1%mostPlain], &p.texts[hash>>32%mostPlain]
}

func (p *plainTexts) has(text []byte) bool {
	if p == nil || len(text) < shortestPlain {
		return false
	}
	hash, a, b := p.place(text)
	return a.Load() == hash || b.Load() == hash
}

func (p *plainTexts) add(text []byte) {
	if len(text) >= shortestPlain {
		if hash, a, b := p.place(text); !a.CompareAndSwap(0, hash) {
			b.CompareAndSwap(0, hash)
		}
	}
}
