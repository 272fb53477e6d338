package seen

import (
	"errors"
	"math/bits"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// An Entry is what the set knows of a value.
type Entry struct {
	Kind   personal.Kind
	Strict bool // one hit is a leak; else only a hit in the row that the value comes from
	Bare   bool // of a phone number: the source writes it without any prefix
}

// mark is an entry in one byte, never zero.
type mark uint8

const (
	markStrict mark = 1 << 7
	markBare   mark = 1 << 6
	markKind   mark = markBare - 1
)

// kinds gives each kind its number in marks, from one. The order decides which kind is told of a value that has several.
var kinds = personal.Kinds()

var numberOf = func() map[personal.Kind]mark {
	m := map[personal.Kind]mark{}
	for i, k := range kinds {
		m[k] = mark(i + 1)
	}
	return m
}()

func (m mark) entry() Entry {
	return Entry{Kind: kinds[m&markKind-1], Strict: m&markStrict != 0, Bare: m&markBare != 0}
}

// and joins what two values with one key say: the strict one decides.
func (m mark) and(o mark) mark {
	if o&markStrict > m&markStrict || o&markStrict == m&markStrict && o&markKind < m&markKind {
		m, o = o, m
	}
	return m | o&markBare
}

// The highest byte of a key says the shard, the other seven stand in the slot beside the mark: 64 bits are compared, eight bytes kept.
const (
	shards = 256
	// A full shard grows by a quarter from three quarters full: 10.7 to 13.3 bytes of each entry, and while one shard moves a 256th more.
	firstSlots = 512
)

type shard struct {
	sync.Mutex
	slots []uint64
	used  int
}

func place(rest uint64, slots int) int {
	hi, _ := bits.Mul64(rest, uint64(slots))
	return int(hi)
}

// put enters a key into slots, which have room, and tells whether it is new.
func put(slots []uint64, rest uint64, m mark) bool {
	for i := place(rest, len(slots)); ; i++ {
		if i == len(slots) {
			i = 0
		}
		switch s := slots[i]; {
		case s == 0:
			slots[i] = rest | uint64(m)
			return true
		case s&^0xff == rest:
			slots[i] = rest | uint64(mark(s).and(m))
			return false
		}
	}
}

func (s *shard) add(rest uint64, m mark) {
	s.Lock()
	defer s.Unlock()
	if s.used >= len(s.slots)/4*3 {
		s.grow()
	}
	if put(s.slots, rest, m) {
		s.used++
	}
}

func (s *shard) grow() {
	n := max(firstSlots, (len(s.slots)/4*5+firstSlots-1)/firstSlots*firstSlots)
	next := allot(n)
	for _, slot := range s.slots {
		if slot != 0 {
			put(next, slot&^0xff, mark(slot))
		}
	}
	clear(s.slots)
	release(s.slots)
	s.slots = next
}

// The words of names and addresses have a filter of two bits each, small enough for the processor's second cache: one says that
// a word stands by itself, the other that it stands among others.
const filterBits = 21

type filter struct {
	words   [1 << filterBits / 32]atomic.Uint64
	lengths [3]atomic.Uint64 // of numbers, a bit for each length that occurs
}

// A Space is a kind of numbers.
type Space uint8

// The spaces.
const (
	Codes                Space = iota // what CodeKey is for
	NationalNumbers                   // phone numbers within their country
	InternationalNumbers              // phone numbers behind the country's code
)

func (f *filter) add(k Key, bits uint64) {
	w := &f.words[uint64(k)>>(64-filterBits+5)]
	bits <<= uint64(k) >> (64 - filterBits) & 31 * 2
	if w.Load()&bits != bits {
		w.Or(bits)
	}
}

func (f *filter) get(k Key) uint64 {
	return f.words[uint64(k)>>(64-filterBits+5)].Load() >> (uint64(k) >> (64 - filterBits) & 31 * 2) & 3
}

const (
	filterAlone = 1
	filterAmong = 2
)

// A Builder collects the values of a source. Its methods may be called by several goroutines.
type Builder struct {
	hasher
	shards [shards]shard
	filter *filter

	mu     sync.Mutex
	adders []*Adder
}

// NewBuilder begins a set under a new random key.
func NewBuilder() *Builder {
	return &Builder{hasher: newHasher(), filter: new(filter)}
}

func (b *Builder) add(k Key, m mark) {
	b.shards[k>>56].add(uint64(k)<<8, m)
}

// Adder gives one goroutine the means to add values.
func (b *Builder) Adder() *Adder {
	a := &Adder{b: b, former: newFormer(b.hasher)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.adders = append(b.adders, a)
	return a
}

// Freeze ends the building, once every goroutine has added its last value. The builder is of no use afterwards.
func (b *Builder) Freeze() *Set {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &Set{hasher: b.hasher, filter: b.filter}
	for i := range b.shards {
		s.from[i+1] = s.from[i] + max(1, len(b.shards[i].slots)) // an empty shard has one that says so
		s.entries += b.shards[i].used
	}
	s.slots = allotWide(s.from[shards])
	s.sieve = allotWide(1 << max(6, bits.Len(uint(s.entries/sieved))))
	for i := range b.shards { // one at a time, so that no two copies of all are there at once
		to := s.slots[s.from[i]:s.from[i+1]]
		copy(to, b.shards[i].slots)
		clear(b.shards[i].slots)
		release(b.shards[i].slots)
		b.shards[i].slots = nil
		for _, x := range to {
			if x != 0 {
				k := Key(uint64(i)<<56 | x>>8)
				s.sieve[uint64(k)&uint64(len(s.sieve)-1)] |= sieveBits(k)
			}
		}
	}
	for _, a := range b.adders {
		s.stats.add(&a.stats)
		a.b = nil
	}
	b.adders = nil
	return s
}

// Discard gives the memory of a builder back that will not be frozen.
func (b *Builder) Discard() { _ = b.Freeze().Close() }

// sieved is how many entries a word of the sieve stands for, at most: eight of them with three bits each let 3 % of the keys through that are not in the set. Without it each
// of these would wait for the memory.
const sieved = 8

func sieveBits(k Key) uint64 { return 1<<(k>>32&63) | 1<<(k>>38&63) | 1<<(k>>44&63) }

// A Set holds the identifying values of a source. It does not change, and any number of goroutines may ask it.
type Set struct {
	hasher
	slots   []uint64
	from    [shards + 1]int // where each shard begins in slots
	sieve   []uint64
	filter  *filter
	entries int
	stats   Stats
}

// Find looks a key up.
func (s *Set) Find(k Key) (Entry, bool) {
	if b := sieveBits(k); s.sieve[uint64(k)&uint64(len(s.sieve)-1)]&b != b {
		return Entry{}, false
	}
	return s.find(k)
}

func (s *Set) find(k Key) (Entry, bool) {
	slots, rest := s.slots[s.from[k>>56]:s.from[k>>56+1]], uint64(k)<<8
	for i := place(rest, len(slots)); ; i++ {
		if i == len(slots) {
			i = 0
		}
		switch x := slots[i]; {
		case x == 0:
			return Entry{}, false
		case x&^0xff == rest:
			return mark(x).entry(), true
		}
	}
}

// Words appends to dst, up to its capacity, the words that stand in text from i on. Where it is full the rest begins at the End of the last.
func (s *Set) Words(dst []Word, text []byte, i int) []Word { return s.words(dst, text, i) }

// Role reports whether a word may be a value by itself, among whether it may be one of the words of a name or an address. Both may err towards yes.
func (s *Set) Role(w Key) (alone, among bool) {
	bits := s.filter.get(w)
	return bits&filterAlone != 0, bits&filterAmong != 0
}

// Lengths tells of which lengths there are numbers: a bit for each.
func (s *Set) Lengths(space Space) uint64 { return s.filter.lengths[space].Load() }

// CodeKey, WordKey and IPKey give the keys of a number without what stands between its parts, of a single word, and of an IP address; the bytes are folded
// already. LocalKey, DomainKey, NationalKey and InternationalKey stand beside what they belong to.
func (h hasher) CodeKey(glued []byte) Key { return h.sum(tagCode, glued) }

// WordKey is described with CodeKey.
func (h hasher) WordKey(folded []byte) Key { return h.sum(tagWord, folded) }

// IPKey is described with CodeKey.
func (h hasher) IPKey(a netip.Addr) Key {
	b := a.Unmap().As16()
	return h.sum(tagIP, b[:])
}

// Stats tells what went into the set.
func (s *Set) Stats() Stats {
	st := s.stats
	st.Entries = s.entries
	st.Bytes = 8 * (len(s.slots) + len(s.sieve) + len(s.filter.words))
	return st
}

// Close wipes the set and gives its memory back. Nobody may ask it any more.
func (s *Set) Close() error {
	if s.entries < 0 {
		return errors.New("the set of identifying values was closed before")
	}
	for _, words := range []*[]uint64{&s.slots, &s.sieve} {
		clear(*words)
		release(*words)
		*words = nil
	}
	clear(s.filter.words[:])
	s.hasher, s.entries = hasher{}, -1
	return nil
}
