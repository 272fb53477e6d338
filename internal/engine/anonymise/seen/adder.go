package seen

import (
	"bytes"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// An Adder adds values to a set in the making. It belongs to one goroutine.
type Adder struct {
	b      *Builder
	former former
	person []byte
	stats  Stats
}

// Add enters a value. What is not Usable is counted and proves nothing.
func (a *Adder) Add(kind personal.Kind, value []byte) Reason {
	return a.enter(kind, a.former.forms(kind, value))
}

// AddPerson enters the full name of a person whose given and family names stand apart; a first given name is enough to name them. The parts are added on
// their own besides.
func (a *Adder) AddPerson(given, family []byte) Reason {
	if len(bytes.TrimSpace(given)) == 0 || len(bytes.TrimSpace(family)) == 0 {
		return a.enter(personal.FullName, Empty)
	}
	a.person = append(append(append(a.person[:0], given...), ' '), family...)
	r := a.Add(personal.FullName, a.person)
	a.former.split(given)
	if w := a.former.words; r == Usable && len(w) > 1 {
		first := given[w[0].Start:w[0].End]
		a.person = append(append(append(a.person[:0], first...), ' '), family...)
		a.form(a.former.forms(personal.FullName, a.person))
	}
	return r
}

func (a *Adder) enter(kind personal.Kind, r Reason) Reason {
	a.stats.count(kind, r, 1)
	return a.form(r)
}

func (a *Adder) form(r Reason) Reason {
	if r != Usable {
		return r
	}
	for _, f := range a.former.out {
		if f.mark == 0 {
			a.b.filter.add(f.key, f.filter)
		} else {
			a.b.add(f.key, f.mark)
			if f.length > 0 {
				a.b.filter.lengths[f.space].Or(1 << f.length)
			}
		}
	}
	return Usable
}

// A Prober asks a set about whole values. It belongs to one goroutine.
type Prober struct {
	set    *Set
	former former
}

// Prober gives one goroutine the means to ask about values.
func (s *Set) Prober() *Prober { return &Prober{set: s, former: newFormer(s.hasher)} }

// Taken reports whether the source holds this value, or one that a reader may take for it, as evidence of which a single hit counts: a
// replacement that is taken must be drawn again. A family name counts although it is weak: when none is taken, no full name comes out that the source has.
func (p *Prober) Taken(kind personal.Kind, value []byte) bool {
	_ = p.former.forms(kind, value)
	for _, f := range p.former.out {
		if f.mark == 0 {
			continue
		}
		if e, ok := p.set.Find(f.key); ok && (e.Strict || kind == personal.FamilyName && (e.Kind == personal.FamilyName || e.Kind == personal.FullName)) {
			return true
		}
	}
	return false
}

// Glance tells of what stands without blanks how many words it has, how many of them occur in names and addresses of the source, and how many of those say more than an article or a title does. other says that
// it may be written in a way that the words do not show. It may err towards more, and costs much less than Taken.
func (p *Prober) Glance(token []byte) (words, known, telling int, other bool) {
	var buf [4]Word
	w := p.set.words(buf[:0], token, 0)
	if len(w) > 2 {
		other = true // parts of it may be joined
	}
	var sum Key
	for i := range w {
		sum += w[i].Key
		if p.set.filter.get(w[i].Key) == 0 {
			continue
		}
		known++
		if w[i].Len > 1 && !p.former.particles[w[i].Key] && !p.former.titles[w[i].Key] {
			telling++
		}
	}
	if len(w) == 2 {
		p.former.buf = AppendGlued(p.former.buf[:0], token)
		_, whole := p.set.Find(sum) // of a user name, whose words occur nowhere else
		other = whole || p.set.filter.get(p.set.WordKey(p.former.buf)) != 0
	}
	for i := 0; i+1 < len(token) && !other; i++ {
		switch token[i] {
		case 0xc3: // ä, ö, ü, å, ø and their capitals may be spelled out
			switch token[i+1] &^ 0x20 {
			case 0x84, 0x85, 0x96, 0x98, 0x9c:
				other = true
			}
		case 0xcc:
			other = true // so may letters with marks behind them
		}
	}
	return len(w), known, telling, other
}

// Keys appends the keys under which the set would hold a value, whether it does or not, and the sum of its words at the end, which values have that are too
// short to be evidence.
func (p *Prober) Keys(dst []Key, kind personal.Kind, value []byte) []Key {
	_ = p.former.forms(kind, value)
	for _, f := range p.former.out {
		if f.mark != 0 {
			dst = append(dst, f.key)
		}
	}
	var sum Key
	p.former.split(value)
	for _, w := range p.former.words {
		sum += w.Key
	}
	return append(dst, sum)
}

// AppendCanonical appends the form in which two ways of writing one value of a kind are equal: a phone number within its country, the digits and
// letters of a number, an e-mail address without what the post ignores, folded words of all else.
func AppendCanonical(dst []byte, kind personal.Kind, value []byte) []byte {
	switch kind {
	case personal.Phone:
		var buf [64]byte
		b, plus := phoneDigits(buf[:0], value)
		_, _, national := Dial(b, plus)
		return append(dst, national...)
	case personal.IBAN, personal.Card, personal.NationalNumber, personal.IdentityPaper:
		return AppendGlued(dst, value)
	case personal.Email:
		at := bytes.LastIndexByte(value, '@')
		if at < 0 {
			return AppendFold(dst, value)
		}
		dst = append(appendLocal(dst, value[:at]), '@')
		return AppendGlued(dst, value[at+1:])
	default:
		return AppendFold(dst, value)
	}
}

// Stats tells what went into a set and what did not.
type Stats struct {
	Values   map[personal.Kind]int            // usable ones, each as often as it was added
	Unusable map[personal.Kind]map[Reason]int // that prove nothing
	Entries  int                              // ways of writing them
	Bytes    int                              // that they take in memory
}

func (s *Stats) count(kind personal.Kind, r Reason, n int) {
	if r == Usable {
		if s.Values == nil {
			s.Values = map[personal.Kind]int{}
		}
		s.Values[kind] += n
		return
	}
	if s.Unusable == nil {
		s.Unusable = map[personal.Kind]map[Reason]int{}
	}
	if s.Unusable[kind] == nil {
		s.Unusable[kind] = map[Reason]int{}
	}
	s.Unusable[kind][r] += n
}

func (s *Stats) add(o *Stats) {
	for k, n := range o.Values {
		s.count(k, Usable, n)
	}
	for k, m := range o.Unusable {
		for r, n := range m {
			s.count(k, r, n)
		}
	}
}
