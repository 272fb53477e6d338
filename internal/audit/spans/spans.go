// Package spans holds sets of numbers as PostgreSQL writes an int8multirange: what a process says that it wrote, and what was seen of it.
package spans

import (
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Span is [From, Until).
type Span struct{ From, Until int64 }

// Set is a set of numbers, in order and apart from each other.
type Set []Span

// after is the place of the first span that ends after a number.
func (s Set) after(n int64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].Until > n })
}

// Has reports whether a number is in.
func (s Set) Has(n int64) bool {
	i := s.after(n)
	return i < len(s) && s[i].From <= n
}

// Add puts a number in and reports whether it was not there before.
func (s *Set) Add(n int64) bool {
	list := *s
	if last := len(list) - 1; last >= 0 && list[last].Until == n { // nearly always
		list[last].Until++
		return true
	}
	i := list.after(n)
	if i < len(list) && list[i].From <= n {
		return false
	}
	before, after := i > 0 && list[i-1].Until == n, i < len(list) && list[i].From == n+1
	switch {
	case before && after:
		list[i-1].Until = list[i].Until
		list = slices.Delete(list, i, i+1)
	case before:
		list[i-1].Until++
	case after:
		list[i].From--
	default:
		list = slices.Insert(list, i, Span{n, n + 1})
	}
	*s = list
	return true
}

// Cut takes away what is below a number.
func (s *Set) Cut(below int64) {
	list := *s
	for len(list) > 0 && list[0].Until <= below {
		list = list[1:]
	}
	if len(list) > 0 && list[0].From < below {
		list[0].From = below
	}
	*s = list
}

// Lacks lists what of a span is not in the set.
func (s Set) Lacks(one Span) (out Set) {
	for i := s.after(one.From); i < len(s) && s[i].From < one.Until; i++ {
		if s[i].From > one.From {
			out = append(out, Span{one.From, s[i].From})
		}
		one.From = s[i].Until
	}
	if one.From < one.Until {
		out = append(out, one)
	}
	return out
}

// Without lists what of s is not in other.
func (s Set) Without(other Set) (out Set) {
	for _, one := range s {
		out = append(out, other.Lacks(one)...)
	}
	return out
}

// String writes it as PostgreSQL writes an int8multirange.
func (s Set) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, one := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("[" + strconv.FormatInt(one.From, 10) + "," + strconv.FormatInt(one.Until, 10) + ")")
	}
	b.WriteByte('}')
	return b.String()
}

// Parse reads what PostgreSQL writes; false: it is another range.
func Parse(text string) (s Set, ok bool) {
	inside, ok := strings.CutPrefix(text, "{")
	if !ok {
		return nil, false
	}
	if inside, ok = strings.CutSuffix(inside, "}"); !ok {
		return nil, false
	}
	if inside == "" {
		return nil, true
	}
	for _, one := range strings.SplitAfter(inside, ")") {
		one = strings.TrimPrefix(one, ",")
		if one == "" {
			continue
		}
		from, until, found := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(one, "["), ")"), ",")
		a, err := strconv.ParseInt(from, 10, 64)
		b, err2 := strconv.ParseInt(until, 10, 64)
		if !found || err != nil || err2 != nil || a >= b {
			return nil, false
		}
		s = append(s, Span{a, b})
	}
	return s, true
}
