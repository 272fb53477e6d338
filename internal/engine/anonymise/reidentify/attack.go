package reidentify

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
)

// MaxColumns is the most columns that an attack joins on: it tries all selections of them.
const MaxColumns = 6

// An Attack joins the copy with what is known of the source's people. It may be carried out by several goroutines, each with its [Attacker].
type Attack struct {
	columns []string
	limit   int
	seed    maphash.Seed
	salt    [MaxColumns + 1]uint64

	mu        sync.Mutex
	attackers []*Attacker
}

// NewAttack begins an attack on columns. limit is how many combinations of values are kept in memory, of all selections together and for each attacker; each takes some 60 bytes.
func NewAttack(columns []string, limit int) (*Attack, error) {
	if len(columns) == 0 || len(columns) > MaxColumns {
		return nil, fmt.Errorf("an attack joins on one to %d columns, not on %d", MaxColumns, len(columns))
	}
	if limit < 1<<len(columns) {
		return nil, fmt.Errorf("an attack on %d columns needs room for %d combinations at least", len(columns), 1<<len(columns))
	}
	a := &Attack{columns: columns, limit: limit, seed: maphash.MakeSeed()}
	var salt [8 * len(a.salt)]byte
	_, _ = rand.Read(salt[:]) // never fails
	for i := range a.salt {
		a.salt[i] = binary.LittleEndian.Uint64(salt[8*i:]) | 1
	}
	return a, nil
}

// Limit is the number of combinations that is asked for unless something else is: some 16 MB for each attacker.
const Limit = 1 << 18

// Attacker gives one goroutine the means to attack.
func (a *Attack) Attacker() *Attacker {
	selections := 1<<len(a.columns) - 1
	t := &Attacker{attack: a, most: a.limit / selections, same: make([]int64, len(a.columns)), sketches: make([]sketch, selections)}
	for i := range t.sketches {
		t.sketches[i] = sketch{below: ^uint64(0), tuples: map[uint64]tuple{}}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attackers = append(a.attackers, t)
	return t
}

// An Attacker sees rows on their way. It belongs to one goroutine.
type Attacker struct {
	attack   *Attack
	most     int // combinations of each selection
	rows     int64
	same     []int64 // rows in which a column shows what is known
	sketches []sketch
}

// sketch keeps the combinations of one selection of columns whose hash is below a limit.
type sketch struct {
	below  uint64
	tuples map[uint64]tuple
}

// tuple is one combination of values.
type tuple struct {
	person uint64 // of whom it is known, the last; 0 for nobody
	many   bool   // it is known of several
	right  uint32 // rows that show it of those of whom it is known
	wrong  uint32 // rows that show it of others
}

// ErrRow says that a row does not have a value for each column.
var ErrRow = errors.New("a row for the attack does not have the columns that were announced")

func (a *Attack) hash(i int, value []byte) uint64 {
	h := a.salt[i] // NULL, which differs from the empty value
	if value != nil {
		h ^= maphash.Bytes(a.seed, value)
	}
	hi, lo := bits.Mul64(h, a.salt[i])
	return hi ^ lo
}

// Row takes a row of the copy: the person, what is known of them, and what the copy shows. nil is NULL.
func (t *Attacker) Row(person []byte, known, shown [][]byte) error {
	n := len(t.attack.columns)
	if len(known) != n || len(shown) != n || person == nil {
		return ErrRow
	}
	var k, s [MaxColumns]uint64
	equal := 0 // columns that show what is known
	for i := range n {
		k[i], s[i] = t.attack.hash(i, known[i]), t.attack.hash(i, shown[i])
		if k[i] == s[i] {
			equal |= 1 << i
			t.same[i]++
		}
	}
	t.rows++
	p := t.attack.hash(MaxColumns, person)
	for selection := 1; selection < 1<<n; selection++ {
		var kh, sh uint64
		for i := range n {
			if selection>>i&1 != 0 {
				kh += k[i]
				sh += s[i]
			}
		}
		kh, sh = spread(kh), spread(sh)
		d := &t.sketches[selection-1]
		if kh < d.below {
			v := d.tuples[kh]
			v.many = v.many || v.person != 0 && v.person != p
			v.person = p
			if selection&^equal == 0 {
				v.right++
			}
			d.put(kh, v, t.most)
		}
		if selection&^equal != 0 && sh < d.below {
			v := d.tuples[sh]
			v.wrong++
			d.put(sh, v, t.most)
		}
	}
	return nil
}

// spread makes the size of a hash say nothing of the values.
func spread(h uint64) uint64 {
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// put keeps a combination; when there are too many, those with larger hashes go.
func (d *sketch) put(h uint64, v tuple, most int) {
	d.tuples[h] = v
	for len(d.tuples) > most && d.below > 1 {
		d.cut(d.below / 2)
	}
}

func (d *sketch) cut(below uint64) {
	d.below = below
	for h := range d.tuples {
		if h >= below {
			delete(d.tuples, h)
		}
	}
}

// Linked is the outcome of an attack with one selection of the columns.
type Linked struct {
	Columns []string
	Right   int64   // rows of the copy that show what is known of their person, and of nobody else
	Wrong   int64   // rows that show what is known of one person by another row
	Sampled float64 // the part of the combinations that was counted; 1 is all, and then Right and Wrong are exact
}

// Outcome is what an attack found.
type Outcome struct {
	Rows  int64
	Same  map[string]float64 // the part of the rows in which a column shows what is known
	Worst Linked             // the selection that finds most
	All   Linked             // all columns together
}

// Share is the part of the rows that the worst selection leads back to their person.
func (o Outcome) Share() float64 {
	if o.Rows == 0 {
		return 0
	}
	return float64(o.Worst.Right) / float64(o.Rows)
}

// Outcome puts together what all attackers saw, once they are done.
func (a *Attack) Outcome() Outcome {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := Outcome{Same: map[string]float64{}}
	for _, t := range a.attackers {
		o.Rows += t.rows
	}
	for i, c := range a.columns {
		var same int64
		for _, t := range a.attackers {
			same += t.same[i]
		}
		if o.Rows > 0 {
			o.Same[c] = float64(same) / float64(o.Rows)
		}
	}
	for selection := 1; selection < 1<<len(a.columns); selection++ {
		l := a.link(selection)
		if selection == 1 || l.Right > o.Worst.Right {
			o.Worst = l
		}
		o.All = l // the last has them all
	}
	return o
}

// link joins what the attackers saw of one selection.
func (a *Attack) link(selection int) Linked {
	below := ^uint64(0)
	for _, t := range a.attackers {
		below = min(below, t.sketches[selection-1].below)
	}
	all := map[uint64]tuple{}
	for _, t := range a.attackers {
		for h, v := range t.sketches[selection-1].tuples {
			if h >= below {
				continue
			}
			sum := all[h]
			if sum.person == 0 {
				sum.person = v.person
			}
			sum.many = sum.many || v.many || v.person != 0 && v.person != sum.person
			sum.right += v.right
			sum.wrong += v.wrong
			all[h] = sum
		}
	}
	l := Linked{Sampled: 1}
	if below != ^uint64(0) {
		l.Sampled = float64(below) / (1 << 64)
	}
	var right, wrong int64
	for _, v := range all {
		if v.person != 0 && !v.many {
			right += int64(v.right)
			wrong += int64(v.wrong)
		}
	}
	l.Right, l.Wrong = int64(float64(right)/l.Sampled+0.5), int64(float64(wrong)/l.Sampled+0.5)
	for i, c := range a.columns {
		if selection>>i&1 != 0 {
			l.Columns = append(l.Columns, c)
		}
	}
	return l
}
